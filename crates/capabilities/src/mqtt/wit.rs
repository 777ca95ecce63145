//! `fermyon:spin/mqtt` for the guest.

use super::View;
use super::session::{Fault, Session};
use crate::outbound::{Address, CONNECT_TIME};
use rumqttc::mqttbytes::QoS;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
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

/// A connection that a guest has opened.
pub struct Handle {
    session: Option<Session>,
    _seat: OwnedSemaphorePermit,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The broker is told that this is no accident.
        if let Some(session) = self.session.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(session.close());
        }
    }
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

impl mqtt::Host for View<'_> {}

impl mqtt::HostConnection for View<'_> {
    async fn open(
        &mut self,
        address: String,
        username: String,
        password: String,
        keep_alive_seconds: u64,
    ) -> Result<Result<Resource<Handle>, Error>> {
        let keep_alive = Duration::from_secs(keep_alive_seconds);
        let way = self.part.caller.way().clone();
        let session = Session::new(&way, &address, username, password, keep_alive);
        let Ok(mut session) = session else {
            return Ok(Err(Error::InvalidAddress));
        };
        let to = session.address().clone();
        if !self.part.caller.admit(&to) {
            let told = format!("address {address} is not permitted");
            return Ok(Err(Error::ConnectionFailed(told)));
        }
        if self.part.caller.seat().is_err() {
            return Ok(Err(Error::TooManyConnections));
        }
        let span = self.part.caller.begin("mqtt", "connect", &to);
        let seat = self.part.client.clone().acquire_owned();
        let Ok(Ok(seat)) = tokio::time::timeout(CONNECT_TIME, seat).await else {
            self.part.caller.leave();
            return Ok(Err(Error::TooManyConnections));
        };
        let connected = session.connect().await;
        self.part.count(session.moved());
        match connected {
            Ok(peer) => {
                self.part.caller.dialled(&to, Ok(peer));
                Ok(Ok(self.table.push(Handle {
                    session: Some(session),
                    _seat: seat,
                })?))
            }
            Err(fault) => {
                if let Some(mut span) = span {
                    span.failed("connection-failed".to_owned());
                }
                self.part.caller.leave();
                Ok(Err(self.tell(&to, fault)))
            }
        }
    }

    async fn publish(
        &mut self,
        connection: Resource<Handle>,
        topic: String,
        payload: Vec<u8>,
        qos: Qos,
    ) -> Result<Result<(), Error>> {
        let caller = &mut self.part.caller;
        if let Err(hit) = caller.room(topic.len() + payload.len()) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let Some(session) = &mut self.table.get_mut(&connection)?.session else {
            return Ok(Err(Error::Other("the connection is closed".to_owned())));
        };
        let to = session.address().clone();
        let span = caller.begin("mqtt", "publish", &to);
        let qos = match qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
            Qos::ExactlyOnce => QoS::ExactlyOnce,
        };
        let published = session.publish(topic, payload, qos).await;
        let moved = session.moved();
        self.part.count(moved);
        Ok(match published {
            Ok(()) => Ok(()),
            Err(fault) => {
                if let Some(mut span) = span {
                    span.failed("other".to_owned());
                }
                Err(self.tell(&to, fault))
            }
        })
    }

    async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}
