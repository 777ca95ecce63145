//! `wasi:messaging` for the guest.

use super::broker::{Fault, FaultKind};
use super::{HELD_BYTES_MAX, Message, Named, View};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;
use wasmtime::{Result, bail};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-messaging@0.2.0-draft",
        world: "wasi:messaging/imports-request-reply",
        imports: { default: async | trappable },
        with: {
            "wasi:messaging/types.client": super::Client,
            "wasi:messaging/types.message": super::Handle,
            "wasi:messaging/request-reply.request-options": super::Options,
        },
    });
}
pub use bindings::wasi::messaging::{producer, request_reply, types};
use types::Error;

/// How long a request waits where the guest does not say: a minute, and the event's own `timeout` may be
/// less.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker that a guest has connected to.
pub struct Client(Arc<Named>);

/// A message in a guest's hands.
pub struct Handle {
    message: Message,
    /// Where it came from, if it came from anywhere.
    from: Option<Arc<Named>>,
    /// What of it is counted as held.
    held: usize,
}

/// How a guest wants its answers.
#[derive(Default)]
pub struct Options {
    timeout: Option<Duration>,
    answers: Option<u32>,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Timeout => Error::Timeout,
            FaultKind::Connection => Error::Connection(fault.told),
            FaultKind::Other => Error::Other(fault.told),
        }
    }
}

impl View<'_> {
    /// A message in the guest's hands.
    pub(super) fn hold(
        &mut self,
        message: Message,
        from: Option<Arc<Named>>,
    ) -> Result<Resource<Handle>> {
        let held = message.size();
        self.weigh(0, held)?;
        Ok(self.table.push(Handle {
            message,
            from,
            held,
        })?)
    }

    /// Counts what a message takes now in the place of what it took.
    fn weigh(&mut self, before: usize, now: usize) -> Result<()> {
        let held = self.part.held.saturating_sub(before).saturating_add(now);
        if held > HELD_BYTES_MAX {
            bail!("an instance holds messages of {HELD_BYTES_MAX} bytes at most");
        }
        self.part.held = held;
        Ok(())
    }

    fn message(&self, message: &Resource<Handle>) -> Result<&Message> {
        Ok(&self.table.get(message)?.message)
    }

    /// Changes a message, and what is counted of it.
    fn change(
        &mut self,
        message: &Resource<Handle>,
        change: impl FnOnce(&mut Message),
    ) -> Result<()> {
        let handle = self.table.get_mut(message)?;
        change(&mut handle.message);
        let (before, now) = (handle.held, handle.message.size());
        handle.held = now;
        self.weigh(before, now)
    }

    /// Takes a message out of the guest's hands, to be sent: what it knew of its way here is no part
    /// of it.
    fn take(&mut self, message: Resource<Handle>) -> Result<Message> {
        let handle = self.table.delete(message)?;
        self.weigh(handle.held, 0)?;
        Ok(Message {
            topic: None,
            reply_to: None,
            ..handle.message
        })
    }
}

impl types::Host for View<'_> {}

impl types::HostClient for View<'_> {
    async fn connect(&mut self, name: String) -> Result<Result<Resource<Client>, Error>> {
        Ok(match self.part.broker(Some(&name)) {
            Ok(broker) => Ok(self.table.push(Client(broker))?),
            Err(told) => Err(Error::PermissionDenied(told)),
        })
    }

    async fn disconnect(&mut self, client: Resource<Client>) -> Result<Result<(), Error>> {
        self.table.get(&client)?;
        Ok(Ok(()))
    }

    async fn drop(&mut self, client: Resource<Client>) -> Result<()> {
        self.table.delete(client)?;
        Ok(())
    }
}

