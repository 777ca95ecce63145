//! JetStream: a stream keeps messages, a consumer of it remembers what was confirmed.

use super::super::broker::{Delivery, Fault, Receipt, Source, Subscription};
use super::super::message::Message;
use super::{LOOK, Nats, PATIENCE, REPLY_TO, headers, of};
use async_nats::jetstream::consumer::pull::{self, Batch};
use async_nats::jetstream::consumer::{AckPolicy, Consumer};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::{AckKind, Acker};
use async_nats::jetstream::{self, Context};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The stream of a broker.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// Its name.
    pub(super) name: String,
    /// What it keeps, where it is to be made when it is missing.
    pub(super) subjects: Vec<String>,
}

impl Nats {
    async fn context(&self) -> Result<Context, Fault> {
        let mut context = jetstream::new(self.client().await?.clone());
        context.set_timeout(PATIENCE);
        Ok(context)
    }

    /// The stream; made where it is missing and the manifest says what it keeps.
    async fn stream(&self, setup: &Setup) -> Result<jetstream::stream::Stream, Fault> {
        let context = self.context().await?;
        let found = match setup.subjects.is_empty() {
            true => context
                .get_stream(&setup.name)
                .await
                .map_err(|e| e.to_string()),
            false => {
                let config = jetstream::stream::Config {
                    name: setup.name.clone(),
                    subjects: setup.subjects.clone(),
                    ..Default::default()
                };
                let found = context.get_or_create_stream(config).await;
                found.map_err(|error| error.to_string())
            }
        };
        found.map_err(|error| {
            let told = format!("broker {:?} has no stream {:?}", self.name, setup.name);
            Fault::because(told, error)
        })
    }

    /// Hands a message to the stream, and waits until it has it.
    pub(super) async fn keep(
        &self,
        setup: &Setup,
        topic: &str,
        mut message: Message,
        reply_to: Option<String>,
    ) -> Result<(), Fault> {
        if let Some(reply_to) = reply_to {
            message.set(REPLY_TO, &reply_to);
        }
        let context = self.context().await?;
        let headers = headers(&message)?;
        let wrong = |error: jetstream::context::PublishError| match error.kind() {
            PublishErrorKind::StreamNotFound => {
                let (name, stream) = (&self.name, &setup.name);
                Fault::other(format!(
                    "no stream of broker {name:?} keeps {topic:?}; its stream is {stream:?}"
                ))
            }
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => self.unreached(error),
            _ => self.refused(error),
        };
        let data = Bytes::from(message.data);
        let send = async || {
            let (headers, data) = (headers.clone(), data.clone());
            let sent = context.publish_with_headers(topic.to_owned(), headers, data);
            timeout(PATIENCE, async { sent.await?.await }).await
        };
        let mut sent = send().await;
        // Whoever sends before anybody has listened finds no stream yet.
        if let Ok(Err(error)) = &sent
            && error.kind() == PublishErrorKind::StreamNotFound
            && !setup.subjects.is_empty()
        {
            self.stream(setup).await?;
            sent = send().await;
        }
        match sent {
            Ok(kept) => kept.map(|_| ()).map_err(wrong),
            Err(_) => Err(self.unreached("no answer in time")),
        }
    }

    pub(super) async fn listen_to(
        &self,
        setup: &Setup,
        to: &Subscription,
    ) -> Result<Box<dyn Source>, Fault> {
        let stream = self.stream(setup).await?;
        let name = durable(to);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: to.hold,
            filter_subject: to.topic.clone(),
            ..Default::default()
        };
        // What the manifest says now counts, also for a consumer that is there.
        let consumer = timeout(PATIENCE, stream.create_consumer(config)).await;
        let consumer = consumer.map_err(|_| self.unreached("no answer in time"))?;
        let consumer: Consumer<pull::Config> = consumer.map_err(|error| {
            let told = format!("broker {:?} refused the consumer {name:?}", self.name);
            Fault::because(told, error)
        })?;
        Ok(Box::new(Listening {
            connects: self.connects(),
            nats: self.clone(),
            consumer,
            batch: None,
        }))
    }
}

/// The name of the consumer that remembers for a group what of a topic was confirmed. What a name cannot
/// hold is written by its number, so that no two are the same.
fn durable(to: &Subscription) -> String {
    let mut name = String::new();
    for c in to.group.chars().chain(['.']).chain(to.topic.chars()) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '-' => name.push(c),
            '.' => name.push_str("__"),
            c => name.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    name
}

struct Listening {
    nats: Nats,
    /// How often the connection had been made when this began.
    connects: u64,
    consumer: Consumer<pull::Config>,
    /// What was asked for and may still come.
    batch: Option<Batch>,
}

#[async_trait]
impl Source for Listening {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        while !ended.is_cancelled() {
            if self.nats.connects() != self.connects {
                return Err(self.nats.unreached("the connection broke"));
            }
            let batch = match &mut self.batch {
                Some(batch) => batch,
                None => {
                    // Fails where the connection broke.
                    self.nats.client().await?;
                    let batch = self.consumer.batch().max_messages(1).expires(LOOK);
                    let batch = batch.messages().await;
                    let batch = batch.map_err(|error| self.nats.unreached(error))?;
                    self.batch.insert(batch)
                }
            };
            match batch.next().await {
                None => self.batch = None,
                Some(Ok(came)) => {
                    self.batch = None;
                    let (came, acker) = came.split();
                    let mut message = of(came);
                    let asks = |(name, _): &(String, String)| name.eq_ignore_ascii_case(REPLY_TO);
                    let reply_to = message.metadata.iter().position(asks);
                    message.reply_to = reply_to.map(|at| message.metadata.remove(at).1);
                    return Ok(Some(Delivery {
                        message,
                        receipt: Box::new(Kept {
                            nats: self.nats.clone(),
                            acker,
                        }),
                    }));
                }
                Some(Err(error)) => return Err(self.nats.unreached(error)),
            }
        }
        Ok(None)
    }
}

/// A message that the stream gives again unless it is confirmed.
struct Kept {
    nats: Nats,
    acker: Acker,
}

#[async_trait]
impl Receipt for Kept {
    async fn done(&self) -> Result<(), Fault> {
        match timeout(PATIENCE, self.acker.double_ack()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.nats.unreached(error)),
            Err(_) => Err(self.nats.unreached("no answer in time")),
        }
    }

    async fn at_work(&self) {
        let _ = self.acker.ack_with(AckKind::Progress).await;
    }

    async fn give_back(&self) {
        let _ = self.acker.ack_with(AckKind::Nak(None)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_consumer_for_each_group_and_topic() {
        let name = |group: &str, topic: &str| {
            durable(&Subscription {
                topic: topic.to_owned(),
                group: group.to_owned(),
                member: String::new(),
                hold: Duration::from_secs(1),
            })
        };
        assert_eq!(name("shop-work", "orders.*"), "shop-work__orders___2a_");
        assert_ne!(name("a.b", "c"), name("a_b", "c"));
        assert_ne!(name("a", "c"), name("a", "d"));
        assert!(!name("é /\\>", "x").contains(['.', '*', '>', ' ', '/', '\\']));
    }
}
