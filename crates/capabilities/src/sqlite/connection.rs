//! One connection to a store: a thread for blocking work runs one statement at a time, within the
//! limits, and not longer than somebody waits for it.

use super::guard::Why;
use super::open::open;
use super::statement::Call;
use super::store::{Limits, Store};
use super::turns::Turns;
use rusqlite::types::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};

/// How long after its time a statement may still end by itself. Then nobody waits for it any more: it is
/// within one of SQLite's functions, and its thread is busy until that returns.
const GRACE: Duration = Duration::from_secs(1);
/// The longest time between two tries of a statement that waits for another's write.
const PAUSE_MAX: Duration = Duration::from_millis(50);

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

    pub(super) fn with_detail(told: impl Into<String>, detail: String) -> Self {
        Error::Other {
            told: told.into(),
            detail: Some(detail),
            write: false,
        }
    }
}

/// A panic, such as one for want of memory.
fn broken(error: JoinError) -> Error {
    Error::with_detail("the store failed", error.to_string())
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
    turns: Turns,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub sqlite: Mutex<rusqlite::Connection>,
    pub watch: Arc<Watch>,
    pub why: Why,
    pub limits: Limits,
    /// The file of the write-ahead log.
    pub log: PathBuf,
    /// The row id that the last INSERT made.
    pub last_row: AtomicI64,
    /// The rows that the last statement changed.
    pub changes: AtomicU64,
    _seat: Option<OwnedSemaphorePermit>,
}

/// The statement that is running, which the connection looks at from time to time.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Option<Running>>);

#[derive(Debug)]
pub(super) struct Running {
    pub until: Option<Instant>,
    /// Nobody waits for it any more.
    pub cut: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn set(&self, running: Option<Running>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// Whether the statement is to be given up.
    pub(super) fn is_over(&self) -> bool {
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
        let turns = store.turns().clone();
        let turn = turns.take(limits.time).await?;
        let opened = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let (watch, why) = (Arc::<Watch>::default(), Why::default());
            let sqlite = open(&path, access, &limits, &watch, &why)
                .map_err(|error| cannot_open(&name, &path, &error))?;
            Ok(Inner {
                sqlite: Mutex::new(sqlite),
                watch,
                why,
                limits,
                log: {
                    let mut log = path.into_os_string();
                    log.push("-wal");
                    log.into()
                },
                last_row: AtomicI64::default(),
                changes: AtomicU64::default(),
                _seat: seat,
            })
        });
        let inner = Arc::new(opened.await.map_err(broken)??);
        Ok(Connection { inner, turns })
    }

    /// Runs one statement. When the future is dropped the statement is given up, and what it has
    /// changed is rolled back.
    pub async fn execute(&self, statement: String, values: Vec<Value>) -> Result<Rows, Error> {
        let call = Arc::new(Call { statement, values });
        let begun = Instant::now();
        let until = begun.checked_add(self.inner.limits.time);
        let left = || self.inner.limits.time.saturating_sub(begun.elapsed());
        let mut pause = Duration::from_millis(1);
        loop {
            let turn = self.turns.take(left()).await?;
            let cut = Cut(Arc::default());
            let (inner, call, token) = (self.inner.clone(), call.clone(), cut.0.clone());
            let running = tokio::task::spawn_blocking(move || {
                // The thread is taken until the statement has ended, whether or not somebody waits.
                let _turn = turn;
                inner.run(&call, until, token)
            });
            let Ok(done) = timeout(left().saturating_add(GRACE), running).await else {
                return Err(self.inner.late());
            };
            match done.map_err(broken)? {
                Ok(rows) => return Ok(rows),
                Err(refused) if refused.again && left() > pause => {
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(refused) => return Err(refused.error),
            }
        }
    }

    /// The row id that the last INSERT on this connection made; 0 if there was none.
    pub fn last_insert_rowid(&self) -> i64 {
        self.inner.last_row.load(Relaxed)
    }

    /// The rows that the last INSERT, UPDATE or DELETE on this connection changed.
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Relaxed)
    }
}

fn cannot_open(name: &str, path: &Path, error: &rusqlite::Error) -> Error {
    Error::with_detail(
        format!("store {name:?} cannot be opened"),
        format!("{}: {error}", path.display()),
    )
}
