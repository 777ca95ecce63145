//! What the process asks of the system before it serves, while it has one thread.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::os::fd::AsFd;

/// The kernel's table of this process's files has room for so many from the beginning: half a
/// mebibyte. It doubles where there are more, and whoever opens the file that makes it grow waits
/// until all processors have seen the new table, 10 to 25 ms where there are threads.
const FILES_FROM_THE_BEGINNING: u64 = 1 << 16;

/// Makes the process fit to serve many.
pub(super) fn prepare() {
    raise_descriptors();
    grow_table(std::io::stderr());
    small_pages();
}

/// A connection is a descriptor, and the usual soft limit of 1,024 is for programs that use
/// `select`; a server may have all that it is allowed.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// A file with the highest number that the table is to have room for, closed at once.
fn grow_table(file: impl AsFd) {
    let limit = getrlimit(Resource::Nofile).current;
    let files = limit.map_or(FILES_FROM_THE_BEGINNING, |limit| {
        limit.min(FILES_FROM_THE_BEGINNING)
    });
    let Ok(highest) = i32::try_from(files.saturating_sub(1)) else {
        return;
    };
    if let Err(error) = rustix::io::fcntl_dupfd_cloexec(file, highest) {
        tracing::debug!(%error, "the table of files grows when it must");
    }
}

/// An app's first request takes some hundred kilobytes of the heap, and a fresh instance touches some
/// pages of its memory. Where the kernel hands out pages of 2 MiB, every tenth first request pays for
/// clearing one: 0.1 ms on a machine of one's own, 5 ms in a virtual one whose host has to find the
/// memory. RATIONALE.md has the figures.
#[cfg(target_os = "linux")]
fn small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "the kernel may use huge pages");
    }
}

/// Elsewhere the heap is as it is.
#[cfg(not(target_os = "linux"))]
fn small_pages() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn number(status: &str, field: &str) -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let value = line.map(|rest| rest.trim_start_matches(':').trim());
        value.and_then(|v| v.parse().ok()).unwrap_or_default()
    }

    #[test]
    fn the_table_of_files_has_room_and_no_file_stays_open() {
        grow_table(std::io::stderr());
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(number(&status, "FDSize") >= limit.min(FILES_FROM_THE_BEGINNING));
        let highest = format!("/proc/self/fd/{}", FILES_FROM_THE_BEGINNING - 1);
        assert!(!std::path::Path::new(&highest).exists());
    }
}
