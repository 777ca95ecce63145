//! Versions of apps on the disk of a host of many: `DIR/NAME` is a link to
//! `DIR/.holm/apps/VERSION`, and a new version is a new folder and a link that is renamed over the
//! old one. No path of a version that serves ever leads into another one.
//!
//! A folder that somebody put there by hand is not ours to delete: it is moved to `DIR/.holm/kept`.

use super::answer::{Refusal, no_such_app, not_written};
use crate::app::{App, vocabulary};
use crate::apps::Apps;
use crate::apps::folder::{Folder, OWN, state_of};
use crate::triggers::http::request_id::RequestId;
use holm_manifest::{FILE_NAME, Manifest, Parser, Problem, Problems, Source};
use http::StatusCode;
use rustix::fs::{CWD, RenameFlags};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// How long the old version of a folder that was put there by hand may go on before its folder
/// moves.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is asked whether an old version is still at work.
const LOOK: Duration = Duration::from_millis(20);

/// What a server left behind is removed by the next one when it is so old; another server of the
/// same folder may be at work on what is younger.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// The versions of a folder of apps.
pub struct Versions {
    apps: Arc<Apps>,
    folder: Arc<Mutex<Folder>>,
    /// The folder of all apps.
    dir: PathBuf,
    parser: Parser,
}

/// A version that is not served yet; dropped, it is removed.
pub struct Version {
    dir: PathBuf,
    served: bool,
}

/// An app that is no longer served.
pub struct Removed {
    /// What it was.
    pub app: Arc<App>,
    /// Where its stores' data stays.
    pub state: PathBuf,
    /// Where its folder is kept, if somebody had put it there by hand.
    pub kept: Option<PathBuf>,
}

impl Version {
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        if !self.served {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl Versions {
    /// Over a folder that is served.
    pub fn new(apps: Arc<Apps>, dir: &Path, folder: Arc<Mutex<Folder>>) -> Self {
        if let Err(error) = sweep(dir) {
            tracing::debug!(%error, "versions that a server left behind are not removed");
        }
        Versions {
            apps,
            folder,
            dir: dir.to_owned(),
            parser: Parser::new(vocabulary()),
        }
    }

    /// A folder for a version that is being sent.
    pub fn incoming(&self) -> io::Result<Version> {
        let dir = std::path::absolute(self.own("apps")?.join(unique()))?;
        std::fs::create_dir(&dir)?;
        Ok(Version { dir, served: false })
    }

    /// A file that is gone when it is closed, on the same disk.
    pub fn nameless(&self) -> io::Result<File> {
        let path = self.own("apps")?.join(unique());
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }

    /// Serves an app that was not there before.
    pub async fn add(&self, version: Version) -> Result<Arc<App>, Refusal> {
        let manifest = self.manifest(&version)?;
        let link = self.dir.join(&manifest.name);
        self.is_free(&manifest.name, &link)?;
        let app = self.healthy(&version, manifest, &link).await?;
        let mut folder = self.folder.lock().await;
        // Another one may have come meanwhile.
        self.is_free(&app.name, &link)?;
        self.apps.put(app.clone())?;
        if let Err(error) = self.link(&link, version.path()) {
            self.apps.remove(&app.name);
            return Err(not_written(&error));
        }
        folder.note(&link, Some(&app));
        version.is_served();
        Ok(app)
    }

    /// Puts a version in the place of the one that is served, and says where that is kept, if
    /// somebody had put it there by hand.
    pub async fn replace(
        &self,
        name: &str,
        version: Version,
    ) -> Result<(Arc<App>, Option<PathBuf>), Refusal> {
        let manifest = self.manifest(&version)?;
        if manifest.name != name {
            let what = format!("this is the app `{}`, not `{name}`", manifest.name);
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, what)
                .help("the `name` in holm.toml is the app's name"));
        }
        let link = self.folder_of(&*self.app(name)?);
        let app = self.healthy(&version, manifest, &link).await?;
        let mut folder = self.folder.lock().await;
        self.app(name)?;
        let old = self.apps.put(app.clone())?;
        let linked = match is_by_hand(&link) {
            false => self.link(&link, version.path()).map(|()| None),
            true => {
                // Its paths lead through the folder that the link takes the place of.
                if let Some(old) = &old {
                    at_rest(old).await;
                }
                self.exchange(&link, version.path()).map(Some)
            }
        };
        match linked {
            Ok(kept) => {
                folder.note(&link, Some(&app));
                version.is_served();
                discard(old, &self.dir);
                Ok((app, kept))
            }
            Err(error) => {
                self.put_back(old);
                Err(not_written(&error))
            }
        }
    }

