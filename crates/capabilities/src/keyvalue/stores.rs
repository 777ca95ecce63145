//! Which stores there are: what the manifest declares of them, and the ones that are open.

use super::memory::Memory;
use super::nats::Nats;
use super::provider::{Error, Provider};
use super::redb::Redb;
use super::redis::Redis;
use super::setup::{FILE_LIMIT, Setup};
use crate::Place;
use holm_manifest::Problem;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// The stores of an app that something was granted of, open or not.
#[derive(Debug, Default)]
pub struct Stores(Mutex<BTreeMap<(String, Setup), Arc<Store>>>);

/// One store; opened when a guest first opens it.
#[derive(Debug)]
pub struct Store {
    name: Arc<str>,
    setup: Setup,
    provider: OnceCell<Arc<dyn Provider>>,
}

impl Stores {
    /// The store that the manifest means by `name`; everybody in the app gets the same one.
    pub(super) fn find(&self, name: &str, place: &Place) -> Result<Arc<Store>, Problem> {
        let mut setup = Setup::Redb {
            path: None,
            limit: FILE_LIMIT.0,
        };
        if let Some(declared) = place.stores.iter().find(|store| store.name == name) {
            if declared.kind != "keyvalue" {
                return Err(Problem::error(format!(
                    "store `{name}` is declared with `type = {:?}`, and `keyvalue` wants `type = \"keyvalue\"`",
                    declared.kind
                )));
            }
            setup = Setup::read(&declared.value)?;
            if matches!(setup, Setup::Nats { bucket: None, .. }) && name.contains('.') {
                return Err(Problem::error(format!(
                    "store `{name}` needs a `bucket`: no bucket's name has a `.`"
                )));
            }
        }
        if let Setup::Redb { path, .. } = &mut setup {
            let file = match path.take() {
                Some(path) => place.base.join(path),
                None => place.state.join("keyvalue").join(format!("{name}.redb")),
            };
            *path = Some(file);
        }
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores
            .entry((name.to_owned(), setup.clone()))
            .or_insert_with(|| {
                Arc::new(Store {
                    name: name.into(),
                    setup,
                    provider: OnceCell::new(),
                })
            });
        Ok(store.clone())
    }
}

impl Store {
    /// Its name in the app.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whoever keeps its data; the first call opens it.
    pub(super) async fn provider(&self) -> Result<Arc<dyn Provider>, Error> {
        let provider = self.provider.get_or_try_init(|| self.open()).await?;
        provider.ready().await?;
        Ok(provider.clone())
    }

    async fn open(&self) -> Result<Arc<dyn Provider>, Error> {
        Ok(match &self.setup {
            Setup::Memory { limit } => Arc::new(Memory::new(&self.name, *limit)),
            Setup::Redb {
                path: Some(path),
                limit,
            } => Arc::new(Redb::open(&self.name, path, *limit).await?),
            Setup::Redb { path: None, .. } => return Err(Error::new("the store has no file")),
            Setup::Redis {
                url,
                prefix,
                ttl,
                timeout,
            } => {
                let prefix = match prefix {
                    Some(prefix) => prefix.clone(),
                    None => format!("{}/", self.name),
                };
                let url = url.reveal();
                Arc::new(Redis::open(&self.name, url, &prefix, *ttl, *timeout)?)
            }
            Setup::Nats {
                url,
                bucket,
                ttl,
                timeout,
            } => {
                let bucket = bucket.as_deref().unwrap_or(&self.name);
                let url = url.reveal();
                Arc::new(Nats::open(&self.name, url, bucket, *ttl, *timeout).await?)
            }
        })
    }
}
