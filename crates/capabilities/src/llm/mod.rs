//! Inference, as `fermyon:spin/llm`. It is linked because Spin's toolchains import it into every
//! component; there is no model, which is what each call is told.

mod wit;

use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::Core;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// One component's side. There is nothing to grant.
#[derive(Default)]
pub struct Llm {
    /// The log was told; once is enough.
    told: Arc<AtomicBool>,
}

/// What an instance holds.
pub struct Instance {
    component: Arc<str>,
    told: Arc<AtomicBool>,
}

impl Capability for Llm {
    const ABOUT: About = About {
        name: "llm",
        doc: "Inference; no model is supported yet.",
        grant: None,
        example: None,
        refuse_ungranted: false,
        interfaces: &[Interface {
            name: "fermyon:spin/llm",
            versions: &["2.0.0"],
        }],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        None
    }

    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        Ok(Llm::default())
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            component: core.component.clone(),
            told: self.told.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        wit::link(linker)
    }
}

impl Instance {
    fn refuse(&self, model: &str) -> wit::llm::Error {
        if !self.told.swap(true, Relaxed) {
            let component = &*self.component;
            tracing::warn!(component, model, "inference is not supported yet");
        }
        wit::llm::Error::ModelNotSupported
    }
}
