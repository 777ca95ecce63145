//! Who wants to know of changes is told of each that a guest of this process has made, once the store has
//! acknowledged it.

use super::provider::{Error, From, Page, Provider, Swap};
use super::{Bucket, Store};
use crate::State;
use crate::messaging::{Broker, Delivery, Fault, Message, Source, Subscription, Unasked};
use async_trait::async_trait;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use wasmtime::component::Resource;

/// Changes that wait for whoever watches; the oldest go where there are more.
pub(super) const WAITING_MAX: usize = 1024;

/// What says in a change's metadata what it was, and its two words.
pub const CHANGE: &str = "change";
/// A value was written.
pub const SET: &str = "set";
/// The key was removed.
pub const DELETE: &str = "delete";

/// One change of a store.
#[derive(Clone, Debug)]
pub(super) struct Change {
    key: String,
    /// Nothing where it was removed.
    value: Option<Vec<u8>>,
}

impl std::convert::From<Change> for Message {
    fn from(Change { key, value }: Change) -> Self {
        let word = match &value {
            Some(_) => SET,
            None => DELETE,
        };
        Message {
            topic: Some(key),
            metadata: vec![(CHANGE.to_owned(), word.to_owned())],
            ..Message::new(value.unwrap_or_default())
        }
    }
}

/// A store whose changes somebody is told of.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) store: Arc<dyn Provider>,
    pub(super) changes: broadcast::Sender<Change>,
}

impl Watched {
    fn tell(&self, key: String, value: Option<Vec<u8>>) {
        // Where nobody watches any more nobody is told.
        let _ = self.changes.send(Change { key, value });
    }
}

