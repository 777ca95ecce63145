//! `spin:redis@3.0.0`: the same types, and functions that are async. A guest may have several under way.

use super::answer;
use super::command::Command;
use super::link::Part;
use super::wit::redis::{RedisParameter, RedisResult};
use super::wit::{self, Done, Handle};
use crate::State;
use redis::Value;
use wasmtime::Result;
use wasmtime::component::{Accessor, Resource};

type Host = Accessor<State, Part>;

async fn ask(host: &Host, connection: Resource<Handle>, command: Command) -> Result<Done<Value>> {
    let begun = host.with(|mut cx| cx.get().begin(&connection, &command));
    let asking = match begun? {
        Ok(asking) => asking,
        Err(error) => return Ok(Err(error)),
    };
    let asked = wit::ask(&asking.on, &command).await;
    Ok(host.with(|mut cx| cx.get().end(asking, asked)))
}

pub(super) async fn open(host: &Host, address: String) -> Result<Done<Resource<Handle>>> {
    let mut opening = match host.with(|mut cx| cx.get().opening(&address)) {
        Ok(opening) => opening,
        Err(error) => return Ok(Err(error)),
    };
    let connected = opening.connect().await;
    host.with(|mut cx| cx.get().opened(opening, connected))
}

pub(super) async fn publish(
    host: &Host,
    connection: Resource<Handle>,
    channel: String,
    payload: Vec<u8>,
) -> Result<Done<()>> {
    let asked = ask(host, connection, Command::publish(channel, payload));
    Ok(asked.await?.map(|_| ()))
}

pub(super) async fn get(
    host: &Host,
    connection: Resource<Handle>,
    key: String,
) -> Result<Done<Option<Vec<u8>>>> {
    let asked = ask(host, connection, Command::get(key)).await?;
    Ok(asked.and_then(answer::bytes))
}

pub(super) async fn set(
    host: &Host,
    connection: Resource<Handle>,
    key: String,
    value: Vec<u8>,
) -> Result<Done<()>> {
    let asked = ask(host, connection, Command::set(key, value)).await?;
    Ok(asked.map(|_| ()))
}

pub(super) async fn incr(
    host: &Host,
    connection: Resource<Handle>,
    key: String,
) -> Result<Done<i64>> {
    let asked = ask(host, connection, Command::incr(key)).await?;
    Ok(asked.and_then(answer::number))
}

/// How many; none where there is nothing to ask.
async fn count(
    host: &Host,
    connection: Resource<Handle>,
    command: Option<Command>,
) -> Result<Done<u32>> {
    let Some(command) = command else {
        return Ok(Ok(0));
    };
    let asked = ask(host, connection, command).await?;
    Ok(asked.and_then(answer::number))
}

pub(super) async fn del(
    host: &Host,
    connection: Resource<Handle>,
    keys: Vec<String>,
) -> Result<Done<u32>> {
    count(host, connection, Command::del(keys)).await
}

pub(super) async fn sadd(
    host: &Host,
    connection: Resource<Handle>,
    key: String,
    values: Vec<String>,
) -> Result<Done<u32>> {
    count(host, connection, Command::sadd(key, values)).await
}

pub(super) async fn smembers(
    host: &Host,
    connection: Resource<Handle>,
    key: String,
) -> Result<Done<Vec<String>>> {
    let asked = ask(host, connection, Command::smembers(key)).await?;
    Ok(asked.and_then(answer::texts))
}

pub(super) async fn srem(
    host: &Host,
    connection: Resource<Handle>,
    key: String,
    values: Vec<String>,
) -> Result<Done<u32>> {
    count(host, connection, Command::srem(key, values)).await
}

pub(super) async fn execute(
    host: &Host,
    connection: Resource<Handle>,
    command: String,
    arguments: Vec<RedisParameter>,
) -> Result<Done<Vec<RedisResult>>> {
    let asked = ask(host, connection, Command::execute(&command, arguments)).await?;
    Ok(asked.and_then(answer::results))
}
