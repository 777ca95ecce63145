//! What the manifest says of a broker: `[broker.NAME]`.

use holm_manifest::{ByteSize, Fragment, Problem, Redacted, Spanned, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// How much waits in a broker in memory unless the manifest says otherwise.
const MEMORY_LIMIT: ByteSize = ByteSize::mib(64);

/// The largest message unless the manifest says otherwise: what a NATS server takes.
const MESSAGE_SIZE: ByteSize = ByteSize::mib(1);

/// Messages that are on their way to a broker at once unless the manifest says otherwise.
const IN_FLIGHT: u32 = 256;

/// How often an MQTT broker hears of us where there is nothing to say.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// `type = "memory"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct MemorySettings {
    /// The most that messages may take which nobody has taken yet; the default is 64 MiB.
    #[schemars(example = &"64 MiB")]
    limit: Option<ByteSize>,
    /// The largest message; the default is 1 MiB.
    #[schemars(example = &"256 KiB")]
    message_size: Option<ByteSize>,
    /// Messages that are on their way to it at once; the default is 256.
    #[schemars(range(min = 1))]
    in_flight: Option<u32>,
}

/// `type = "nats"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NatsSettings {
    /// Where the server is: `nats://` or, with TLS, `tls://`; with `USER:PASSWORD@` or `TOKEN@` where the server wants them.
    #[schemars(example = &"nats://127.0.0.1:4222")]
    url: Spanned<Redacted<String>>,
    /// The stream of JetStream that keeps the messages until they are confirmed; without one they go to those who listen at that moment.
    #[schemars(length(min = 1), regex(pattern = "^[^.*> \\t]+$"))]
    stream: Option<String>,
    /// What the stream keeps, for a stream that is to be made where it is missing.
    #[schemars(example = &["orders.>"])]
    subjects: Option<Spanned<Vec<String>>>,
    /// The largest message; the default is 1 MiB.
    #[schemars(example = &"256 KiB")]
    message_size: Option<ByteSize>,
    /// Messages that are on their way to it at once; the default is 256.
    #[schemars(range(min = 1))]
    in_flight: Option<u32>,
}

/// `type = "redis"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RedisSettings {
    /// Where the server is: `redis://` or, with TLS, `rediss://`; with `USER:PASSWORD@` where the server wants them.
    #[schemars(example = &"redis://127.0.0.1:6379")]
    url: Spanned<Redacted<String>>,
    /// The largest message; the default is 1 MiB.
    #[schemars(example = &"256 KiB")]
    message_size: Option<ByteSize>,
    /// Messages that are on their way to it at once; the default is 256.
    #[schemars(range(min = 1))]
    in_flight: Option<u32>,
}

/// `type = "mqtt"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MqttTable {
    /// Where the broker is: `mqtt://` or, with TLS, `mqtts://`; with `USER:PASSWORD@` where it wants them.
    #[schemars(example = &"mqtt://127.0.0.1:1883")]
    url: Spanned<Redacted<String>>,
    /// What is promised of a message: 0 (at most once), 1 (at least once, the default) or 2.
    #[schemars(range(max = 2))]
    qos: Option<u8>,
    /// The largest message; the default is 1 MiB.
    #[schemars(example = &"256 KiB")]
    message_size: Option<ByteSize>,
    /// Messages that are on their way to it at once; the default is 256.
    #[schemars(range(min = 1))]
    in_flight: Option<u32>,
}

/// `[broker.NAME]` for the vocabulary of the manifest, one of each type.
pub fn broker_fragments() -> Vec<Fragment> {
    let check = |value: &Value| Setup::read(value).err().into_iter().collect();
    let of = |name, doc, example, schema| Fragment {
        name,
        doc,
        example,
        schema,
        check,
    };
    vec![
        of(
            "memory",
            "Messages within the process, gone with it; such a broker needs no words.",
            "[broker.events]\ntype = \"memory\"",
            schemars::schema_for!(MemorySettings),
        ),
        of(
            "nats",
            "A NATS server, with or without a stream of JetStream.",
            "[broker.events]\ntype = \"nats\"\nurl = \"nats://127.0.0.1:4222\"",
            schemars::schema_for!(NatsSettings),
        ),
        of(
            "redis",
            "Streams of a Redis server, one for each topic.",
            "[broker.events]\ntype = \"redis\"\nurl = \"redis://127.0.0.1:6379\"",
            schemars::schema_for!(RedisSettings),
        ),
        of(
            "mqtt",
            "An MQTT broker.",
            "[broker.events]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:1883\"",
            schemars::schema_for!(MqttTable),
        ),
    ]
}

/// A broker's settings, made sure of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setup {
    /// Who carries its messages.
    pub carrier: Carrier,
    /// The largest message, in bytes.
    pub message_size: u64,
    /// Messages that are on their way to it at once.
    pub in_flight: u32,
}

/// Who carries the messages of a broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// The process itself.
    Memory {
        /// The most that waiting messages may take, in bytes.
        limit: u64,
    },
    /// A NATS server.
    Nats {
        /// Its address.
        url: Redacted<String>,
        /// The stream that keeps the messages.
        stream: Option<String>,
        /// What the stream keeps, where it is to be made.
        subjects: Vec<String>,
    },
    /// Streams of a Redis server.
    Redis {
        /// Its address.
        url: Redacted<String>,
    },
    /// Channels of a Redis server.
    RedisChannels {
        /// Its address.
        url: Redacted<String>,
    },
    /// An MQTT broker.
    Mqtt(MqttSettings),
}

