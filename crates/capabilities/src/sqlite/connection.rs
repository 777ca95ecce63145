//! One connection to a store: a thread for blocking work runs one statement at a time, within the
//! limits, and not longer than somebody waits for it.

use super::grant::Access;
use super::guard::{self, Why};
use super::store::{Limits, Store};
use holm_manifest::{ByteSize, Time};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, params_from_iter};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// Steps of a program between two looks at the clock; a step takes about 10 to 100 ns.
const STEPS: i32 = 4096;
/// The size of a page that SQLite begins a file with.
const PAGE_BYTES: u64 = 4096;

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file is as large as it may be.
    Full,
    /// Everything else.
    Other {
        /// What the guest is told: no paths, nothing of the host's.
        told: String,
        /// What the log says besides.
        detail: Option<String>,
        /// The statement would have written, and the grant is to read.
        write: bool,
    },
}

impl Error {
    pub(super) fn told(told: impl Into<String>) -> Self {
        Error::Other {
            told: told.into(),
            detail: None,
            write: false,
        }
    }

    fn with_detail(told: impl Into<String>, detail: String) -> Self {
        Error::Other {
            told: told.into(),
            detail: Some(detail),
            write: false,
        }
    }
}

/// What a statement returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// Bytes of all values.
    pub bytes: usize,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sqlite: Mutex<rusqlite::Connection>,
    watch: Arc<Watch>,
    why: Why,
    limits: Limits,
    _seat: Option<OwnedSemaphorePermit>,
}

/// The statement that is running, which the connection looks at from time to time.
#[derive(Debug, Default)]
struct Watch(Mutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    until: Option<Instant>,
    /// Nobody waits for it any more.
    cut: Arc<AtomicBool>,
}

impl Watch {
    fn set(&self, running: Option<Running>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// Whether the statement is to be given up.
    fn is_over(&self) -> bool {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_some_and(|running| {
            let late = running.until.is_some_and(|until| Instant::now() > until);
            late || running.cut.load(Relaxed)
        })
    }
}

/// Gives a statement up when nobody waits for it any more.
struct Cut(Arc<AtomicBool>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Drop for Connection {
    /// Closing may wait for the disk, and for a statement that was given up.
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let inner = self.inner.clone();
            runtime.spawn_blocking(move || drop(inner));
        }
    }
}

