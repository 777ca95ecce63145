//! Provider `redis`: the data is on a server of that protocol (Redis, Valkey, …), each key under the
//! store's prefix, each value as it is. What must be atomic is done by the server, in scripts.
//!
//! The connection is made when it is first needed and made anew when it breaks. A read that met a
//! broken connection is asked once more; a write is not, because nobody knows whether it was done.

use super::limits;
use super::provider::{Error, From, Page, Provider, Swap, sum};
use async_trait::async_trait;
use holm_manifest::Time;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Script};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Keys that one step of a listing asks for.
const SCAN_COUNT: usize = 1000;
/// The most bytes of keys that a listing holds: whoever wants what comes after so many has them counted
/// off.
const LIST_BYTES_MAX: usize = 64 << 20;
/// What a key takes in memory besides its bytes.
const KEY_BYTES: usize = 64;
/// How long a listing may take: the server walks over all that it holds, other stores' keys too.
const LIST_TIME: Duration = Duration::from_secs(30);

/// Adds where the server can: to a number of 64 bits. Answers with the sum as text, with nothing where
/// the server cannot, and with false where the sum is below the least that may be.
const ADD: &str = "
local old = redis.call('GET', KEYS[1])
local done = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(done) == 'table' and done.err then return {0} end
local sum = redis.call('GET', KEYS[1])
if ARGV[2] == '1' and string.sub(sum, 1, 1) == '-' then
  if old then redis.call('SET', KEYS[1], old, 'KEEPTTL') else redis.call('DEL', KEYS[1]) end
  return {0}
