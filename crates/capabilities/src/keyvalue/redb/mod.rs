//! Provider `redb`, the embedded default: one file per store, and an acknowledged write is on disk.
//!
//! Reads run where they are called: they take microseconds. Writes queue up and are committed in
//! groups ([`writer`]), each group with one sync of the disk.

mod file;
mod writer;

use super::limits;
use super::provider::{Error, From, Page, Provider, Swap};
use async_trait::async_trait;
use file::{File, Trouble};
use std::ops::{Bound, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use writer::{Done, Op};

/// Reads of more keys than this leave the async worker.
const INLINE_KEYS_MAX: usize = 32;

/// A store in a file.
#[derive(Clone, Debug)]
pub struct Redb(Arc<File>);

impl Redb {
    /// Opens the file, or makes it; two openers in one process share it. `name` is the store's
    /// name in errors; keys and values may take up to `limit` bytes.
    pub async fn open(name: &str, path: &Path, limit: u64) -> Result<Self, Error> {
        let (name, path) = (name.to_owned(), path.to_owned());
        let file = blocking(move || file::open(&name, &path, limit)).await?;
        Ok(Redb(file))
    }

    async fn write(&self, op: Op) -> Result<Done, Error> {
        writer::submit(&self.0, op).await
    }
}

#[async_trait]
impl Provider for Redb {
    async fn ready(&self) -> Result<(), Error> {
        if !self.0.suspect() {
            return Ok(());
        }
        let file = self.0.clone();
        blocking(move || file.reopen()).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let value = self
            .0
            .read(|table| Ok(table.get(key)?.map(|value| value.value().to_vec())))?;
        Ok(value.flatten())
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self
            .0
            .read(|table| Ok(table.get(key)?.is_some()))?
            .unwrap_or(false))
    }

    async fn list_keys(&self, from: From, limit: usize) -> Result<Page, Error> {
        let file = self.0.clone();
        blocking(move || {
            let (start, skip) = match &from {
                From::Start => (Bound::Unbounded, 0),
                From::After(key) => (Bound::Excluded(key.as_str()), 0),
                From::Skip(n) => (Bound::Unbounded, usize::try_from(*n).unwrap_or(usize::MAX)),
            };
            let keys = file.read(|table| {
                let mut keys = Vec::new();
                for entry in table.range::<&str>((start, Bound::Unbounded))?.skip(skip) {
                    keys.push(entry?.0.value().to_owned());
                    if keys.len() > limit {
                        break;
                    }
                }
                Ok(keys)
            })?;
            Ok(Page::cut(keys.unwrap_or_default(), limit))
        })
        .await
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let file = self.0.clone();
        let count = keys.len();
        let read = move || {
            let values = file.read(|table| {
                let mut bytes = 0;
                let mut values = Vec::with_capacity(count);
                for key in &keys {
                    let value = table.get(key.as_str())?;
                    bytes += value.as_ref().map_or(0, |value| value.value().len());
                    if bytes > bytes_max {
                        return Err(Trouble::Told(limits::over("a batch", bytes, bytes_max)));
                    }
                    values.push(value.map(|value| value.value().to_vec()));
                }
                Ok(values)
            })?;
            Ok(values.unwrap_or_else(|| vec![None; count]))
        };
        if count <= INLINE_KEYS_MAX {
            read()
        } else {
            blocking(read).await
        }
    }

    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.write(Op::Set(vec![(key, value)])).await.map(drop)
    }

    async fn delete(&self, key: String) -> Result<(), Error> {
        self.write(Op::Delete(vec![key])).await.map(drop)
    }

    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.write(Op::Set(entries)).await.map(drop)
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        self.write(Op::Delete(keys)).await.map(drop)
    }

    async fn increment(
        &self,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, Error> {
        match self.write(Op::Increment { key, delta, range }).await? {
            Done::Sum(sum) => Ok(sum),
            other => Err(other.unexpected()),
        }
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, Error> {
        match self
            .write(Op::Swap {
                key,
                expected,
                value,
            })
            .await?
        {
            Done::Swap(swap) => Ok(swap),
            other => Err(other.unexpected()),
        }
    }
}

/// Runs what waits for the disk off the async workers.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(f)
        .await
        .unwrap_or_else(|e| Err(Error::with_detail("the store failed", e.to_string())))
}
