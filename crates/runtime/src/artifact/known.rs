//! What is known of files without reading them: one that has not changed since somebody looked is
//! what it was then. Hashing a component of 19 MB and its 33 MB of machine code takes 34 ms, and
//! the first request to an idle app would pay for it.
//!
//! A file counts as unchanged when device, inode, size, time of change and time of modification are
//! the same, on the same boot of the machine. Nobody but root can set the time of change back, and
//! what a disk does to a file behind the kernel's back is found by the next boot at the latest.

use super::Digest;
use super::cache::About;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// A file that changed less than this ago may change again within the same tick of the file
/// system's clock (4 ms on Linux, 2 s on FAT), so nothing is remembered of it yet.
const SETTLED: Duration = Duration::from_secs(2);

/// Which file, in which state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    boot: String,
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Identity {
    /// Of an open file or a path; `None` where the machine does not tell its boots apart.
    pub(super) fn of(meta: &Metadata) -> Option<Self> {
        Some(Identity {
            boot: boot()?.to_owned(),
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn is_settled(&self) -> bool {
        let (seconds, nanos) = self.ctime;
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        changed.elapsed().is_ok_and(|ago| ago > SETTLED)
    }
}

/// What was found when a file was looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    path: PathBuf,
    identity: Identity,
    digest: Digest,
    pub about: About,
}

impl Known {
    /// The digest of the file's bytes.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// The size of the file.
    pub(super) fn size(&self) -> u64 {
        self.identity.size()
    }
}

/// The records, a small file each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Register<'a> {
    folder: &'a Path,
}

impl<'a> Register<'a> {
    pub(super) fn at(folder: &'a Path) -> Self {
        Register { folder }
    }

    /// What is known of a file, if it has not changed since.
    pub(super) fn find(self, path: &Path) -> Option<Known> {
        let text = std::fs::read(self.record(path)?).ok()?;
        let known: Known = serde_json::from_slice(&text).ok()?;
        let now = Identity::of(&std::fs::metadata(path).ok()?)?;
        (known.path == std::path::absolute(path).ok()? && known.identity == now).then_some(known)
    }

    /// Remembers what was found in a file whose identity was taken before it was read.
    pub(super) fn note(self, path: &Path, before: Identity, digest: Digest, about: About) {
        let after = std::fs::metadata(path).ok().as_ref().and_then(Identity::of);
        if after.as_ref() != Some(&before) || !before.is_settled() {
            return;
        }
        let (Some(record), Ok(path)) = (self.record(path), std::path::absolute(path)) else {
            return;
        };
        let known = Known {
            path,
            identity: before,
            digest,
            about,
        };
        // What cannot be remembered is found out again.
        if let Ok(text) = serde_json::to_vec(&known)
            && super::cache::own_folder(self.folder).is_ok()
        {
            let _ = super::files::write_unsynced(&record, &text);
        }
    }

    fn record(self, path: &Path) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = std::path::absolute(path).ok()?;
        let name = Digest::of(path.as_os_str().as_bytes()).hex();
        Some(self.folder.join(name).with_extension("json"))
    }
}

/// Whether the sum of a file of machine code was checked in this state already.
pub(super) fn is_checked(file: &File, record: &Path) -> bool {
    let identity = file.metadata().ok().as_ref().and_then(Identity::of);
    let noted = std::fs::read(record)
        .ok()
        .and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
    identity.is_some() && identity == noted
}

/// Remembers that it was. Only this user's Holm writes there, and never in place.
pub(super) fn note_checked(file: &File, record: &Path) {
    let identity = file.metadata().ok().as_ref().and_then(Identity::of);
    if let Some(Ok(text)) = identity.map(|identity| serde_json::to_vec(&identity)) {
        let _ = super::files::write_unsynced(record, &text);
    }
}

/// Which boot of the machine this is.
fn boot() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned())
    })
    .as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            component: true,
            proposals: 0,
            concurrency: false,
        }
    }

    fn identity(path: &Path) -> Identity {
        Identity::of(&std::fs::metadata(path).unwrap()).unwrap()
    }

    /// A file as it looks when nobody has touched it for a while.
    fn old(path: &Path) -> Identity {
        std::fs::write(path, "one").unwrap();
        std::thread::sleep(SETTLED + Duration::from_millis(50));
        identity(path)
    }

    #[test]
    fn a_file_is_known_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, path) = (dir.path().join("known"), dir.path().join("a.wasm"));
        let register = Register::at(&folder);
        register.note(&path, old(&path), Digest::of(b"one"), about());
        assert_eq!(register.find(&path).unwrap().digest(), Digest::of(b"one"));

        // The same length and the same time of modification: the time of change tells.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "two").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        assert!(register.find(&path).is_none());
    }

    #[test]
    fn a_file_that_changed_just_now_is_not_known_yet() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, path) = (dir.path().join("known"), dir.path().join("a.wasm"));
        std::fs::write(&path, "one").unwrap();
        let register = Register::at(&folder);
        register.note(&path, identity(&path), Digest::of(b"one"), about());
        assert!(register.find(&path).is_none());
    }

    #[test]
    fn a_file_in_anothers_place_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, path) = (dir.path().join("known"), dir.path().join("a.wasm"));
        let register = Register::at(&folder);
        register.note(&path, old(&path), Digest::of(b"one"), about());
        std::fs::rename(&path, dir.path().join("b.wasm")).unwrap();
        std::fs::write(&path, "one").unwrap();
        assert!(register.find(&path).is_none());
        assert!(register.find(&dir.path().join("b.wasm")).is_none());
    }
}
