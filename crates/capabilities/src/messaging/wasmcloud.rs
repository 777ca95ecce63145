//! `wasmcloud:messaging` for the guest: on the first broker that it was granted.

use super::{Message, View};
use std::time::Duration;
use wasmtime::Result;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasmcloud-messaging@0.2.0",
        world: "wasmcloud:messaging/imports",
        imports: { default: async | trappable },
    });
}
pub use bindings::wasmcloud::messaging::consumer;
use bindings::wasmcloud::messaging::types::{self, BrokerMessage};

impl types::Host for View<'_> {}

impl consumer::Host for View<'_> {
    async fn request(
        &mut self,
        subject: String,
        body: Vec<u8>,
        timeout_ms: u32,
    ) -> Result<std::result::Result<BrokerMessage, String>> {
        let broker = match self.part.broker(None) {
            Ok(broker) => broker,
            Err(told) => return Ok(Err(told)),
        };
        let (message, patience) = (Message::new(body), Duration::from_millis(timeout_ms.into()));
        let asked = self.part.request(&broker, &subject, message, patience, 1);
        Ok(match asked.await {
            Ok(came) => Ok(came
                .into_iter()
                .next()
                .map(of)
                .unwrap_or_else(|| of(Message::default()))),
            Err(fault) => Err(fault.told),
        })
    }

    async fn publish(&mut self, msg: BrokerMessage) -> Result<std::result::Result<(), String>> {
        let broker = match self.part.broker(None) {
            Ok(broker) => broker,
            Err(told) => return Ok(Err(told)),
        };
        let message = Message {
            reply_to: msg.reply_to,
            ..Message::new(msg.body)
        };
        let sent = self.part.send(&broker, &msg.subject, message).await;
        Ok(sent.map_err(|fault| fault.told))
    }
}

fn of(message: Message) -> BrokerMessage {
    BrokerMessage {
        subject: message.topic.unwrap_or_default(),
        body: message.data,
        reply_to: message.reply_to,
    }
}
