//! Tells when files of an app change: the manifest, the sources, the components themselves.

use crate::glob;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// After the last change it is quiet for so long before it is told: editors write in steps.
const QUIET: Duration = Duration::from_millis(50);
/// Changes that do not end are told anyway, after so many times `QUIET`.
const STEPS_MAX: u32 = 20;
/// Past this many changed paths at once it does not matter which they are.
const PATHS_MAX: usize = 4096;
/// Folders that hold what tools make, not what people write.
const IGNORED: [&str; 5] = ["target", ".holm", ".git", "node_modules", "__pycache__"];

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// The manifest.
    Manifest,
    /// The sources of this component.
    Sources(String),
    /// The WebAssembly file of this component.
    Component(String),
}

/// A file, or a folder with what is in it, or a pattern.
#[derive(Clone, Debug)]
pub struct Watched {
    what: Changed,
    /// A file to the letter, or the folder that is walked.
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Pattern(String),
}

impl Watched {
    /// One file, which may not be there yet.
    pub fn file(what: Changed, path: impl AsRef<Path>) -> Watched {
        Watched {
            what,
            path: real(path.as_ref()),
            kind: Kind::File,
        }
    }

    /// A folder with what is in it.
    pub fn folder(what: Changed, path: impl AsRef<Path>) -> Watched {
        Watched {
            what,
            path: real(path.as_ref()),
            kind: Kind::Folder,
        }
    }

    /// What a component's `build.watch` says: a folder, a file, or a pattern, below `dir`.
    pub fn sources(component: &str, dir: &Path, pattern: &str) -> Watched {
        let what = Changed::Sources(component.to_owned());
        let start = dir.join(glob::literal_prefix(pattern));
        if pattern.contains(['*', '?']) {
            let rest = pattern[glob::literal_prefix(pattern).len()..].to_owned();
            return Watched {
                what,
                path: real(&start),
                kind: Kind::Pattern(rest),
            };
        }
        let kind = if start.is_dir() {
            Kind::Folder
        } else {
            Kind::File
        };
        Watched {
            what,
            path: real(&start),
            kind,
        }
    }

    fn covers(&self, path: &Path) -> bool {
        match &self.kind {
            Kind::File => path == self.path,
            Kind::Folder => path.starts_with(&self.path) && path != self.path && !is_product(path),
            Kind::Pattern(pattern) => {
                let below = path.strip_prefix(&self.path).ok().and_then(Path::to_str);
                below.is_some_and(|below| glob::matches(pattern, below))
            }
        }
    }
}

/// A build's result among its sources would have it built again and again.
fn is_product(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "wasm" || extension == "cwasm")
}

/// Watches until it is dropped.
pub struct Watcher {
    watched: Vec<Watched>,
    inner: RecommendedWatcher,
    inbox: Arc<Inbox>,
    folders: HashSet<PathBuf>,
}

/// What was reported and not told yet.
#[derive(Default)]
struct Inbox {
    paths: Mutex<Paths>,
    arrived: Notify,
}

#[derive(Default)]
struct Paths {
    some: HashSet<PathBuf>,
    /// Some were lost: anything may have changed.
    lost: bool,
}

impl Watcher {
    /// Begins to watch.
    pub fn new(watched: Vec<Watched>) -> notify::Result<Watcher> {
        let inbox = Arc::new(Inbox::default());
        let inner = notify::recommended_watcher({
            let inbox = inbox.clone();
            move |event| inbox.put(event)
        })?;
        let mut watcher = Watcher {
            watched,
            inner,
            inbox,
            folders: HashSet::new(),
        };
        watcher.watch_all(&mut BTreeSet::new())?;
        Ok(watcher)
    }

