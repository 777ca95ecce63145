//! `wasi:keyvalue/atomics` of `0.2.0-draft2`: increment, and compare-and-swap.

use super::View;
use super::limits::{self, HELD_BYTES_MAX};
use super::provider::{Provider, Swap};
use super::wit::{Bucket, atomics, store::Error};
use holm_runtime::receipt::Flows;
use std::ops::RangeInclusive;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Resource;

/// A compare-and-swap that a guest has begun.
#[derive(Debug)]
pub struct Cas {
    store: Arc<str>,
    provider: Arc<dyn Provider>,
    key: String,
    current: Option<Vec<u8>>,
}

impl Cas {
    fn bytes(&self) -> usize {
        self.current.as_ref().map_or(0, Vec::len)
    }
}

impl View<'_> {
    /// A handle for the guest, unless the instance holds too much already.
    fn hold(&mut self, cas: Cas) -> Result<Result<Resource<Cas>, Error>> {
        let bytes = cas.bytes();
        if self.part.held + bytes > HELD_BYTES_MAX {
            return Ok(Err(Error::Other(format!(
                "the values of all open cas handles are over the limit of {HELD_BYTES_MAX} bytes"
            ))));
        }
        let handle = self.part.push(self.table, cas)?;
        if handle.is_ok() {
            self.part.held += bytes;
        }
        Ok(handle)
    }

    fn release(&mut self, cas: Resource<Cas>) -> Result<Cas> {
        let cas = self.table.delete(cas)?;
        self.part.handles -= 1;
        self.part.held -= cas.bytes();
        Ok(cas)
    }
}

impl atomics::Host for View<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Result<Result<i64, Error>> {
        const RANGE: RangeInclusive<i128> = i64::MIN as i128..=i64::MAX as i128;
        let checked = limits::key(&key);
        let sum = async |store: Arc<dyn Provider>| store.increment(key, delta.into(), RANGE).await;
        Ok(self
            .on("increment", &bucket, checked, sum)
            .await?
            .map(|sum| sum as i64))
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> Result<Result<(), atomics::CasError>> {
        let Cas {
            store,
            provider,
            key,
            current,
        } = self.release(cas)?;
        let bytes = value.len();
        let span = self.part.begin("swap", &store);
        let swapped = match self.part.may_write(&value) {
            Ok(()) => provider.swap(key.clone(), current, value).await,
            Err(error) => Err(error),
        };
        if let (Some(mut span), Err(_)) = (span, &swapped) {
            span.failed("other".to_owned());
        }
        Ok(match swapped {
            Ok(Swap::Done) => {
                Flows::add(&self.part.flows.keyvalue_out, bytes);
                Ok(())
            }
            // A fresh handle that holds what is there now, as the WIT asks.
            Ok(Swap::Changed(current)) => Err(
                match self.hold(Cas {
                    store,
                    provider,
                    key,
                    current,
                })? {
                    Ok(cas) => atomics::CasError::CasFailed(cas),
                    Err(error) => atomics::CasError::StoreError(error),
                },
            ),
            Err(error) => Err(atomics::CasError::StoreError(self.part.tell(&store, error))),
        })
    }
}

impl atomics::HostCas for View<'_> {
    async fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Result<Resource<Cas>, Error>> {
        let asked = key.clone();
        let current = async |store: Arc<dyn Provider>| store.get(&asked).await;
        let current = match self.on("get", &bucket, limits::key(&key), current).await? {
            Ok(current) => current,
            Err(error) => return Ok(Err(error)),
        };
        let (provider, store) = self.bucket(&bucket)?;
        self.hold(Cas {
            store,
            provider,
            key,
            current,
        })
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Result<Result<Option<Vec<u8>>, Error>> {
        let cas = self.table.get(&cas)?;
        Flows::add(&self.part.flows.keyvalue_in, cas.bytes());
        Ok(Ok(cas.current.clone()))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> Result<()> {
        self.release(cas).map(drop)
    }
}
