//! A folder of apps: one for each folder in it that holds a `holm.toml`. Folders that are added,
//! changed or removed are noticed by looking: watches of the kernel's are few, do not reach across
//! networks, and are lost when there are many.

use super::Apps;
use crate::app::{App, vocabulary};
use holm_manifest::{FILE_NAME, Manifest, Parser, Problem, Problems, SPIN_FILE_NAME, Source};
use holm_runtime::Error;
use holm_runtime::lanes::lower_this_thread;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Mutex, oneshot};

/// The file that makes a folder an app: ours, else Spin's.
fn manifest_in(folder: &Path) -> PathBuf {
    let own = folder.join(FILE_NAME);
    match own.is_file() {
        true => own,
        false => folder.join(SPIN_FILE_NAME),
    }
}

/// The host's own folder among the apps: their stores, and versions that the admin API was sent.
pub(crate) const OWN: &str = ".holm";

/// Where an app's stores keep their data: apart from its folder, which is exchanged whole.
pub(crate) fn state_of(apps: &Path, app: &str) -> PathBuf {
    apps.join(OWN).join("state").join(app)
}

/// How often it is looked at, at most.
const OFTEN: Duration = Duration::from_millis(500);

/// Looking takes at most one part in so many of a core's time.
const SHARE: u32 = 50;

/// What changed less than this ago may still be being written.
const SETTLED: Duration = Duration::from_millis(300);

/// A folder of apps, and what was last seen in it.
pub struct Folder {
    dir: PathBuf,
    parser: Parser,
    seen: BTreeMap<PathBuf, Seen>,
}

/// What was seen of one app's folder.
struct Seen {
    manifest: Option<State>,
    /// The files of its components, as they were when it was loaded.
    files: Vec<(PathBuf, Option<State>)>,
    /// The files of its variables, which need not be there.
    variables: Vec<(PathBuf, Option<State>)>,
    /// The app that it became, if it became one.
    app: Option<Arc<str>>,
}

/// A file's state: another one means other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(path: &Path) -> Option<State> {
        let meta: Metadata = std::fs::metadata(path).ok()?;
        Some(State {
            ino: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    fn is_settled(&self) -> bool {
        let seconds = Duration::from_secs(self.changed.0.max(0) as u64);
        let changed =
            SystemTime::UNIX_EPOCH + seconds + Duration::from_nanos(self.changed.1.max(0) as u64);
        // A time in the future was set by hand, and tells nothing.
        changed.elapsed().map_or(true, |ago| ago > SETTLED)
    }
}

/// What a look at the folder changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Apps that are new.
    pub added: Vec<Arc<str>>,
    /// Apps whose new version took the old one's place.
    pub changed: Vec<Arc<str>>,
    /// Apps that are gone.
    pub removed: Vec<Arc<str>>,
    /// What could not be done; the version before goes on serving.
    pub refused: Vec<Refused>,
}

/// Why a folder did not become an app.
#[derive(Debug)]
pub enum Refused {
    /// Its manifest is wrong, or what it names.
    Problems(Problems),
    /// Another app is in its way.
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Error(error)
    }
}

impl Changes {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && self.refused.is_empty()
    }
}

impl Folder {
    /// A folder of apps that was not looked at yet.
    pub fn new(dir: &Path) -> Self {
        Folder {
            dir: dir.to_owned(),
            parser: Parser::new(vocabulary()),
            seen: BTreeMap::new(),
        }
    }

    /// Looks for the first time. Apps are only read: each is loaded when it is first called, or when it
    /// has `begun`, which is asked of each that is not refused and refuses it by an error.
    pub fn open(
        &mut self,
        apps: &Apps,
        begun: impl Fn(&Arc<App>) -> Result<(), Problems>,
    ) -> Result<Changes, Problems> {
        let folders = self.folders().map_err(|error| {
            let what = format!("the folder `{}` cannot be read: {error}", self.dir.display());
            Problem::error(what)
                .help("`holm up --apps DIR` serves an app for each folder in DIR that has a holm.toml")
                .alone()
        })?;
        let mut changes = Changes::default();
        let (mut resolved, mut names) = (Vec::with_capacity(folders.len()), Vec::new());
        for (folder, app) in self.read_all(&folders, apps) {
            let seen = match app {
                Ok(app) => {
                    let seen = Seen::of(&folder, Some(&app));
                    names.push(folder.clone());
                    resolved.push(Arc::new(app));
                    seen
                }
                Err(problems) => {
                    changes.refused.push(Refused::Problems(problems));
                    Seen::of(&folder, None)
                }
            };
            self.seen.insert(folder, seen);
        }
        let all: Vec<Arc<str>> = resolved.iter().map(|app| app.name.clone()).collect();
        let put = apps.put_all(resolved, |app| begun(app).map_err(Refused::Problems));
        for ((name, folder), put) in all.into_iter().zip(names).zip(put) {
            match put {
                Ok(()) => changes.added.push(name),
                Err(refused) => {
                    changes.refused.push(refused);
                    if let Some(seen) = self.seen.get_mut(&folder) {
                        seen.app = None;
                    }
                }
            }
        }
        Ok(changes)
    }

