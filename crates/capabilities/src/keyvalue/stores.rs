//! Which stores there are: what the manifest declares of them, and the ones that are open.

use super::memory::Memory;
use super::provider::{Error, Provider};
use super::redb::Redb;
use crate::Place;
use holm_manifest::{ByteSize, Fragment, Problem, Spanned, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How much a store in memory holds unless the manifest says otherwise.
const MEMORY_LIMIT: ByteSize = ByteSize::mib(64);

/// How much a store in a file holds unless the manifest says otherwise.
const FILE_LIMIT: ByteSize = ByteSize::mib(1024);

/// Providers that are known to come; asking for one is no typing mistake.
const LATER: &[&str] = &["redis", "nats"];

/// The settings of a store: `[store.NAME]` with `type = "keyvalue"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Who keeps the data: `redb` (a file, the default) or `memory` (gone with the process).
    #[schemars(example = &"redb")]
    provider: Option<Spanned<String>>,
    /// For `redb`: the file; the default is `keyvalue/NAME.redb` in the state folder.
    #[schemars(example = &"data/sessions.redb")]
    path: Option<Spanned<PathBuf>>,
    /// The most that keys and values may take; the default is 1 GiB in a file, 64 MiB in memory.
    #[schemars(example = &"64 MiB")]
    limit: Option<ByteSize>,
}

/// `[store.NAME]` for the vocabulary of the manifest.
pub fn store_fragment() -> Fragment {
    Fragment {
        name: "keyvalue",
        doc: "A key-value store; an embedded one needs no words.",
        example: "[store.sessions]\ntype = \"keyvalue\"\nprovider = \"memory\"",
        schema: schemars::schema_for!(Settings),
        check: |value| Setup::read(value).err().into_iter().collect(),
    }
}

/// A store's settings, made sure of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Setup {
    /// Without a path it is kept in the state folder.
    Redb {
        path: Option<PathBuf>,
        limit: u64,
    },
    Memory {
        limit: u64,
    },
}

impl Setup {
    fn read(value: &Value) -> Result<Self, Problem> {
        let Settings {
            provider,
            path,
            limit,
        } = value.without("type").parse()?;
        let provider = provider.unwrap_or_else(|| "redb".to_owned().into());
        match (provider.as_str(), path) {
            ("redb", path) => {
                let limit = limit.unwrap_or(FILE_LIMIT).0;
                Ok(Setup::Redb {
                    path: path.map(|path| path.value),
                    limit,
                })
            }
            ("memory", None) => Ok(Setup::Memory {
                limit: limit.unwrap_or(MEMORY_LIMIT).0,
            }),
            ("memory", Some(path)) => {
                Err(Problem::error("`path` is for the provider `redb`").at(path.span))
            }
            (name, _) => Err(match LATER.contains(&name) {
                true => Problem::error(format!("provider `{name}` comes with a later version")),
                false => Problem::error(format!("unknown provider `{name}`")),
            }
            .at(provider.span)
            .label("known here: redb, memory")),
        }
    }
}

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
        })
    }
}
