//! Provider `memory`: the data lives as long as the process, and has a limit.

use super::limits;
use super::provider::{Error, From, Page, Provider, Swap, full, sum};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    name: String,
    limit: u64,
    data: Mutex<Data>,
}

#[derive(Debug, Default)]
struct Data {
    entries: BTreeMap<String, Vec<u8>>,
    used: u64,
}

impl Memory {
    /// An empty store for up to `limit` bytes of keys and values.
    pub fn new(name: &str, limit: u64) -> Self {
        Memory {
            name: name.to_owned(),
            limit,
            data: Mutex::default(),
        }
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn put(&self, data: &mut Data, batch: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        let added: u64 = batch.iter().map(|(key, value)| size(key, value)).sum();
        let replaced: u64 = batch.iter().map(|(key, _)| data.size(key)).sum();
        if added > replaced && data.used + added - replaced > self.limit {
            return Err(full(&self.name, self.limit));
        }
        for (key, value) in batch {
            data.used = data.used + size(&key, &value) - data.size(&key);
            data.entries.insert(key, value);
        }
        Ok(())
    }
}

impl Data {
    fn remove(&mut self, key: &str) {
        self.used -= self.size(key);
        self.entries.remove(key);
    }

    fn size(&self, key: &str) -> u64 {
        self.entries.get(key).map_or(0, |value| size(key, value))
    }
}

fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

#[async_trait]
impl Provider for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.data().entries.get(key).cloned())
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.data().entries.contains_key(key))
    }

    async fn list_keys(&self, from: From, limit: usize) -> Result<Page, Error> {
        let (start, skip) = match from {
            From::Start => (Bound::Unbounded, 0),
            From::After(key) => (Bound::Excluded(key), 0),
            From::Skip(n) => (Bound::Unbounded, usize::try_from(n).unwrap_or(usize::MAX)),
        };
        let data = self.data();
        let keys = data
            .entries
            .range((start, Bound::Unbounded))
            .skip(skip)
            .take(limit + 1);
        Ok(Page::cut(keys.map(|(key, _)| key.clone()).collect(), limit))
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let data = self.data();
        let found = keys.iter().map(|key| data.entries.get(key));
        let bytes = found.clone().flatten().map(Vec::len).sum();
        if bytes > bytes_max {
            return Err(limits::over("a batch", bytes, bytes_max));
        }
        Ok(found.map(|value| value.cloned()).collect())
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.put(&mut self.data(), vec![(key, value)])
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        self.data().remove(&key);
        Ok(())
    }

    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.put(&mut self.data(), entries)
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        let mut data = self.data();
        keys.iter().for_each(|key| data.remove(key));
        Ok(())
    }

    async fn increment(
        &self,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, Error> {
        let mut data = self.data();
        let sum = sum(data.entries.get(&key).map(Vec::as_slice), delta, &range)?;
        self.put(&mut data, vec![(key, sum.to_string().into_bytes())])?;
        Ok(sum)
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, Error> {
        let mut data = self.data();
        let current = data.entries.get(&key);
        if current != expected.as_ref() {
            return Ok(Swap::Changed(current.cloned()));
        }
        self.put(&mut data, vec![(key, value)])?;
        Ok(Swap::Done)
    }
}
