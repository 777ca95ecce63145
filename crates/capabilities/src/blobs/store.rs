//! Which containers there are: what the manifest declares of them, and the ones that are open.

use super::container::Container;
use super::error::Error;
use super::s3;
use super::setup::{Provider, Setup};
use crate::Place;
use holm_manifest::Problem;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// The containers of an app that something was granted of, open or not.
#[derive(Debug, Default)]
pub struct Stores(Mutex<BTreeMap<(String, Setup), Arc<Store>>>);

/// One container; opened when a guest first asks for it.
#[derive(Debug)]
pub struct Store {
    name: String,
    setup: Setup,
    container: OnceCell<Arc<Container>>,
}

impl Stores {
    /// The container that the manifest means by `name`; everybody in the app gets the same one. A
    /// declaration of another type is another store's: key-value stores have names of their own.
    pub(super) fn find(&self, name: &str, place: &Place) -> Result<Arc<Store>, Problem> {
        let mut stores = place.stores.iter();
        let mut setup = match stores.find(|store| store.name == name && store.kind == "blobs") {
            Some(declared) => Setup::read(&declared.value)?,
            None => Setup::default(),
        };
        if let Provider::Folder { path, .. } = &mut setup.provider {
            let folder = match path.take() {
                Some(path) => place.base.join(path),
                None => place.state.join("blobs").join(name),
            };
            *path = Some(folder);
        }
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores
            .entry((name.to_owned(), setup.clone()))
            .or_insert_with(|| {
                Arc::new(Store {
                    name: name.to_owned(),
                    setup,
                    container: OnceCell::new(),
                })
            });
        Ok(store.clone())
    }
}

impl Store {
    /// The container; the first call opens it.
    pub(super) async fn container(&self) -> Result<Arc<Container>, Error> {
        let container = self.container.get_or_try_init(|| self.open()).await?;
        Ok(container.clone())
    }

    async fn open(&self) -> Result<Arc<Container>, Error> {
        let (name, limits) = (&self.name, self.setup.limits());
        Ok(Arc::new(match &self.setup.provider {
            Provider::Memory { .. } => Container::memory(name, limits),
            Provider::Folder {
                path: Some(path), ..
            } => Container::folder(name, path.clone(), limits).await?,
            Provider::Folder { path: None, .. } => {
                return Err(Error::new("the container has no folder"));
            }
            Provider::S3(server) => s3::open(name, server, limits)?,
        }))
    }
}
