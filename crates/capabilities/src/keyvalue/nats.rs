//! Provider `nats`: the data is in a key-value bucket of NATS JetStream. What must be atomic is done
//! by the revision that the server gives to every value.
//!
//! The client keeps the connection and makes it anew. While there is none, calls fail at once: what
//! is sent into a connection to come would be written after the guest was told that it is not.

use super::limits;
use super::provider::{Error, From, Page, Provider, Swap, sum};
use async_nats::connection::State;
use async_nats::jetstream::kv::{self, Entry, Operation, UpdateErrorKind};
use async_nats::{Client, ConnectOptions, jetstream};
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use holm_manifest::Time;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::sync::Mutex;

/// Values that are asked for at the same time.
const AT_ONCE: usize = 16;

/// The longest key as NATS writes it: subjects are part of a line that has 4096 bytes.
const KEY_BYTES_MAX: usize = 3500;

/// Writers of one key in this process wait for each other at so many gates: each that lost a race
/// against another would ask the server twice more.
const GATES: usize = 64;

/// A store in a bucket.
pub struct Nats {
    name: String,
    timeout: Duration,
    client: Client,
    bucket: kv::Store,
    gates: Vec<Mutex<()>>,
}

/// The address may have a password.
impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Nats {
    /// The store `name` in `bucket` of the server at `url`. A bucket that is not there is made, with
    /// values that last for `ttl`. Each call waits for the server for `timeout` at most.
    pub async fn open(
        name: &str,
        url: &str,
        bucket: &str,
        ttl: Option<Duration>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let cannot = |error: &dyn fmt::Display| {
            let told = format!("the server of store {name:?} cannot be reached");
            Error::with_detail(told, error.to_string()).unreached()
        };
        let open = async {
            let client = ConnectOptions::new()
                .name("holm")
                .connection_timeout(timeout)
                .request_timeout(Some(timeout))
                .connect(url)
                .await
                // The address is part of some of its errors.
                .map_err(|error| cannot(&error.kind()))?;
            let mut context = jetstream::new(client.clone());
            context.set_timeout(timeout);
            let bucket = match context.get_key_value(bucket).await {
                Ok(found) => found,
                Err(_) => {
                    let config = kv::Config {
                        bucket: bucket.to_owned(),
                        history: 1,
                        max_age: ttl.unwrap_or_default(),
                        ..kv::Config::default()
                    };
                    let made = context.create_key_value(config).await;
                    made.map_err(|error| cannot(&error))?
                }
            };
            Ok((client, bucket))
        };
        let (client, bucket) = match tokio::time::timeout(timeout, open).await {
            Ok(opened) => opened?,
            Err(_) => return Err(late(name, timeout)),
        };
        Ok(Nats {
            name: name.to_owned(),
            timeout,
            client,
            bucket,
            gates: (0..GATES).map(|_| Mutex::new(())).collect(),
        })
    }

    /// Waits for the server, and no longer than may be.
    async fn within<T, E: fmt::Display>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        self.connected()?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.refused(&error)),
            Err(_) => Err(late(&self.name, self.timeout)),
        }
    }

    fn connected(&self) -> Result<(), Error> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            _ => Err(Error::new(format!(
                "the server of store {:?} cannot be reached",
                self.name
            ))
            .unreached()),
        }
    }

    fn refused(&self, error: &dyn fmt::Display) -> Error {
        let told = format!("the server of store {:?} refused it", self.name);
        Error::with_detail(told, error.to_string())
    }

    /// What the server has of a key: also the mark of one that was deleted.
    async fn entry(&self, key: &str) -> Result<Option<Entry>, Error> {
        self.within(self.bucket.entry(encode(key)?)).await
    }

    /// Writes over a revision, 0 for none; false if there is another by now.
    async fn update(&self, key: &str, value: Vec<u8>, revision: u64) -> Result<bool, Error> {
        let key = encode(key)?;
        self.connected()?;
        let update = self.bucket.update(key, value.into(), revision);
        match tokio::time::timeout(self.timeout, update).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Ok(Err(error)) => Err(self.refused(&error)),
            Err(_) => Err(late(&self.name, self.timeout)),
        }
    }

    fn gate(&self, key: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        &self.gates[hasher.finish() as usize % GATES]
    }
}

fn late(name: &str, timeout: Duration) -> Error {
    let within = Time(timeout);
    Error::new(format!(
        "the server of store {name:?} did not answer within {within}"
    ))
    .unreached()
}

/// The value of an entry, unless it is the mark of a deleted one.
fn value(entry: Option<&Entry>) -> Option<&[u8]> {
    entry
        .filter(|entry| entry.operation == Operation::Put)
        .map(|entry| &*entry.value)
}

