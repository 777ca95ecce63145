//! `wasi:blobstore` for the guest, as `0.2.0-draft` has it: containers. What is in them is in
//! [`values`](super::values).

use super::container::{Container, Names};
use super::error::Error;
use super::incoming::Incoming;
use super::limits::{self, HANDLES_MAX, NAMES_MAX};
use super::outgoing::Outgoing;
use super::upload::Upload;
use super::{Access, Instance, View};
use futures::StreamExt as _;
use holm_runtime::trace::Span;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-blobstore@0.2.0-draft",
        world: "wasi:blobstore/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:blobstore/container.container": super::Handle,
            "wasi:blobstore/container.stream-object-names": super::Listing,
            "wasi:blobstore/types.incoming-value": super::super::incoming::Incoming,
            "wasi:blobstore/types.outgoing-value": super::super::outgoing::Outgoing,
        },
    });
}
pub use bindings::wasi::blobstore::{blobstore, container, types};

/// A container that a guest has opened.
#[derive(Debug)]
pub struct Handle(Arc<Container>);

/// Names of objects that a guest reads one after the other.
pub struct Listing {
    container: Arc<str>,
    names: Names,
    ended: bool,
}

/// What the guest is told: in this draft errors are texts.
pub(super) type Told<T> = std::result::Result<T, String>;

/// An operation that has begun.
struct Begun {
    container: Arc<str>,
    span: Option<Box<dyn Span>>,
}

