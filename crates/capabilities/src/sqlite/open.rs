//! How a store's file is opened: what bounds it in memory and on disk is set here.

use super::connection::Watch;
use super::grant::Access;
use super::guard::{self, Why};
use super::store::Limits;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Steps of a program between two looks at the clock; a step takes about 10 to 100 ns.
const STEPS: i32 = 4096;
/// The size of a page that SQLite begins a file with.
const PAGE_BYTES: u64 = 4096;
/// The most memory that all stores of this process take together: caches, sorts, temporary tables.
pub const HEAP_BYTES_MAX: i64 = 1 << 30;
/// The most that the temporary tables of one connection take of it.
pub const TEMPORARY_BYTES_MAX: u64 = 8 << 20;
/// What stays of a write-ahead log on disk that has been put into its file.
const LOG_BYTES_KEPT: i64 = 4 << 20;

/// Opens the file at `path`, which is made where it is not there.
pub(super) fn open(
    path: &Path,
    access: Access,
    limits: &Limits,
    watch: &Arc<Watch>,
    why: &Why,
) -> rusqlite::Result<Connection> {
    if let Some(folder) = path.parent() {
        // What is wrong with the folder, opening the file will say.
        let _ = std::fs::create_dir_all(folder);
    }
    // SQLite is built to take a name that begins with `file:` for a URI; a whole path begins with none.
    let path = &std::path::absolute(path).unwrap_or_else(|_| Path::new("/").join(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sqlite = Connection::open_with_flags(path, flags)?;
    sqlite.busy_timeout(limits.time)?;
    guard::harden(&sqlite)?;
    sqlite.pragma_update_and_check(None, "hard_heap_limit", HEAP_BYTES_MAX, |_| Ok(()))?;
    // Of what lies in files of its own nobody would know how much it is.
    sqlite.pragma_update(None, "temp_store", "MEMORY")?;
    let pages = pages(TEMPORARY_BYTES_MAX, PAGE_BYTES);
    sqlite.pragma_update_and_check(Some("temp"), "max_page_count", pages, |_| Ok(()))?;
    let mode: String =
        sqlite.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        tracing::warn!(path = %path.display(), mode, "a SQLite store has no write-ahead log");
    }
    sqlite.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(()))?;
    // What was acknowledged is on disk.
    sqlite.pragma_update(None, "synchronous", "FULL")?;
    sqlite.pragma_update(None, "foreign_keys", true)?;
    let page: u64 = sqlite
        .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or(PAGE_BYTES);
    let most = self::pages(limits.size, page);
    sqlite.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))?;
    if access == Access::Read {
        sqlite.pragma_update(None, "query_only", true)?;
    }
    // Whoever waits for another's write waits without a thread.
    sqlite.busy_timeout(Duration::ZERO)?;
    let watched = watch.clone();
    sqlite.progress_handler(STEPS, Some(move || watched.is_over()))?;
    sqlite.authorizer(Some(guard::authorizer(access, why.clone())))?;
    Ok(sqlite)
}

/// So many pages are so many bytes. SQLite counts pages in 32 bits, and takes 0 for a question.
fn pages(bytes: u64, page: u64) -> i64 {
    let pages = i64::try_from(bytes / page.max(1)).unwrap_or(i64::MAX);
    pages.clamp(1, i64::from(u32::MAX - 1))
}
