//! Provider `nats`: a NATS server. Without a stream a message goes to those who listen at that moment;
//! with one, JetStream keeps it until somebody has confirmed it ([`stream`]).

mod stream;

use super::broker::{Answers, Broker, Delivery, Fault, Source, Subscription, Unasked};
use super::message::Message;
use async_nats::client::PublishErrorKind;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, HeaderMap, HeaderName, HeaderValue, Subscriber};
use async_trait::async_trait;
use futures::StreamExt as _;
use std::str::FromStr as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long one question to the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a listener looks whether the server is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The longest wait between two tries to reach the server again.
const AGAIN_MAX: Duration = Duration::from_secs(2);

const CONTENT_TYPE: &str = "Content-Type";

/// Where an answer goes to, beside a stream: there the protocol's own place is the stream's.
const REPLY_TO: &str = "Reply-To";

/// A server.
#[derive(Clone)]
pub struct Nats {
    name: String,
    url: String,
    stream: Option<stream::Setup>,
    client: std::sync::Arc<OnceCell<Client>>,
}

impl Nats {
    /// The broker `name` on the server at `url`, with the stream that keeps its messages. Nothing is
    /// asked of it yet.
    pub fn open(name: &str, url: &str, stream: Option<String>, subjects: Vec<String>) -> Self {
        Nats {
            name: name.to_owned(),
            url: url.to_owned(),
            stream: stream.map(|name| stream::Setup { name, subjects }),
            client: std::sync::Arc::default(),
        }
    }

    fn unreached(&self, detail: impl std::fmt::Display) -> Fault {
        let told = format!("broker {:?} cannot be reached", self.name);
        Fault::connection(told, detail)
    }

    fn refused(&self, detail: impl std::fmt::Display) -> Fault {
        Fault::because(format!("broker {:?} refused", self.name), detail)
    }

    /// The connection. It is made anew by the library when it breaks; while it is broken nobody waits.
    async fn client(&self) -> Result<&Client, Fault> {
        let client = self.client.get_or_try_init(async || {
            let tls = tokio::task::spawn_blocking(crate::http::prepare_tls).await;
            let tls = tls.map_err(|error| self.unreached(error))?;
            let options = ConnectOptions::new()
                .name("holm")
                .connection_timeout(PATIENCE)
                .request_timeout(Some(PATIENCE))
                .ping_interval(Duration::from_secs(10))
                .tls_client_config((*tls).clone())
                .reconnect_delay_callback(|tries| {
                    let wait =
                        Duration::from_millis(50) * 2_u32.saturating_pow(tries.min(8) as u32);
                    wait.min(AGAIN_MAX)
                });
            let made = options.connect(&*self.url).await;
            // The address is part of some of its errors.
            made.map_err(|error| self.unreached(error.kind()))
        });
        let client = client.await?;
        match client.connection_state() {
            State::Connected => Ok(client),
            _ => Err(self.unreached("the connection broke")),
        }
    }

    /// How often the connection was made. The library makes it anew by itself; who listens is to know.
    fn connects(&self) -> u64 {
        let client = self.client.get();
        client.map_or(0, |client| client.statistics().connects.load(Relaxed))
    }

    async fn publish(
        &self,
        topic: &str,
        reply_to: Option<String>,
        message: Message,
    ) -> Result<(), Fault> {
        let client = self.client().await?;
        let headers = headers(&message)?;
        let (subject, data) = (topic.to_owned(), message.data.into());
        let sent = match (reply_to, headers.is_empty()) {
            (None, true) => client.publish(subject, data).await,
            (None, false) => client.publish_with_headers(subject, headers, data).await,
            (Some(to), true) => client.publish_with_reply(subject, to, data).await,
            (Some(to), false) => {
                let sent = client.publish_with_reply_and_headers(subject, to, headers, data);
                sent.await
            }
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::Send => self.unreached(error),
            _ => self.refused(error),
        })?;
        match timeout(PATIENCE, client.flush()).await {
            Ok(flushed) => flushed.map_err(|error| self.unreached(error)),
            Err(_) => Err(self.unreached("no answer in time")),
        }
    }

    async fn hand_over(
        &self,
        topic: &str,
        message: Message,
        reply_to: Option<String>,
    ) -> Result<(), Fault> {
        match &self.stream {
            // Answers are nothing that is kept.
            Some(_) if topic.starts_with("_INBOX.") => self.publish(topic, reply_to, message).await,
            Some(setup) => self.keep(setup, topic, message, reply_to).await,
            None => self.publish(topic, reply_to, message).await,
        }
    }
}

