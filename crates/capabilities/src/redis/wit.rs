//! `fermyon:spin/redis` for the guest.

use super::session::{Fault, Leaves, Session};
use super::{View, answer};
use crate::outbound::{Address, LOST};
use ::redis::{Cmd, Value, cmd};
use holm_runtime::trace::Span;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        inline: "package holm:redis; world imports { import fermyon:spin/redis@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
        with: { "fermyon:spin/redis.connection": super::super::session::Session },
    });
}
use self::redis::{Error, RedisParameter, RedisResult};
pub use bindings::fermyon::spin::redis;

impl View<'_> {
    /// Sends a command on a connection, and tells guest, log and receipt what came of it.
    async fn ask(
        &mut self,
        connection: &Resource<Session>,
        operation: &str,
        command: Cmd,
        leaves: Leaves,
    ) -> Result<Result<Value, Error>> {
        let caller = &mut self.part.caller;
        let packed = command.get_packed_command().len();
        if let Err(hit) = caller.room(packed) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let session = self.table.get_mut(connection)?;
        let to = session.address().clone();
        let span = caller.begin("redis", operation, &to);
        let asked = session.ask(&command, leaves).await;
        let moved = session.moved();
        self.part.count(moved);
        Ok(asked.map_err(|fault| self.tell(&to, fault, span)))
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
    async fn open(&mut self, address: String) -> Result<Result<Resource<Session>, Error>> {
        let Ok(mut session) = Session::new(&self.part.client, &address) else {
            return Ok(Err(Error::InvalidAddress));
        };
        let to = session.address().clone();
        if !self.part.caller.admit(&to) {
            return Ok(Err(Error::InvalidAddress));
        }
        if self.part.caller.seat().is_err() {
            return Ok(Err(Error::TooManyConnections));
        }
        let span = self.part.caller.begin("redis", "CONNECT", &to);
        let connected = session.connect().await;
        self.part.count(session.moved());
        match connected {
            Ok(peer) => {
                self.part.caller.dialled(&to, Ok(peer));
                Ok(Ok(self.table.push(session)?))
            }
            Err(fault) => {
                self.part.caller.leave();
                Ok(Err(self.tell(&to, fault, span)))
            }
        }
    }

    async fn publish(
        &mut self,
        connection: Resource<Session>,
        channel: String,
        payload: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        let mut command = cmd("PUBLISH");
        command.arg(channel).arg(payload);
        let asked = self
            .ask(&connection, "PUBLISH", command, Leaves::Nothing)
            .await?;
        Ok(asked.map(|_| ()))
    }

    async fn get(
        &mut self,
        connection: Resource<Session>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, Error>> {
        let mut command = cmd("GET");
        command.arg(key);
        let asked = self
            .ask(&connection, "GET", command, Leaves::Nothing)
            .await?;
        Ok(asked.and_then(answer::bytes))
    }

    async fn set(
        &mut self,
        connection: Resource<Session>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        let mut command = cmd("SET");
        command.arg(key).arg(value);
        let asked = self
            .ask(&connection, "SET", command, Leaves::Nothing)
            .await?;
        Ok(asked.map(|_| ()))
    }

    async fn incr(
        &mut self,
        connection: Resource<Session>,
        key: String,
    ) -> Result<Result<i64, Error>> {
        let mut command = cmd("INCR");
        command.arg(key);
        let asked = self
            .ask(&connection, "INCR", command, Leaves::Nothing)
            .await?;
        Ok(asked.and_then(answer::number))
    }

    async fn del(
        &mut self,
        connection: Resource<Session>,
        keys: Vec<String>,
    ) -> Result<Result<u32, Error>> {
        // The server takes no empty list.
        if keys.is_empty() {
            return Ok(Ok(0));
        }
        let mut command = cmd("DEL");
        command.arg(keys);
        let asked = self
            .ask(&connection, "DEL", command, Leaves::Nothing)
            .await?;
        Ok(asked.and_then(answer::number))
    }

    async fn sadd(
        &mut self,
        connection: Resource<Session>,
        key: String,
        values: Vec<String>,
    ) -> Result<Result<u32, Error>> {
        if values.is_empty() {
            return Ok(Ok(0));
        }
        let mut command = cmd("SADD");
        command.arg(key).arg(values);
        let asked = self
            .ask(&connection, "SADD", command, Leaves::Nothing)
            .await?;
        Ok(asked.and_then(answer::number))
    }

    async fn smembers(
        &mut self,
        connection: Resource<Session>,
        key: String,
    ) -> Result<Result<Vec<String>, Error>> {
        let mut command = cmd("SMEMBERS");
        command.arg(key);
        let asked = self
            .ask(&connection, "SMEMBERS", command, Leaves::Nothing)
            .await?;
        Ok(asked.and_then(answer::texts))
    }

    async fn srem(
        &mut self,
        connection: Resource<Session>,
        key: String,
        values: Vec<String>,
    ) -> Result<Result<u32, Error>> {
        if values.is_empty() {
            return Ok(Ok(0));
        }
        let mut command = cmd("SREM");
        command.arg(key).arg(values);
        let asked = self
            .ask(&connection, "SREM", command, Leaves::Nothing)
            .await?;
        Ok(asked.and_then(answer::number))
    }

    async fn execute(
        &mut self,
        connection: Resource<Session>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Result<Vec<RedisResult>, Error>> {
        let leaves = Leaves::by(&command);
        let mut sent = cmd(&command);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => sent.arg(number),
                RedisParameter::Binary(bytes) => sent.arg(bytes),
            };
        }
        let asked = self.ask(&connection, "execute", sent, leaves).await?;
        Ok(asked.and_then(answer::results))
    }

    async fn drop(&mut self, connection: Resource<Session>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}