    /// Serves an app no longer.
    pub async fn remove(&self, name: &str) -> Result<Removed, Refusal> {
        let app = self.app(name)?;
        let link = self.folder_of(&app);
        let mut folder = self.folder.lock().await;
        let kept = match is_by_hand(&link) {
            true => Some(
                self.own("kept")
                    .map_err(|e| not_written(&e))?
                    .join(named(name)),
            ),
            false => None,
        };
        let was_drained = app.standing.is_drained();
        if self.apps.remove(name).is_none() {
            return Err(no_such_app(name));
        }
        let gone = match &kept {
            Some(kept) => {
                at_rest(&app).await;
                std::fs::rename(&link, kept)
            }
            None => std::fs::remove_file(&link),
        };
        if let Err(error) = gone.and_then(|()| sync(&self.dir)) {
            if !was_drained {
                app.standing.resume();
            }
            self.put_back(Some(app));
            return Err(not_written(&error));
        }
        folder.note(&link, None);
        discard(Some(app.clone()), &self.dir);
        let state = state_of(&self.dir, name);
        Ok(Removed { app, state, kept })
    }

    fn app(&self, name: &str) -> Result<Arc<App>, Refusal> {
        self.apps.get(name).ok_or_else(|| no_such_app(name))
    }

    /// The folder of an app that is served: the link, or what was put there by hand.
    fn folder_of(&self, app: &App) -> PathBuf {
        let manifest = &app.manifest.source.path;
        manifest.parent().unwrap_or(&self.dir).to_owned()
    }

    fn is_free(&self, name: &str, link: &Path) -> Result<(), Refusal> {
        let taken = |what: String| Err(Refusal::new(StatusCode::CONFLICT, what));
        if self.apps.get(name).is_some() {
            return taken(format!("there is an app `{name}` already"))
                .map_err(|refusal| refusal.help("holm apps replace DIR"));
        }
        match link.symlink_metadata() {
            Ok(_) => taken(format!("there is {} already", link.display())),
            Err(_) => Ok(()),
        }
    }

    /// Reads the manifest of a version. What is wrong with it is told of `holm.toml`, as whoever
    /// sent it knows the file.
    fn manifest(&self, version: &Version) -> Result<Manifest, Problems> {
        let file = version.path().join(FILE_NAME);
        if !file.is_file() {
            return Err(Problem::error(format!("the app has no {FILE_NAME}"))
                .help("it is at the top of the tar, beside what it names")
                .alone());
        }
        let text = Source::read(&file).map_err(Problem::alone)?.text;
        self.parser
            .parse_in(&Source::new(FILE_NAME, text), version.path())
    }

    /// Loads a version, does what it wants done before it is served, and asks for its health.
    async fn healthy(
        &self,
        version: &Version,
        mut manifest: Manifest,
        link: &Path,
    ) -> Result<Arc<App>, Refusal> {
        debug_assert_eq!(manifest.dir, version.path());
        manifest.source.path = link.join(FILE_NAME);
        let state = state_of(&self.dir, &manifest.name);
        let apps = self.apps.clone();
        // Compiling takes a while, and this thread answers others.
        let loaded = tokio::task::spawn_blocking(move || apps.load(manifest, Some(&state)));
        let of_sender = |mut problems: Problems| {
            problems.source.path = FILE_NAME.into();
            problems
        };
        let app = match loaded.await {
            Ok(loaded) => Arc::new(loaded.map_err(of_sender)?),
            Err(error) => {
                return Err(Problem::error(format!("loading failed: {error}"))
                    .alone()
                    .into());
            }
        };
        self.apps.check(&app)?;
        self.apps.start(&app).await.map_err(of_sender)?;
        self.apps.check_health(&app).await.map_err(of_sender)?;
        Ok(app)
    }

