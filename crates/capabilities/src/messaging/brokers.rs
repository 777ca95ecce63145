//! Which brokers there are: what the manifest declares of them, and the ones that are open.

use super::broker::{Broker, Fault};
use super::memory::Memory;
use super::message::Message;
use super::nats::Nats;
use super::redis::Redis;
use super::redis::channel::Channels;
use super::setup::{Carrier, Setup};
use super::{Source, Subscription};
use crate::Place;
use async_trait::async_trait;
use holm_manifest::{ByteSize, Problem};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a message waits for its place among those that are on their way.
const PLACE_WAIT: Duration = Duration::from_secs(5);

/// The brokers of an app, open or not.
#[derive(Debug, Default)]
pub struct Brokers(Mutex<BTreeMap<(String, Setup), Arc<Named>>>);

/// One broker under its name in the app, with the bounds that the manifest sets.
pub struct Named {
    name: Arc<str>,
    setup: Setup,
    /// Opened when it is first needed: some libraries want a runtime for that.
    broker: OnceLock<Result<Arc<dyn Broker>, Fault>>,
    places: Semaphore,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Brokers {
    /// The broker that the manifest means by `name`; everybody in the app gets the same one. What is
    /// not declared is one in memory.
    ///
    /// # Errors
    /// What is wrong with its table.
    pub fn find(&self, name: &str, place: &Place) -> Result<Arc<Named>, Problem> {
        let declared = place.brokers.iter().find(|broker| broker.name == name);
        let setup = match declared {
            Some(declared) => Setup::read(&declared.value)?,
            None => Setup::memory(),
        };
        Ok(self.of(name, setup))
    }

    /// The broker of these settings.
    pub fn of(&self, name: &str, setup: Setup) -> Arc<Named> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of versions that are gone: their connections would be kept up for nobody.
        all.retain(|_, named| Arc::strong_count(named) > 1);
        let named = all
            .entry((name.to_owned(), setup.clone()))
            .or_insert_with(|| Arc::new(Named::new(name, setup)));
        named.clone()
    }
}

impl Named {
    fn new(name: &str, setup: Setup) -> Self {
        Named {
            name: name.into(),
            places: Semaphore::new(setup.in_flight as usize),
            setup,
            broker: OnceLock::new(),
        }
    }

    fn open(&self) -> Result<Arc<dyn Broker>, Fault> {
        let name = &*self.name;
        match &self.setup.carrier {
            Carrier::Memory { limit } => Ok(Arc::new(Memory::new(name, *limit))),
            Carrier::Nats {
                url,
                stream,
                subjects,
            } => {
                let (stream, subjects) = (stream.clone(), subjects.clone());
                Ok(Arc::new(Nats::open(name, url.reveal(), stream, subjects)))
            }
            Carrier::Redis { url } => {
                Redis::open(name, url.reveal()).map(|open| Arc::new(open) as _)
            }
            Carrier::RedisChannels { url } => {
                Channels::open(name, url.reveal()).map(|open| Arc::new(open) as _)
            }
            #[cfg(feature = "mqtt")]
            Carrier::Mqtt(settings) => {
                super::mqtt::Mqtt::open(name, settings).map(|open| Arc::new(open) as _)
            }
            #[cfg(not(feature = "mqtt"))]
            Carrier::Mqtt(_) => Err(Fault::other("this build of Holm has no MQTT")),
        }
    }

    /// One that is no server's, for what comes as messages do.
    pub fn over(name: &str, broker: Arc<dyn Broker>) -> Self {
        Named {
            broker: OnceLock::from(Ok(broker)),
            ..Named::new(name, Setup::memory())
        }
    }

