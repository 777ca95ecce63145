//! `spin:postgres@4.0.0` for the guest; what all versions share, and its own part. The types of 4.2.0 are
//! the same.

use super::View;
use super::builder::Trusted;
use super::param::size;
use super::session::{Fault, Session, is_the_end, told};
use crate::outbound::{Address, LOST, Moved, Opened};
use holm_runtime::trace::Span;
use std::net::IpAddr;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        path: "../../wit/spin-postgres@4.0.0",
        world: "spin:postgres/imports",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
        with: { "spin:postgres/postgres.connection": super::Handle },
    });
}
pub use bindings::spin::postgres::postgres;
use postgres::{DbError, Error, ParameterValue, QueryError, RowSet};

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

/// Runs a statement that returns rows; and the bytes that this took.
pub(super) async fn query(
    on: &Handle,
    statement: &str,
    values: Vec<ParameterValue>,
) -> (std::result::Result<RowSet, Fault>, Moved) {
    let mut session = on.turn().await;
    let done = session.query(statement, values).await;
    (done, session.moved())
}

/// Runs a statement that returns how many rows it changed; and the bytes that this took.
pub(super) async fn execute(
    on: &Handle,
    statement: &str,
    values: Vec<ParameterValue>,
) -> (std::result::Result<u64, Fault>, Moved) {
    let mut session = on.turn().await;
    let done = session.execute(statement, values).await;
    (done, session.moved())
}

impl View<'_> {
    /// Whether a connection may be made, before it is.
    pub(super) fn opening(&mut self, address: &str, trusted: Option<Trusted>) -> Done<Opening> {
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
        let span = caller.begin("postgresql", "connect", session.address());
        let session = session.trusting(trusted);
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
        let span = caller.begin("postgresql", operation, on.address());
        Ok(Ok(Running { on, span }))
    }

    /// What became of it.
    pub(super) fn end<T>(
        &mut self,
        running: Running,
        (done, moved): (std::result::Result<T, Fault>, Moved),
    ) -> Done<T> {
        self.part.count(moved);
        done.map_err(|fault| {
            if let Some(mut span) = running.span {
                let code = match &fault {
                    Fault::Query(error) => error.code().map(|code| code.code().to_owned()),
                    _ => None,
                };
                span.failed(code.unwrap_or_else(|| "other".to_owned()));
            }
            self.tell(running.on.address(), fault)
        })
    }

    pub(super) async fn connect(
        &mut self,
        address: String,
        trusted: Option<Trusted>,
    ) -> Result<Done<Resource<Handle>>> {
        let mut opening = match self.opening(&address, trusted) {
            Ok(opening) => opening,
            Err(error) => return Ok(Err(error)),
        };
        let connected = opening.connect().await;
        self.opened(opening, connected)
    }

    pub(super) async fn rows(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<RowSet>> {
        let running = match self.begin(&connection, "query", &statement, &values)? {
            Ok(running) => running,
            Err(error) => return Ok(Err(error)),
        };
        let done = query(&running.on, &statement, values).await;
        Ok(self.end(running, done))
    }

    pub(super) async fn changed(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<u64>> {
        let running = match self.begin(&connection, "execute", &statement, &values)? {
            Ok(running) => running,
            Err(error) => return Ok(Err(error)),
        };
        let done = execute(&running.on, &statement, values).await;
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
            Fault::BadParameter(told) => Error::BadParameter(told),
            Fault::Conversion(told) => Error::ValueConversionFailed(told),
            Fault::Query(error) => {
                if is_the_end(&error) {
                    caller.log(to, &told(&error));
                }
                Error::QueryFailed(failure(&error))
            }
            Fault::Other(told) => {
                caller.log(to, &told);
                Error::Other(told)
            }
        }
    }

    pub(super) fn close(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}

fn failure(error: &tokio_postgres::Error) -> QueryError {
    let Some(server) = error.as_db_error() else {
        return QueryError::Text(told(error));
    };
    let line = server.line().map(|line| line.to_string());
    let more = [
        ("column", server.column()),
        ("constraint", server.constraint()),
        ("routine", server.routine()),
        ("hint", server.hint()),
        ("table", server.table()),
        ("datatype", server.datatype()),
        ("schema", server.schema()),
        ("file", server.file()),
        ("line", line.as_deref()),
        ("where", server.where_()),
    ];
    let known = |(name, value): (&str, Option<&str>)| Some((name.to_owned(), value?.to_owned()));
    QueryError::DbError(DbError {
        as_text: told(error),
        severity: server.severity().to_owned(),
        code: server.code().code().to_owned(),
        message: server.message().to_owned(),
        detail: server.detail().map(str::to_owned),
        extras: more.into_iter().filter_map(known).collect(),
    })
}

impl postgres::Host for View<'_> {}

impl postgres::HostConnection for View<'_> {
    async fn open(&mut self, address: String) -> Result<Done<Resource<Handle>>> {
        self.connect(address, None).await
    }

    async fn query(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<RowSet>> {
        self.rows(connection, statement, values).await
    }

    async fn execute(
        &mut self,
        connection: Resource<Handle>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<u64>> {
        self.changed(connection, statement, values).await
    }

    async fn drop(&mut self, connection: Resource<Handle>) -> Result<()> {
        self.close(connection)
    }
}
