//! MQTT brokers, as `fermyon:spin/mqtt`: a guest publishes messages.
//!
//! ```toml
//! [component.web.grants]
//! mqtt = ["mqtt://broker.internal:1883"]
//! ```

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
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

/// Which brokers a component may publish to.
pub struct Mqtt {
    way: Arc<Way>,
    /// A place for each of the component's connections.
    seats: Arc<Semaphore>,
}

/// What an instance holds.
pub struct Instance {
    caller: Caller,
    seats: Arc<Semaphore>,
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

impl Capability for Mqtt {
    const ABOUT: About = About {
        name: "mqtt",
        doc: "MQTT brokers.",
        grant: Some("mqtt"),
        example: Some("mqtt = [\"mqtt://localhost:1883\"]"),
        // Spin's toolchain for Python imports it into every component.
        refuse_ungranted: false,
        interfaces: &[Interface {
            name: "fermyon:spin/mqtt",
            versions: &["2.0.0"],
        }],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "mqtt",
            doc: "The MQTT brokers that it may publish to; `private` lets their names lead to private addresses.",
            example: "[component.web.grants]\nmqtt = [\"mqtt://broker.internal:1883\"]",
            schema: OriginPolicy::schema(),
            check: |value| OriginPolicy::read(Service::Mqtt, value).1,
        })
    }

    fn granted(value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        Ok(Mqtt {
            way: Way::granted(Service::Mqtt, value)?,
            seats: Arc::new(Semaphore::new(crate::outbound::CONNECTIONS_MAX)),
        })
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            caller: Caller::new(self.way.clone(), core),
            seats: self.seats.clone(),
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)
    }
}
