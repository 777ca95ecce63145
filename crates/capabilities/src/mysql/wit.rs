//! `fermyon:spin/mysql` for the guest.

use super::View;
use super::session::{Fault, Session};
use super::value::size;
use crate::outbound::{Address, LOST};
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        inline: "package holm:mysql; world imports { import fermyon:spin/mysql@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
        with: { "fermyon:spin/mysql.connection": super::super::session::Session },
    });
}
pub use bindings::fermyon::spin::mysql;
pub use bindings::fermyon::spin::rdbms_types;
use rdbms_types::{Error, ParameterValue, RowSet};

impl View<'_> {
    pub(super) async fn run(
        &mut self,
        connection: &Resource<Session>,
        operation: &str,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<std::result::Result<RowSet, Error>> {
        let caller = &mut self.part.caller;
        let sent = statement.len() + values.iter().map(size).sum::<usize>();
        if let Err(hit) = caller.room(sent) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let session = self.table.get_mut(connection)?;
        let to = session.address().clone();
        let span = caller.begin("mysql", operation, &to);
        let done = session.query(&statement, values).await;
        let moved = session.moved();
        self.part.count(moved);
        Ok(match done {
            Ok(rows) => Ok(rows),
            Err(fault) => {
                if let Some(mut span) = span {
                    span.failed("other".to_owned());
                }
                Err(self.tell(&to, fault))
            }
        })
    }

    fn tell(&mut self, to: &Address, fault: Fault) -> Error {
        let caller = &mut self.part.caller;
        match fault {
            Fault::BadAddress(told) => Error::ConnectionFailed(told),
            Fault::Unreached(unreached) => {
                Error::ConnectionFailed(self.part.unreached(to, &unreached))
            }
            Fault::Refused(told) => {
                caller.log(to, &told);
                Error::ConnectionFailed(told)
            }
            Fault::Lost => Error::ConnectionFailed(LOST.to_owned()),
            Fault::Query(told) => Error::QueryFailed(told),
            Fault::Conversion(told) => Error::ValueConversionFailed(told),
            Fault::Other(told) => {
                caller.log(to, &told);
                Error::Other(told)
            }
        }
    }
}

impl rdbms_types::Host for View<'_> {}

impl mysql::Host for View<'_> {}

impl mysql::HostConnection for View<'_> {
    async fn open(
        &mut self,
        address: String,
    ) -> Result<std::result::Result<Resource<Session>, Error>> {
        let failed = |told| Ok(Err(Error::ConnectionFailed(told)));
        let mut session = match Session::new(&self.part.client, &address) {
            Ok(session) => session,
            Err(Fault::BadAddress(told)) => return failed(format!("invalid address: {told}")),
            Err(_) => return failed("invalid address".to_owned()),
        };
        let to = session.address().clone();
        if !self.part.caller.admit(&to) {
            return failed(format!("address {to} is not permitted"));
        }
        if let Err(hit) = self.part.caller.seat() {
            return failed(hit.to_string());
        }
        let span = self.part.caller.begin("mysql", "connect", &to);
        let connected = session.connect().await;
        self.part.count(session.moved());
        match connected {
            Ok(peer) => {
                self.part.caller.dialled(&to, Ok(peer));
                Ok(Ok(self.table.push(session)?))
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

    async fn query(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<std::result::Result<RowSet, Error>> {
        self.run(&connection, "query", statement, values).await
    }

    async fn execute(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<std::result::Result<(), Error>> {
        let done = self.run(&connection, "execute", statement, values).await?;
        Ok(done.map(|_| ()))
    }

    async fn drop(&mut self, connection: Resource<Session>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}