impl View<'_> {
    /// A container of the guest's, for reading or for writing.
    fn container(
        &mut self,
        handle: &Resource<Handle>,
        access: Access,
    ) -> Result<Told<Arc<Container>>> {
        let container = self.table.get(handle)?.0.clone();
        Ok(self.part.store(container.name(), access).map(|_| container))
    }

    /// Opens a container by name.
    async fn open(&mut self, name: &str, access: Access) -> Told<Arc<Container>> {
        let store = self.part.store(name, access)?;
        let opened = store.container().await;
        opened.map_err(|error| self.part.tell(name, error))
    }

    fn begin(&self, operation: &'static str, container: &Container) -> Begun {
        Begun {
            container: container.name().clone(),
            span: self.part.begin(operation, container.name()),
        }
    }

    fn end<T>(&mut self, begun: Begun, done: std::result::Result<T, Error>) -> Told<T> {
        if let (Some(mut span), Err(_)) = (begun.span, &done) {
            span.failed("other".to_owned());
        }
        done.map_err(|error| self.part.tell(&begun.container, error))
    }

    /// Runs one operation on a container.
    async fn on<T, F>(
        &mut self,
        operation: &'static str,
        handle: &Resource<Handle>,
        access: Access,
        f: impl FnOnce(Arc<Container>) -> F,
    ) -> Result<Told<T>>
    where
        F: Future<Output = std::result::Result<T, Error>>,
    {
        let container = match self.container(handle, access)? {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        let begun = self.begin(operation, &container);
        let done = f(container).await;
        Ok(self.end(begun, done))
    }

    /// Opens a container and gives the guest a handle of it.
    async fn handle(&mut self, name: &str, access: Access) -> Result<Told<Resource<Handle>>> {
        match self.open(name, access).await {
            Ok(container) => self.part.push(self.table, Handle(container)),
            Err(told) => Ok(Err(told)),
        }
    }

    /// Copies an object, or moves it.
    async fn transfer(
        &mut self,
        from: types::ObjectId,
        to: types::ObjectId,
        moves: bool,
    ) -> Result<Told<()>> {
        let needs = if moves { Access::Write } else { Access::Read };
        let source = match self.open(&from.container, needs).await {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        let target = match self.open(&to.container, Access::Write).await {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        let operation = if moves { "move_object" } else { "copy_object" };
        let begun = self.begin(operation, &target);
        let done = match Arc::ptr_eq(&source, &target) {
            true => target.copy(&from.object, &to.object, moves).await,
            false => carry(&source, &from.object, target, &to.object, moves).await,
        };
        Ok(self.end(begun, done))
    }
}

/// Copies an object into another container, or moves it: through the host, piece by piece.
async fn carry(
    source: &Arc<Container>,
    from: &str,
    target: Arc<Container>,
    to: &str,
    moves: bool,
) -> std::result::Result<(), Error> {
    let mut bytes = source.read(from, 0, u64::MAX).await?.bytes;
    let mut upload = Upload::begin(target, to).await?;
    let written = async {
        while let Some(piece) = bytes.next().await {
            upload.write(piece?).await?;
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = written.await {
        upload.abandon().await;
        return Err(error);
    }
    upload.finish().await?;
    match moves {
        true => source.delete(&[from.to_owned()]).await,
        false => Ok(()),
    }
}

impl Instance {
    /// A handle for the guest, unless it holds as many as it may.
    pub(super) fn push<T: Send + 'static>(
        &mut self,
        table: &mut ResourceTable,
        resource: T,
    ) -> Result<Told<Resource<T>>> {
        if self.handles >= HANDLES_MAX {
            return Ok(Err(format!(
                "more than {HANDLES_MAX} containers, values and listings at once"
            )));
        }
        let resource = table.push(resource)?;
        self.handles += 1;
        Ok(Ok(resource))
    }
}

impl container::Host for View<'_> {}

impl blobstore::Host for View<'_> {
    async fn create_container(&mut self, name: String) -> Result<Told<Resource<Handle>>> {
        // The manifest has made it.
        self.handle(&name, Access::Write).await
    }

    async fn get_container(&mut self, name: String) -> Result<Told<Resource<Handle>>> {
        self.handle(&name, Access::Read).await
    }

    async fn delete_container(&mut self, name: String) -> Result<Told<()>> {
        let container = match self.open(&name, Access::Write).await {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        let begun = self.begin("delete_container", &container);
        let done = container.clear().await;
        Ok(self.end(begun, done))
    }

    async fn container_exists(&mut self, name: String) -> Result<Told<bool>> {
        Ok(Ok(self.part.store(&name, Access::Read).is_ok()))
    }

    async fn copy_object(
        &mut self,
        src: types::ObjectId,
        dest: types::ObjectId,
    ) -> Result<Told<()>> {
        self.transfer(src, dest, false).await
    }

    async fn move_object(
        &mut self,
        src: types::ObjectId,
        dest: types::ObjectId,
    ) -> Result<Told<()>> {
        self.transfer(src, dest, true).await
    }
}

impl container::HostContainer for View<'_> {
    async fn name(&mut self, handle: Resource<Handle>) -> Result<Told<String>> {
        Ok(Ok(self.table.get(&handle)?.0.name().to_string()))
    }

    async fn info(&mut self, handle: Resource<Handle>) -> Result<Told<types::ContainerMetadata>> {
        let container = &self.table.get(&handle)?.0;
        Ok(Ok(types::ContainerMetadata {
            name: container.name().to_string(),
            created_at: container.created(),
        }))
    }

    async fn get_data(
        &mut self,
        handle: Resource<Handle>,
        name: String,
        start: u64,
        end: u64,
    ) -> Result<Told<Resource<Incoming>>> {
        let read = async |container: Arc<Container>| {
            let read = container.read(&name, start, end).await?;
            let container = container.name().clone();
            Ok(Incoming { container, read })
        };
        match self.on("get_data", &handle, Access::Read, read).await? {
            Ok(incoming) => self.part.push(self.table, incoming),
            Err(told) => Ok(Err(told)),
        }
    }

    async fn write_data(
        &mut self,
        handle: Resource<Handle>,
        name: String,
        data: Resource<Outgoing>,
    ) -> Result<Told<()>> {
        let container = match self.container(&handle, Access::Write)? {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        if self.table.get(&data)?.is_placed() {
            return Ok(Err("the value has a place already".to_owned()));
        }
        let begun = self.begin("write_data", &container);
        let to = container.name().clone();
        match Upload::begin(container, &name).await {
            Ok(upload) => {
                let value = self.table.get_mut(&data)?;
                // The span ends with the value.
                value.place(to, upload, &self.part.account, begun.span);
                Ok(Ok(()))
            }
            Err(error) => Ok(self.end(begun, Err(error))),
        }
    }

    async fn list_objects(&mut self, handle: Resource<Handle>) -> Result<Told<Resource<Listing>>> {
        let list = async |container: Arc<Container>| {
            Ok(Listing {
                names: container.list(),
                container: container.name().clone(),
                ended: false,
            })
        };
        match self.on("list_objects", &handle, Access::Read, list).await? {
            Ok(listing) => self.part.push(self.table, listing),
            Err(told) => Ok(Err(told)),
        }
    }

    async fn delete_object(&mut self, handle: Resource<Handle>, name: String) -> Result<Told<()>> {
        self.on("delete_object", &handle, Access::Write, async |container| {
            container.delete(&[name]).await
        })
        .await
    }

    async fn delete_objects(
        &mut self,
        handle: Resource<Handle>,
        names: Vec<String>,
    ) -> Result<Told<()>> {
        self.on(
            "delete_objects",
            &handle,
            Access::Write,
            async |container| {
                limits::names(&names)?;
                container.delete(&names).await
            },
        )
        .await
    }

    async fn has_object(&mut self, handle: Resource<Handle>, name: String) -> Result<Told<bool>> {
        self.on("has_object", &handle, Access::Read, async |container| {
            container.has(&name).await
        })
        .await
    }

    async fn object_info(
        &mut self,
        handle: Resource<Handle>,
        name: String,
    ) -> Result<Told<types::ObjectMetadata>> {
        self.on("object_info", &handle, Access::Read, async |container| {
            let info = container.info(&name).await?;
            Ok(types::ObjectMetadata {
                container: container.name().to_string(),
                created_at: info.written,
                size: info.size,
                name,
            })
        })
        .await
    }

    async fn clear(&mut self, handle: Resource<Handle>) -> Result<Told<()>> {
        self.on("clear", &handle, Access::Write, async |container| {
            container.clear().await
        })
        .await
    }

    async fn drop(&mut self, handle: Resource<Handle>) -> Result<()> {
        self.table.delete(handle)?;
        self.part.handles -= 1;
        Ok(())
    }
}

impl container::HostStreamObjectNames for View<'_> {
    async fn read_stream_object_names(
        &mut self,
        listing: Resource<Listing>,
        len: u64,
    ) -> Result<Told<(Vec<String>, bool)>> {
        let most = usize::try_from(len).unwrap_or(usize::MAX).min(NAMES_MAX);
        let listing = self.table.get_mut(&listing)?;
        let mut names = Vec::new();
        match listing.next(most, |name| names.push(name)).await {
            Ok(_) => Ok(Ok((names, listing.ended))),
            Err(error) => {
                let container = listing.container.clone();
                Ok(Err(self.part.tell(&container, error)))
            }
        }
    }

    async fn skip_stream_object_names(
        &mut self,
        listing: Resource<Listing>,
        num: u64,
    ) -> Result<Told<(u64, bool)>> {
        let most = usize::try_from(num).unwrap_or(usize::MAX);
        let listing = self.table.get_mut(&listing)?;
        match listing.next(most, drop).await {
            Ok(skipped) => Ok(Ok((skipped as u64, listing.ended))),
            Err(error) => {
                let container = listing.container.clone();
                Ok(Err(self.part.tell(&container, error)))
            }
        }
    }

    async fn drop(&mut self, listing: Resource<Listing>) -> Result<()> {
        self.table.delete(listing)?;
        self.part.handles -= 1;
        Ok(())
    }
}

impl Listing {
    /// Takes up to `most` names; how many there were.
    async fn next(
        &mut self,
        most: usize,
        mut take: impl FnMut(String),
    ) -> std::result::Result<usize, Error> {
        let mut taken = 0;
        while taken < most && !self.ended {
            match self.names.next().await {
                Some(name) => {
                    take(name?);
                    taken += 1;
                }
                None => self.ended = true,
            }
        }
        Ok(taken)
    }
}
