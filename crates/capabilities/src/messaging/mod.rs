//! Messages through brokers, as `wasi:messaging` and as wasmCloud's `messaging`.
//!
//! ```toml
//! [component.shop.grants]
//! messaging = ["events"]
//! ```
//! A broker that no grant names does not exist for the guest. Who carries the messages is the manifest's
//! business: the process itself ([`memory`]) unless `[broker.NAME]` says otherwise. Those who listen are
//! triggers of the host's; they take messages from the same brokers ([`broker::Source`]).

pub mod broker;
mod brokers;
mod link;
pub mod memory;
mod message;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod nats;
pub mod redis;
pub mod setup;
mod wasmcloud;
mod wit;

pub use broker::{Broker, Delivery, Fault, FaultKind, Receipt, Source, Subscription, Unasked};
pub use brokers::{Brokers, Named};
pub use message::Message;
pub use setup::broker_fragments;
pub use wit::Handle;

use crate::outbound;
use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Spanned, Value};
use holm_runtime::limits::{Limit, LimitHit, Meter};
use holm_runtime::receipt::Flows;
use holm_runtime::seam::Uses;
use holm_runtime::trace::{self, Call, Span, Tracer};
use holm_runtime::{Core, Denial, Denials};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;

const DRAFT: &[&str] = &["0.2.0-draft"];

/// The most that the messages of one instance may take, in bytes.
const HELD_BYTES_MAX: usize = 64 << 20;

/// The brokers that a component was granted.
#[derive(Debug)]
pub struct Messaging(Arc<Vec<Arc<Named>>>);

/// What an instance holds: its grant, and where to note what becomes of it.
pub struct Instance {
    granted: Arc<Vec<Arc<Named>>>,
    component: Arc<str>,
    flows: Arc<Flows>,
    meter: Arc<Meter>,
    denials: Denials,
    uses: Option<Uses>,
    /// Bytes of the messages that it holds.
    held: usize,
    /// The fault that was logged last.
    logged: Option<String>,
    tracer: Tracer,
}

/// What the host functions work on.
pub struct View<'a> {
    table: &'a mut ResourceTable,
    part: &'a mut Instance,
}

impl Capability for Messaging {
    const ABOUT: About = About {
        name: "messaging",
        doc: "Messages through brokers.",
        grant: Some("messaging"),
        example: Some("messaging = [\"events\"]"),
        // Whoever only takes messages imports the types, and asks for nothing.
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:messaging/types",
                versions: DRAFT,
            },
            Interface {
                name: "wasi:messaging/producer",
                versions: DRAFT,
            },
            Interface {
                name: "wasi:messaging/request-reply",
                versions: DRAFT,
            },
            Interface {
                name: "wasmcloud:messaging/types",
                versions: &["0.2.0"],
            },
            Interface {
                name: "wasmcloud:messaging/consumer",
                versions: &["0.2.0"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        Some(Fragment {
            name: "messaging",
            doc: "The brokers that it may send messages to, by name.",
            example: "messaging = [\"events\"]",
            schema: schemars::schema_for!(Vec<String>),
            check: |value| names(value).err().into_iter().collect(),
        })
    }

    fn granted(value: Option<&Value>, place: &Place) -> Result<Self, Problem> {
        let mut brokers: Vec<Arc<Named>> = Vec::new();
        for name in value.map(names).transpose()?.into_iter().flatten() {
            let broker = place.shared.messaging.find(&name, place);
            let broker = broker.map_err(|problem| problem.at(name.span))?;
            if !brokers.iter().any(|other| Arc::ptr_eq(other, &broker)) {
                brokers.push(broker);
            }
        }
        Ok(Messaging(Arc::new(brokers)))
    }

    fn instance(&self, core: &Core, _wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            granted: self.0.clone(),
            component: core.component.clone(),
            flows: core.flows.clone(),
            meter: core.budget.meter.clone(),
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
            held: 0,
            logged: None,
            tracer: None,
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        link::draft(linker)?;
        link::wasmcloud(linker)
    }
}

/// Gives a message to a guest, for a handler that takes one: an owned handle of
/// `wasi:messaging/types.message`. Answers to it go to `from`.
///
/// # Errors
/// The instance holds as much as it may.
pub fn give(
    state: &mut State,
    message: Message,
    from: Arc<Named>,
) -> wasmtime::Result<Resource<Handle>> {
    let (table, parts) = state.table_and_parts();
    let mut view = View {
        table,
        part: &mut parts.messaging,
    };
    view.hold(message, Some(from))
}

impl Instance {
    /// Who calls are told to from now on.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// The broker of a name, if it was granted; none without a name is the first one.
    fn broker(&self, name: Option<&str>) -> Result<Arc<Named>, String> {
        let mut all = self.granted.iter();
        let found = match name {
            Some(name) => all.find(|broker| &**broker.name() == name),
            None => all.next(),
        };
        let Some(broker) = found else {
            return Err(self.deny(name.unwrap_or("default")));
        };
        if let Some(uses) = &self.uses {
            uses.note("messaging", &**broker.name(), "");
        }
        Ok(broker.clone())
    }