    /// Reads the manifests of folders, on as many threads as there are cores.
    fn read_all(&self, folders: &[PathBuf], apps: &Apps) -> Vec<(PathBuf, Result<App, Problems>)> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = folders.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = folders
                .chunks(share)
                .map(|part| {
                    scope.spawn(|| {
                        part.iter()
                            .map(|folder| (folder.clone(), self.read(folder, apps)))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            parts
                .into_iter()
                .flat_map(|part| part.join().unwrap_or_default())
                .collect()
        })
    }

    fn read(&self, folder: &Path, apps: &Apps) -> Result<App, Problems> {
        let manifest = self.manifest(folder)?;
        let state = state_of(&self.dir, &manifest.name);
        apps.resolve(manifest, Some(&state))
    }

    /// Reads an app's manifest. A link is followed once: where it leads to is a version that stays
    /// what it is when the link is changed to lead elsewhere.
    fn manifest(&self, folder: &Path) -> Result<Manifest, Problems> {
        let Ok(target) = std::fs::read_link(folder) else {
            let source = Source::read(&manifest_in(folder)).map_err(Problem::alone)?;
            return self.parser.parse(&source);
        };
        let real = self.dir.join(target);
        let found = manifest_in(&real);
        let text = Source::read(&found).map_err(Problem::alone)?.text;
        let shown = folder.join(found.file_name().unwrap_or(FILE_NAME.as_ref()));
        self.parser.parse_in(&Source::new(shown, text), &real)
    }

    /// Somebody else has put an app in the place of what was in its folder, or removed it; the next
    /// look finds nothing new.
    pub(crate) fn note(&mut self, folder: &Path, app: Option<&App>) {
        match app {
            Some(app) => {
                let seen = Seen::of(folder, Some(app));
                self.seen.insert(folder.to_owned(), seen);
            }
            None => {
                self.seen.remove(folder);
            }
        }
    }

    /// Looks again and again until it is dropped, and tells what each look changed.
    pub async fn follow(folder: Arc<Mutex<Folder>>, apps: Arc<Apps>, tell: impl Fn(Changes)) {
        let mut pause = OFTEN;
        loop {
            tokio::time::sleep(pause).await;
            let seen = folder.clone().lock_owned().await;
            let Some((mut seen, news, took)) = at_leisure(move || {
                let news = seen.news();
                (seen, news, cpu_time())
            })
            .await
            else {
                tracing::error!("the folder of apps is not looked at any more");
                return;
            };
            pause = OFTEN.max(took * SHARE);
            if news.is_none_or(|news| news.is_empty()) {
                continue;
            }
            let apps = apps.clone();
            // Others' requests do not wait for this thread, and it has a priority like theirs: what
            // was changed is wanted soon.
            let changes = tokio::task::spawn_blocking(move || seen.look(&apps)).await;
            if let Ok(changes) = changes
                && !changes.is_empty()
            {
                tell(changes);
            }
        }
    }

    /// What is not as it was; none where the folder cannot be read at the moment, which loses
    /// nothing.
    fn news(&self) -> Option<News> {
        let folders = self.folders().ok()?;
        let now: BTreeSet<&PathBuf> = folders.iter().collect();
        let gone = self.seen.keys().filter(|folder| !now.contains(folder));
        let gone = gone.cloned().collect();
        let is_new = |folder: &PathBuf| {
            let old = self.seen.get(folder);
            old.is_none_or(|seen| seen.has_changed(folder))
        };
        let new = folders.iter().filter(|f| is_new(f)).cloned().collect();
        Some(News { gone, new })
    }

    /// Looks once more, and does what has changed. An app that is there already is loaded anew
    /// before it takes its old version's place; a broken one does not.
    pub fn look(&mut self, apps: &Apps) -> Changes {
        let mut changes = Changes::default();
        let News { gone, new } = self.news().unwrap_or_default();
        for folder in gone {
            let app = self.seen.remove(&folder).and_then(|seen| seen.app);
            changes
                .removed
                .extend(app.filter(|app| apps.remove(app).is_some()));
        }
        for folder in new {
            let before = self.seen.get(&folder).and_then(|seen| seen.app.clone());
            let seen = self.renew(&folder, before, apps, &mut changes);
            self.seen.insert(folder, seen);
        }
        changes
    }

    fn renew(
        &self,
        folder: &Path,
        before: Option<Arc<str>>,
        apps: &Apps,
        changes: &mut Changes,
    ) -> Seen {
        // Taken before it is read: what is written meanwhile is seen by the next look.
        let manifest = State::of(&manifest_in(folder));
        let put = self
            .manifest(folder)
            .and_then(|manifest| {
                let state = state_of(&self.dir, &manifest.name);
                match &before {
                    Some(_) => apps.load(manifest, Some(&state)),
                    None => apps.resolve(manifest, Some(&state)),
                }
            })
            .map_err(Refused::Problems)
            .and_then(|app| {
                let app = Arc::new(app);
                apps.check(&app)?;
                ready(apps, &app, before.is_some()).map_err(Refused::Problems)?;
                let mut seen = Seen::of(folder, Some(&app));
                seen.manifest = manifest;
                apps.put(app)?;
                Ok(seen)
            });
        match put {
            Ok(seen) => {
                let Some(name) = seen.app.clone() else {
                    return seen;
                };
                match before {
                    Some(before) if before == name => changes.changed.push(name),
                    Some(before) => {
                        changes.removed.extend(apps.remove(&before).map(|_| before));
                        changes.added.push(name);
                    }
                    None => changes.added.push(name),
                }
                seen
            }
            Err(refused) => {
                changes.refused.push(refused);
                let mut seen = Seen::of(folder, None);
                seen.manifest = manifest;
                // The files of the version that serves on are looked at still.
                if let Some(old) = self.seen.get(folder) {
                    let now = |files: &[(PathBuf, _)]| {
                        let paths = files.iter();
                        paths.map(|(p, _)| (p.clone(), State::of(p))).collect()
                    };
                    (seen.files, seen.variables) = (now(&old.files), now(&old.variables));
                }
                seen.app = before;
                seen
            }
        }
    }

    fn folders(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && manifest_in(&path).is_file() {
                folders.push(path);
            }
        }
        folders.sort();
        Ok(folders)
    }
}

