//! The functions of `spin:postgres@4.2.0` that are async, with the rows as a stream.

use super::builder::{self, Builder, Trusted};
use super::link::Part;
use super::types::{Column, DbValue, Error, ParameterValue};
use super::wit::{self, Done, Handle, Running};
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

async fn connect(
    host: &Host,
    address: String,
    trusted: Option<Trusted>,
) -> Result<Done<Resource<Handle>>> {
    let mut opening = match host.with(|mut cx| cx.get().opening(&address, trusted)) {
        Ok(opening) => opening,
        Err(error) => return Ok(Err(error)),
    };
    let connected = opening.connect().await;
    host.with(|mut cx| cx.get().opened(opening, connected))
}

pub(super) async fn open(host: &Host, address: String) -> Result<Done<Resource<Handle>>> {
    connect(host, address, None).await
}

pub(super) async fn build(
    host: &Host,
    builder: Resource<Builder>,
) -> Result<Done<Resource<Handle>>> {
    let asked = host.with(|mut cx| builder::asked(&cx.get(), &builder))?;
    match asked {
        Ok((address, trusted)) => connect(host, address, trusted).await,
        Err(error) => Ok(Err(error)),
    }
}

fn begin(
    host: &Host,
    connection: &Resource<Handle>,
    operation: &str,
    statement: &str,
    values: &[ParameterValue],
) -> Result<Done<Running>> {
    host.with(|mut cx| cx.get().begin(connection, operation, statement, values))
}

pub(super) async fn query(
    host: &Host,
    connection: Resource<Handle>,
    statement: String,
    values: Vec<ParameterValue>,
) -> Result<Done<Rows>> {
    let running = match begin(host, &connection, "query", &statement, &values)? {
        Ok(running) => running,
        Err(error) => return Ok(Err(error)),
    };
    let done = wit::query(&running.on, &statement, values).await;
    host.with(|mut cx| {
        let found = match cx.get().end(running, done) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
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
) -> Result<Done<u64>> {
    let running = match begin(host, &connection, "execute", &statement, &values)? {
        Ok(running) => running,
        Err(error) => return Ok(Err(error)),
    };
    let done = wit::execute(&running.on, &statement, values).await;
    Ok(host.with(|mut cx| cx.get().end(running, done)))
}
