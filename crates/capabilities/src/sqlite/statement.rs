//! One statement on a connection, on a thread for blocking work.

use super::connection::{Error, Inner, Rows, Running};
use holm_manifest::{ByteSize, Time};
use rusqlite::types::{Value, ValueRef};
use rusqlite::wal::CheckpointMode;
use rusqlite::{
    CachedStatement, Connection, ErrorCode, Statement, TransactionState, ffi, params_from_iter,
};
use std::mem::size_of;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, TryLockError};
use std::time::Instant;

/// A statement that is longer is prepared each time: what is kept prepared takes memory.
const KEPT_BYTES_MAX: usize = 4 << 10;
/// A write-ahead log may grow to this, however small its file may be.
const LOG_BYTES: u64 = 8 << 20;

/// A statement and its values.
pub(super) struct Call {
    pub statement: String,
    pub values: Vec<Value>,
}

/// Why it was not done.
pub(super) struct Refused {
    pub error: Error,
    /// Nothing has begun, and it may work in a moment.
    pub again: bool,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused {
            error,
            again: false,
        }
    }
}

impl Inner {
    pub(super) fn run(
        &self,
        call: &Call,
        until: Option<Instant>,
        cut: Arc<AtomicBool>,
    ) -> Result<Rows, Refused> {
        let sqlite = match self.sqlite.try_lock() {
            Ok(sqlite) => sqlite,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // By a statement that was given up and has not noticed yet.
            Err(TryLockError::WouldBlock) => {
                return Err(Refused {
                    error: Error::told("the connection is busy"),
                    again: true,
                });
            }
        };
        let state = sqlite.transaction_state(None::<&str>);
        self.watch.set(Some(Running { until, cut }));
        self.why.clear();
        let rows = self.rows(&sqlite, call);
        self.watch.set(None);
        self.last_row.store(sqlite.last_insert_rowid(), Relaxed);
        self.changes.store(sqlite.changes(), Relaxed);
        rows.map_err(|mut refused| {
            // Within a transaction that has read, what it read may have changed since.
            refused.again &= matches!(state, Ok(TransactionState::None));
            refused
        })
    }

    fn rows(&self, sqlite: &Connection, call: &Call) -> Result<Rows, Refused> {
        let failed = |error| self.failed(&error);
        let mut statement = prepare(sqlite, &call.statement).map_err(failed)?;
        self.log_has_room(sqlite, &statement)?;
        let mut found = Rows {
            columns: statement
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            ..Rows::default()
        };
        let columns = found.columns.len();
        let mut rows = statement
            .query(params_from_iter(&call.values))
            .map_err(failed)?;
        // What the answer takes in memory, which is more than the bytes in it.
        let mut held = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            if found.rows.len() >= self.limits.rows {
                let told = format!(
                    "the statement returns more than {} rows, which is the store's limit",
                    self.limits.rows
                );
                return Err(Error::told(told).into());
            }
            held += size_of::<Vec<Value>>() + columns * size_of::<Value>();
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                let value = row.get_ref(column).map_err(failed)?;
                found.bytes += size(value);
                held += size(value);
                // Before it is copied: one row may be larger than all that is allowed.
                if held as u64 > self.limits.result {
                    let told = format!(
                        "the statement returns more than {}, which is the store's limit",
                        ByteSize(self.limits.result)
                    );
                    return Err(Error::told(told).into());
                }
                values.push(owned(value)?);
            }
            found.rows.push(values);
        }
        Ok(found)
    }

    /// Refuses to begin a write while the write-ahead log is as large as it may be: a quarter of what the
    /// file may take. What is in it is put into the file from time to time, but not while somebody reads
    /// an older state.
    fn log_has_room(&self, sqlite: &Connection, statement: &Statement<'_>) -> Result<(), Refused> {
        let begins = || {
            let state = sqlite.transaction_state(Some("main"));
            !statement.readonly() && !matches!(state, Ok(TransactionState::Write))
        };
        let large = || log_bytes(&self.log) > (self.limits.size / 4).max(LOG_BYTES);
        if !large() || !begins() {
            return Ok(());
        }
        // What can be put into the file is; for this the pages that nobody needs are cut off.
        let mode = CheckpointMode::TRUNCATE;
        let _ = sqlite.wal_checkpoint_v2(Some("main"), mode);
        match large() {
            true => Err(Refused {
                error: Error::told(
                    "the store's write-ahead log is full: another connection has been reading for too long",
                ),
                again: true,
            }),
            false => Ok(()),
        }
    }

    /// The error in the words of the guest.
    fn failed(&self, error: &rusqlite::Error) -> Refused {
        let rusqlite::Error::SqliteFailure(cause, _) = error else {
            return Error::told(error.to_string()).into();
        };
        let error = match cause.code {
            ErrorCode::DiskFull => Error::Full,
            ErrorCode::DatabaseBusy => {
                return Refused {
                    error: Error::told(error.to_string()),
                    again: cause.extended_code != ffi::SQLITE_BUSY_SNAPSHOT,
                };
            }
            ErrorCode::OperationInterrupted => self.late(),
            ErrorCode::OutOfMemory => Error::told(format!(
                "the databases of this host take {} of memory together, which is their limit",
                ByteSize(super::open::HEAP_BYTES_MAX.unsigned_abs())
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
        };
        error.into()
    }

    /// What a guest is told whose statement took too long.
    pub(super) fn late(&self) -> Error {
        Error::told(format!(
            "the statement took longer than {}, which is the store's limit",
            Time(self.limits.time)
        ))
    }
}

/// A statement that is kept for the next time, or is not.
enum Prepared<'a> {
    Kept(CachedStatement<'a>),
    Once(Statement<'a>),
}

fn prepare<'a>(sqlite: &'a Connection, statement: &str) -> rusqlite::Result<Prepared<'a>> {
    Ok(match statement.len() > KEPT_BYTES_MAX {
        true => Prepared::Once(sqlite.prepare(statement)?),
        false => Prepared::Kept(sqlite.prepare_cached(statement)?),
    })
}

impl<'a> Deref for Prepared<'a> {
    type Target = Statement<'a>;

    fn deref(&self) -> &Statement<'a> {
        match self {
            Prepared::Kept(statement) => statement,
            Prepared::Once(statement) => statement,
        }
    }
}

impl<'a> DerefMut for Prepared<'a> {
    fn deref_mut(&mut self) -> &mut Statement<'a> {
        match self {
            Prepared::Kept(statement) => statement,
            Prepared::Once(statement) => statement,
        }
    }
}

fn log_bytes(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |log| log.len())
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