    fn put_back(&self, old: Option<Arc<App>>) {
        if let Some(old) = old
            && let Err(error) = self.apps.put(old)
        {
            tracing::error!(%error, "the version before cannot be put back");
        }
    }

    /// A folder of our own among the apps.
    fn own(&self, name: &str) -> io::Result<PathBuf> {
        let dir = self.dir.join(OWN).join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Makes the link lead to a version, in one step.
    fn link(&self, link: &Path, version: &Path) -> io::Result<()> {
        let aside = self.aside(version)?;
        std::fs::rename(&aside, link).inspect_err(|_| {
            let _ = std::fs::remove_file(&aside);
        })?;
        sync(&self.dir)
    }

    /// Puts the link in the place of a folder, in one step, and keeps the folder.
    fn exchange(&self, folder: &Path, version: &Path) -> io::Result<PathBuf> {
        let aside = self.aside(version)?;
        let name = folder.file_name().unwrap_or_default();
        let kept = self.own("kept")?.join(named(&name.to_string_lossy()));
        rustix::fs::renameat_with(CWD, &aside, CWD, folder, RenameFlags::EXCHANGE)
            .map_err(io::Error::from)
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&aside);
            })?;
        std::fs::rename(&aside, &kept)?;
        sync(&self.dir)?;
        Ok(kept)
    }

    /// A link that waits for its place.
    fn aside(&self, version: &Path) -> io::Result<PathBuf> {
        let target = Path::new(OWN)
            .join("apps")
            .join(version.file_name().unwrap_or_default());
        let aside = self.own("apps")?.join(unique());
        std::os::unix::fs::symlink(target, &aside)?;
        Ok(aside)
    }
}

impl Version {
    fn is_served(mut self) {
        self.served = true;
    }
}

fn is_by_hand(folder: &Path) -> bool {
    std::fs::read_link(folder).is_err()
}

/// A name that nobody else has.
fn unique() -> String {
    RequestId::new(SystemTime::now())
        .to_string()
        .replace("req_", "v")
}

fn named(name: &str) -> String {
    format!("{name}-{}", unique())
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Who works for an app still: itself, and each of its components.
struct AtWork {
    app: Weak<App>,
    components: Vec<Weak<crate::component::Component>>,
}

impl AtWork {
    fn of(app: &Arc<App>) -> Self {
        AtWork {
            app: Arc::downgrade(app),
            components: app.components.iter().map(Arc::downgrade).collect(),
        }
    }

    fn is_over(&self) -> bool {
        self.app.strong_count() == 0 && self.components.iter().all(|c| c.strong_count() == 0)
    }
}

/// Waits a while until nobody but we and the app itself holds on to it.
async fn at_rest(app: &Arc<App>) {
    let end = tokio::time::Instant::now() + FAREWELL;
    let at_work = || Arc::strong_count(app) > 1 || app.components.iter().any(|c| c.at_work() > 0);
    while at_work() && tokio::time::Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
}

/// Removes the folder of a version when nobody works for it any more.
fn discard(old: Option<Arc<App>>, dir: &Path) {
    let Some(app) = old else { return };
    let ours = std::path::absolute(dir.join(OWN).join("apps"));
    let folder = app.manifest.dir.clone();
    if !ours.is_ok_and(|ours| folder.parent() == Some(&ours)) {
        return;
    }
    let at_work = AtWork::of(&app);
    drop(app);
    tokio::spawn(async move {
        while !at_work.is_over() {
            tokio::time::sleep(LOOK).await;
        }
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::debug!(%error, "the folder of an old version is not removed");
        }
    });
}

/// Removes versions that no link leads to.
fn sweep(dir: &Path) -> io::Result<()> {
    let links = std::fs::read_dir(dir)?.filter_map(|entry| {
        let target = std::fs::read_link(entry.ok()?.path()).ok()?;
        Some(target.file_name()?.to_owned())
    });
    let linked: HashSet<_> = links.collect();
    let versions = match std::fs::read_dir(dir.join(OWN).join("apps")) {
        Ok(versions) => versions,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for version in versions {
        let version = version?;
        let modified = version.metadata()?.modified()?;
        let old = modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND);
        if old && !linked.contains(&version.file_name()) {
            match version.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(version.path())?,
                false => std::fs::remove_file(version.path())?,
            }
        }
    }
    Ok(())
}
