//! Which function of a component takes a message, and in which shape.

use crate::component::Loaded;
use crate::functions::pattern::is_of;
use crate::functions::{Arguments, Function, Made, Streams};
use holm_capabilities::keyvalue::{Store, watch};
use holm_capabilities::messaging::{self, Message, Named};
use holm_runtime::Error;
use holm_runtime::values::{Numbers, Signature, Value};
use std::sync::Arc;

/// The shapes that handlers of messages have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `wasi:messaging/incoming-handler`: a resource.
    Wasi,
    /// `wasmcloud:messaging/handler`: a record of topic, data, and where an answer goes to.
    WasmCloud,
    /// Spin's `inbound-redis`, of both generations: the data.
    SpinRedis,
    /// That of Spin's trigger for MQTT: the data, and a record of the topic.
    SpinMqtt,
    /// `wasi:keyvalue/watcher`: the store as a resource, the key, and the value.
    Set,
    /// The same without a value.
    Delete,
}

/// A shape, and by which export it is known: its interface, none for one of the component itself, and
/// its name.
type Known = (Shape, Option<&'static str>, &'static str);

/// The handlers of messages.
const OF_MESSAGES: [Known; 5] = [
    (
        Shape::Wasi,
        Some("wasi:messaging/incoming-handler@0.2.0-draft"),
        "handle",
    ),
    (
        Shape::WasmCloud,
        Some("wasmcloud:messaging/handler@0.2.0"),
        "handle-message",
    ),
    (
        Shape::SpinRedis,
        Some("fermyon:spin/inbound-redis"),
        "handle-message",
    ),
    (
        Shape::SpinRedis,
        Some("spin:redis/inbound-redis"),
        "handle-message",
    ),
    (Shape::SpinMqtt, None, "handle-message"),
];

/// The handlers of changes of a store.
const OF_SET: [Known; 1] = [(Shape::Set, Some("wasi:keyvalue/watcher"), "on-set")];
const OF_DELETE: [Known; 1] = [(Shape::Delete, Some("wasi:keyvalue/watcher"), "on-delete")];

/// The function of a component that takes messages.
#[derive(Debug)]
pub struct Handler {
    shape: Shape,
    /// The function.
    pub function: Arc<Function>,
}

impl Handler {
    /// The one for messages that a component exports.
    ///
    /// # Errors
    /// It exports none.
    pub fn of_messages(loaded: &Loaded, component: &str) -> Result<Handler, Box<Error>> {
        Self::find(loaded, &OF_MESSAGES)?.ok_or_else(|| {
            let what = format!("component `{component}` takes no messages");
            Box::new(Error::yours(what).help(
                "it must export one of wasi:messaging/incoming-handler, wasmcloud:messaging/handler, \
                 fermyon:spin/inbound-redis, or handle-message as Spin's trigger for MQTT has it",
            ))
        })
    }

    /// The one for changes of a store that a component exports.
    ///
    /// # Errors
    /// It exports none.
    pub fn of_changes(
        loaded: &Loaded,
        component: &str,
        is_set: bool,
    ) -> Result<Handler, Box<Error>> {
        let known = if is_set { &OF_SET } else { &OF_DELETE };
        Self::find(loaded, known)?.ok_or_else(|| {
            let what = format!("component `{component}` watches no store");
            Box::new(Error::yours(what).help("it must export wasi:keyvalue/watcher"))
        })
    }

    fn find(loaded: &Loaded, shapes: &[Known]) -> Result<Option<Handler>, Box<Error>> {
        let signatures = loaded.signatures()?;
        let is = |signature: &Signature, interface: Option<&str>, name: &str| {
            signature.local_name() == name
                && match (&signature.interface, interface) {
                    (Some(is), Some(wanted)) => is_of(is, wanted),
                    (None, None) => true,
                    _ => false,
                }
        };
        let found = shapes.iter().find_map(|(shape, interface, name)| {
            let mut exports = signatures.exports.iter();
            let found = exports.find(|signature| is(signature, *interface, name))?;
            Some((*shape, found.clone()))
        });
        Ok(found.map(|(shape, signature)| Handler {
            shape,
            function: Arc::new(Function {
                signature,
                about: None,
                streams: Streams::default(),
            }),
        }))
    }

    /// A message as the function's arguments.
    pub fn arguments(
        &self,
        message: &Message,
        from: &Arc<Named>,
        watched: Option<&Arc<Store>>,
    ) -> Arguments {
        let watched = watched.cloned();
        let (shape, message, from) = (self.shape, message.clone(), from.clone());
        let length = message.size() as u64;
        let text = |text: Option<String>| Value::String(text.unwrap_or_default());
        let make: Made = match shape {
            Shape::Wasi => Box::new(move |store| {
                let given = messaging::give(store.data_mut(), message, from)?;
                Ok(vec![Value::Resource(given.try_into_resource_any(store)?)])
            }),
            Shape::WasmCloud => Box::new(move |_| {
                let reply_to = message.reply_to.map(|to| Box::new(Value::String(to)));
                Ok(vec![Value::Record(vec![
                    text(message.topic),
                    Value::Numbers(Numbers::U8(message.data)),
                    Value::Option(reply_to),
                ])])
            }),
            Shape::SpinRedis => {
                Box::new(move |_| Ok(vec![Value::Numbers(Numbers::U8(message.data))]))
            }
            Shape::SpinMqtt => Box::new(move |_| {
                Ok(vec![
                    Value::Numbers(Numbers::U8(message.data)),
                    Value::Record(vec![text(message.topic)]),
                ])
            }),
            Shape::Set | Shape::Delete => Box::new(move |store| {
                let Some(watched) = watched else {
                    wasmtime::bail!("there is no store");
                };
                let given = watch::give(store.data_mut(), &watched)?;
                let mut all = vec![
                    Value::Resource(given.try_into_resource_any(store)?),
                    text(message.topic),
                ];
                if shape == Shape::Set {
                    all.push(Value::Numbers(Numbers::U8(message.data)));
                }
                Ok(all)
            }),
        };
        Arguments::Made { length, make }
    }
}
