//! Configuration values, as `wasi:config` and as Spin's variables.
//!
//! ```toml
//! [component.web.grants]
//! config = { greeting = "hi" }
//! ```
//! A key that the grant does not have is not there for the guest; that is no error.

mod spin;
mod wit;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Redacted, Value};
use holm_runtime::Core;
use holm_runtime::seam::Uses;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// Values by key; some may be secret, so none is printed.
type Values = BTreeMap<String, Redacted<String>>;

/// The keys and values that a component was granted.
#[derive(Debug)]
pub struct Config(Arc<Values>);

/// What an instance holds: its grant, and where to note its uses.
pub struct Instance {
    values: Arc<Values>,
    uses: Option<Uses>,
}

impl Config {
    /// The granted values.
    pub fn values(&self) -> &Values {
        &self.0
    }
}

impl Capability for Config {
    const ABOUT: About = About {
        name: "config",
        doc: "Configuration values.",
        grant: Some("config"),
        example: Some("config = { greeting = \"hi\" }"),
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:config/store",
                versions: &["0.2.0-draft", "0.2.0-draft-2024-09-27", "0.2.0-rc.1"],
            },
            Interface {
                name: "wasi:config/runtime",
                versions: &["0.2.0-draft"],
            },
            Interface {
                name: "fermyon:spin/variables",
                versions: &["2.0.0"],
            },
            Interface {
                name: "fermyon:spin/config",
                versions: &[""],
            },
            Interface {
                name: "spin:variables/variables",
                versions: &["3.0.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "config",
            doc: "The configuration values that it reads, by key.",
            example: "config = { greeting = \"hi\" }",
            schema: schemars::schema_for!(BTreeMap<String, String>),
            check: |_| Vec::new(),
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let values = value.map(Value::parse).transpose()?.unwrap_or_default();
        Ok(Config(Arc::new(values)))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            values: self.0.clone(),
            uses: core.seam.uses().cloned(),
        })
    }

    fn link_component(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        wit::link(linker)?;
        spin::link(linker, era)
    }
}

#[cfg(test)]
mod tests;
