//! `spin:mqtt@3.0.0`: the same types, and functions that are async. A guest may have several under way.

use super::link::Part;
use super::wit::mqtt::Qos;
use super::wit::{self, Done, Handle};
use crate::State;
use wasmtime::Result;
use wasmtime::component::{Accessor, Resource};

type Host = Accessor<State, Part>;

pub(super) async fn open(
    host: &Host,
    address: String,
    username: String,
    password: String,
    keep_alive_seconds: u64,
) -> Result<Done<Resource<Handle>>> {
    let opening = host.with(|mut cx| {
        let mut view = cx.get();
        view.opening(&address, username, password, keep_alive_seconds)
    });
    let mut opening = match opening {
        Ok(opening) => opening,
        Err(error) => return Ok(Err(error)),
    };
    let connected = opening.connect().await;
    host.with(|mut cx| cx.get().opened(opening, connected))
}

pub(super) async fn publish(
    host: &Host,
    connection: Resource<Handle>,
    topic: String,
    payload: Vec<u8>,
    qos: Qos,
) -> Result<Done<()>> {
    let bytes = topic.len() + payload.len();
    let begun = host.with(|mut cx| cx.get().begin(&connection, bytes));
    let publishing = match begun? {
        Ok(publishing) => publishing,
        Err(error) => return Ok(Err(error)),
    };
    let published = wit::publish(&publishing.on, topic, payload, qos).await;
    Ok(host.with(|mut cx| cx.get().end(publishing, published)))
}