end
if tonumber(ARGV[3]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {1, sum}";

/// Writes over what is expected. Answers with 1, or with 0 and what is there instead.
const SWAP: &str = "
local now = redis.call('GET', KEYS[1])
local same = (ARGV[1] == '0' and not now) or (ARGV[1] == '1' and now == ARGV[2])
if not same then
  if now then return {0, now} else return {0} end
end
redis.call('SET', KEYS[1], ARGV[3])
if tonumber(ARGV[4]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {1}";

/// A store on a server.
pub struct Redis {
    name: String,
    prefix: String,
    ttl: Option<Duration>,
    timeout: Duration,
    connection: ConnectionManager,
    add: Script,
    swap: Script,
}

/// The address may have a password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// The store `name` on the server at `url`: keys are written behind `prefix`, values last for
    /// `ttl` after they were written, and each call waits for the server for `timeout` at most.
    /// Nothing is asked of the server yet.
    pub fn open(
        name: &str,
        url: &str,
        prefix: &str,
        ttl: Option<Duration>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let wrong = |error: RedisError| {
            let told = format!("store {name:?} cannot be opened");
            Error::with_detail(told, format!("`url` is not right: {}", error.category()))
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(1));
        let client = Client::open(url).map_err(wrong)?;
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(wrong)?;
        Ok(Redis {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            ttl,
            timeout,
            connection,
            add: Script::new(ADD),
            swap: Script::new(SWAP),
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// How long a value lasts, for the scripts: 0 for ever.
    fn ttl_ms(&self) -> u64 {
        let ms = |ttl: Duration| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        self.ttl.map_or(0, ms)
    }

    /// `SET` with the time that a value lasts.
    fn set_cmd(&self, key: &str, value: &[u8]) -> Cmd {
        let mut cmd = redis::cmd("SET");
        cmd.arg(self.key(key)).arg(value);
        if self.ttl.is_some() {
            cmd.arg("PX").arg(self.ttl_ms());
        }
        cmd
    }

    /// Waits for the server, and no longer than may be: reconnecting takes part of that time.
    async fn within<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, (Error, bool)> {
        let name = &self.name;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let dropped = error.is_connection_dropped();
                Err((self.told(&error), dropped))
            }
            Err(_) => {
                let within = Time(self.timeout);
                let told = format!("the server of store {name:?} did not answer within {within}");
                Err((Error::new(told).unreached(), false))
            }
        }
    }

    fn told(&self, error: &RedisError) -> Error {
        let name = &self.name;
        if error.is_timeout() {
            let within = Time(self.timeout);
            return Error::new(format!(
                "the server of store {name:?} did not answer within {within}"
            ))
            .unreached();
        }
        if error.is_io_error() {
            let told = format!("the server of store {name:?} cannot be reached");
            return Error::with_detail(told, error.to_string()).unreached();
        }
        let told = match error.code() {
            Some("WRONGTYPE") => "the key holds something else than a value".to_owned(),
            Some(code) => format!("the server of store {name:?} refused it: {code}"),
            None => format!("the server of store {name:?} refused it"),
        };
        Error::with_detail(told, error.to_string())
    }

    /// A command that only reads.
    async fn read<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, Error> {
        let ask = async || {
            let mut connection = self.connection.clone();
            self.within(cmd.query_async(&mut connection)).await
        };
        match ask().await {
            Err((_, true)) => ask().await,
            answer => answer,
        }
        .map_err(|(error, _)| error)
    }

    async fn write<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, Error> {
        let mut connection = self.connection.clone();
        let done = self.within(cmd.query_async(&mut connection)).await;
        done.map_err(|(error, _)| error)
    }

    async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Error> {
        let mut connection = self.connection.clone();
        let done = self.within(pipeline.query_async(&mut connection)).await;
        done.map_err(|(error, _)| error)
    }

    /// Adds by reading and swapping, for what the server cannot: numbers beyond 64 bits, numbers
    /// that it does not write itself, and sums that a range refuses.
    async fn add_by_swaps(
        &self,
        key: &str,
        delta: i128,
        range: &RangeInclusive<i128>,
    ) -> Result<i128, Error> {
        let mut old = self.get(key).await?;
        loop {
            let sum = sum(old.as_deref(), delta, range)?;
            let value = sum.to_string().into_bytes();
            match self.swap(key.to_owned(), old, value).await? {
                Swap::Done => return Ok(sum),
                Swap::Changed(now) => old = now,
            }
        }
    }
}

/// A prefix for the server's patterns, to the letter.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if "*?[]\\^".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

#[async_trait]
impl Provider for Redis {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read(redis::cmd("GET").arg(self.key(key))).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.read(redis::cmd("EXISTS").arg(self.key(key))).await
    }

    async fn list_keys(&self, from: From, limit: usize) -> Result<Page, Error> {
        let (after, skip) = match from {
            From::Start => (None, 0),
            From::After(key) => (Some(key), 0),
            From::Skip(n) => (None, usize::try_from(n).unwrap_or(usize::MAX)),
        };
        // The server knows no order: of all keys the first ones are kept.
        let most = skip.saturating_add(limit).saturating_add(1);
        let (mut first, mut held, mut cursor) = (BTreeSet::new(), 0, 0_u64);
        let begun = Instant::now();
        loop {
            let mut cmd = redis::cmd("SCAN");
            cmd.arg(cursor).arg("MATCH").arg(pattern(&self.prefix));
            cmd.arg("COUNT").arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.read(&cmd).await?;
            for key in keys {
                // Others may have written keys that are no text; no guest can name them.
                let Ok(key) = String::from_utf8(key) else {
                    continue;
                };
                let Some(key) = key.strip_prefix(&self.prefix).filter(|key| !key.is_empty()) else {
                    continue;
                };
                if after.as_deref().is_some_and(|after| key <= after) {
                    continue;
                }
                if first.insert(key.to_owned()) {
                    held += key.len() + KEY_BYTES;
                }
                if first.len() > most {
                    held -= first.pop_last().map_or(0, |last| last.len() + KEY_BYTES);
                }
                if held > LIST_BYTES_MAX {
                    return Err(limits::over("a list of keys", held, LIST_BYTES_MAX));
                }
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
            if begun.elapsed() > LIST_TIME.max(self.timeout) {
                return Err(Error::new(format!(
                    "the server of store {:?} holds too many keys to list them",
                    self.name
                )));
            }
        }
        Ok(Page::cut(first.into_iter().skip(skip).collect(), limit))
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // Before they are all in memory.
        let mut lengths = redis::pipe();
        for key in &keys {
            lengths.cmd("STRLEN").arg(self.key(key));
        }
        let fits = |bytes: usize| match bytes > bytes_max {
            true => Err(limits::over("a batch", bytes, bytes_max)),
            false => Ok(()),
        };
        let lengths: Vec<usize> = self.pipeline(&lengths).await?;
        fits(lengths.iter().sum())?;
        let mut cmd = redis::cmd("MGET");
        keys.iter().for_each(|key| {
            cmd.arg(self.key(key));
        });
        let values: Vec<Option<Vec<u8>>> = self.read(&cmd).await?;
        fits(values.iter().flatten().map(Vec::len).sum())?;
        Ok(values)
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.write(&self.set_cmd(&key, &value)).await
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        self.write(redis::cmd("DEL").arg(self.key(&key))).await
    }

    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut all = redis::pipe();
        all.atomic();
        for (key, value) in &entries {
            all.add_command(self.set_cmd(key, value)).ignore();
        }
        self.pipeline(&all).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut cmd = redis::cmd("DEL");
        keys.iter().for_each(|key| {
            cmd.arg(self.key(key));
        });
        self.write(&cmd).await
    }

    async fn increment(
        &self,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, Error> {
        let (start, end) = (*range.start(), *range.end());
        let whole = i128::from(i64::MIN)..=i128::from(i64::MAX);
        // The server's own range is that of 64 bits, and the script's that above zero.
        let simple = end >= *whole.end() && (start <= *whole.start() || start == 0);
        if let (true, Ok(delta)) = (simple, i64::try_from(delta)) {
            let mut call = self.add.key(self.key(&key));
            call.arg(delta).arg(u8::from(start == 0)).arg(self.ttl_ms());
            let mut connection = self.connection.clone();
            let added = self.within(call.invoke_async(&mut connection)).await;
            let (done, sum): (u8, Option<String>) = added
                .map(|answer: Vec<redis::Value>| answered(&answer))
                .map_err(|(error, _)| error)?;
            if let (1, Some(Ok(sum))) = (done, sum.map(|sum| sum.parse::<i128>())) {
                return Ok(sum);
            }
        }
        self.add_by_swaps(&key, delta, &range).await
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, Error> {
        let mut call = self.swap.key(self.key(&key));
        call.arg(u8::from(expected.is_some()))
            .arg(expected.unwrap_or_default())
            .arg(value)
            .arg(self.ttl_ms());
        let mut connection = self.connection.clone();
        let swapped = self.within(call.invoke_async(&mut connection)).await;
        let answer: Vec<redis::Value> = swapped.map_err(|(error, _)| error)?;
        let (done, now) = answered::<Vec<u8>>(&answer);
        Ok(match done {
            1 => Swap::Done,
            _ => Swap::Changed(now),
        })
    }
}

/// What a script answers: whether it was done, and a value.
fn answered<T: FromRedisValue>(answer: &[redis::Value]) -> (u8, Option<T>) {
    let done = match answer.first() {
        Some(redis::Value::Int(1)) => 1,
        _ => 0,
    };
    let value = answer.get(1).cloned();
    (
        done,
        value.and_then(|value| T::from_redis_value(value).ok()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_to_the_letter() {
        assert_eq!(pattern(""), "*");
        assert_eq!(pattern("a*[b]?\\/"), "a\\*\\[b\\]\\?\\\\/*");
    }

    #[tokio::test]
    async fn the_address_is_shown_to_nobody() {
        let open = |url: &str| Redis::open("s", url, "", None, Duration::from_secs(1));
        let store = open("redis://:hunter2@127.0.0.1:1").unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
        let error = store.get("k").await.unwrap_err();
        let told = "the server of store \"s\" ";
        assert!(error.told.starts_with(told), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"));
        let error = open("hunter2").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
