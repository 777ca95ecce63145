//! Provider `mqtt`: a broker of that protocol, in version 3.1.1, which all of them speak. A message has
//! its data there and nothing else.
//!
//! Who listens with a quality of service of 1 or 2 has a session that the broker keeps: what came while
//! nobody was connected is given later, and what was not confirmed is given again.

use super::broker::{Broker, Delivery, Fault, FaultKind, Receipt, Source, Subscription, Unasked};
use super::message::Message;
use super::setup::MqttSettings;
use crate::mqtt::session::{Fault as Failed, Session};
use crate::network::{OriginPolicy, PRIVATE, Service, System};
use crate::outbound::{Address, CONNECT_TIME, Way};
use async_trait::async_trait;
use holm_manifest::Value;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing,
    Packet, Publish, QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The largest packet that is taken: 16 MiB.
const PACKET_BYTES_MAX: usize = 16 << 20;

/// Messages that came and wait to be taken. A broker sends no more than some tens that nobody has
/// confirmed; of quality of service 0 it sends all.
const WAITING_MAX: usize = 4096;

/// How long a broker may take to acknowledge a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are kept for sending.
const SENDERS_MAX: usize = 8;

/// A broker.
pub struct Mqtt {
    name: String,
    address: Address,
    text: String,
    login: (String, String),
    qos: QoS,
    keep_alive: Duration,
    way: Arc<Way>,
    senders: Mutex<Vec<Session>>,
}

impl Mqtt {
    /// The broker `name`. Nothing is dialled yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn open(name: &str, settings: &MqttSettings) -> Result<Self, Fault> {
        let wrong = || Fault::other(format!("`url` of broker {name:?} is no address of MQTT"));
        let parsed = Address::parse(Service::Mqtt, settings.url.reveal());
        let (address, url) = parsed.ok_or_else(wrong)?;
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text);
            text.decode_utf8_lossy().into_owned()
        };
        let login = match &settings.login {
            Some((user, password)) => (user.clone(), password.reveal().clone()),
            None => (
                decoded(url.username()),
                url.password().map(decoded).unwrap_or_default(),
            ),
        };
        // Whoever wrote the manifest names the broker: its own address is all that may be dialled.
        let named = [address.to_string(), PRIVATE.to_owned()];
        let named = Value::array(named.map(Value::string).to_vec());
        let (policy, _) = OriginPolicy::read(Service::Mqtt, &named);
        let mut text = url.clone();
        // The log-in goes another way.
        let _ = text.set_username("").and(text.set_password(None));
        Ok(Mqtt {
            name: name.to_owned(),
            address,
            text: text.to_string(),
            login,
            qos: match settings.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            keep_alive: settings.keep_alive,
            way: Arc::new(Way::new(policy, Arc::new(System::default()))),
            senders: Mutex::default(),
        })
    }

    fn senders(&self) -> MutexGuard<'_, Vec<Session>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreached(&self, detail: impl std::fmt::Display) -> Fault {
        let told = format!("broker {:?} cannot be reached", self.name);
        Fault::connection(told, detail)
    }

    /// A connection to send through; nothing is dialled yet.
    fn session(&self) -> Result<Session, Fault> {
        let (user, password) = self.login.clone();
        let made = Session::new(&self.way, &self.text, user, password, self.keep_alive);
        let made = made.map(|session| session.patient(PATIENCE));
        made.map_err(|_| Fault::other(format!("broker {:?} has no address", self.name)))
    }

    /// Publishes through a connection, and keeps it. One that broke says that the others are broken too.
    async fn publish(&self, mut through: Session, topic: &str, data: Vec<u8>) -> Result<(), Fault> {
        let name = &self.name;
        match through.publish(topic.to_owned(), data, self.qos).await {
            Ok(()) => {
                let mut senders = self.senders();
                if senders.len() < SENDERS_MAX {
                    senders.push(through);
                }
                Ok(())
            }
            Err(Failed::BadMessage(told)) => Err(Fault::other(told)),
            Err(Failed::Refused(told)) => {
                Err(Fault::other(format!("broker {name:?} refused: {told}")))
            }
            Err(failed) => {
                self.senders().clear();
                Err(match failed {
                    Failed::Unreached(unreached) => self.unreached(unreached),
                    Failed::Other(told) => self.unreached(told),
                    _ => self.unreached("its address is none"),
                })
            }
        }
    }

    async fn options(&self, member: &str) -> Result<MqttOptions, Fault> {
        let mut options = MqttOptions::new(member, self.address.host(), self.address.port);
        options.set_keep_alive(self.keep_alive);
        options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if !self.login.0.is_empty() {
            options.set_credentials(&self.login.0, &self.login.1);
        }
        if self.address.scheme.is_tls() {
            let config = self.way.tls_config().await;
            let config = config.map_err(|error| self.unreached(error))?;
            let config = TlsConfiguration::Rustls(config);
            options.set_transport(Transport::tls_with_config(config));
        }
        options.set_clean_session(self.qos == QoS::AtMostOnce);
        options.set_manual_acks(self.qos != QoS::AtMostOnce);
        Ok(options)
    }

    /// Why there is no connection. A refusal says so; else it is the network's.
    fn failed(&self, error: &ConnectionError) -> Fault {
        match error {
            ConnectionError::ConnectionRefused(code) => {
                let name = &self.name;
                let why = match code {
                    ConnectReturnCode::BadUserNamePassword => "user name or password are wrong",
                    ConnectReturnCode::NotAuthorized => "this client may not log in",
                    ConnectReturnCode::BadClientId => "this client's id is not taken",
                    _ => "it does not serve this client",
                };
                Fault::other(format!("broker {name:?} refused: {why}"))
            }
            error => self.unreached(error),
        }
    }
}

