//! Which stores there are: what the manifest declares of them, and where their files are.

use super::connection::{Connection, Error};
use super::grant::Access;
use super::turns::Turns;
use crate::Place;
use holm_manifest::{ByteSize, Fragment, Problem, Spanned, Time, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// The settings of a store: `[store.NAME]` with `type = "sqlite"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The file; the default is `sqlite/NAME.db` in the state folder.
    #[schemars(example = &"data/reports.db")]
    path: Option<PathBuf>,
    /// The most that the file may take; the default is 1 GiB.
    #[schemars(example = &"256 MiB")]
    limit: Option<ByteSize>,
    /// How long one statement may take; the default is 10 s.
    #[schemars(example = &"2 s")]
    time: Option<Time>,
    /// The most rows that one statement may return; the default is 100000.
    #[schemars(example = &1000)]
    rows: Option<usize>,
    /// The most bytes that one statement may return; the default is 64 MiB.
    #[schemars(example = &"1 MiB")]
    result: Option<ByteSize>,
    /// The most connections that a component may have open, all its instances together; the default is 64.
    #[schemars(example = &16)]
    connections: Option<Spanned<usize>>,
}

/// `[store.NAME]` for the vocabulary of the manifest.
pub fn store_fragment() -> Fragment {
    Fragment {
        name: "sqlite",
        doc: "A SQLite database; it needs no words.",
        example: "[store.reports]\ntype = \"sqlite\"\nlimit = \"256 MiB\"",
        schema: schemars::schema_for!(Settings),
        check: |value| Settings::read(value).err().into_iter().collect(),
    }
}

impl Settings {
    fn read(value: &Value) -> Result<Self, Problem> {
        let settings: Settings = value.without("type").parse()?;
        match &settings.connections {
            Some(none) if none.value == 0 => {
                Err(Problem::error("`connections` is at least 1").at(none.span))
            }
            _ => Ok(settings),
        }
    }
}

/// What a guest may use of a store.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub size: u64,
    /// Time of one statement.
    pub time: Duration,
    /// Rows that one statement returns.
    pub rows: usize,
    /// Bytes that one statement returns.
    pub result: u64,
    /// Connections that a component has open.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            size: 1 << 30,
            time: Duration::from_secs(10),
            rows: 100_000,
            result: 64 << 20,
            connections: 64,
        }
    }
}

/// One store, as one component was granted it.
#[derive(Debug)]
pub struct Store {
    name: Arc<str>,
    path: PathBuf,
    access: Access,
    limits: Limits,
    seats: Arc<Semaphore>,
    /// Its component's.
    turns: Turns,
    /// Holds the write-ahead log open, which the last connection to close would put away.
    keeper: OnceCell<Connection>,
}

impl Store {
    /// A store in the file at `path`; nothing is opened yet.
    pub fn new(name: &str, path: PathBuf, access: Access, limits: Limits) -> Self {
        Store {
            name: name.into(),
            path,
            access,
            limits,
            seats: Arc::new(Semaphore::new(limits.connections)),
            turns: Turns::default(),
            keeper: OnceCell::new(),
        }
    }

    /// The store that the manifest means by `name`. A declaration of another type is another
    /// store's: key-value stores have names of their own.
    pub(super) fn find(name: &str, access: Access, place: &Place) -> Result<Self, Problem> {
        let mut stores = place.stores.iter();
        let settings = match stores.find(|store| store.name == name && store.kind == "sqlite") {
            Some(declared) => Settings::read(&declared.value)?,
            None => Settings::default(),
        };
        let usual = Limits::default();
        let limits = Limits {
            size: settings.limit.map_or(usual.size, |size| size.0),
            time: settings.time.map_or(usual.time, |time| time.0),
            rows: settings.rows.unwrap_or(usual.rows),
            result: settings.result.map_or(usual.result, |size| size.0),
            connections: settings
                .connections
                .map_or(usual.connections, |some| some.value),
        };
        let path = match settings.path {
            Some(path) => place.base.join(path),
            None => place.state.join("sqlite").join(format!("{name}.db")),
        };
        Ok(Store::new(name, path, access, limits))
    }

    /// The same, whose statements take turns with those of the component's other stores.
    pub fn taking(mut self, turns: &Turns) -> Self {
        self.turns = turns.clone();
        self
    }

    /// Whose turns its statements take.
    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Its name in the app.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What may be done with it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// What a guest may use of it.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection of its own for a guest. Where there are as many as there may be, it waits for as
    /// long as a statement may take.
    pub async fn connect(&self) -> Result<Connection, Error> {
        self.keeper
            .get_or_try_init(|| Connection::open(self, None))
            .await?;
        let seat = self.seats.clone().acquire_owned();
        let seat = match tokio::time::timeout(self.limits.time, seat).await {
            Ok(Ok(seat)) => seat,
            Ok(Err(_)) | Err(_) => {
                return Err(Error::told(format!(
                    "all {} connections to store {:?} are in use",
                    self.limits.connections, self.name
                )));
            }
        };
        Connection::open(self, Some(seat)).await
    }
}
