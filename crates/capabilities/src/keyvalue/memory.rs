//! Provider `memory`: the data lives as long as the process, and has a limit.

use super::limits;
use super::provider::{Error, From, Page, Provider, Swap, sum};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    data: Mutex<Data>,
}

#[derive(Debug)]
struct Data {
    entries: BTreeMap<String, Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
}

impl Memory {
    /// An empty store for up to `bytes_max` bytes of keys and values.
    pub fn new(bytes_max: usize) -> Self {
        Memory {
            data: Mutex::new(Data {
                entries: BTreeMap::new(),
                bytes: 0,
                bytes_max,
            }),
        }
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Data {
    fn put(&mut self, batch: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        let added: usize = batch
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let replaced: usize = batch.iter().map(|(key, _)| self.size(key)).sum();
        let bytes = (self.bytes + added).saturating_sub(replaced);
        if bytes > self.bytes_max {
            let limit = self.bytes_max;
            return Err(Error::new(format!(
                "the store is full: its limit is {limit} bytes"
            )));
        }
        for (key, value) in batch {
            self.bytes = self.bytes + key.len() + value.len() - self.size(&key);
            self.entries.insert(key, value);
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) {
        self.bytes -= self.size(key);
        self.entries.remove(key);
    }

    fn size(&self, key: &str) -> usize {
        self.entries
            .get(key)
            .map_or(0, |value| key.len() + value.len())
    }
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
        self.data().put(vec![(key, value)])
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        self.data().remove(&key);
        Ok(())
    }

    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.data().put(entries)
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
        data.put(vec![(key, sum.to_string().into_bytes())])?;
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
        data.put(vec![(key, value)])?;
        Ok(Swap::Done)
    }
}
