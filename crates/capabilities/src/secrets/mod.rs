//! Secrets by key, as `wasmcloud:secrets`: looked up as something opaque, and revealed apart.
//!
//! ```toml
//! [variables]
//! token = { required = true, secret = true }
//!
//! [component.web.grants]
//! secrets = { token = "{{ token }}" }
//! ```
//! What is granted here is not among the values of the grant `config`.

#[cfg(test)]
mod tests;
mod wit;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Redacted, Value};
use holm_runtime::Core;
use holm_runtime::seam::Uses;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// Secrets by key.
type Values = BTreeMap<String, Arc<Redacted<String>>>;

/// The secrets that a component was granted.
#[derive(Debug)]
pub struct Secrets(Arc<Values>);

/// What an instance holds: its grant, and where to note its uses.
pub struct Instance {
    values: Arc<Values>,
    uses: Option<Uses>,
}

/// What a guest has looked up: the resource `secret`.
pub struct Secret(Arc<Redacted<String>>);

impl Capability for Secrets {
    const ABOUT: About = About {
        name: "secrets",
        doc: "Secrets, revealed when they are needed.",
        grant: Some("secrets"),
        example: Some("secrets = { token = \"{{ token }}\" }"),
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasmcloud:secrets/store",
                versions: &["0.1.0-draft", "1.0.0"],
            },
            Interface {
                name: "wasmcloud:secrets/reveal",
                versions: &["0.1.0-draft", "1.0.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "secrets",
            doc: "The secrets that it may reveal, by key: templates of variables that are secret.",
            example: "secrets = { token = \"{{ token }}\" }",
            schema: schemars::schema_for!(BTreeMap<String, String>),
            check: |_| Vec::new(),
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let values: BTreeMap<String, Redacted<String>> =
            value.map(Value::parse).transpose()?.unwrap_or_default();
        let shared = values
            .into_iter()
            .map(|(key, value)| (key, Arc::new(value)));
        Ok(Secrets(Arc::new(shared.collect())))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            values: self.0.clone(),
            uses: core.seam.uses().cloned(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        wit::link(linker)
    }
}
