//! The functions of `spin:sqlite@3.1.0` that are async, with the rows as a stream.

use super::link::Part;
use super::wit::sqlite::{Error, RowResult, Value};
use super::wit::{Done, Handle};
use crate::State;
use wasmtime::Result;
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

type Host = Accessor<State, Part>;

/// The columns' names, the rows, and how they ended.
type Rows = (Vec<String>, StreamReader<RowResult>, FutureReader<Done<()>>);

pub(super) async fn open(host: &Host, database: String) -> Result<Done<Resource<Handle>>> {
    let store = match host.with(|mut cx| cx.get().store(&database)) {
        Ok(store) => store,
        Err(error) => return Ok(Err(error)),
    };
    let connected = store.connect().await;
    host.with(|mut cx| cx.get().opened(&store, connected))
}

pub(super) async fn execute(
    host: &Host,
    connection: Resource<Handle>,
    statement: String,
    parameters: Vec<Value>,
) -> Result<Done<Rows>> {
    let begun = host.with(|mut cx| cx.get().begin(&connection, &statement, parameters));
    let (running, values) = begun?;
    let done = running.connection.execute(statement, values).await;
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

pub(super) async fn last_insert_rowid(host: &Host, connection: Resource<Handle>) -> Result<i64> {
    host.with(|mut cx| {
        let (_, connection) = cx.get().handle(&connection)?;
        Ok(connection.last_insert_rowid())
    })
}

pub(super) async fn changes(host: &Host, connection: Resource<Handle>) -> Result<u64> {
    host.with(|mut cx| {
        let (_, connection) = cx.get().handle(&connection)?;
        Ok(connection.changes())
    })
}
