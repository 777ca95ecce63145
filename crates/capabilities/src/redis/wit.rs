//! `fermyon:spin/redis` for the guest.

use super::command::Command;
use super::session::{Fault, Session};
use super::{View, answer};
use crate::outbound::{Address, LOST, Moved, Opened};
use ::redis::Value;
use holm_runtime::trace::Span;
use std::net::IpAddr;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        inline: "package holm:redis; world imports { import fermyon:spin/redis@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
        with: { "fermyon:spin/redis.connection": super::Handle },
    });
}
use self::redis::{Error, RedisParameter, RedisResult};
pub use bindings::fermyon::spin::redis;

/// What a guest is told.
pub(super) type Done<T> = std::result::Result<T, Error>;

/// A connection that a guest has opened.
pub type Handle = Opened<Session>;

/// A connection that is being made.
pub(super) struct Opening {
    session: Session,
    span: Option<Box<dyn Span>>,
}

impl Opening {
    /// Dials.
    pub async fn connect(&mut self) -> std::result::Result<IpAddr, Fault> {
        self.session.connect().await
    }
}

/// A command on its way.
pub(super) struct Asking {
    /// Where it goes.
    pub on: Handle,
    span: Option<Box<dyn Span>>,
}

/// Sends a command and waits for the answer; and the bytes that this took.
pub(super) async fn ask(
    on: &Handle,
    command: &Command,
) -> (std::result::Result<Value, Fault>, Moved) {
    let mut session = on.turn().await;
    let asked = session.ask(&command.sent, command.leaves).await;
    (asked, session.moved())
}

impl View<'_> {
    /// Whether a connection may be made, before it is.
    pub(super) fn opening(&mut self, address: &str) -> Done<Opening> {
        let Ok(session) = Session::new(&self.part.client, address) else {
            return Err(Error::InvalidAddress);
        };
        let caller = &mut self.part.caller;
        if !caller.admit(session.address()) {
            return Err(Error::InvalidAddress);
        }
        if caller.seat().is_err() {
            return Err(Error::TooManyConnections);
        }
        let span = caller.begin("redis", "CONNECT", session.address());
        Ok(Opening { session, span })
    }

    /// What became of it.
    pub(super) fn opened(
        &mut self,
        opening: Opening,
        connected: std::result::Result<IpAddr, Fault>,
    ) -> Result<Done<Resource<Handle>>> {
        let Opening { mut session, span } = opening;
        let to = session.address().clone();
        self.part.count(session.moved());
        match connected {
            Ok(peer) => {
                self.part.caller.dialled(&to, Ok(peer));
                Ok(Ok(self.table.push(Opened::new(to, session))?))
            }
            Err(fault) => {
                self.part.caller.leave();
                Ok(Err(self.tell(&to, fault, span)))
            }
        }
    }

    /// Whether a command may be sent, before it is.
    pub(super) fn begin(
        &mut self,
        connection: &Resource<Handle>,
        command: &Command,
    ) -> Result<Done<Asking>> {
        let caller = &mut self.part.caller;
        let packed = command.sent.get_packed_command().len();
        if let Err(hit) = caller.room(packed) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let on = self.table.get(connection)?.clone();
        let span = caller.begin("redis", command.operation, on.address());
        Ok(Ok(Asking { on, span }))
    }

    /// What became of it; guest, log and receipt are told.
    pub(super) fn end(
        &mut self,
        asking: Asking,
        (asked, moved): (std::result::Result<Value, Fault>, Moved),
    ) -> Done<Value> {
        self.part.count(moved);
        asked.map_err(|fault| self.tell(asking.on.address(), fault, asking.span))
    }

    /// Sends a command on a connection.
    async fn ask(
        &mut self,
        connection: &Resource<Handle>,
        command: Command,
    ) -> Result<Done<Value>> {
        let asking = match self.begin(connection, &command)? {
            Ok(asking) => asking,
            Err(error) => return Ok(Err(error)),
        };
        let asked = ask(&asking.on, &command).await;
        Ok(self.end(asking, asked))
    }

    fn tell(&mut self, to: &Address, fault: Fault, span: Option<Box<dyn Span>>) -> Error {
        let caller = &mut self.part.caller;
        let error = match fault {
            Fault::BadAddress => Error::InvalidAddress,
            Fault::TooMany => Error::TooManyConnections,
            Fault::Lost => Error::Other(LOST.to_owned()),
            Fault::Unreached(unreached) => Error::Other(self.part.unreached(to, &unreached)),
            Fault::Server(error) if is_type_error(&error) => Error::TypeError,
            Fault::Server(error) if error.is_io_error() => {
                let told = format!("the connection broke: {error}");
                caller.log(to, &told);
                Error::Other(told)
            }
            Fault::Server(error) => Error::Other(error.to_string()),
            Fault::Other(told) => {
                caller.log(to, &told);
                Error::Other(told)
            }
        };
        if let Some(mut span) = span {
            let name = format!("{error:?}");
            let name = name.split(|c: char| !c.is_alphanumeric()).next();
            span.failed(name.unwrap_or_default().to_owned());
        }
        error
    }
}

