//! `spin:mysql@3.0.0`: the same types, functions that are async, and the rows as a stream.

use super::link::Part;
use super::wit::rdbms_types::{Column, DbValue, Error, ParameterValue, RowSet};
use super::wit::{self, Done, Handle};
use crate::State;
use wasmtime::Result;
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

type Host = Accessor<State, Part>;

/// The columns of an answer, its rows, and how they ended.
type Rows = (
    Vec<Column>,
    StreamReader<Vec<DbValue>>,
    FutureReader<Done<()>>,
);

pub(super) async fn open(host: &Host, address: String) -> Result<Done<Resource<Handle>>> {
    let mut opening = match host.with(|mut cx| cx.get().opening(&address)) {
        Ok(opening) => opening,
        Err(error) => return Ok(Err(error)),
    };
    let connected = opening.connect().await;
    host.with(|mut cx| cx.get().opened(opening, connected))
}

async fn run(
    host: &Host,
    connection: Resource<Handle>,
    operation: &str,
    statement: String,
    values: Vec<ParameterValue>,
) -> Result<Done<RowSet>> {
    let begun = host.with(|mut cx| {
        let mut view = cx.get();
        view.begin(&connection, operation, &statement, &values)
    });
    let running = match begun? {
        Ok(running) => running,
        Err(error) => return Ok(Err(error)),
    };
    let done = wit::run(&running.on, &statement, values).await;
    Ok(host.with(|mut cx| cx.get().end(running, done)))
}

pub(super) async fn query(
    host: &Host,
    connection: Resource<Handle>,
    statement: String,
    values: Vec<ParameterValue>,
) -> Result<Done<Rows>> {
    let found = match run(host, connection, "query", statement, values).await? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    host.with(|mut cx| {
        // All of them are here: what went wrong was told before.
        let rows = StreamReader::new(&mut cx, found.rows)?;
        let ended = async { wasmtime::error::Ok(Ok::<(), Error>(())) };
        let ended = FutureReader::new(&mut cx, ended)?;
        Ok(Ok((found.columns, rows, ended)))
    })
}

pub(super) async fn execute(
    host: &Host,
    connection: Resource<Handle>,
    statement: String,
    values: Vec<ParameterValue>,
) -> Result<Done<()>> {
    let done = run(host, connection, "execute", statement, values).await?;
    Ok(done.map(|_| ()))
}
