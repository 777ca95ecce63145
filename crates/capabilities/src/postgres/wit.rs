//! `spin:postgres@4.0.0` for the guest; what all versions share, and its own part.

use super::View;
use super::param::size;
use super::session::{Fault, Session, is_the_end, told};
use crate::outbound::{Address, LOST};
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    #![allow(missing_docs, reason = "written by the macro")]
    wasmtime::component::bindgen!({
        path: "../../wit/spin-postgres@4.0.0",
        world: "spin:postgres/imports",
        imports: { default: async | trappable },
        additional_derives: [PartialEq],
        with: { "spin:postgres/postgres.connection": super::super::session::Session },
    });
}
pub use bindings::spin::postgres::postgres;
use postgres::{DbError, Error, ParameterValue, QueryError, RowSet};

/// What an older version says it in.
pub(super) type Done<T> = std::result::Result<T, Error>;

impl View<'_> {
    pub(super) async fn connect(&mut self, address: String) -> Result<Done<Resource<Session>>> {
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
        let span = self.part.caller.begin("postgresql", "connect", &to);
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

    pub(super) async fn rows(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<RowSet>> {
        self.call(
            connection,
            statement,
            values,
            "query",
            async |session, statement, values| session.query(statement, values).await,
        )
        .await
    }

    pub(super) async fn changed(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<u64>> {
        self.call(
            connection,
            statement,
            values,
            "execute",
            async |session, statement, values| session.execute(statement, values).await,
        )
        .await
    }

    async fn call<T>(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
        operation: &'static str,
        run: impl AsyncFnOnce(&mut Session, &str, Vec<ParameterValue>) -> std::result::Result<T, Fault>,
    ) -> Result<Done<T>> {
        let caller = &mut self.part.caller;
        let sent = statement.len() + values.iter().map(size).sum::<usize>();
        if let Err(hit) = caller.room(sent) {
            return Ok(Err(Error::Other(hit.to_string())));
        }
        let session = self.table.get_mut(&connection)?;
        let to = session.address().clone();
        let span = caller.begin("postgresql", operation, &to);
        let done = run(session, &statement, values).await;
        let moved = session.moved();
        self.part.count(moved);
        Ok(match done {
            Ok(value) => Ok(value),
            Err(fault) => {
                if let Some(mut span) = span {
                    let code = match &fault {
                        Fault::Query(error) => error.code().map(|code| code.code().to_owned()),
                        _ => None,
                    };
                    span.failed(code.unwrap_or_else(|| "other".to_owned()));
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
            Fault::BadParameter(told) => Error::BadParameter(told),
            Fault::Conversion(told) => Error::ValueConversionFailed(told),
            Fault::Query(error) => {
                if is_the_end(&error) {
                    caller.log(to, &told(&error));
                }
                Error::QueryFailed(query(&error))
            }
            Fault::Other(told) => {
                caller.log(to, &told);
                Error::Other(told)
            }
        }
    }

    pub(super) fn close(&mut self, connection: Resource<Session>) -> Result<()> {
        self.table.delete(connection)?;
        self.part.caller.leave();
        Ok(())
    }
}

fn query(error: &tokio_postgres::Error) -> QueryError {
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
    async fn open(&mut self, address: String) -> Result<Done<Resource<Session>>> {
        self.connect(address).await
    }

    async fn query(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<RowSet>> {
        self.rows(connection, statement, values).await
    }

    async fn execute(
        &mut self,
        connection: Resource<Session>,
        statement: String,
        values: Vec<ParameterValue>,
    ) -> Result<Done<u64>> {
        self.changed(connection, statement, values).await
    }

    async fn drop(&mut self, connection: Resource<Session>) -> Result<()> {
        self.close(connection)
    }
}
