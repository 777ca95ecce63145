//! Key-value stores, as `wasi:keyvalue` and as Spin's `key-value`.
//!
//! ```toml
//! [component.web.grants]
//! keyvalue = ["default", "sessions"]
//! ```
//! A store that no grant names does not exist for the guest. Where the data is kept is the
//! provider's business: a file of its own ([`redb`]) unless `[store.NAME]` says otherwise.

mod cas;
mod draft;
pub mod limits;
mod link;
pub mod memory;
pub mod nats;
pub mod provider;
pub mod redb;
pub mod redis;
mod setup;
mod spin;
mod stores;
#[cfg(test)]
mod tests;
mod wit;

pub use setup::store_fragment;
pub use stores::{Store, Stores};

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Spanned, Value};
use holm_runtime::limits::{Limit, Meter};
use holm_runtime::receipt::Flows;
use holm_runtime::seam::Uses;
use holm_runtime::trace::{self, Call, Span, Tracer};
use holm_runtime::{Core, Denial, Denials};
use limits::VALUE_BYTES_MAX;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

const VERSIONS: &[&str] = &["0.2.0-draft", "0.2.0-draft2"];

/// The stores that a component was granted, by name.
#[derive(Debug)]
pub struct KeyValue(Arc<BTreeMap<String, Arc<Store>>>);

/// What an instance holds: its grant, and where to note what becomes of it.
pub struct Instance {
    granted: Arc<BTreeMap<String, Arc<Store>>>,
    component: Arc<str>,
    flows: Arc<Flows>,
    meter: Arc<Meter>,
    denials: Denials,
    uses: Option<Uses>,
    /// Buckets and cas handles that are open.
    handles: usize,
    /// Bytes of the values that cas handles compare with.
    held: usize,
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

impl Capability for KeyValue {
    const ABOUT: About = About {
        name: "keyvalue",
        doc: "Key-value stores.",
        grant: Some("keyvalue"),
        example: Some("keyvalue = [\"default\"]"),
        refuse_ungranted: true,
        interfaces: &[
            Interface {
                name: "wasi:keyvalue/store",
                versions: VERSIONS,
            },
            Interface {
                name: "wasi:keyvalue/atomics",
                versions: VERSIONS,
            },
            Interface {
                name: "wasi:keyvalue/batch",
                versions: VERSIONS,
            },
            Interface {
                name: "fermyon:spin/key-value",
                versions: &["", "2.0.0"],
            },
            Interface {
                name: "spin:key-value/key-value",
                versions: &["3.0.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "keyvalue",
            doc: "The key-value stores that it may open, by name.",
            example: "keyvalue = [\"default\", \"sessions\"]",
            schema: schemars::schema_for!(Vec<String>),
            check: |value| names(value).err().into_iter().collect(),
        })
    }

    fn granted(value: Option<&Value>, place: &Place) -> Result<Self, Problem> {
        let mut stores = BTreeMap::new();
        if let Some(value) = value {
            for name in names(value)? {
                let store = place
                    .shared
                    .keyvalue
                    .find(&name, place)
                    .map_err(|problem| problem.at(name.span))?;
                stores.insert(name.value, store);
            }
        }
        Ok(KeyValue(Arc::new(stores)))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            granted: self.0.clone(),
            component: core.component.clone(),
            flows: core.flows.clone(),
            meter: core.budget.meter.clone(),
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
            handles: 0,
            held: 0,
            logged: None,
            tracer: None,
        })
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        link::draft(linker)?;
        link::draft2(linker)?;
        spin::link(linker, era)
    }
}

impl Instance {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// Begins the span of a call of a store.
    fn begin(&self, operation: &'static str, store: &str) -> Option<Box<dyn Span>> {
        let tracer = self.tracer.as_ref()?;
        let text = |text: &str| trace::Value::Text(text.to_owned());
        tracer.begin(Call {
            name: format!("{operation} {store}"),
            remote: false,
            is: vec![
                ("db.system.name", text("wasi:keyvalue")),
                ("db.namespace", text(store)),
                ("db.operation.name", text(operation)),
            ],
        })
    }

    /// Whether a value may be written: no larger than the component's limit, nor than any store keeps.
    fn may_write(&self, value: &[u8]) -> Result<(), provider::Error> {
        let limit = self.meter.allowance().value_size;
        let most =
            usize::try_from(limit).map_or(VALUE_BYTES_MAX, |limit| limit.min(VALUE_BYTES_MAX));
        if value.len() > most {
            let hit = self.meter.reach(Limit::ValueSize);
            return Err(limits::value_over(value.len(), hit));
        }
        Ok(())
    }

    /// Refuses a store, and says what would have allowed it.
    fn deny(&self, name: &str) -> wit::store::Error {
        if !is_name(name) {
            return wit::store::Error::Other(format!("a store's name is {NAME}"));
        }
        self.denials.record(Denial {
            asked: format!("open store {name:?}"),
            grant: "keyvalue",
            line: format!("keyvalue = [{name:?}]"),
            flag: format!("--keyvalue {name}"),
        });
        wit::store::Error::AccessDenied
    }
}

/// What a store's name may be: safe as a file's name and on a command line.
const NAME: &str = "1 to 63 letters, digits, `-`, `_` and `.`, the first a letter or a digit";

fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The names in a grant.
fn names(value: &Value) -> Result<Vec<Spanned<String>>, Problem> {
    let names: Vec<Spanned<String>> = value.parse()?;
    match names.iter().find(|name| !is_name(name)) {
        None => Ok(names),
        Some(name) => Err(Problem::error(format!(
            "{:?} cannot be the name of a store",
            name.value
        ))
        .at(name.span)
        .label(format!("a name is {NAME}"))),
    }
}