/// A key as NATS takes it: what its subjects cannot have is written `=` and two hex digits.
fn encode(key: &str) -> Result<String, Error> {
    let mut encoded = String::with_capacity(key.len());
    let bytes = key.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        let lone_dot = || {
            let before = index.checked_sub(1).map(|before| bytes[before]);
            before.is_some_and(|before| before != b'.') && index + 1 < bytes.len()
        };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'/' => {
                encoded.push(char::from(byte));
            }
            b'.' if lone_dot() => encoded.push('.'),
            _ => {
                use fmt::Write as _;
                let _ = write!(encoded, "={byte:02X}");
            }
        }
    }
    match encoded.len() {
        n if n > KEY_BYTES_MAX => Err(limits::over("a key as NATS writes it", n, KEY_BYTES_MAX)),
        _ => Ok(encoded),
    }
}

/// The key that was encoded; none for what others wrote and no guest can name.
fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'=' {
            bytes.push(byte);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        let digit = |digit: u8| char::from(digit).to_digit(16);
        bytes.push((digit(hex[0])? * 16 + digit(hex[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[async_trait]
impl Provider for Nats {
    async fn ready(&self) -> Result<(), Error> {
        self.connected()
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let entry = self.entry(key).await?;
        Ok(value(entry.as_ref()).map(<[u8]>::to_vec))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        let entry = self.entry(key).await?;
        Ok(value(entry.as_ref()).is_some())
    }

    async fn list_keys(&self, from: From, limit: usize) -> Result<Page, Error> {
        let (after, skip) = match from {
            From::Start => (None, 0),
            From::After(key) => (Some(key), 0),
            From::Skip(n) => (None, usize::try_from(n).unwrap_or(usize::MAX)),
        };
        // The server has them in the order of their writing: of all keys the first ones are kept.
        let most = skip.saturating_add(limit).saturating_add(1);
        let mut first = BTreeSet::new();
        let mut keys = self.within(self.bucket.keys()).await?;
        while let Some(key) = self.within(keys.try_next()).await? {
            let Some(key) = decode(&key) else {
                continue;
            };
            if after.as_ref().is_none_or(|after| key > *after) {
                first.insert(key);
                if first.len() > most {
                    first.pop_last();
                }
            }
        }
        Ok(Page::cut(first.into_iter().skip(skip).collect(), limit))
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut all = Vec::with_capacity(keys.len());
        let mut values = futures::stream::iter(keys)
            .map(|key: String| async move { self.get(&key).await })
            .buffered(AT_ONCE);
        let mut bytes = 0;
        while let Some(value) = values.try_next().await? {
            bytes += value.as_ref().map_or(0, Vec::len);
            if bytes > bytes_max {
                return Err(limits::over("a batch", bytes, bytes_max));
            }
            all.push(value);
        }
        Ok(all)
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        let put = self.bucket.put(encode(&key)?, value.into());
        self.within(put).await.map(drop)
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        // A mark for what is not there would stay for ever.
        match self.exists(&key).await? {
            true => self.within(self.bucket.delete(encode(&key)?)).await,
            false => Ok(()),
        }
    }

    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        // Nothing is written where a key is wrong; what the server refuses comes after others.
        entries
            .iter()
            .try_for_each(|(key, _)| encode(key).map(drop))?;
        for (key, value) in entries {
            self.set(key, value).await?;
        }
        Ok(())
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        keys.iter().try_for_each(|key| encode(key).map(drop))?;
        for key in keys {
            self.delete(key).await?;
        }
        Ok(())
    }

    async fn increment(
        &self,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, Error> {
        let _turn = self.gate(&key).lock().await;
        loop {
            let entry = self.entry(&key).await?;
            let sum = sum(value(entry.as_ref()), delta, &range)?;
            let revision = entry.map_or(0, |entry| entry.revision);
            if self.update(&key, sum.to_string().into(), revision).await? {
                return Ok(sum);
            }
        }
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        new: Vec<u8>,
    ) -> Result<Swap, Error> {
        let _turn = self.gate(&key).lock().await;
        loop {
            let entry = self.entry(&key).await?;
            let now = value(entry.as_ref());
            if now != expected.as_deref() {
                return Ok(Swap::Changed(now.map(<[u8]>::to_vec)));
            }
            let revision = entry.map_or(0, |entry| entry.revision);
            if self.update(&key, new.clone(), revision).await? {
                return Ok(Swap::Done);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_that_nats_takes_stay_as_they_are() {
        for key in ["plain", "a.b/c-d_9", "A"] {
            assert_eq!(encode(key).unwrap(), key);
        }
        assert_eq!(encode(".a..b.").unwrap(), "=2Ea.=2Eb=2E");
        assert_eq!(encode("a b*>ä=").unwrap(), "a=20b=2A=3E=C3=A4=3D");
        assert!(encode(&"ä".repeat(1000)).is_err());
    }

    #[test]
    fn what_others_wrote_is_no_key() {
        for encoded in ["=", "=4", "=GG", "=FF", "a=+1"] {
            assert_eq!(decode(encoded), None, "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "(?s).{1,200}") {
            let encoded = encode(&key).unwrap();
            prop_assert_eq!(decode(&encoded), Some(key));
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.=".contains(&b)));
            prop_assert!(!encoded.starts_with('.') && !encoded.ends_with('.') && !encoded.contains(".."));
        }
    }
}
