//! The channels of a Redis server: a message goes to those who listen at that moment, and is kept for
//! nobody.

use super::super::broker::{Broker, Delivery, Fault, Source, Subscription, Unasked};
use super::super::message::Message;
use super::{PATIENCE, Redis};
use async_trait::async_trait;
use futures::{Stream, StreamExt as _};
use redis::Msg;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Messages that came and wait to be taken; the newest go where there are more.
const WAITING_MAX: usize = 4096;

/// A server's channels.
pub struct Channels(Redis);

impl Channels {
    /// Those of the server at `url`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn open(name: &str, url: &str) -> Result<Self, Fault> {
        Redis::open(name, url).map(Channels)
    }
}

#[async_trait]
impl Broker for Channels {
    async fn send(&self, topic: &str, message: Message) -> Result<(), Fault> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(topic).arg(message.data);
        self.0.ask::<i64>(&publish).await.map(|_| ())
    }

    async fn request(
        &self,
        _topic: &str,
        _message: Message,
        _patience: Duration,
        _answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        Err(Fault::other("a channel of Redis knows no answers"))
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        let redis = &self.0;
        let subscribed = timeout(PATIENCE, async {
            let mut connection = redis.client.get_async_pubsub().await?;
            connection.subscribe(&to.topic).await?;
            Ok(connection.into_on_message())
        });
        let messages_of = match subscribed.await {
            Ok(subscribed) => subscribed.map_err(|error| redis.failed(&error))?,
            Err(_) => return Err(redis.late()),
        };
        let (send, messages) = mpsc::channel(WAITING_MAX);
        let name = redis.name.clone();
        tokio::spawn(pump(messages_of, send, name.clone()));
        Ok(Box::new(Listening { messages, name }))
    }
}

/// Takes what the library holds, which has no bound of its own.
async fn pump(mut came: impl Stream<Item = Msg> + Unpin, send: mpsc::Sender<Msg>, name: String) {
    let mut dropped = 0_u64;
    loop {
        let message = tokio::select! {
            message = came.next() => message,
            () = send.closed() => None,
        };
        let Some(message) = message else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = send.try_send(message) {
            dropped += 1;
            if dropped.is_power_of_two() {
                let broker = &*name;
                tracing::warn!(broker, dropped, "messages came faster than they are taken");
            }
        }
    }
}

struct Listening {
    messages: mpsc::Receiver<Msg>,
    name: String,
}

#[async_trait]
impl Source for Listening {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        let Some(came) = ended.run_until_cancelled(self.messages.recv()).await else {
            return Ok(None);
        };
        let Some(came) = came else {
            let told = format!("the connection to broker {:?} broke", self.name);
            return Err(Fault::connection(told, "the server closed it"));
        };
        let message = Message {
            topic: Some(came.get_channel_name().to_owned()),
            ..Message::new(came.get_payload_bytes().to_vec())
        };
        Ok(Some(Delivery {
            message,
            receipt: Box::new(Unasked),
        }))
    }
}