/// Folders that are not as they were.
#[derive(Default)]
struct News {
    gone: Vec<PathBuf>,
    /// New, or another than it was.
    new: Vec<PathBuf>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }
}

/// Does something on a thread of its own that comes after all others: with ten thousand apps a look
/// takes tens of milliseconds, and requests that came meanwhile would wait for a core. None where
/// there is no thread for it.
async fn at_leisure<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("holm-apps".into())
        .spawn(move || {
            lower_this_thread();
            // Nobody waits any more where this fails.
            let _ = done.send(work());
        });
    spawned.ok()?;
    result.await.ok()
}

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Does what a version wants done before it is served, and asks for its health where it takes the place
/// of another; on a thread that may wait.
fn ready(apps: &Apps, app: &Arc<App>, replaces: bool) -> Result<(), Problems> {
    let runtime = tokio::runtime::Handle::current();
    runtime.block_on(apps.start(app))?;
    match replaces {
        true => runtime.block_on(apps.check_health(app)),
        false => Ok(()),
    }
}

impl Seen {
    fn of(folder: &Path, app: Option<&App>) -> Seen {
        let files = app.map_or(Vec::new(), |app| {
            let files = app.manifest.components.iter();
            files
                .map(|component| component.source.value.resolve(&app.manifest.dir))
                .map(|path| (path.clone(), State::of(&path)))
                .collect()
        });
        let variables = app.map_or(Vec::new(), |app| {
            let files = app.manifest.variable_files.iter();
            files.map(|path| (path.clone(), State::of(path))).collect()
        });
        Seen {
            manifest: State::of(&manifest_in(folder)),
            files,
            variables,
            app: app.map(|app| app.name.clone()),
        }
    }

    /// Whether a file is another one than it was, and nobody is writing to it any more.
    fn has_changed(&self, folder: &Path) -> bool {
        let manifest = State::of(&manifest_in(folder));
        let files = self.files.iter().map(|(path, old)| (State::of(path), *old));
        let all: Vec<_> = files.chain([(manifest, self.manifest)]).collect();
        let variables = self.variables.iter();
        let variables: Vec<_> = variables
            .map(|(path, old)| (State::of(path), *old))
            .collect();
        let mut both = all.iter().chain(&variables);
        both.any(|(now, old)| now != old)
            && all
                .iter()
                .all(|(now, _)| now.is_some_and(|now| now.is_settled()))
            && variables
                .iter()
                .all(|(now, _)| now.is_none_or(|now| now.is_settled()))
    }
}
