//! What `wasi:keyvalue@0.2.0-draft` has otherwise than `0.2.0-draft2`: three functions. All else
//! has the same types, and is the same code.

use super::View;
use super::limits::{self, PAGE_KEYS_MAX};
use super::provider::{From, Page, Provider};
use super::wit::{Bucket, batch, store};
use std::ops::RangeInclusive;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lower, Resource};

/// A page of keys; the cursor is a number here.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub struct KeyResponse {
    /// The keys.
    pub keys: Vec<String>,
    /// How many keys have been listed, if more follow.
    pub cursor: Option<u64>,
}

/// `[method]bucket.list-keys`
pub async fn list_keys(
    view: &mut View<'_>,
    bucket: Resource<Bucket>,
    cursor: Option<u64>,
) -> Result<Result<KeyResponse, store::Error>> {
    let before = cursor.unwrap_or(0);
    // A number can only be counted off. Where it is the one that this bucket gave out last, we
    // know the key it stands for: that is fast, and right even if keys were deleted meanwhile.
    let from = match (&view.table.get(&bucket)?.page_end, before) {
        (_, 0) => From::Start,
        (Some((count, key)), before) if *count == before => From::After(key.clone()),
        (_, before) => From::Skip(before),
    };
    let list = async |store: Arc<dyn Provider>| store.list_keys(from, PAGE_KEYS_MAX).await;
    let page = match view.on("list_keys", &bucket, Ok(()), list).await? {
        Ok(page) => page,
        Err(error) => return Ok(Err(error)),
    };
    let Page { keys, more } = page;
    let end = before.saturating_add(keys.len() as u64);
    view.table.get_mut(&bucket)?.page_end = keys.last().map(|key| (end, key.clone()));
    Ok(Ok(KeyResponse {
        keys,
        cursor: more.then_some(end),
    }))
}

/// `increment`
pub async fn increment(
    view: &mut View<'_>,
    bucket: Resource<Bucket>,
    key: String,
    delta: u64,
) -> Result<Result<u64, store::Error>> {
    const RANGE: RangeInclusive<i128> = 0..=u64::MAX as i128;
    let checked = limits::key(&key);
    let sum = async |store: Arc<dyn Provider>| store.increment(key, delta.into(), RANGE).await;
    Ok(view
        .on("increment", &bucket, checked, sum)
        .await?
        .map(|sum| sum as u64))
}

/// `get-many`
pub async fn get_many(
    view: &mut View<'_>,
    bucket: Resource<Bucket>,
    keys: Vec<String>,
) -> Result<Result<Vec<Option<(String, Vec<u8>)>>, store::Error>> {
    let values = batch::Host::get_many(view, bucket, keys).await?;
    Ok(values.map(|values| {
        values
            .into_iter()
            .map(|(key, value)| value.map(|value| (key, value)))
            .collect()
    }))
}
