//! SQLite databases, as `spin:sqlite` and `fermyon:spin/sqlite`.
//!
//! ```toml
//! [component.web.grants]
//! sqlite = ["default", { store = "reports", access = "read" }]
//! ```
//! A store that no grant names does not exist for the guest. Each is a file of its own in the app's
//! state folder, and a guest's SQL reaches that file and no other ([`guard`]).

mod connection;
mod functions;
mod grant;
mod guard;
mod legacy;
mod link;
mod open;
mod statement;
mod store;
#[cfg(test)]
mod tests;
mod turns;
mod v3_1;
mod wit;

pub use connection::{Connection, Error, Rows};
pub use grant::Access;
pub use rusqlite::types::Value;
pub use store::{Limits, Store, store_fragment};
pub use turns::Turns;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value as Written};
use holm_runtime::receipt::Flows;
use holm_runtime::seam::Uses;
use holm_runtime::trace::{self, Call, Span, Tracer};
use holm_runtime::{Core, Denial, Denials};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

/// The stores that a component was granted, by name.
#[derive(Debug)]
pub struct Sqlite(Arc<BTreeMap<String, Arc<Store>>>);

/// What an instance holds: its grant, and where to note what becomes of it.
pub struct Instance {
    granted: Arc<BTreeMap<String, Arc<Store>>>,
    component: Arc<str>,
    flows: Arc<Flows>,
    denials: Denials,
    uses: Option<Uses>,
    /// Connections that are open.
    handles: usize,
    /// The fault that was logged last.
    logged: Option<String>,
    /// Who traces the event.
    tracer: Tracer,
}

/// What the host functions work on.
pub struct View<'a> {
    table: &'a mut ResourceTable,
    part: &'a mut Instance,
}

impl Capability for Sqlite {
    const ABOUT: About = About {
        name: "sqlite",
        doc: "SQLite databases.",
        grant: Some("sqlite"),
        example: Some("sqlite = [\"default\"]"),
        // Spin's toolchains for JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "fermyon:spin/sqlite",
                versions: &["", "2.0.0"],
            },
            Interface {
                name: "spin:sqlite/sqlite",
                versions: &["3.0.0", "3.1.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "sqlite",
            doc: "The SQLite stores that it may open, by name.",
            example: "sqlite = [\"default\", { store = \"reports\", access = \"read\" }]",
            schema: grant::schema(),
            check: |value| grant::read(value).err().into_iter().collect(),
        })
    }

    fn granted(value: Option<&Written>, place: &Place) -> Result<Self, Problem> {
        let (mut stores, turns) = (BTreeMap::new(), Turns::default());
        if let Some(value) = value {
            for granted in grant::read(value)? {
                let store = Store::find(&granted.name, granted.access, place)
                    .map_err(|problem| problem.at(granted.span))?;
                stores.insert(granted.name, Arc::new(store.taking(&turns)));
            }
        }
        Ok(Sqlite(Arc::new(stores)))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            granted: self.0.clone(),
            component: core.component.clone(),
            flows: core.flows.clone(),
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
            handles: 0,
            logged: None,
            tracer: None,
        })
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)?;
        link::spin_3(linker, era)
    }
}

impl Instance {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// Begins the span of a statement.
    fn begin(&self, store: &str) -> Option<Box<dyn Span>> {
        let tracer = self.tracer.as_ref()?;
        let text = |text: &str| trace::Value::Text(text.to_owned());
        tracer.begin(Call {
            name: format!("execute {store}"),
            remote: false,
            is: vec![
                ("db.system.name", text("sqlite")),
                ("db.namespace", text(store)),
                ("db.operation.name", text("execute")),
            ],
        })
    }

    /// Notes that a store was refused, and what would have allowed it.
    fn deny(&self, name: &str) {
        if !grant::is_name(name) {
            return;
        }
        self.denials.record(Denial {
            asked: format!("open the SQLite store {name:?}"),
            grant: "sqlite",
            line: format!("sqlite = [{name:?}]"),
            flag: format!("--sqlite {name}"),
        });
    }

    /// Notes that a statement wanted to write where the grant is to read.
    fn deny_write(&self, name: &str) {
        self.denials.record(Denial {
            asked: format!("write to the SQLite store {name:?}"),
            grant: "sqlite",
            line: format!("sqlite = [{name:?}]"),
            flag: format!("--sqlite {name}"),
        });
    }
}
