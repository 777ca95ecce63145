//! Spin's key-value interfaces: other words for the same stores, under the same grant and limits.

mod legacy;
mod link;
#[cfg(test)]
mod tests;
mod v2;
mod v3;

pub(super) use link::link;

use super::limits::{self, BATCH_BYTES_MAX, PAGE_KEYS_MAX};
use super::provider::{self, From, Provider};
use super::wit::{Bucket, store};
use super::{View, is_name};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Resource;

/// Why a call fails, in the words that all versions have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// As many stores are open as may be.
    TableFull,
    /// There is none of that name.
    NoSuchStore,
    /// No grant names the store.
    AccessDenied,
    /// All else.
    Other(String),
}

impl std::convert::From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Failure::NoSuchStore,
            store::Error::AccessDenied => Failure::AccessDenied,
            store::Error::Other(text) => Failure::Other(text),
        }
    }
}

/// Opens a store. In Spin's interfaces there is no short name for the default one, and a label that
/// no grant could name is denied as any other is.
async fn open(view: &mut View<'_>, label: String) -> Result<Result<Resource<Bucket>, Failure>> {
    if !is_name(&label) {
        return Ok(Err(Failure::AccessDenied));
    }
    let opened = store::Host::open(view, label).await?;
    Ok(opened.map_err(|error| match error {
        store::Error::Other(_) if view.part.is_full() => Failure::TableFull,
        error => error.into(),
    }))
}

/// Keys that are asked for at once where all are wanted: a server walks over all that it holds each time.
const KEYS_AT_ONCE: usize = 20 * PAGE_KEYS_MAX;

/// All keys of a store, in the order of their bytes.
async fn all_keys(store: Arc<dyn Provider>) -> Result<Vec<String>, provider::Error> {
    let (mut all, mut bytes) = (Vec::new(), 0);
    let mut from = From::Start;
    loop {
        let page = store.list_keys(from, KEYS_AT_ONCE).await?;
        bytes += page.keys.iter().map(String::len).sum::<usize>();
        if bytes > BATCH_BYTES_MAX {
            return Err(limits::over("the list of keys", bytes, BATCH_BYTES_MAX));
        }
        all.extend(page.keys);
        from = match all.last() {
            Some(last) if page.more => From::After(last.clone()),
            _ => return Ok(all),
        };
    }
}

/// `get-keys` of the versions that return them all at once.
async fn get_keys(
    view: &mut View<'_>,
    bucket: Resource<Bucket>,
) -> Result<Result<Vec<String>, Failure>> {
    let keys = view.on("get_keys", &bucket, Ok(()), all_keys).await?;
    Ok(keys.map_err(Failure::from))
}
