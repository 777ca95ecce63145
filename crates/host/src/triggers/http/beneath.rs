//! Opening a file below a folder, with no way out of it.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

/// FIFOs must not hang, terminals must not take us over.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Opens `path` (relative, of plain names) below `root` for reading. Symbolic links are followed
/// as long as they stay below `root`; absolute ones never do.
pub fn open(root: &Path, path: &Path) -> io::Result<File> {
    // Opened each time: a build may have replaced the folder.
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, folder, Mode::empty())?;
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    Ok(open_below(root, path)?.into())
}

#[cfg(target_os = "linux")]
fn open_below(root: OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // The kernel gives up when something is renamed while it looks.
    for _ in 0..16 {
        match rustix::fs::openat2(&root, path, READ, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A kernel before 5.6, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => return walk(root, path),
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
fn open_below(root: OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    walk(root, path)
}

/// Name by name; follows no link at all.
fn walk(root: OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let mut at = root;
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let name = match name {
            Component::CurDir => Path::new("."),
            Component::Normal(name) => Path::new(name),
            _ => return Err(Errno::XDEV),
        };
        let more = if names.peek().is_some() {
            OFlags::DIRECTORY
        } else {
            OFlags::empty()
        };
        at = rustix::fs::openat(&at, name, READ | OFlags::NOFOLLOW | more, Mode::empty())?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_lies_below_opens() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(temp.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("a/b/file"), "inside").unwrap();
        symlink("../../secret", root.join("a/out")).unwrap();
        symlink("../..", root.join("a/up")).unwrap();
        symlink(temp.path().join("secret"), root.join("absolute")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("b/file", root.join("a/link")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let read = |path: &str| {
            let mut text = String::new();
            open(&root, Path::new(path))?
                .read_to_string(&mut text)
                .map(|_| text)
        };
        assert_eq!(read("a/b/file").unwrap(), "inside");
        assert_eq!(read("a/link").unwrap(), "inside");
        for path in [
            "a/out",
            "a/up/secret",
            "absolute",
            "magic/etc/passwd",
            "../secret",
            "loop",
            "/",
        ] {
            assert!(read(path).is_err(), "{path}");
        }
        let walked = |path: &str| {
            let folder = OFlags::RDONLY | OFlags::DIRECTORY;
            walk(
                rustix::fs::open(&root, folder, Mode::empty()).unwrap(),
                Path::new(path),
            )
        };
        assert!(walked("a/b/file").is_ok() && walked(".").is_ok());
        for path in [
            "a/out",
            "a/up/secret",
            "absolute",
            "../secret",
            "a/link",
            "a/b/file/x",
        ] {
            assert!(walked(path).is_err(), "{path}");
        }
    }
}
