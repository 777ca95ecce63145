//! The file of a store: opened once per process, named to others by our PID, closed after a fault.

use crate::keyvalue::provider::Error;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

/// Keys and values.
pub(super) const TABLE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("keyvalue");

/// How many bytes keys and values take, under the empty key; written with every commit.
pub(super) const USED: TableDefinition<'static, (), u64> = TableDefinition::new("used");

/// Memory for pages of one open file; the system's page cache stands behind it.
const CACHE_BYTES: usize = 32 << 20;

/// An open file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    path: PathBuf,
    /// The most that keys and values may take.
    pub(super) limit: u64,
    /// `None` while it could not be opened again after a fault.
    db: RwLock<Option<Database>>,
    /// A fault was seen: redb refuses all work on a database after one, until it is opened again.
    suspect: AtomicBool,
    pub(super) queue: Mutex<super::writer::Queue>,
}

/// What goes wrong while the file is used.
pub(super) enum Trouble {
    /// The database or the disk.
    Fault(redb::Error),
    /// The guest's business.
    Told(Error),
}

impl<E: Into<redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Trouble::Fault(error.into())
    }
}

/// All files that this process has open. A file is a thing of the process, not of an app: the old
/// and the new version of an app use it side by side while one takes over from the other.
static OPEN: Mutex<BTreeMap<PathBuf, Arc<Mutex<Weak<File>>>>> = Mutex::new(BTreeMap::new());

/// Files that another process holds, and the log has it: once, however often guests try.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn held() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the file, or shares it with whoever has it open in this process.
pub(super) fn open(name: &str, path: &Path, limit: u64) -> Result<Arc<File>, Error> {
    let path = settle(path).map_err(|e| explain(name, path, &redb::Error::Io(e)))?;
    let slot = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(path.clone()).or_default().clone()
    };
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = slot.upgrade() {
        return Ok(file);
    }
    let db = open_database(name, &path)?;
    held().remove(&path);
    let file = Arc::new(File {
        name: name.to_owned(),
        path,
        limit,
        db: RwLock::new(Some(db)),
        suspect: AtomicBool::new(false),
        queue: Mutex::default(),
    });
    *slot = Arc::downgrade(&file);
    Ok(file)
}