    /// Waits for changes and tells them together, once they have come to rest.
    pub async fn changed(&mut self) -> BTreeSet<Changed> {
        loop {
            self.inbox.arrived.notified().await;
            for _ in 0..STEPS_MAX {
                if timeout(QUIET, self.inbox.arrived.notified()).await.is_err() {
                    break;
                }
            }
            let changed = self.take();
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    /// What has changed so far and was not told yet: after a build, what the build itself wrote,
    /// and what somebody saved meanwhile.
    pub fn so_far(&mut self) -> BTreeSet<Changed> {
        self.take()
    }

    fn take(&mut self) -> BTreeSet<Changed> {
        let taken = std::mem::take(
            &mut *self
                .inbox
                .paths
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut changed = BTreeSet::new();
        for path in &taken.some {
            if !path.is_dir() {
                self.folders.remove(path);
            }
            self.note(path, &mut changed);
        }
        if taken.lost {
            changed.extend(self.watched.iter().map(|watched| watched.what.clone()));
        }
        // Folders that are new hold files that nobody reported.
        if let Err(error) = self.watch_all(&mut changed) {
            tracing::warn!(%error, "some changes may go unnoticed");
        }
        changed
    }

    fn note(&self, path: &Path, changed: &mut BTreeSet<Changed>) {
        let covering = self.watched.iter().filter(|watched| watched.covers(path));
        changed.extend(covering.map(|watched| watched.what.clone()));
    }

    /// Watches every folder that matters and is not watched yet; notes the files in them, unless
    /// this is the first time.
    fn watch_all(&mut self, changed: &mut BTreeSet<Changed>) -> notify::Result<()> {
        let first = self.folders.is_empty();
        let mut fresh = Vec::new();
        for watched in self.watched.clone() {
            if watched.kind == Kind::File {
                // A folder that is not there yet will be made in one that is.
                let mut folder = watched.path.parent();
                while let Some(missing) = folder.filter(|folder| !folder.is_dir()) {
                    folder = missing.parent();
                }
                fresh.extend(
                    folder
                        .filter(|folder| !self.folders.contains(*folder))
                        .map(Path::to_owned),
                );
            } else {
                self.walk(watched.path.clone(), &mut fresh);
            }
        }
        for folder in fresh {
            if !self.folders.insert(folder.clone()) {
                continue;
            }
            match self.inner.watch(&folder, RecursiveMode::NonRecursive) {
                // It is gone again; that will be reported by the folder above.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {
                    self.folders.remove(&folder);
                    continue;
                }
                result => result?,
            }
            if !first && let Ok(entries) = std::fs::read_dir(&folder) {
                for entry in entries.flatten().filter(|entry| !entry.path().is_dir()) {
                    self.note(&entry.path(), changed);
                }
            }
        }
        Ok(())
    }

    /// Folders below this one that are not watched yet. One watch for a whole tree would report,
    /// and cost, every file that a compiler touches.
    fn walk(&self, top: PathBuf, fresh: &mut Vec<PathBuf>) {
        let mut left = vec![top];
        while let Some(folder) = left.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            if !self.folders.contains(&folder) {
                fresh.push(folder);
            }
            // Links are not followed: they may lead in a circle.
            let folders = entries
                .flatten()
                .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
            left.extend(
                folders
                    .filter(|e| !is_ignored(&e.file_name()))
                    .map(|e| e.path()),
            );
        }
    }
}

impl Inbox {
    fn put(&self, event: notify::Result<notify::Event>) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) => {
                paths.lost |= event.need_rescan();
                if matters(&event.kind) {
                    let written = event.paths.into_iter().filter(|path| !is_scratch(path));
                    paths.some.extend(written);
                }
            }
            Err(_) => paths.lost = true,
        }
        if paths.some.len() > PATHS_MAX {
            paths.some.clear();
            paths.lost = true;
        }
        if paths.lost || !paths.some.is_empty() {
            self.arrived.notify_one();
        }
    }
}

fn matters(kind: &EventKind) -> bool {
    use notify::event::{AccessKind, AccessMode, ModifyKind};
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

fn is_ignored(name: &OsStr) -> bool {
    IGNORED.iter().any(|ignored| name == *ignored)
}

/// What editors leave behind while they write.
fn is_scratch(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return false;
    };
    name.ends_with('~')
        || name.ends_with(".swp")
        || name.ends_with(".swx")
        || name.starts_with(".#")
        || name == "4913"
}

/// The path as the kernel will report it, even where its end is not there yet.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for (depth, above) in path.ancestors().enumerate() {
        if let Ok(real) = above.canonicalize() {
            let rest: Vec<_> = path.components().rev().take(depth).collect();
            return rest
                .into_iter()
                .rev()
                .fold(real, |real, name| real.join(name));
        }
    }
    path
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