#[async_trait]
impl Broker for Nats {
    async fn send(&self, topic: &str, mut message: Message) -> Result<(), Fault> {
        let reply_to = message.reply_to.take();
        self.hand_over(topic, message, reply_to).await
    }

    async fn request(
        &self,
        topic: &str,
        message: Message,
        patience: Duration,
        answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        let client = self.client().await?;
        let inbox = client.new_inbox();
        let listening = client.subscribe(inbox.clone()).await;
        let mut listening = listening.map_err(|error| self.refused(error))?;
        self.hand_over(topic, message, Some(inbox)).await?;
        let until = Instant::now() + patience;
        let mut came = Answers::wanted(answers);
        while came.missing() > 0 {
            match timeout_at(until, listening.next()).await {
                Ok(Some(answer))
                    if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) =>
                {
                    return Err(Fault::other(format!("nobody listens to {topic:?}")));
                }
                Ok(Some(answer)) => came.push(of(answer)),
                Ok(None) => return Err(self.unreached("the connection broke")),
                Err(_) => break,
            }
        }
        came.in_time()
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        if let Some(setup) = &self.stream {
            return self.listen_to(setup, to).await;
        }
        let client = self.client().await?;
        let listening = client.queue_subscribe(to.topic.clone(), to.group.clone());
        let listening = listening.await.map_err(|error| self.refused(error))?;
        match timeout(PATIENCE, client.flush()).await {
            Ok(flushed) => flushed.map_err(|error| self.unreached(error))?,
            Err(_) => return Err(self.unreached("no answer in time")),
        }
        Ok(Box::new(Listening {
            connects: self.connects(),
            nats: self.clone(),
            listening,
        }))
    }
}

struct Listening {
    nats: Nats,
    listening: Subscriber,
    /// How often the connection had been made when this began.
    connects: u64,
}

#[async_trait]
impl Source for Listening {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        loop {
            let next = timeout(LOOK, self.listening.next());
            match ended.run_until_cancelled(next).await {
                None => return Ok(None),
                Some(Ok(Some(message))) => {
                    return Ok(Some(Delivery {
                        message: of(message),
                        receipt: Box::new(Unasked),
                    }));
                }
                Some(Ok(None)) => return Err(self.nats.unreached("the connection broke")),
                Some(Err(_)) => {
                    self.nats.client().await?;
                    if self.nats.connects() != self.connects {
                        return Err(self.nats.unreached("the connection broke"));
                    }
                }
            }
        }
    }
}

/// Headers of the protocol for what is known of a message.
fn headers(message: &Message) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    let content_type = message.content_type.iter().map(|is| (CONTENT_TYPE, is));
    let metadata = message.metadata.iter().map(|(name, is)| (&**name, is));
    for (name, value) in content_type.chain(metadata) {
        let wrong = || Fault::other(format!("{name:?} cannot be a header of a message"));
        let key = HeaderName::from_str(name).map_err(|_| wrong())?;
        headers.insert(key, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(headers)
}

/// A message as it came.
fn of(came: async_nats::Message) -> Message {
    let mut message = Message {
        topic: Some(came.subject.to_string()),
        reply_to: came.reply.map(|to| to.to_string()),
        ..Message::new(came.payload.into())
    };
    for (name, values) in came.headers.iter().flat_map(HeaderMap::iter) {
        let Some(value) = values.first() else {
            continue;
        };
        let name: &str = name.as_ref();
        match name.eq_ignore_ascii_case(CONTENT_TYPE) {
            true => message.content_type = Some(value.to_string()),
            false => message.set(name, value.as_str()),
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_message_comes_out_as_it_went_in(
            data in any::<Vec<u8>>(),
            content_type in any::<Option<String>>(),
            metadata in prop::collection::btree_map("[a-z][a-z0-9-]{0,12}", any::<String>(), 0..4),
        ) {
            let metadata = metadata.into_iter().filter(|(name, _)| *name != "content-type");
            let message = Message {
                topic: Some("orders".to_owned()),
                content_type,
                data,
                metadata: metadata.collect(),
                reply_to: None,
            };
            let breaks = |text: &String| text.contains(['\r', '\n']);
            let mut values = message.metadata.iter().map(|(_, value)| value);
            let broken = message.content_type.iter().any(breaks) || values.any(breaks);
            match headers(&message) {
                Err(_) => prop_assert!(broken),
                Ok(headers) => {
                    prop_assert!(!broken);
                    let mut came = of(async_nats::Message {
                        subject: "orders".into(),
                        reply: None,
                        payload: message.data.clone().into(),
                        headers: Some(headers),
                        status: None,
                        description: None,
                        length: 0,
                    });
                    came.metadata.sort();
                    prop_assert_eq!(came, message);
                }
            }
        }
    }
}
