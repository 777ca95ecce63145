//! The commands that guests send, as the server wants them.

use super::session::Leaves;
use super::wit::redis::RedisParameter;
use redis::{Cmd, cmd};

/// A command.
pub(super) struct Command {
    /// What it is called in traces.
    pub operation: &'static str,
    /// What is sent.
    pub sent: Cmd,
    /// What it leaves behind.
    pub leaves: Leaves,
}

impl Command {
    fn of(operation: &'static str) -> Self {
        Command {
            operation,
            sent: cmd(operation),
            leaves: Leaves::Nothing,
        }
    }

    fn with(mut self, argument: impl redis::ToRedisArgs) -> Self {
        self.sent.arg(argument);
        self
    }

    /// The server takes no empty list: without one there is no command.
    fn with_all(self, list: Vec<String>) -> Option<Self> {
        (!list.is_empty()).then(|| self.with(list))
    }

    pub fn publish(channel: String, payload: Vec<u8>) -> Self {
        Self::of("PUBLISH").with(channel).with(payload)
    }

    pub fn get(key: String) -> Self {
        Self::of("GET").with(key)
    }

    pub fn set(key: String, value: Vec<u8>) -> Self {
        Self::of("SET").with(key).with(value)
    }

    pub fn incr(key: String) -> Self {
        Self::of("INCR").with(key)
    }

    pub fn del(keys: Vec<String>) -> Option<Self> {
        Self::of("DEL").with_all(keys)
    }

    pub fn sadd(key: String, values: Vec<String>) -> Option<Self> {
        Self::of("SADD").with(key).with_all(values)
    }

    pub fn smembers(key: String) -> Self {
        Self::of("SMEMBERS").with(key)
    }

    pub fn srem(key: String, values: Vec<String>) -> Option<Self> {
        Self::of("SREM").with(key).with_all(values)
    }

    /// Whichever the guest names.
    pub fn execute(name: &str, arguments: Vec<RedisParameter>) -> Self {
        let mut sent = cmd(name);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => sent.arg(number),
                RedisParameter::Binary(bytes) => sent.arg(bytes),
            };
        }
        Command {
            operation: "execute",
            sent,
            leaves: Leaves::by(name),
        }
    }
}