/// What is known of an MQTT broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MqttSettings {
    /// Its address, with user and password where it wants them.
    pub url: Redacted<String>,
    /// Who logs in, where the address does not say so.
    pub login: Option<(String, Redacted<String>)>,
    /// What is promised of a message: 0, 1 or 2.
    pub qos: u8,
    /// How often the broker hears of us.
    pub keep_alive: Duration,
}

impl Setup {
    /// One with the usual bounds.
    pub fn of(carrier: Carrier) -> Self {
        Setup {
            carrier,
            message_size: MESSAGE_SIZE.0,
            in_flight: IN_FLIGHT,
        }
    }

    /// A broker that the manifest says nothing of.
    pub fn memory() -> Self {
        Setup::of(Carrier::Memory {
            limit: MEMORY_LIMIT.0,
        })
    }

    /// What a table says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &Value) -> Result<Self, Problem> {
        let table = value.without("type");
        let kind = value.get("type").and_then(Value::as_str);
        let (carrier, size, in_flight) = match kind {
            Some("nats") => {
                let read: NatsSettings = table.parse()?;
                if let (Some(subjects), None) = (&read.subjects, &read.stream) {
                    return Err(Problem::error("`subjects` are those of a stream")
                        .at(subjects.span)
                        .help("name it: stream = \"ORDERS\""));
                }
                let carrier = Carrier::Nats {
                    url: address(&read.url, &["nats", "tls"])?,
                    stream: read.stream,
                    subjects: read.subjects.map(|s| s.value).unwrap_or_default(),
                };
                (carrier, read.message_size, read.in_flight)
            }
            Some("redis") => {
                let read: RedisSettings = table.parse()?;
                let url = address(&read.url, &["redis", "rediss"])?;
                (Carrier::Redis { url }, read.message_size, read.in_flight)
            }
            Some("mqtt") => {
                let read: MqttTable = table.parse()?;
                let carrier = Carrier::Mqtt(MqttSettings {
                    url: address(&read.url, &["mqtt", "mqtts"])?,
                    login: None,
                    qos: read.qos.unwrap_or(1),
                    keep_alive: KEEP_ALIVE,
                });
                (carrier, read.message_size, read.in_flight)
            }
            _ => {
                let read: MemorySettings = table.parse()?;
                let limit = read.limit.unwrap_or(MEMORY_LIMIT).0;
                let carrier = Carrier::Memory { limit };
                (carrier, read.message_size, read.in_flight)
            }
        };
        Ok(Setup {
            carrier,
            message_size: size.unwrap_or(MESSAGE_SIZE).0,
            in_flight: in_flight.unwrap_or(IN_FLIGHT),
        })
    }
}

/// The address of a server. Of what is wrong with it nothing is quoted: it may have a password.
///
/// # Errors
/// It is none of these schemes.
pub fn address(
    url: &Spanned<Redacted<String>>,
    schemes: &[&str],
) -> Result<Redacted<String>, Problem> {
    let parsed = Url::parse(url.value.reveal()).ok();
    let fits = |url: &Url| schemes.contains(&url.scheme()) && url.has_host();
    match parsed.is_some_and(|url| fits(&url)) {
        true => Ok(url.value.clone()),
        false => Err(Problem::error("this is not the address of such a server")
            .at(url.span)
            .label(format!("expected {}://HOST", schemes.join(":// or ")))
            .help(format!("for example: url = \"{}://127.0.0.1\"", schemes[0]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<Setup, String> {
        let table = entries.iter().map(|(k, v)| (*k, Value::from(*v))).collect();
        Setup::read(&Value::table(table)).map_err(|problem| problem.message)
    }

    #[test]
    fn a_table_of_each_type() {
        assert_eq!(read(&[("type", "memory")]), Ok(Setup::memory()));
        let url = "nats://127.0.0.1:4222";
        let nats = read(&[("type", "nats"), ("url", url), ("stream", "ORDERS")]);
        let carrier = Carrier::Nats {
            url: url.to_owned().into(),
            stream: Some("ORDERS".into()),
            subjects: vec![],
        };
        assert_eq!(nats, Ok(Setup::of(carrier)));
        let redis = read(&[
            ("type", "redis"),
            ("url", "rediss://:secret@db"),
            ("message_size", "2 KiB"),
        ]);
        let redis = redis.unwrap();
        assert_eq!(redis.message_size, 2048);
        assert!(!format!("{redis:?}").contains("secret"));
        let mqtt = read(&[("type", "mqtt"), ("url", "mqtt://broker")]).unwrap();
        assert!(matches!(mqtt.carrier, Carrier::Mqtt(settings) if settings.qos == 1));
    }

    #[test]
    fn what_is_wrong_quotes_no_address() {
        for (kind, url) in [
            ("nats", "http://secret@a"),
            ("redis", "redis:secret"),
            ("mqtt", "secret"),
        ] {
            let wrong = read(&[("type", kind), ("url", url)]).unwrap_err();
            assert_eq!(wrong, "this is not the address of such a server");
        }
        assert!(read(&[("type", "redis")]).is_err());
    }
}