#[async_trait]
impl Provider for Watched {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.store.exists(key).await
    }

    async fn list_keys(&self, from: From, limit: usize) -> Result<Page, Error> {
        self.store.list_keys(from, limit).await
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.store.get_many(keys, bytes_max).await
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.store.set(key.clone(), value.clone()).await?;
        self.tell(key, Some(value));
        Ok(())
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        self.store.delete(key.clone()).await?;
        self.tell(key, None);
        Ok(())
    }

    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.store.set_many(entries.clone()).await?;
        for (key, value) in entries {
            self.tell(key, Some(value));
        }
        Ok(())
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        self.store.delete_many(keys.clone()).await?;
        for key in keys {
            self.tell(key, None);
        }
        Ok(())
    }

    async fn increment(
        &self,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, Error> {
        let sum = self.store.increment(key.clone(), delta, range).await?;
        self.tell(key, Some(sum.to_string().into_bytes()));
        Ok(sum)
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, Error> {
        let swapped = self
            .store
            .swap(key.clone(), expected, value.clone())
            .await?;
        if swapped == Swap::Done {
            self.tell(key, Some(value));
        }
        Ok(swapped)
    }
}

/// The changes of a store as messages: the topic is the key, the data the value.
pub struct Changes {
    store: Arc<Store>,
    /// What has changed since somebody was expected to listen.
    early: Mutex<Option<broadcast::Receiver<Change>>>,
}

impl Changes {
    /// Those of a store, from now on.
    pub fn of(store: Arc<Store>) -> Self {
        store.announce();
        Changes {
            store,
            early: Mutex::default(),
        }
    }

    fn early(&self) -> MutexGuard<'_, Option<broadcast::Receiver<Change>>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Broker for Changes {
    async fn send(&self, _topic: &str, _message: Message) -> Result<(), Fault> {
        Err(Fault::other("a store takes no messages"))
    }

    async fn request(
        &self,
        _topic: &str,
        _message: Message,
        _patience: Duration,
        _answers: usize,
    ) -> Result<Vec<Message>, Fault> {
        Err(Fault::other("a store takes no messages"))
    }

    fn reserve(&self, _to: &Subscription) {
        *self.early() = Some(self.store.announce().subscribe());
    }

    async fn listen(&self, to: &Subscription) -> Result<Box<dyn Source>, Fault> {
        // Opened now, so that a handler finds it open.
        let opened = self.store.provider().await;
        opened.map_err(|error| Fault::because("the store cannot be opened", error))?;
        let early = self.early().take();
        Ok(Box::new(Watching {
            changes: early.unwrap_or_else(|| self.store.announce().subscribe()),
            keys: to.topic.clone(),
            store: self.store.name().to_string(),
        }))
    }
}

struct Watching {
    changes: broadcast::Receiver<Change>,
    keys: String,
    store: String,
}

#[async_trait]
impl Source for Watching {
    async fn next(&mut self, ended: &CancellationToken) -> Result<Option<Delivery>, Fault> {
        loop {
            match ended.run_until_cancelled(self.changes.recv()).await {
                None => return Ok(None),
                Some(Ok(change)) if !matches(&self.keys, &change.key) => {}
                Some(Ok(change)) => {
                    return Ok(Some(Delivery {
                        message: change.into(),
                        receipt: Box::new(Unasked),
                    }));
                }
                Some(Err(RecvError::Lagged(missed))) => {
                    let store = &*self.store;
                    tracing::warn!(store, missed, "changes came faster than they are taken");
                }
                Some(Err(RecvError::Closed)) => {
                    return Err(Fault::other("the store is closed"));
                }
            }
        }
    }
}

/// Whether a pattern means a key: `*` in it is any text, also none.
pub fn matches(pattern: &str, key: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = key.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // All but the last are found as early as may be; the last one must end the key.
        if let Some(part) = last.replace(part) {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last: &str| rest.ends_with(last))
}

/// Gives the store to a guest, for a handler of changes that takes one: an owned handle of
/// `wasi:keyvalue/store.bucket`.
///
/// # Errors
/// The store is not open, or the instance holds as much as it may.
pub fn give(state: &mut State, store: &Store) -> wasmtime::Result<Resource<Bucket>> {
    let provider = store
        .opened()
        .ok_or_else(|| wasmtime::format_err!("store {:?} is not open", store.name()))?;
    let (table, parts) = state.table_and_parts();
    let bucket = Bucket::of(store.name().clone(), provider);
    let pushed = parts.keyvalue.push(table, bucket)?;
    pushed.map_err(|error| wasmtime::format_err!("no handle for the store: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    #[test]
    fn patterns_of_keys() {
        for (pattern, key) in [
            ("*", ""),
            ("*", "a"),
            ("a", "a"),
            ("user:*", "user:1"),
            ("*:1", "user:1"),
            ("u*r:*1", "user:11"),
            ("a*a", "aa"),
            ("a*b*", "axb"),
        ] {
            assert!(matches(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [
            ("", "a"),
            ("a", ""),
            ("user:*", "use:1"),
            ("a*a", "a"),
            ("*:1", "user:2"),
            ("a*b*c", "acb"),
        ] {
            assert!(!matches(pattern, key), "{pattern} {key}");
        }
    }

    #[test]
    fn a_key_means_itself_and_a_star_all() {
        crate::fuzz::text("key-pattern", &["*", "user:", "1"], |text| {
            assert!(matches(text, text));
            assert!(matches("*", text) && matches(&format!("{text}*"), text));
        });
    }

    #[tokio::test]
    async fn each_change_is_told_and_what_failed_is_not() {
        let (changes, mut told) = broadcast::channel(16);
        let store = Watched {
            store: Arc::new(Memory::new("default", 64)),
            changes,
        };
        store.set("a".into(), b"1".to_vec()).await.unwrap();
        store.increment("a".into(), 1, 0..=9).await.unwrap();
        assert!(store.increment("a".into(), 99, 0..=9).await.is_err());
        let wrong = store.swap("a".into(), None, b"x".to_vec()).await.unwrap();
        assert!(matches!(wrong, Swap::Changed(_)));
        let expected = Some(b"2".to_vec());
        store
            .swap("a".into(), expected, b"3".to_vec())
            .await
            .unwrap();
        assert!(store.set("b".into(), vec![0; 99]).await.is_err());
        store
            .set_many(vec![("b".into(), b"4".to_vec())])
            .await
            .unwrap();
        store.delete("a".into()).await.unwrap();
        store.delete_many(vec!["b".into()]).await.unwrap();
        let mut seen = Vec::new();
        while let Ok(Change { key, value }) = told.try_recv() {
            let value = value.map(|value| String::from_utf8(value).unwrap());
            seen.push(format!("{key} {}", value.unwrap_or("gone".into())));
        }
        assert_eq!(seen, ["a 1", "a 2", "a 3", "b 4", "a gone", "b gone"]);
    }
}