/// The value is not what the command works on.
fn is_type_error(error: &::redis::RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
        || error
            .detail()
            .is_some_and(|detail| detail.starts_with("value is not an integer"))
}

impl redis::Host for View<'_> {}

impl redis::HostConnection for View<'_> {
    async fn open(&mut self, address: String) -> Result<Done<Resource<Handle>>> {
        let mut opening = match self.opening(&address) {
            Ok(opening) => opening,
            Err(error) => return Ok(Err(error)),
        };
        let connected = opening.connect().await;
        self.opened(opening, connected)
    }

    async fn publish(
        &mut self,
        connection: Resource<Handle>,
        channel: String,
        payload: Vec<u8>,
    ) -> Result<Done<()>> {
        let command = Command::publish(channel, payload);
        Ok(self.ask(&connection, command).await?.map(|_| ()))
    }

    async fn get(
        &mut self,
        connection: Resource<Handle>,
        key: String,
    ) -> Result<Done<Option<Vec<u8>>>> {
        let asked = self.ask(&connection, Command::get(key)).await?;
        Ok(asked.and_then(answer::bytes))
    }

    async fn set(
        &mut self,
        connection: Resource<Handle>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Done<()>> {
        let asked = self.ask(&connection, Command::set(key, value)).await?;
        Ok(asked.map(|_| ()))
    }

    async fn incr(&mut self, connection: Resource<Handle>, key: String) -> Result<Done<i64>> {
        let asked = self.ask(&connection, Command::incr(key)).await?;
        Ok(asked.and_then(answer::number))
    }

    async fn del(&mut self, connection: Resource<Handle>, keys: Vec<String>) -> Result<Done<u32>> {
        let Some(command) = Command::del(keys) else {
            return Ok(Ok(0));
        };
        let asked = self.ask(&connection, command).await?;
        Ok(asked.and_then(answer::number))
    }

    async fn sadd(
        &mut self,
        connection: Resource<Handle>,
        key: String,
        values: Vec<String>,
    ) -> Result<Done<u32>> {
        let Some(command) = Command::sadd(key, values) else {
            return Ok(Ok(0));
        };
        let asked = self.ask(&connection, command).await?;
        Ok(asked.and_then(answer::number))
    }

    async fn smembers(
        &mut self,
        connection: Resource<Handle>,
        key: String,
    ) -> Result<Done<Vec<String>>> {
        let asked = self.ask(&connection, Command::smembers(key)).await?;
        Ok(asked.and_then(answer::texts))
    }

    async fn srem(
        &mut self,
        connection: Resource<Handle>,
        key: String,
        values: Vec<String>,
    ) -> Result<Done<u32>> {
        let Some(command) = Command::srem(key, values) else {
            return Ok(Ok(0));
        };
        let asked = self.ask(&connection, command).await?;
        Ok(asked.and_then(answer::number))
    }

    async fn execute(
        &mut self,
        connection: Resource<Handle>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Done<Vec<RedisResult>>> {
        let command = Command::execute(&command, arguments);
        let asked = self.ask(&connection, command).await?;
        Ok(asked.and_then(answer::results))
    }

    async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}
