//! What a store must be able to do, whoever keeps the data.

use async_trait::async_trait;
use holm_manifest::ByteSize;
use std::fmt;
use std::ops::RangeInclusive;

/// Who keeps the data of a store. Keys and values have passed the [limits](super::limits) before
/// they come here. When a write returns `Ok`, it is as durable as the provider can make it.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    /// Called when a guest opens the store; the place to recover from an earlier fault.
    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Whether there is a value.
    async fn exists(&self, key: &str) -> Result<bool, Error>;

    /// Up to `limit` keys in the order of their bytes.
    async fn list_keys(&self, from: From, limit: usize) -> Result<Page, Error>;

    /// The values of many keys, in the order of the keys; an error if they are more than
    /// `bytes_max` together.
    async fn get_many(
        &self,
        keys: Vec<String>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, Error>;

    /// Writes a value, whatever was there.
    async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error>;

    /// Removes a key; nothing happens if it is not there.
    async fn delete(&self, key: String) -> Result<(), Error>;

    /// Writes many values: all of them or, after an error, none.
    async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error>;

    /// Removes many keys: all of them or, after an error, none.
    async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error>;

    /// Adds to a decimal number, atomically, and returns the sum; a key that is not there counts
    /// as 0. An error, and nothing is written, if there is no such number or the sum leaves `range`.
    async fn increment(
        &self,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<i128, Error>;

    /// Writes `value` if the key still holds `expected` (`None`: is not there), atomically.
    async fn swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, Error>;
}

/// Where a page of keys begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// At the first key.
    Start,
    /// After this key, whether or not it is still there.
    After(String),
    /// After so many keys; slow when there are many, and it slips when keys come and go.
    Skip(u64),
}

/// Some keys of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<String>,
    /// Whether more follow.
    pub more: bool,
}

impl Page {
    /// A page from one key more than fits on it.
    pub(super) fn cut(mut keys: Vec<String>, limit: usize) -> Page {
        let more = keys.len() > limit;
        keys.truncate(limit);
        Page { keys, more }
    }
}

/// How a compare-and-swap ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The value is written.
    Done,
    /// The key holds something else by now, and nothing is written.
    Changed(Option<Vec<u8>>),
}

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the guest is told: no paths, nothing of the host's.
    pub told: String,
    /// What the log says besides.
    pub detail: Option<String>,
    /// Its server could not be reached, broke off or kept silent.
    pub unreached: bool,
}

impl Error {
    /// An error of the guest's own making, or one that it may know all about.
    pub fn new(told: impl Into<String>) -> Self {
        Error {
            told: told.into(),
            detail: None,
            unreached: false,
        }
    }

    /// An error whose cause is the operator's business.
    pub fn with_detail(told: impl Into<String>, detail: impl Into<String>) -> Self {
        Error {
            detail: Some(detail.into()),
            ..Error::new(told)
        }
    }

    /// The same error, of a server that could not be reached, broke off or kept silent.
    #[must_use]
    pub fn unreached(self) -> Self {
        Error {
            unreached: true,
            ..self
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.told),
            None => f.write_str(&self.told),
        }
    }
}

impl std::error::Error for Error {}

/// The sum that [`Provider::increment`] writes over `old`.
pub(super) fn sum(
    old: Option<&[u8]>,
    delta: i128,
    range: &RangeInclusive<i128>,
) -> Result<i128, Error> {
    let old = match old {
        None => 0,
        Some(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<i128>().ok())
            .ok_or_else(|| Error::new("the value to increment is not a decimal number"))?,
    };
    old.checked_add(delta)
        .filter(|sum| range.contains(sum))
        .ok_or_else(|| {
            Error::new(format!(
                "{old} + {delta} is not between {} and {}",
                range.start(),
                range.end()
            ))
        })
}

/// The error of a store that has no room for what is written.
pub(super) fn full(name: &str, limit: u64) -> Error {
    Error::with_detail(
        format!("store {name:?} is full: its limit is {}", ByteSize(limit)),
        format!("raise it with `limit` under [store.{name}]"),
    )
}
