//! A container that is open: objects by name, in whatever keeps them.
//!
//! An object is there whole or not at all: it is written under a name of its own or as parts, and
//! put into place when its last byte has come.

use super::error::{self, Error};
use super::limits::{self, UPLOADS_MAX};
use super::room::Used;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// The bytes of an object as they come.
pub type Bytes = BoxStream<'static, Result<bytes::Bytes, Error>>;

/// Names of objects as they are found.
pub type Names = BoxStream<'static, Result<String, Error>>;

/// What a container may keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all objects, where the host keeps them.
    pub total: Option<u64>,
    /// Bytes of one object.
    pub object: u64,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Bytes.
    pub size: u64,
    /// When it was written, in seconds since 1970.
    pub written: u64,
}

/// An object, or a part of one, that is being read.
pub struct Read {
    /// Bytes that will come.
    pub size: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// An open container.
#[derive(Debug)]
pub struct Container {
    name: Arc<str>,
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The same, where they are files.
    folder: Option<LocalFileSystem>,
    /// What the names in there begin with: nothing, or a text that ends with `/`.
    prefix: String,
    /// How long a server may take for one answer; none where there is no server.
    pub(super) timeout: Option<Duration>,
    pub(super) limits: Limits,
    /// Bytes of all objects, where that has a limit; who changes what there is holds it.
    pub(super) used: tokio::sync::Mutex<Used>,
    /// Bytes that there must be room for: of objects that are being written.
    pub(super) coming: AtomicU64,
    /// Places for objects that are being written.
    pub(super) uploads: Arc<Semaphore>,
    created: u64,
}

impl Container {
    fn new(name: &str, objects: impl ObjectStore, limits: Limits, created: u64) -> Self {
        Container {
            name: name.into(),
            objects: Arc::new(objects),
            folder: None,
            prefix: String::new(),
            timeout: None,
            limits,
            used: tokio::sync::Mutex::default(),
            coming: AtomicU64::new(0),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            created,
        }
    }

    /// A container in memory.
    pub fn memory(name: &str, limits: Limits) -> Self {
        Container::new(name, InMemory::new(), limits, seconds(SystemTime::now()))
    }

    /// A container in a folder, which is made where it is not there.
    pub async fn folder(name: &str, path: PathBuf, limits: Limits) -> Result<Self, Error> {
        let cannot = |detail: String| {
            Error::with_detail(format!("container {name:?} cannot be opened"), detail)
        };
        let opened = tokio::task::spawn_blocking(move || {
            let open = || {
                std::fs::create_dir_all(&path)?;
                let made = std::fs::metadata(&path)?;
                let made = made.created().or_else(|_| made.modified())?;
                let folder = LocalFileSystem::new_with_prefix(&path)?;
                // What is acknowledged is on disk.
                Ok((folder.with_fsync(true).with_automatic_cleanup(true), made))
            };
            open().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
        });
        let (folder, made) = opened
            .await
            .map_err(|error| cannot(error.to_string()))?
            .map_err(cannot)?;
        Ok(Container {
            folder: Some(folder.clone()),
            ..Container::new(name, folder, limits, seconds(made))
        })
    }

    /// A container on a server, all its names behind `prefix`.
    pub(super) fn remote(
        name: &str,
        objects: impl ObjectStore,
        prefix: String,
        limits: Limits,
        timeout: Duration,
    ) -> Self {
        Container {
            prefix,
            timeout: Some(timeout),
            ..Container::new(name, objects, limits, 0)
        }
    }

    /// Its name in the app.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// When it was made, in seconds since 1970; 0 where nobody knows.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Where an object is.
    pub(super) fn place(&self, name: &str) -> Result<Path, Error> {
        limits::name(name)?;
        let place = Path::parse(format!("{}{name}", self.prefix));
        place.map_err(|error| {
            let told = format!("container {:?} cannot have an object {name:?}", self.name);
            Error::with_detail(told, error.to_string())
        })
    }

    /// Waits for an answer, and no longer than may be.
    pub(super) async fn within<T>(
        &self,
        name: &str,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        let answer = self.answer(answer).await?;
        answer.map_err(|error| Error::of(&self.name, name, error))
    }

    /// The same for what only looks: below a file there is nothing.
    async fn look<T>(
        &self,
        name: &str,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        let answer = self.answer(answer).await?;
        answer.map_err(|error| match error::is_below_a_file(&error) {
            true => Error::no_object(name),
            false => Error::of(&self.name, name, error),
        })
    }

    async fn answer<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        match self.timeout {
            None => Ok(answer.await),
            Some(timeout) => tokio::time::timeout(timeout, answer)
                .await
                .map_err(|_| Error::late(&self.name, timeout)),
        }
    }

    /// What is known of an object.
    pub async fn info(&self, name: &str) -> Result<Info, Error> {
        let meta = self.head(name).await?;
        Ok(Info {
            size: meta.size,
            written: u64::try_from(meta.last_modified.timestamp()).unwrap_or(0),
        })
    }

    async fn head(&self, name: &str) -> Result<ObjectMeta, Error> {
        let place = self.place(name)?;
        self.look(name, self.objects.head(&place)).await
    }

