//! A guest's connection to a broker: MQTT 3.1.1, one message at a time, each of which has reached the
//! broker as its quality of service says when publishing it returns.

use crate::network::{Service, Unreached};
use crate::outbound::{self, Address, CALL_TIME, CONNECT_TIME, Moved, Tally, Way, Wire};
use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Login, Packet, PubRel, Publish};
use rumqttc::mqttbytes::{Error as Codec, QoS};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// The largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The largest packet of a broker: it only acknowledges.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The longest topic, in bytes: the protocol's own.
pub const TOPIC_BYTES_MAX: usize = 65_535;

/// Why a message is not published.
#[derive(Debug)]
pub enum Fault {
    /// The address says nothing.
    BadAddress,
    /// The policy, or the network.
    Unreached(Unreached),
    /// The broker said no, or the log-in failed.
    Refused(String),
    /// The message cannot be sent.
    BadMessage(String),
    /// What a guest is told otherwise.
    Other(String),
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open connection.
struct Link {
    stream: Box<dyn Stream>,
    /// What came and is not read yet.
    read: BytesMut,
    wire: Arc<Wire>,
    peer: IpAddr,
    /// When something was sent last: the broker closes what is silent for too long.
    sent: Instant,
    /// The number of the last message that is acknowledged.
    number: u16,
}

/// A guest's connection. It connects anew when the broker has closed it.
pub struct Session {
    way: Arc<Way>,
    address: Address,
    client: String,
    login: Option<Login>,
    keep_alive: u16,
    patience: Duration,
    link: Option<Link>,
    /// Bytes of its calls.
    tally: Tally,
}

impl Session {
    /// A session with the broker at `text`, such as `mqtt://host:1883?client_id=me`; nothing is
    /// dialled yet.
    pub fn new(
        way: &Arc<Way>,
        text: &str,
        username: String,
        password: String,
        keep_alive: Duration,
    ) -> Result<Self, Fault> {
        let (address, url) = Address::parse(Service::Mqtt, text).ok_or(Fault::BadAddress)?;
        let client = url
            .query_pairs()
            .find(|(name, _)| name == "client_id")
            .map(|(_, value)| value.into_owned());
        // A broker may refuse a client without a name.
        let client =
            client.unwrap_or_else(|| format!("holm-{:016x}", RandomState::new().hash_one(())));
        // The protocol's texts have a length of 16 bits.
        let fits = |text: &str| text.len() <= usize::from(u16::MAX);
        if ![&client, &username, &password]
            .into_iter()
            .all(|text| fits(text))
        {
            return Err(Fault::BadAddress);
        }
        Ok(Session {
            way: way.clone(),
            address,
            client,
            login: (!username.is_empty()).then_some(Login { username, password }),
            keep_alive: u16::try_from(keep_alive.as_secs()).unwrap_or(u16::MAX),
            patience: CALL_TIME,
            link: None,
            tally: Tally::default(),
        })
    }

    /// The same, with another time that a call may take.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where it goes.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Bytes in and out since it was asked last.
    pub fn moved(&mut self) -> Moved {
        self.tally.take()
    }

    /// Connects, unless it is connected. The answer is the address at the other end.
    pub async fn connect(&mut self) -> Result<IpAddr, Fault> {
        let silent = Duration::from_secs(self.keep_alive.into());
        self.link = self
            .link
            .take()
            .filter(|link| self.keep_alive == 0 || link.sent.elapsed() < silent);
        if let Some(link) = &self.link {
            return Ok(link.peer);
        }
        let link = timeout(CONNECT_TIME, self.dial())
            .await
            .map_err(|_| Fault::Other(outbound::too_slow(CONNECT_TIME)))??;
        let peer = link.peer;
        self.link = Some(link);
        Ok(peer)
    }

    async fn dial(&mut self) -> Result<Link, Fault> {
        let dialled = self.way.dial(&self.address, CONNECT_TIME).await;
        let connected = dialled.map_err(Fault::Unreached)?;
        let (wire, peer) = (connected.wire, connected.peer);
        self.tally.dialled(&wire);
        let stream: Box<dyn Stream> = match self.address.scheme.is_tls() {
            false => Box::new(connected.stream),
            true => {
                let made = self.way.tls(&self.address, connected.stream).await;
                Box::new(made.map_err(|error| Fault::Refused(format!("TLS failed: {error}")))?)
            }
        };
        let mut link = Link {
            stream,
            read: BytesMut::new(),
            wire,
            peer,
            sent: Instant::now(),
            number: 0,
        };
        let mut connect = Connect::new(self.client.clone());
        connect.keep_alive = self.keep_alive;
        connect.login = self.login.clone();
        link.send(&Packet::Connect(connect)).await?;
        match link.receive().await? {
            Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => Ok(link),
            Packet::ConnAck(ack) => Err(Fault::Refused(refusal(ack.code).to_owned())),
            _ => Err(unexpected()),
        }
    }