    /// Its name in the app.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What carries its messages, as OpenTelemetry calls it.
    pub fn system(&self) -> &'static str {
        match &self.setup.carrier {
            Carrier::Memory { .. } => "memory",
            Carrier::Nats { .. } => "nats",
            Carrier::Redis { .. } | Carrier::RedisChannels { .. } => "redis",
            Carrier::Mqtt(_) => "mqtt",
        }
    }

    /// Whether its messages leave the process.
    pub fn is_remote(&self) -> bool {
        !matches!(self.setup.carrier, Carrier::Memory { .. })
    }

    /// Whether a message keeps what is known of it besides its data.
    pub fn carries_metadata(&self) -> bool {
        matches!(
            self.setup.carrier,
            Carrier::Memory { .. } | Carrier::Nats { .. } | Carrier::Redis { .. }
        )
    }

    /// The largest message, in bytes.
    pub fn message_size(&self) -> u64 {
        self.setup.message_size
    }

    /// Hands over again what came from it: what has been taken once is not too large now.
    ///
    /// # Errors
    /// The broker does not take it.
    pub async fn hand_on(&self, topic: &str, message: Message) -> Result<(), Fault> {
        let broker = self.broker()?;
        let _place = self.place().await?;
        broker.send(topic, message).await
    }

    fn broker(&self) -> Result<&Arc<dyn Broker>, Fault> {
        let opened = self.broker.get_or_init(|| self.open());
        opened.as_ref().map_err(Clone::clone)
    }

    /// Whether a message can be sent to the topic.
    ///
    /// # Errors
    /// Why not.
    pub fn check_topic(&self, topic: &str) -> Result<(), String> {
        // The longest that all carriers take, with room for their own words.
        const TOPIC_BYTES_MAX: usize = 4096;
        let is_pattern = match &self.setup.carrier {
            Carrier::Memory { .. } | Carrier::Nats { .. } => {
                topic.split('.').any(|word| matches!(word, "*" | ">"))
            }
            Carrier::Mqtt(_) => topic.contains(['+', '#']),
            Carrier::Redis { .. } | Carrier::RedisChannels { .. } => false,
        };
        Err(match () {
            () if topic.is_empty() => "a topic cannot be empty".to_owned(),
            () if topic.len() > TOPIC_BYTES_MAX => {
                format!("a topic has {TOPIC_BYTES_MAX} bytes at most")
            }
            () if topic.chars().any(|c| c.is_control() || c == ' ') => {
                "a topic has no spaces and no control characters".to_owned()
            }
            // There the servers' own levers are: `$JS.API` of NATS, `$SYS` of both.
            () if topic.starts_with('$') => {
                "a topic that begins with `$` is the broker's own".to_owned()
            }
            () if is_pattern => "a message is sent to a topic, not to a pattern".to_owned(),
            () => return Ok(()),
        })
    }

    /// Whether the topic and the message are such as it carries.
    fn check(&self, topic: &str, message: &Message) -> Result<(), Fault> {
        self.check_topic(topic).map_err(Fault::other)?;
        match message.size() as u64 > self.setup.message_size {
            false => Ok(()),
            true => Err(Fault::other(format!(
                "a message of {} bytes: broker {:?} takes {} at most",
                message.size(),
                self.name,
                ByteSize(self.setup.message_size)
            ))),
        }
    }

    /// Whether who listens to `to` hears what is sent to a topic.
    pub fn hears(&self, to: &str, topic: &str) -> bool {
        match &self.setup.carrier {
            Carrier::Memory { .. } | Carrier::Nats { .. } => super::memory::matches(to, topic),
            Carrier::Mqtt(_) => mqtt_matches(to, topic),
            Carrier::Redis { .. } | Carrier::RedisChannels { .. } => to == topic,
        }
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Fault> {
        match tokio::time::timeout(PLACE_WAIT, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Fault::timeout(format!(
                "{} messages to broker {:?} are on their way",
                self.setup.in_flight, self.name
            ))),
        }
    }
}

#[async_trait]
impl Broker for Named {
    async fn send(&self, topic: &str, message: Message) -> Result<(), Fault> {
        self.check(topic, &message)?;
        let broker = self.broker()?;
        let _place = self.place().await?;
        broker.send(topic, message).await
    }

    async fn request(
        &self,
        topic: &str,
        message: Message,
        patience: Duration,
        answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        self.check(topic, &message)?;
        let broker = self.broker()?;
        let _place = self.place().await?;
        broker.request(topic, message, patience, answers).await
    }

    fn reserve(&self, to: &Subscription) {
        // What is not in this process is opened when somebody listens, and needs a runtime.
        if !self.is_remote()
            && let Ok(broker) = self.broker()
        {
            broker.reserve(to);
        }
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        self.broker()?.listen(to).await
    }
}

/// Whether a filter of MQTT means a topic: `+` is one level, `#` at the end all that follow, also none.
fn mqtt_matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    let mut filters = filter.split('/');
    loop {
        match (filters.next(), levels.next()) {
            (None, None) | (Some("#"), _) => return true,
            (Some(filter), Some(level)) if filter == "+" || filter == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_mqtt() {
        for (filter, topic) in [("a/b", "a/b"), ("a/+", "a/b"), ("a/#", "a"), ("#", "a/b/c")] {
            assert!(mqtt_matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [("a/b", "a/c"), ("a/+", "a/b/c"), ("a/+", "a"), ("a", "a/b")] {
            assert!(!mqtt_matches(filter, topic), "{filter} {topic}");
        }
        crate::fuzz::text("topic-pattern", &["/", "+", "#", "a"], |text| {
            assert!(mqtt_matches(text, text) && mqtt_matches("#", text));
        });
    }

    #[tokio::test]
    async fn what_is_sent_is_checked_first() {
        let mut setup = Setup::memory();
        setup.message_size = 4;
        let named = Brokers::default().of("events", setup);
        let send = async |topic: &str, bytes: usize| {
            let sent = named.send(topic, Message::new(vec![0; bytes])).await;
            sent.err().map(|fault| fault.told)
        };
        assert_eq!(send("a", 4).await, None);
        for (topic, bytes, told) in [
            (
                "a",
                5,
                "a message of 5 bytes: broker \"events\" takes 4 B at most",
            ),
            ("", 0, "a topic cannot be empty"),
            ("a b", 0, "a topic has no spaces and no control characters"),
            ("a.*", 0, "a message is sent to a topic, not to a pattern"),
            (
                "$JS.API.STREAM.PURGE.X",
                0,
                "a topic that begins with `$` is the broker's own",
            ),
        ] {
            assert_eq!(send(topic, bytes).await.as_deref(), Some(told));
        }
    }

    #[tokio::test]
    async fn one_name_is_one_broker() {
        let brokers = Brokers::default();
        let one = brokers.of("events", Setup::memory());
        assert!(Arc::ptr_eq(&one, &brokers.of("events", Setup::memory())));
        assert!(!Arc::ptr_eq(&one, &brokers.of("other", Setup::memory())));
    }
}