impl File {
    /// Reads from a snapshot; `None` if nothing was ever written.
    pub(super) fn read<R>(
        &self,
        f: impl FnOnce(&ReadOnlyTable<&'static str, &'static [u8]>) -> Result<R, Trouble>,
    ) -> Result<Option<R>, Error> {
        self.with(|db| {
            let snapshot = db.begin_read()?;
            match snapshot.open_table(TABLE) {
                Ok(table) => f(&table).map(Some),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Uses the database; whatever goes wrong in it, a panic too, is an error and marks the file.
    pub(super) fn with<R>(
        &self,
        f: impl FnOnce(&Database) -> Result<R, Trouble>,
    ) -> Result<R, Error> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = &*db else {
            return Err(Error::new(format!(
                "store {:?} is closed after a fault",
                self.name
            )));
        };
        match contain(|| f(db)) {
            Ok(done) => Ok(done),
            Err(Trouble::Told(error)) => Err(error),
            Err(Trouble::Fault(fault)) => {
                self.suspect.store(true, Relaxed);
                Err(explain(&self.name, &self.path, &fault))
            }
        }
    }

    /// Whether a fault was seen since it was opened.
    pub(super) fn suspect(&self) -> bool {
        self.suspect.load(Relaxed)
    }

    /// Opens the file again after a fault; blocks.
    pub(super) fn reopen(&self) -> Result<(), Error> {
        if !self.suspect() {
            return Ok(());
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if self.suspect() {
            close(db.take());
            *db = Some(open_database(&self.name, &self.path)?);
            self.suspect.store(false, Relaxed);
        }
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // While we still hold the lock, so that it is never the next holder's file that goes.
        let _ = std::fs::remove_file(pid_file(&self.path));
        close(
            self.db
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

/// Closing writes; a damaged file can make it panic, like any other use.
fn close(db: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
}

/// The path as the process-wide list knows it; makes the folder.
fn settle(path: &Path) -> std::io::Result<PathBuf> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok(folder.canonicalize()?.join(name))
}

fn open_database(name: &str, path: &Path) -> Result<Database, Error> {
    if !path.exists() {
        contain(|| make(path)).map_err(|trouble| match trouble {
            Trouble::Told(error) => error,
            Trouble::Fault(fault) => explain(name, path, &fault),
        })?;
    }
    let mut tries = 0;
    let db = loop {
        let opened = contain(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE_BYTES);
            builder.set_repair_callback({
                let path = path.to_owned();
                move |repair| tracing::info!(path = %path.display(), progress = repair.progress(), "checking a store that was not closed")
            });
            Ok(builder.create(path)?)
        });
        match opened {
            Ok(db) => break db,
            Err(Trouble::Told(error)) => return Err(error),
            // Our own last holder is just closing it.
            Err(Trouble::Fault(redb::Error::DatabaseAlreadyOpen))
                if tries < 200 && holder(path) == Some(std::process::id()) =>
            {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(Trouble::Fault(fault)) => return Err(explain(name, path, &fault)),
        }
    };
    if let Err(error) = std::fs::write(pid_file(path), std::process::id().to_string()) {
        tracing::debug!(path = %path.display(), %error, "the PID of a store's holder is not noted");
    }
    Ok(db)
}

/// Makes an empty store under another name, and gives it its own when it is whole: a process that
/// is killed half way leaves no file that looks like a damaged store.
fn make(path: &Path) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let whole = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)
        .map_err(redb::Error::Io)?;
    drop(Database::builder().create(whole.path())?);
    match whole.persist_noclobber(path) {
        // Another process was quicker.
        Err(e) if e.error.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(redb::Error::Io(e.error).into()),
        Ok(_) => {}
    }
    // The data is synced by redb; that the file exists is the folder's to remember.
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(redb::Error::Io)?;
    Ok(())
}

/// Beside the store: who has it open. Only ever read when the store's own lock is taken.
fn pid_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pid");
    name.into()
}

fn holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(pid_file(path))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// A damaged file can make redb panic: that is a fault like any other.
fn contain<R>(f: impl FnOnce() -> Result<R, Trouble>) -> Result<R, Trouble> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic");
        Err(Trouble::Fault(redb::Error::Corrupted(text.to_owned())))
    })
}

/// A fault in the words of the guest, and the whole of it for the log.
fn explain(name: &str, path: &Path, fault: &redb::Error) -> Error {
    let at = path.display();
    match fault {
        redb::Error::DatabaseAlreadyOpen => {
            let told = match holder(path) {
                Some(pid) => format!("store {name:?} is in use by process {pid}"),
                None => format!("store {name:?} is in use by another process"),
            };
            if held().insert(path.to_owned()) {
                tracing::warn!(path = %at, "{told}; end that process, or keep other state: --state DIR");
            }
            Error::new(told)
        }
        redb::Error::Corrupted(_) | redb::Error::RepairAborted => damaged(name, path, fault),
        redb::Error::Io(e)
            if matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            damaged(name, path, fault)
        }
        redb::Error::UpgradeRequired(version) => Error::with_detail(
            format!("store {name:?} has a format that this version cannot read"),
            format!("{at}: format {version}; use the version of Holm that wrote it"),
        ),
        redb::Error::Io(e)
            if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            Error::with_detail(
                format!("store {name:?} has no space left on its disk"),
                format!("{at}: {e}"),
            )
        }
        redb::Error::Io(e)
            if matches!(
                e.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound
            ) =>
        {
            Error::with_detail(
                format!("store {name:?} cannot be written"),
                format!("{at}: {e}; --state DIR names another folder for stores"),
            )
        }
        other => Error::with_detail(format!("store {name:?} failed"), format!("{at}: {other}")),
    }
}

fn damaged(name: &str, path: &Path, fault: &redb::Error) -> Error {
    Error::with_detail(
        format!("store {name:?} is damaged"),
        format!(
            "{}: {fault}; put back a copy of the file, or move it away to begin with an empty store",
            path.display()
        ),
    )
}