impl Connection {
    pub(super) async fn open(
        store: &Store,
        seat: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, Error> {
        let (name, path) = (store.name().clone(), store.path().to_owned());
        let (access, limits) = (store.access(), *store.limits());
        let opened = tokio::task::spawn_blocking(move || {
            let (watch, why) = (Arc::<Watch>::default(), Why::default());
            let sqlite = open(&path, access, &limits, &watch, &why)
                .map_err(|error| cannot_open(&name, &path, &error))?;
            Ok(Inner {
                sqlite: Mutex::new(sqlite),
                watch,
                why,
                limits,
                _seat: seat,
            })
        });
        let inner = opened
            .await
            .map_err(|error| Error::with_detail("the store failed", error.to_string()))??;
        Ok(Connection {
            inner: Arc::new(inner),
        })
    }

    /// Runs one statement. When the future is dropped the statement is given up, and what it has
    /// changed is rolled back.
    pub async fn execute(&self, statement: String, values: Vec<Value>) -> Result<Rows, Error> {
        let inner = self.inner.clone();
        let cut = Cut(Arc::default());
        let token = cut.0.clone();
        tokio::task::spawn_blocking(move || inner.run(&statement, values, token))
            .await
            .map_err(|error| Error::with_detail("the store failed", error.to_string()))?
    }

    /// The row id that the last INSERT on this connection made; 0 if there was none.
    pub async fn last_insert_rowid(&self) -> i64 {
        self.with(|sqlite| sqlite.last_insert_rowid()).await
    }

    /// The rows that the last INSERT, UPDATE or DELETE on this connection changed.
    pub async fn changes(&self) -> u64 {
        self.with(|sqlite| sqlite.changes()).await
    }

    /// A question that needs no disk. A statement that was given up may still hold the connection.
    async fn with<T>(&self, ask: impl Fn(&rusqlite::Connection) -> T) -> T {
        loop {
            if let Ok(sqlite) = self.inner.sqlite.try_lock() {
                return ask(&sqlite);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Inner {
    fn run(
        &self,
        statement: &str,
        values: Vec<Value>,
        cut: Arc<AtomicBool>,
    ) -> Result<Rows, Error> {
        let sqlite = self.sqlite.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now().checked_add(self.limits.time);
        self.watch.set(Some(Running { until, cut }));
        self.why.clear();
        let rows = self.rows(&sqlite, statement, values);
        self.watch.set(None);
        rows
    }

    fn rows(
        &self,
        sqlite: &rusqlite::Connection,
        statement: &str,
        values: Vec<Value>,
    ) -> Result<Rows, Error> {
        let failed = |error| self.failed(&error);
        let mut statement = sqlite.prepare_cached(statement).map_err(failed)?;
        let mut found = Rows {
            columns: statement
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            ..Rows::default()
        };
        let columns = found.columns.len();
        let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if found.rows.len() >= self.limits.rows {
                return Err(Error::told(format!(
                    "the statement returns more than {} rows, which is the store's limit",
                    self.limits.rows
                )));
            }
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                let value = row.get_ref(column).map_err(failed)?;
                found.bytes += size(value);
                // Before it is copied: one row may be larger than all that is allowed.
                if found.bytes as u64 > self.limits.result {
                    return Err(Error::told(format!(
                        "the statement returns more than {}, which is the store's limit",
                        ByteSize(self.limits.result)
                    )));
                }
                values.push(owned(value)?);
            }
            found.rows.push(values);
        }
        Ok(found)
    }

    /// The error in the words of the guest.
    fn failed(&self, error: &rusqlite::Error) -> Error {
        let rusqlite::Error::SqliteFailure(cause, _) = error else {
            return Error::told(error.to_string());
        };
        match cause.code {
            ErrorCode::DiskFull => Error::Full,
            ErrorCode::OperationInterrupted => Error::told(format!(
                "the statement took longer than {}, which is the store's limit",
                Time(self.limits.time)
            )),
            ErrorCode::AuthorizationForStatementDenied => Error::Other {
                told: self.why.told().to_owned(),
                detail: None,
                write: self.why.is_write(),
            },
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::DatabaseCorrupt => {
                Error::with_detail("the store's file failed", error.to_string())
            }
            _ => Error::told(error.to_string()),
        }
    }
}

fn open(
    path: &Path,
    access: Access,
    limits: &Limits,
    watch: &Arc<Watch>,
    why: &Why,
) -> rusqlite::Result<rusqlite::Connection> {
    if let Some(folder) = path.parent() {
        // What is wrong with the folder, opening the file will say.
        let _ = std::fs::create_dir_all(folder);
    }
    // No `SQLITE_OPEN_URI`: a name is a name.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sqlite = rusqlite::Connection::open_with_flags(path, flags)?;
    sqlite.busy_timeout(limits.time)?;
    guard::harden(&sqlite)?;
    let mode: String =
        sqlite.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        tracing::warn!(path = %path.display(), mode, "a SQLite store has no write-ahead log");
    }
    // What was acknowledged is on disk.
    sqlite.pragma_update(None, "synchronous", "FULL")?;
    sqlite.pragma_update(None, "foreign_keys", true)?;
    let page: u64 = sqlite
        .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or(PAGE_BYTES);
    let pages = i64::try_from(limits.size / page.max(1)).unwrap_or(i64::MAX);
    // SQLite counts pages in 32 bits, and takes 0 for a question.
    let pages = pages.clamp(1, i64::from(u32::MAX - 1));
    sqlite.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    if access == Access::Read {
        sqlite.pragma_update(None, "query_only", true)?;
    }
    let watched = watch.clone();
    sqlite.progress_handler(STEPS, Some(move || watched.is_over()))?;
    sqlite.authorizer(Some(guard::authorizer(access, why.clone())))?;
    Ok(sqlite)
}

fn cannot_open(name: &str, path: &Path, error: &rusqlite::Error) -> Error {
    Error::with_detail(
        format!("store {name:?} cannot be opened"),
        format!("{}: {error}", path.display()),
    )
}

fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null => 1,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
    }
}

fn owned(value: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err(Error::told("a text in the store is not UTF-8")),
        },
    })
}
