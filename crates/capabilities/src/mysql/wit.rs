//! `fermyon:spin/mysql` for the guest.

use super::View;
use super::session::{Fault, Session};
use super::value::size;
use crate::outbound::{Address, LOST, Moved, Opened};
use holm_runtime::trace::Span;
use std::net::IpAddr;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        inline: "package holm:mysql; world imports { import fermyon:spin/mysql@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
        with: { "fermyon:spin/mysql.connection": super::Handle },
    });
}
pub use bindings::fermyon::spin::mysql;
pub use bindings::fermyon::spin::rdbms_types;
use rdbms_types::{Error, ParameterValue, RowSet};

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

/// A statement on its way.
pub(super) struct Running {
    /// Where it runs.
    pub on: Handle,
    span: Option<Box<dyn Span>>,
}

/// Runs a statement; and the bytes that this took.
pub(super) async fn run(
    on: &Handle,
    statement: &str,
    values: Vec<ParameterValue>,
) -> (std::result::Result<RowSet, Fault>, Moved) {
    let mut session = on.turn().await;
    let done = session.query(statement, values).await;
    (done, session.moved())
}

impl View<'_> {
    /// Whether a connection may be made, before it is.
    pub(super) fn opening(&mut self, address: &str) -> Done<Opening> {
        let failed = |told| Err(Error::ConnectionFailed(told));
        let session = match Session::new(&self.part.client, address) {
            Ok(session) => session,
            Err(Fault::BadAddress(told)) => return failed(format!("invalid address: {told}")),
            Err(_) => return failed("invalid address".to_owned()),
        };
        let caller = &mut self.part.caller;
        if !caller.admit(session.address()) {
            return failed(format!("address {} is not permitted", session.address()));
        }
        if let Err(hit) = caller.seat() {
            return failed(hit.to_string());
        }
        let span = caller.begin("mysql", "connect", session.address());
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
                if let Some(mut span) = span {
                    span.failed("connection-failed".to_owned());
                }
                self.part.caller.leave();
                Ok(Err(self.tell(&to, fault)))
            }
        }
    }

    /// Whether a statement may be sent, before it is.
    pub(super) fn begin(
        &mut self,
        connection: &Resource<Handle>,
        operation: &str,
        statement: &str,
        values: &[ParameterValue],
    ) -> Result<Done<Running>> {
        let caller = &mut self.part.caller;
        let sent = statement.len() + values.iter().map(size).sum::<usize>();
        if let Err(hit) = caller.room(sent) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let on = self.table.get(connection)?.clone();
        let span = caller.begin("mysql", operation, on.address());
        Ok(Ok(Running { on, span }))
    }

    /// What became of it.
    pub(super) fn end(
        &mut self,
        running: Running,
        (done, moved): (std::result::Result<RowSet, Fault>, Moved),
    ) -> Done<RowSet> {
        self.part.count(moved);
        done.map_err(|fault| {
            if let Some(mut span) = running.span {
                span.failed("other".to_owned());
            }
            self.tell(running.on.address(), fault)
        })
    }

    pub(super) async fn run(
        &mut self,
        connection: &Resource<Handle>,
        operation: &str,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<RowSet>> {
        let running = match self.begin(connection, operation, &statement, &values)? {
            Ok(running) => running,
            Err(error) => return Ok(Err(error)),
        };
        let done = run(&running.on, &statement, values).await;
        Ok(self.end(running, done))
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
    async fn open(&mut self, address: String) -> Result<Done<Resource<Handle>>> {
        let mut opening = match self.opening(&address) {
            Ok(opening) => opening,
            Err(error) => return Ok(Err(error)),
        };
        let connected = opening.connect().await;
        self.opened(opening, connected)
    }

    async fn query(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<RowSet>> {
        self.run(&connection, "query", statement, values).await
    }

    async fn execute(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<()>> {
        let done = self.run(&connection, "execute", statement, values).await?;
        Ok(done.map(|_| ()))
    }

    async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}
