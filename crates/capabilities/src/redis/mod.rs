//! Redis, as `fermyon:spin/redis`.
//!
//! ```toml
//! [component.web.grants]
//! redis = ["redis://db.internal:6379", "rediss://*.example.com"]
//! ```
//! A connection is a session of its own, as a guest expects that sends `MULTI`; [`session`] says which
//! of them are kept for the component's next event.

mod answer;
mod link;
pub mod session;
#[cfg(test)]
mod tests;
mod wit;

use crate::network::{OriginPolicy, Service};
use crate::outbound::{Caller, Way};
use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::Core;
use holm_runtime::trace::Tracer;
use session::Client;
use std::sync::Arc;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

pub use wit::redis::Error;

/// Which servers a component may call, and its connections to them.
pub struct Redis(Arc<Client>);

/// What an instance holds.
pub struct Instance {
    caller: Caller,
    client: Arc<Client>,
}

/// What the host functions work on.
pub struct View<'a> {
    table: &'a mut ResourceTable,
    part: &'a mut Instance,
}

impl Instance {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.caller.trace(tracer);
    }
}

impl Capability for Redis {
    const ABOUT: About = About {
        name: "redis",
        doc: "Redis servers.",
        grant: Some("redis"),
        example: Some("redis = [\"redis://localhost:6379\"]"),
        // Spin's toolchains for JavaScript and Python import it into every component.
        refuse_ungranted: false,
        interfaces: &[Interface {
            name: "fermyon:spin/redis",
            versions: &["2.0.0"],
        }],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "redis",
            doc: "The Redis servers that it may call; `private` lets their names lead to private addresses.",
            example: "[component.web.grants]\nredis = [\"redis://db.internal:6379\"]",
            schema: OriginPolicy::schema(),
            check: |value| OriginPolicy::read(Service::Redis, value).1,
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        let way = Way::granted(Service::Redis, value)?;
        Ok(Redis(Arc::new(Client::new(way))))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            caller: Caller::new(self.0.way().clone(), core),
            client: self.0.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)
    }
}