    /// Whether there is such an object.
    pub async fn has(&self, name: &str) -> Result<bool, Error> {
        match self.head(name).await {
            Ok(_) => Ok(true),
            Err(error) if error.missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The bytes of an object from `start` up to and with `end`; what is beyond its end is nothing.
    /// They stay those of now, whatever becomes of the object.
    pub async fn read(&self, name: &str, start: u64, end: u64) -> Result<Read, Error> {
        let place = self.place(name)?;
        if start > end {
            return Err(Error::new("the end of the bytes is before their start"));
        }
        let range = match (start, end.checked_add(1)) {
            (0, None) => None,
            (start, None) => Some(GetRange::Offset(start)),
            (start, Some(end)) => Some(GetRange::Bounded(start..end)),
        };
        let ranged = range.is_some();
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let got = self.look(name, self.objects.get_opts(&place, options));
        let got = match got.await {
            Ok(got) => got,
            // Who wants nothing that is there gets nothing.
            Err(error) if ranged && !error.missing => match self.head(name).await {
                Ok(meta) if start >= meta.size => return Ok(nothing()),
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let size = got.range.end - got.range.start;
        let (container, object) = (self.name.clone(), name.to_owned());
        let bytes = got
            .into_stream()
            .map_err(move |error| Error::of(&container, &object, error));
        Ok(Read {
            size,
            bytes: self.bounded(bytes.boxed()),
        })
    }

    /// The same stream, in which nobody waits for longer than may be.
    fn bounded<T: Send + 'static>(
        &self,
        stream: BoxStream<'static, Result<T, Error>>,
    ) -> BoxStream<'static, Result<T, Error>> {
        let Some(timeout) = self.timeout else {
            return stream;
        };
        let name = self.name.clone();
        let next = move |stream: Option<BoxStream<'static, Result<T, Error>>>| {
            let name = name.clone();
            async move {
                let mut stream = stream?;
                match tokio::time::timeout(timeout, stream.next()).await {
                    Ok(Some(Ok(item))) => Some((Ok(item), Some(stream))),
                    Ok(Some(Err(error))) => Some((Err(error), None)),
                    Ok(None) => None,
                    Err(_) => Some((Err(Error::late(&name, timeout)), None)),
                }
            }
        };
        futures::stream::unfold(Some(stream), next).boxed()
    }

    /// All names, in no order.
    pub fn list(&self) -> Names {
        let bare = self.prefix.strip_suffix('/');
        let prefix = bare.and_then(|prefix| Path::parse(prefix).ok());
        let found = self.objects.list(prefix.as_ref());
        let (container, before) = (self.name.clone(), self.prefix.clone());
        let names = found
            .map_err(move |error| Error::of(&container, "", error))
            .try_filter_map(move |meta| {
                let name = meta.location.as_ref().strip_prefix(&before);
                std::future::ready(Ok(name.map(str::to_owned)))
            });
        self.bounded(names.boxed())
    }

    /// Removes objects; those that are not there are no error.
    pub async fn delete(&self, names: &[String]) -> Result<(), Error> {
        let places = names
            .iter()
            .map(|name| self.place(name))
            .collect::<Result<Vec<_>, _>>()?;
        self.remove(places).await
    }

    /// Removes them all.
    pub async fn clear(&self) -> Result<(), Error> {
        loop {
            let first: Vec<String> = self.list().take(limits::NAMES_MAX).try_collect().await?;
            if first.is_empty() {
                return Ok(());
            }
            self.delete(&first).await?;
        }
    }

    async fn remove(&self, places: Vec<Path>) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        let mut used = self.used.lock().await;
        if self.limits.total.is_some() {
            // One by one, for the sake of the count.
            for place in &places {
                let size = self.size(place).await?;
                self.gone(place, self.objects.delete(place)).await?;
                if let (Some(size), Some(kept)) = (size, &mut used.kept) {
                    *kept = kept.saturating_sub(size);
                }
            }
            return Ok(());
        }
        drop(used);
        let places = futures::stream::iter(places.into_iter().map(Ok)).boxed();
        let mut gone = self.objects.delete_stream(places);
        while let Some(one) = self.within("", async { Ok(gone.next().await) }).await? {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::of(&self.name, "", error)),
            }
        }
        Ok(())
    }

    async fn gone(
        &self,
        place: &Path,
        answer: impl Future<Output = object_store::Result<()>>,
    ) -> Result<(), Error> {
        match self.look(place.as_ref(), answer).await {
            Err(error) if error.missing => Ok(()),
            answer => answer,
        }
    }

    /// Removes the folders that were made for an object which is not there now.
    pub(super) async fn tidy(&self, place: &Path) {
        let Some(folder) = self.folder.clone() else {
            return;
        };
        let mut parts: Vec<String> = place.as_ref().split('/').map(str::to_owned).collect();
        let empty = move || {
            while parts.pop().is_some() && !parts.is_empty() {
                let above =
                    Path::parse(parts.join("/")).map(|above| folder.path_to_filesystem(&above));
                // One with something in it stays.
                match above {
                    Ok(Ok(above)) if std::fs::remove_dir(&above).is_ok() => {}
                    _ => return,
                }
            }
        };
        let _ = tokio::task::spawn_blocking(empty).await;
    }

    /// Bytes of the object at a place, if there is one.
    pub(super) async fn size(&self, place: &Path) -> Result<Option<u64>, Error> {
        match self.look(place.as_ref(), self.objects.head(place)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) if error.missing => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn nothing() -> Read {
    Read {
        size: 0,
        bytes: futures::stream::empty().boxed(),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