    /// Publishes a message, and waits for what its quality of service promises.
    pub async fn publish(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        qos: QoS,
    ) -> Result<(), Fault> {
        let wrong = match () {
            () if topic.is_empty() => Some("a topic cannot be empty".to_owned()),
            () if topic.contains(['+', '#', '\0']) => {
                Some("a message's topic has no `+`, no `#` and no NUL".to_owned())
            }
            () if topic.len() > TOPIC_BYTES_MAX => Some(format!(
                "a topic of {} bytes is over the limit of {TOPIC_BYTES_MAX}",
                topic.len()
            )),
            () if payload.len() > MESSAGE_BYTES_MAX => Some(format!(
                "a message of {} bytes is over the limit of {MESSAGE_BYTES_MAX}",
                payload.len()
            )),
            () => None,
        };
        if let Some(told) = wrong {
            return Err(Fault::BadMessage(told));
        }
        self.connect().await?;
        // It is put back when the broker has answered: who gives up leaves nothing half-sent behind.
        let Some(mut link) = self.link.take() else {
            return Err(unexpected());
        };
        link.wire.begin(outbound::ANSWER_BYTES_MAX);
        let published = timeout(self.patience, link.publish(topic, payload, qos)).await;
        published.map_err(|_| Fault::Other(outbound::too_slow(self.patience)))??;
        self.link = Some(link);
        Ok(())
    }

    /// Says good-bye, as the protocol wants it.
    pub async fn close(mut self) {
        if let Some(mut link) = self.link.take() {
            let _ = timeout(Duration::from_secs(1), link.send(&Packet::Disconnect)).await;
        }
    }
}

impl Link {
    async fn send(&mut self, packet: &Packet) -> Result<(), Fault> {
        let mut bytes = BytesMut::new();
        packet
            .write(&mut bytes, usize::MAX)
            .map_err(|error| Fault::BadMessage(error.to_string()))?;
        self.sent = Instant::now();
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| broke(&error))
    }

    async fn receive(&mut self) -> Result<Packet, Fault> {
        loop {
            match Packet::read(&mut self.read, ANSWER_BYTES_MAX) {
                Ok(packet) => return Ok(packet),
                Err(Codec::InsufficientBytes(_)) => {}
                Err(error) => return Err(Fault::Other(format!("no MQTT came back: {error}"))),
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Err(Fault::Other("the broker closed the connection".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(broke(&error)),
            }
        }
    }

    async fn publish(&mut self, topic: String, payload: Vec<u8>, qos: QoS) -> Result<(), Fault> {
        self.number = self.number.checked_add(1).unwrap_or(1);
        let mut publish = Publish::new(topic, qos, payload);
        if qos != QoS::AtMostOnce {
            publish.pkid = self.number;
        }
        self.send(&Packet::Publish(publish)).await?;
        match qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce => match self.receive().await? {
                Packet::PubAck(ack) if ack.pkid == self.number => Ok(()),
                _ => Err(unexpected()),
            },
            QoS::ExactlyOnce => {
                match self.receive().await? {
                    Packet::PubRec(ack) if ack.pkid == self.number => {}
                    _ => return Err(unexpected()),
                }
                self.send(&Packet::PubRel(PubRel::new(self.number))).await?;
                match self.receive().await? {
                    Packet::PubComp(ack) if ack.pkid == self.number => Ok(()),
                    _ => Err(unexpected()),
                }
            }
        }
    }
}

fn unexpected() -> Fault {
    Fault::Other("the broker answered out of turn".to_owned())
}

fn broke(error: &std::io::Error) -> Fault {
    Fault::Other(format!("the connection broke: {}", error.kind()))
}

fn refusal(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::Success => "the broker accepted",
        ConnectReturnCode::RefusedProtocolVersion => "the broker does not speak MQTT 3.1.1",
        ConnectReturnCode::BadClientId => "the broker refused the client's id",
        ConnectReturnCode::ServiceUnavailable => "the broker is not available",
        ConnectReturnCode::BadUserNamePassword => "the broker refused user name or password",
        ConnectReturnCode::NotAuthorized => "the broker does not let this client in",
    }
}