    /// Refuses a broker, and says what would have allowed it.
    fn deny(&self, name: &str) -> String {
        if !is_name(name) {
            return format!("a broker's name is {NAME}");
        }
        self.denials.record(Denial {
            asked: format!("use broker {name:?}"),
            grant: "messaging",
            line: format!("messaging = [{name:?}]"),
            flag: format!("--messaging {name}"),
        });
        format!("broker {name:?} is not granted")
    }

    /// Whether so many more bytes may go over the network.
    fn room(&self, more: usize) -> Result<(), LimitHit> {
        self.meter.room(Limit::OutboundBytes, &self.flows, more)
    }

    /// Begins the span of a call.
    fn begin(&self, operation: &'static str, broker: &Named, topic: &str) -> Option<Box<dyn Span>> {
        let tracer = self.tracer.as_ref()?;
        let text = |text: &str| trace::Value::Text(text.to_owned());
        tracer.begin(Call {
            name: format!("{operation} {}", broker.name()),
            remote: broker.is_remote(),
            is: vec![
                ("messaging.system", text(broker.system())),
                ("messaging.destination.name", text(topic)),
                ("messaging.operation.name", text(operation)),
            ],
        })
    }

    /// What a guest is told of a fault; what it must not see goes to the log, and once, however often
    /// the guest tries.
    fn tell(&mut self, span: Option<Box<dyn Span>>, broker: &str, fault: Fault) -> Fault {
        if fault.kind == FaultKind::Connection {
            outbound::note("messaging");
        }
        if let Some(mut span) = span {
            let word = match fault.kind {
                FaultKind::Timeout => "timeout",
                FaultKind::Connection => "connection",
                FaultKind::Other => "other",
            };
            span.failed(word.to_owned());
        }
        if let Some(detail) = &fault.detail
            && self.logged.as_ref() != Some(detail)
        {
            let component = &*self.component;
            tracing::warn!(component, broker, detail, "{}", fault.told);
            self.logged = Some(detail.clone());
        }
        fault
    }

    /// Hands a message over, under the limits and in the account of the event.
    async fn send(&mut self, broker: &Named, topic: &str, message: Message) -> Result<(), Fault> {
        let size = message.size();
        self.room(size)
            .map_err(|hit| Fault::other(hit.to_string()))?;
        let span = self.begin("send", broker, topic);
        match broker.send(topic, message).await {
            Ok(()) => {
                Flows::add(&self.flows.messaging_out, size);
                Ok(())
            }
            Err(fault) => Err(self.tell(span, broker.name(), fault)),
        }
    }

    /// The same, and waits for answers.
    async fn request(
        &mut self,
        broker: &Named,
        topic: &str,
        message: Message,
        patience: std::time::Duration,
        answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        let size = message.size();
        self.room(size)
            .map_err(|hit| Fault::other(hit.to_string()))?;
        let span = self.begin("request", broker, topic);
        match broker.request(topic, message, patience, answers).await {
            Ok(came) => {
                Flows::add(&self.flows.messaging_out, size);
                let bytes = came.iter().map(Message::size).sum();
                Flows::add(&self.flows.messaging_in, bytes);
                Ok(came)
            }
            Err(fault) => Err(self.tell(span, broker.name(), fault)),
        }
    }
}

/// A number that nobody else has.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

/// What a broker's name may be: safe on a command line, and in the names that servers keep.
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
        Some(name) => {
            let what = format!("{:?} cannot be the name of a broker", name.value);
            let problem = Problem::error(what).at(name.span);
            Err(problem.label(format!("a name is {NAME}")))
        }
    }
}