#[async_trait]
impl Broker for Mqtt {
    async fn send(&self, topic: &str, message: Message) -> Result<(), Fault> {
        if message.content_type.is_some() || !message.metadata.is_empty() {
            return Err(Fault::other(
                "MQTT 3.1.1 carries neither a content type nor metadata",
            ));
        }
        let kept = self.senders().pop();
        let was_kept = kept.is_some();
        let session = kept.map_or_else(|| self.session(), Ok)?;
        // It may have been closed at the other end since it was kept; a message that may come twice is
        // sent once more.
        let begun = Instant::now();
        match self.publish(session, topic, message.data.clone()).await {
            Err(fault)
                if fault.kind == FaultKind::Connection
                    && was_kept
                    && self.qos == QoS::AtLeastOnce
                    && begun.elapsed() < PATIENCE =>
            {
                self.publish(self.session()?, topic, message.data).await
            }
            published => published,
        }
    }

    async fn request(
        &self,
        _topic: &str,
        _message: Message,
        _patience: Duration,
        _answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        Err(Fault::other("MQTT 3.1.1 knows no answers to a message"))
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        let options = self.options(&to.member).await?;
        let (client, mut events) = AsyncClient::new(options, 64);
        let subscribed = client.try_subscribe(&to.topic, self.qos);
        subscribed.map_err(|error| self.unreached(error))?;
        let mut early = VecDeque::new();
        let agreed = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(ack))) => {
                        let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                        return match refused {
                            false => Ok(()),
                            true => Err(Fault::other(format!(
                                "broker {:?} refused the topic {:?}",
                                self.name, to.topic
                            ))),
                        };
                    }
                    // Of the session that was kept.
                    Ok(Event::Incoming(Packet::Publish(publish))) => early.push_back(publish),
                    Ok(_) => {}
                    Err(error) => return Err(self.failed(&error)),
                }
            }
        };
        let agreed = timeout(CONNECT_TIME, agreed).await;
        agreed.map_err(|_| self.unreached("it did not answer in time"))??;
        let (send, receive) = mpsc::channel(WAITING_MAX);
        let link = Arc::new(Link {
            client: client.clone(),
            confirmed: Arc::default(),
            end: CancellationToken::new(),
            broken: Arc::default(),
        });
        let driver = Driver {
            client,
            events,
            send,
            confirmed: link.confirmed.clone(),
            end: link.end.clone(),
            broken: link.broken.clone(),
            name: self.name.clone(),
        };
        tokio::spawn(driver.run());
        Ok(Box::new(Listening {
            early,
            receive,
            link,
            name: self.name.clone(),
        }))
    }
}