impl types::HostMessage for View<'_> {
    async fn new(&mut self, data: Vec<u8>) -> Result<Resource<Handle>> {
        self.hold(Message::new(data), None)
    }

    async fn topic(&mut self, message: Resource<Handle>) -> Result<Option<String>> {
        Ok(self.message(&message)?.topic.clone())
    }

    async fn content_type(&mut self, message: Resource<Handle>) -> Result<Option<String>> {
        Ok(self.message(&message)?.content_type.clone())
    }

    async fn set_content_type(&mut self, message: Resource<Handle>, is: String) -> Result<()> {
        self.change(&message, |message| message.content_type = Some(is))
    }

    async fn data(&mut self, message: Resource<Handle>) -> Result<Vec<u8>> {
        Ok(self.message(&message)?.data.clone())
    }

    async fn set_data(&mut self, message: Resource<Handle>, data: Vec<u8>) -> Result<()> {
        self.change(&message, |message| message.data = data)
    }

    async fn metadata(
        &mut self,
        message: Resource<Handle>,
    ) -> Result<Option<Vec<(String, String)>>> {
        let metadata = &self.message(&message)?.metadata;
        Ok((!metadata.is_empty()).then(|| metadata.clone()))
    }

    async fn add_metadata(
        &mut self,
        message: Resource<Handle>,
        key: String,
        value: String,
    ) -> Result<()> {
        self.change(&message, |message| message.set(&key, &value))
    }

    async fn set_metadata(
        &mut self,
        message: Resource<Handle>,
        metadata: Vec<(String, String)>,
    ) -> Result<()> {
        self.change(&message, |message| {
            message.metadata.clear();
            for (key, value) in &metadata {
                message.set(key, value);
            }
        })
    }

    async fn remove_metadata(&mut self, message: Resource<Handle>, key: String) -> Result<()> {
        self.change(&message, |message| {
            message.metadata.retain(|(name, _)| *name != key);
        })
    }

    async fn drop(&mut self, message: Resource<Handle>) -> Result<()> {
        let handle = self.table.delete(message)?;
        self.weigh(handle.held, 0)
    }
}

impl producer::Host for View<'_> {
    async fn send(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Handle>,
    ) -> Result<Result<(), Error>> {
        let broker = self.table.get(&client)?.0.clone();
        let message = self.take(message)?;
        let sent = self.part.send(&broker, &topic, message).await;
        Ok(sent.map_err(Error::from))
    }
}

impl request_reply::Host for View<'_> {
    async fn request(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Handle>,
        options: Option<Resource<Options>>,
    ) -> Result<Result<Vec<Resource<Handle>>, Error>> {
        let broker = self.table.get(&client)?.0.clone();
        // It is lent: the guest keeps it.
        let message = Message {
            topic: None,
            reply_to: None,
            ..self.message(&message)?.clone()
        };
        let (mut patience, mut answers) = (PATIENCE, 1);
        if let Some(options) = options {
            // It is given away with the call.
            let options = self.table.delete(options)?;
            patience = options.timeout.unwrap_or(PATIENCE);
            answers = options.answers.unwrap_or(1);
        }
        let asked = self
            .part
            .request(&broker, &topic, message, patience, answers as usize);
        Ok(match asked.await {
            Ok(came) => {
                let mut held = Vec::with_capacity(came.len());
                for message in came {
                    held.push(self.hold(message, Some(broker.clone()))?);
                }
                Ok(held)
            }
            Err(fault) => Err(fault.into()),
        })
    }

    async fn reply(
        &mut self,
        reply_to: Resource<Handle>,
        message: Resource<Handle>,
    ) -> Result<Result<(), Error>> {
        let asked = self.table.get(&reply_to)?;
        let asked = (asked.from.clone(), asked.message.reply_to.clone());
        let message = self.take(message)?;
        // Where nobody waits for an answer there is nothing to do.
        let (Some(broker), Some(topic)) = asked else {
            return Ok(Ok(()));
        };
        let sent = self.part.send(&broker, &topic, message).await;
        Ok(sent.map_err(Error::from))
    }
}

impl request_reply::HostRequestOptions for View<'_> {
    async fn new(&mut self) -> Result<Resource<Options>> {
        Ok(self.table.push(Options::default())?)
    }

    async fn set_timeout_ms(&mut self, options: Resource<Options>, ms: u32) -> Result<()> {
        self.table.get_mut(&options)?.timeout = Some(Duration::from_millis(ms.into()));
        Ok(())
    }

    async fn set_expected_replies(
        &mut self,
        options: Resource<Options>,
        answers: u32,
    ) -> Result<()> {
        self.table.get_mut(&options)?.answers = Some(answers);
        Ok(())
    }

    async fn drop(&mut self, options: Resource<Options>) -> Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}
