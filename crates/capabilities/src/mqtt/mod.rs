//! MQTT brokers, as `fermyon:spin/mqtt` and `spin:mqtt`: a guest publishes messages.
//!
//! ```toml
//! [component.web.grants]
//! mqtt = ["mqtt://broker.internal:1883"]
//! ```

mod link;
pub mod session;
#[cfg(test)]
mod tests;
mod v3;
mod wit;

use crate::network::Service;
use crate::outbound::{self, Kind, Servers, Way};
use crate::{About, Era, Interface, State};
use holm_runtime::receipt::Flows;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Semaphore;
use wasmtime::component::Linker;

/// Which MQTT brokers a component may call, and its connections to them.
pub type Mqtt = Servers<OfMqtt>;

/// What the host functions work on.
pub type View<'a> = outbound::View<'a, OfMqtt>;

/// The kind.
pub enum OfMqtt {}

impl Kind for OfMqtt {
    const ABOUT: About = About {
        name: "mqtt",
        doc: "MQTT brokers.",
        grant: Some("mqtt"),
        example: Some("mqtt = [\"mqtt://localhost:1883\"]"),
        // Spin's toolchain for Python imports it into every component.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "fermyon:spin/mqtt",
                versions: &["2.0.0"],
            },
            Interface {
                name: "spin:mqtt/mqtt",
                versions: &["3.0.0"],
            },
        ],
    };

    const SERVICE: Service = Service::Mqtt;
    const GRANT: &'static str = "The MQTT brokers that it may publish to; `private` lets their names lead to private addresses.";
    const EXAMPLE: &'static str =
        "[component.web.grants]\nmqtt = [\"mqtt://broker.internal:1883\"]";

    type Client = Semaphore;

    /// A place for each of its connections.
    fn client(_way: Arc<Way>) -> Self::Client {
        Semaphore::new(outbound::CONNECTIONS_MAX)
    }

    fn flows(flows: &Flows) -> (&AtomicU64, &AtomicU64) {
        (&flows.mqtt_in, &flows.mqtt_out)
    }

    fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
        link::spin_2(linker)?;
        match era {
            Era::P2 => Ok(()),
            Era::P3 => link::spin_3(linker),
        }
    }
}
