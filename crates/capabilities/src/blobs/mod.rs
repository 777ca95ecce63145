//! Containers of objects, as `wasi:blobstore`.
//!
//! ```toml
//! [component.web.grants]
//! blobs = ["uploads", { store = "assets", access = "read" }]
//! ```
//! A container that no grant names does not exist for the guest. Where the objects are kept is the
//! provider's business: a folder of its own unless `[store.NAME]` says otherwise. They are streamed
//! both ways, and an object is there whole or not at all.

mod container;
mod error;
mod incoming;
pub mod limits;
mod link;
mod outgoing;
mod room;
mod s3;
mod setup;
mod store;
mod upload;
mod values;
mod wit;

pub use crate::granted::Access;
pub use container::{Bytes, Container, Info, Limits, Names, Read};
pub use error::Error;
pub use s3::open as on_server;
pub use setup::{Key, Server, store_fragment};
pub use store::{Store, Stores};
pub use upload::Upload;

use crate::{About, Capability, Era, Interface, Place, State, granted};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::receipt::Flows;
use holm_runtime::seam::Uses;
use holm_runtime::trace::{self, Call, Span, Tracer};
use holm_runtime::{Core, Denial, Denials};
use outgoing::Account;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

/// The containers that a component was granted, by name, and what it may do with each.
type Granted = Arc<BTreeMap<String, (Arc<Store>, Access)>>;

/// What a component was granted.
#[derive(Debug)]
pub struct Blobs(Granted);

/// What an instance holds: its grant, and where to note what becomes of it.
pub struct Instance {
    granted: Granted,
    component: Arc<str>,
    account: Account,
    denials: Denials,
    uses: Option<Uses>,
    /// Containers, values and listings that are open.
    handles: usize,
    /// Values of them that are being written.
    outgoing: usize,
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

impl Capability for Blobs {
    const ABOUT: About = About {
        name: "blobs",
        doc: "Containers of objects.",
        grant: Some("blobs"),
        example: Some("blobs = [\"default\"]"),
        refuse_ungranted: true,
        interfaces: &[
            Interface {
                name: "wasi:blobstore/blobstore",
                versions: &["0.2.0-draft"],
            },
            Interface {
                name: "wasi:blobstore/container",
                versions: &["0.2.0-draft"],
            },
            Interface {
                name: "wasi:blobstore/types",
                versions: &["0.2.0-draft"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "blobs",
            doc: "The containers of objects that it may use, by name.",
            example: "blobs = [\"uploads\", { store = \"assets\", access = \"read\" }]",
            schema: granted::schema(),
            check: |value| granted::read("blobs", value).err().into_iter().collect(),
        })
    }

    fn granted(value: Option<&Value>, place: &Place) -> Result<Self, Problem> {
        let mut stores = BTreeMap::new();
        if let Some(value) = value {
            for granted in granted::read("blobs", value)? {
                let store = place.shared.blobs.find(&granted.name, place);
                let store = store.map_err(|problem| problem.at(granted.span))?;
                stores.insert(granted.name, (store, granted.access));
            }
        }
        Ok(Blobs(Arc::new(stores)))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            granted: self.0.clone(),
            component: core.component.clone(),
            account: Account {
                flows: core.flows.clone(),
                meter: core.budget.meter.clone(),
                waiting: Arc::default(),
            },
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
            handles: 0,
            outgoing: 0,
            logged: None,
            tracer: None,
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        link::draft(linker)
    }
}

impl Instance {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// Begins the span of a call of a container.
    fn begin(&self, operation: &'static str, container: &str) -> Option<Box<dyn Span>> {
        let tracer = self.tracer.as_ref()?;
        let text = |text: &str| trace::Value::Text(text.to_owned());
        tracer.begin(Call {
            name: format!("{operation} {container}"),
            remote: false,
            is: vec![
                ("db.system.name", text("wasi:blobstore")),
                ("db.namespace", text(container)),
                ("db.operation.name", text(operation)),
            ],
        })
    }

    /// Bytes by kind.
    fn flows(&self) -> &Arc<Flows> {
        &self.account.flows
    }

    /// The container of a name, if it was granted for this; else why not, with what would allow it.
    fn store(&self, name: &str, access: Access) -> Result<Arc<Store>, String> {
        let granted = self.granted.get(name);
        let Some((store, _)) = granted.filter(|(_, granted)| *granted >= access) else {
            if !granted::is_name(name) {
                return Err(format!("a container's name is {}", granted::NAME));
            }
            let (asked, told) = match granted {
                None => ("open", "is not granted"),
                Some(_) => ("write to", "may only be read"),
            };
            self.denials.record(Denial {
                asked: format!("{asked} container {name:?}"),
                grant: "blobs",
                line: format!("blobs = [{name:?}]"),
                flag: format!("--blobs {name}"),
            });
            return Err(format!("container {name:?} {told}"));
        };
        if let Some(uses) = &self.uses {
            uses.note("blobs", name, access.word());
        }
        Ok(store.clone())
    }

    /// An error as the guest sees it; what it must not see goes to the log, and once, however
    /// often the guest tries. A server that fails is counted each time.
    fn tell(&mut self, container: &str, error: Error) -> String {
        error.count();
        if let Some(detail) = error.detail
            && self.logged.as_deref() != Some(&detail)
        {
            tracing::error!(
                component = &*self.component,
                container,
                detail,
                "{}",
                error.told
            );
            self.logged = Some(detail);
        }
        error.told
    }
}