/// Confirmations that somebody waits for, by the number of their message.
type Confirmed = Arc<Mutex<HashMap<u16, oneshot::Sender<()>>>>;

/// What whoever listens and whoever confirms share; the connection ends with the last of them.
struct Link {
    client: AsyncClient,
    confirmed: Confirmed,
    end: CancellationToken,
    broken: Arc<AtomicBool>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Drives a connection until nobody needs it, or until it breaks.
struct Driver {
    client: AsyncClient,
    events: EventLoop,
    send: mpsc::Sender<Result<Publish, String>>,
    confirmed: Confirmed,
    end: CancellationToken,
    broken: Arc<AtomicBool>,
    name: String,
}

impl Driver {
    async fn run(mut self) {
        let mut dropped = 0_u64;
        loop {
            let Some(event) = self.end.run_until_cancelled(self.events.poll()).await else {
                return self.say_good_bye().await;
            };
            match event {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let qos = publish.qos;
                    let full = self.send.try_send(Ok(publish));
                    if !matches!(full, Err(mpsc::error::TrySendError::Full(_))) {
                        continue;
                    }
                    // Without a promise the newest goes; else the broker is to give it again.
                    if qos != QoS::AtMostOnce {
                        self.broken.store(true, Relaxed);
                        return;
                    }
                    dropped += 1;
                    if dropped.is_power_of_two() {
                        let broker = &*self.name;
                        tracing::warn!(broker, dropped, "messages came faster than they are taken");
                    }
                }
                Ok(Event::Outgoing(Outgoing::PubAck(number) | Outgoing::PubRec(number))) => {
                    let waits = held(&self.confirmed).remove(&number);
                    waits.map(|waits| waits.send(()));
                }
                Ok(_) => {}
                Err(error) => {
                    self.broken.store(true, Relaxed);
                    let _ = self.send.try_send(Err(error.to_string()));
                    held(&self.confirmed).clear();
                    return;
                }
            }
        }
    }

    async fn say_good_bye(mut self) {
        let _ = self.client.try_disconnect();
        let _ = timeout(Duration::from_secs(1), async {
            while let Ok(event) = self.events.poll().await {
                if event == Event::Outgoing(Outgoing::Disconnect) {
                    return;
                }
            }
        })
        .await;
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listening {
    early: VecDeque<Publish>,
    receive: mpsc::Receiver<Result<Publish, String>>,
    link: Arc<Link>,
    name: String,
}

#[async_trait]
impl Source for Listening {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        let publish = loop {
            let publish = match self.early.pop_front() {
                Some(publish) => publish,
                None => match ended.run_until_cancelled(self.receive.recv()).await {
                    None => return Ok(None),
                    Some(Some(Ok(publish))) => publish,
                    Some(other) => {
                        let told = format!("the connection to broker {:?} broke", self.name);
                        let detail = other.and_then(Result::err);
                        let detail = detail.unwrap_or_else(|| "it has ended".to_owned());
                        return Err(Fault::connection(told, detail));
                    }
                },
            };
            // What cannot be confirmed any more comes again over the next connection.
            if publish.qos == QoS::AtMostOnce || !self.link.broken.load(Relaxed) {
                break publish;
            }
        };
        let message = Message {
            topic: Some(publish.topic.clone()),
            ..Message::new(publish.payload.to_vec())
        };
        let receipt: Box<dyn Receipt> = match publish.qos {
            QoS::AtMostOnce => Box::new(Unasked),
            _ => Box::new(Unconfirmed {
                link: self.link.clone(),
                publish: Publish {
                    payload: Default::default(),
                    ..publish
                },
            }),
        };
        Ok(Some(Delivery { message, receipt }))
    }
}

/// A message that the broker has not heard about yet.
struct Unconfirmed {
    link: Arc<Link>,
    publish: Publish,
}

#[async_trait]
impl Receipt for Unconfirmed {
    async fn done(&self) -> Result<(), Fault> {
        let broke = || Fault::other("the connection broke before the broker was told");
        let (send, written) = oneshot::channel();
        held(&self.link.confirmed).insert(self.publish.pkid, send);
        let told = self.link.client.ack(&self.publish).await;
        told.map_err(|_| broke())?;
        match timeout(CONNECT_TIME, written).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(broke()),
        }
    }
}
