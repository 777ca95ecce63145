//! `fermyon:spin/redis` without a version: each call names its server, and has a session for itself.

use super::View;
use super::wit::Handle;
use super::wit::redis::{self as v2, HostConnection};
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin",
        interfaces: "import fermyon:spin/redis;",
        imports: { default: async | trappable },
    });
}
pub(super) use bindings::fermyon::spin::redis::Host;
use bindings::fermyon::spin::redis_types::{self, Error, RedisParameter, RedisResult};

impl redis_types::Host for View<'_> {}

type Done<T> = Result<std::result::Result<T, Error>>;

/// One call on a session of its own. What goes wrong has one name there.
macro_rules! once {
    ($view:expr, $address:expr, $call:ident($($arg:expr),*)) => {{
        let Ok(connection) = HostConnection::open(&mut *$view, $address).await? else {
            return Ok(Err(Error::Error));
        };
        let borrowed = Resource::<Handle>::new_borrow(connection.rep());
        let done = HostConnection::$call(&mut *$view, borrowed, $($arg),*).await;
        HostConnection::drop(&mut *$view, connection).await?;
        done?.map_err(|_| Error::Error)
    }};
}

impl Host for View<'_> {
    async fn publish(&mut self, address: String, channel: String, payload: Vec<u8>) -> Done<()> {
        Ok(once!(self, address, publish(channel, payload)))
    }

    async fn get(&mut self, address: String, key: String) -> Done<Vec<u8>> {
        // What is not there is empty there.
        Ok(once!(self, address, get(key)).map(Option::unwrap_or_default))
    }

    async fn set(&mut self, address: String, key: String, value: Vec<u8>) -> Done<()> {
        Ok(once!(self, address, set(key, value)))
    }

    async fn incr(&mut self, address: String, key: String) -> Done<i64> {
        Ok(once!(self, address, incr(key)))
    }

    async fn del(&mut self, address: String, keys: Vec<String>) -> Done<i64> {
        Ok(once!(self, address, del(keys)).map(i64::from))
    }

    async fn sadd(&mut self, address: String, key: String, values: Vec<String>) -> Done<i64> {
        Ok(once!(self, address, sadd(key, values)).map(i64::from))
    }

    async fn smembers(&mut self, address: String, key: String) -> Done<Vec<String>> {
        Ok(once!(self, address, smembers(key)))
    }

    async fn srem(&mut self, address: String, key: String, values: Vec<String>) -> Done<i64> {
        Ok(once!(self, address, srem(key, values)).map(i64::from))
    }

    async fn execute(
        &mut self,
        address: String,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Done<Vec<RedisResult>> {
        let argument = |argument| match argument {
            RedisParameter::Int64(number) => v2::RedisParameter::Int64(number),
            RedisParameter::Binary(bytes) => v2::RedisParameter::Binary(bytes),
        };
        let arguments: Vec<_> = arguments.into_iter().map(argument).collect();
        let results = once!(self, address, execute(command, arguments));
        let result = |result| match result {
            v2::RedisResult::Nil => RedisResult::Nil,
            v2::RedisResult::Status(text) => RedisResult::Status(text),
            v2::RedisResult::Int64(number) => RedisResult::Int64(number),
            v2::RedisResult::Binary(bytes) => RedisResult::Binary(bytes),
        };
        Ok(results.map(|results| results.into_iter().map(result).collect()))
    }
}
