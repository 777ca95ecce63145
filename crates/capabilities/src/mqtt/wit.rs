//! `fermyon:spin/mqtt` for the guest.

use super::View;
use super::session::{Fault, Session};
use crate::outbound::{Address, CONNECT_TIME, Moved, Opened};
use holm_runtime::trace::Span;
use rumqttc::mqttbytes::QoS;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "package holm:mqtt; world imports { import fermyon:spin/mqtt@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
        with: { "fermyon:spin/mqtt.connection": super::Handle },
    });
}
pub use bindings::fermyon::spin::mqtt;
use mqtt::{Error, Qos};

/// What a guest is told.
pub(super) type Done<T> = std::result::Result<T, Error>;

/// A connection that a guest has opened.
pub type Handle = Opened<Open>;

/// The session of a connection, and its place among those of its component.
pub struct Open {
    session: Option<Session>,
    _seat: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        // The broker is told that this is no accident.
        if let Some(session) = self.session.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(session.close());
        }
    }
}

/// A connection that is being made.
pub(super) struct Opening {
    session: Session,
    seats: Arc<Semaphore>,
    seat: Option<OwnedSemaphorePermit>,
    span: Option<Box<dyn Span>>,
}

impl Opening {
    /// Waits for a place, and dials; `None` where there is no place.
    pub async fn connect(&mut self) -> Option<std::result::Result<IpAddr, Fault>> {
        let seat = self.seats.clone().acquire_owned();
        let seat = tokio::time::timeout(CONNECT_TIME, seat).await.ok()?.ok()?;
        self.seat = Some(seat);
        Some(self.session.connect().await)
    }
}

/// A message on its way.
pub(super) struct Publishing {
    /// Where it goes.
    pub on: Handle,
    span: Option<Box<dyn Span>>,
}

/// Publishes a message; and the bytes that this took.
pub(super) async fn publish(
    on: &Handle,
    topic: String,
    payload: Vec<u8>,
    qos: Qos,
) -> (std::result::Result<(), Fault>, Moved) {
    let qos = match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    };
    let mut open = on.turn().await;
    let Some(session) = &mut open.session else {
        let told = "the connection is closed".to_owned();
        return (Err(Fault::BadMessage(told)), Moved::default());
    };
    let published = session.publish(topic, payload, qos).await;
    (published, session.moved())
}

impl View<'_> {
    fn tell(&mut self, to: &Address, fault: Fault) -> Error {
        let caller = &mut self.part.caller;
        match fault {
            Fault::BadAddress => Error::InvalidAddress,
            Fault::BadMessage(told) => Error::Other(told),
            Fault::Unreached(unreached) => {
                Error::ConnectionFailed(self.part.unreached(to, &unreached))
            }
            Fault::Refused(told) => {
                caller.log(to, &told);
                Error::ConnectionFailed(told)
            }
            Fault::Other(told) => {
                caller.log(to, &told);
                Error::Other(told)
            }
        }
    }
}

impl View<'_> {
    /// Whether a connection may be made, before it is.
    pub(super) fn opening(
        &mut self,
        address: &str,
        username: String,
        password: String,
        keep_alive_seconds: u64,
    ) -> Done<Opening> {
        let keep_alive = Duration::from_secs(keep_alive_seconds);
        let way = self.part.caller.way().clone();
        let session = Session::new(&way, address, username, password, keep_alive);
        let Ok(session) = session else {
            return Err(Error::InvalidAddress);
        };
        let caller = &mut self.part.caller;
        if !caller.admit(session.address()) {
            let told = format!("address {address} is not permitted");
            return Err(Error::ConnectionFailed(told));
        }
        if caller.seat().is_err() {
            return Err(Error::TooManyConnections);
        }
        let span = caller.begin("mqtt", "connect", session.address());
        Ok(Opening {
            session,
            seats: self.part.client.clone(),
            seat: None,
            span,
        })
    }

    /// What became of it.
    pub(super) fn opened(
        &mut self,
        opening: Opening,
        connected: Option<std::result::Result<IpAddr, Fault>>,
    ) -> Result<Done<Resource<Handle>>> {
        let Opening {
            mut session,
            seat,
            span,
            ..
        } = opening;
        let to = session.address().clone();
        self.part.count(session.moved());
        let fault = match (connected, seat) {
            (Some(Ok(peer)), Some(_seat)) => {
                self.part.caller.dialled(&to, Ok(peer));
                let session = Some(session);
                let opened = Opened::new(to, Open { session, _seat });
                return Ok(Ok(self.table.push(opened)?));
            }
            (Some(Err(fault)), _) => Some(fault),
            _ => None,
        };
        if let Some(mut span) = span {
            span.failed("connection-failed".to_owned());
        }
        self.part.caller.leave();
        Ok(Err(match fault {
            Some(fault) => self.tell(&to, fault),
            None => Error::TooManyConnections,
        }))
    }

    /// Whether a message may be sent, before it is.
    pub(super) fn begin(
        &mut self,
        connection: &Resource<Handle>,
        bytes: usize,
    ) -> Result<Done<Publishing>> {
        let caller = &mut self.part.caller;
        if let Err(hit) = caller.room(bytes) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let on = self.table.get(connection)?.clone();
        let span = caller.begin("mqtt", "publish", on.address());
        Ok(Ok(Publishing { on, span }))
    }

    /// What became of it.
    pub(super) fn end(
        &mut self,
        publishing: Publishing,
        (published, moved): (std::result::Result<(), Fault>, Moved),
    ) -> Done<()> {
        self.part.count(moved);
        published.map_err(|fault| {
            if let Some(mut span) = publishing.span {
                span.failed("other".to_owned());
            }
            self.tell(publishing.on.address(), fault)
        })
    }
}

impl mqtt::Host for View<'_> {}

impl mqtt::HostConnection for View<'_> {
    async fn open(
        &mut self,
        address: String,
        username: String,
        password: String,
        keep_alive_seconds: u64,
    ) -> Result<Done<Resource<Handle>>> {
        let opening = self.opening(&address, username, password, keep_alive_seconds);
        let mut opening = match opening {
            Ok(opening) => opening,
            Err(error) => return Ok(Err(error)),
        };
        let connected = opening.connect().await;
        self.opened(opening, connected)
    }

    async fn publish(
        &mut self,
        connection: Resource<Handle>,
        topic: String,
        payload: Vec<u8>,
        qos: Qos,
    ) -> Result<Done<()>> {
        let publishing = match self.begin(&connection, topic.len() + payload.len())? {
            Ok(publishing) => publishing,
            Err(error) => return Ok(Err(error)),
        };
        let published = publish(&publishing.on, topic, payload, qos).await;
        Ok(self.end(publishing, published))
    }

    async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}
