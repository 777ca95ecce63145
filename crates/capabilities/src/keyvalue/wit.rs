//! `wasi:keyvalue` for the guest: store and batch of `0.2.0-draft2`. Its atomics are in
//! [`cas`](super::cas), what `0.2.0-draft` has otherwise in [`draft`](super::draft).

use super::limits::{self, BATCH_BYTES_MAX, HANDLES_MAX, PAGE_KEYS_MAX};
use super::provider::{self, From, Page, Provider};
use super::{Instance, Store, View};
use crate::outbound;
use holm_runtime::receipt::Flows;
use holm_runtime::trace::Span;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-keyvalue@0.2.0-draft2",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": super::Bucket,
            "wasi:keyvalue/atomics.cas": super::super::cas::Cas,
        },
    });
}
pub use bindings::wasi::keyvalue::{atomics, batch, store};
use store::Error;

/// A store that a guest has opened.
#[derive(Debug)]
pub struct Bucket {
    store: Arc<str>,
    pub(super) provider: Arc<dyn Provider>,
    /// Where the last page of keys ended: how many came before, and the last of them.
    pub(super) page_end: Option<(u64, String)>,
}

impl Bucket {
    /// A handle of a store that is open.
    pub(super) fn of(store: Arc<str>, provider: Arc<dyn Provider>) -> Self {
        Bucket {
            store,
            provider,
            page_end: None,
        }
    }
}

/// An operation on a store that has begun.
pub(super) struct Begun {
    store: Arc<str>,
    span: Option<Box<dyn Span>>,
}

impl View<'_> {
    pub(super) fn bucket(
        &self,
        bucket: &Resource<Bucket>,
    ) -> Result<(Arc<dyn Provider>, Arc<str>)> {
        let bucket = self.table.get(bucket)?;
        Ok((bucket.provider.clone(), bucket.store.clone()))
    }

    /// Begins one operation on a bucket.
    pub(super) fn begin(
        &self,
        operation: &'static str,
        bucket: &Resource<Bucket>,
    ) -> Result<(Arc<dyn Provider>, Begun)> {
        let (provider, store) = self.bucket(bucket)?;
        let span = self.part.begin(operation, &store);
        Ok((provider, Begun { store, span }))
    }

    /// Ends it, and tells the guest or the log what went wrong.
    pub(super) fn end<T>(
        &mut self,
        Begun { store, span }: Begun,
        done: Result<T, provider::Error>,
    ) -> Result<T, Error> {
        if let (Some(mut span), Err(_)) = (span, &done) {
            span.failed("other".to_owned());
        }
        done.map_err(|error| self.part.tell(&store, error))
    }

    /// Runs one operation on a bucket.
    pub(super) async fn on<T, F>(
        &mut self,
        operation: &'static str,
        bucket: &Resource<Bucket>,
        checked: Result<(), provider::Error>,
        f: impl FnOnce(Arc<dyn Provider>) -> F,
    ) -> Result<Result<T, Error>>
    where
        F: Future<Output = Result<T, provider::Error>>,
    {
        let (provider, begun) = self.begin(operation, bucket)?;
        let done = match checked {
            Ok(()) => f(provider).await,
            Err(error) => Err(error),
        };
        Ok(self.end(begun, done))
    }

    /// The store of a name, if it was granted.
    pub(super) fn granted(&self, name: &str) -> Result<Arc<Store>, Error> {
        let Some(store) = self.part.granted.get(name) else {
            return Err(self.part.deny(name));
        };
        if let Some(uses) = &self.part.uses {
            uses.note("keyvalue", name, "");
        }
        Ok(store.clone())
    }

    /// The guest's handle of a store that was opened, or why it was not.
    pub(super) fn opened(
        &mut self,
        store: &Store,
        provider: Result<Arc<dyn Provider>, provider::Error>,
    ) -> Result<Result<Resource<Bucket>, Error>> {
        match provider {
            Ok(provider) => {
                let bucket = Bucket::of(store.name().clone(), provider);
                self.part.push(self.table, bucket)
            }
            Err(error) => Ok(Err(self.part.tell(store.name(), error))),
        }
    }
}

impl Instance {
    /// Whether it holds as many handles as it may.
    pub(super) fn is_full(&self) -> bool {
        self.handles >= HANDLES_MAX
    }

    pub(super) fn push<T: Send + 'static>(
        &mut self,
        table: &mut ResourceTable,
        resource: T,
    ) -> Result<Result<Resource<T>, Error>> {
        if self.is_full() {
            return Ok(Err(Error::Other(format!(
                "more than {HANDLES_MAX} buckets and cas handles at once"
            ))));
        }
        let resource = table.push(resource)?;
        self.handles += 1;
        Ok(Ok(resource))
    }

    /// An error as the guest sees it; what it must not see goes to the log, and once, however
    /// often the guest tries. A server that fails is counted each time.
    pub(super) fn tell(&mut self, store: &str, error: provider::Error) -> Error {
        if error.unreached {
            outbound::note("keyvalue");
        }
        if let Some(detail) = error.detail
            && self.logged.as_deref() != Some(&detail)
        {
            tracing::error!(
                component = &*self.component,
                store,
                detail,
                "{}",
                error.told
            );
            self.logged = Some(detail);
        }
        Error::Other(error.told)
    }
}

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Result<Result<Resource<Bucket>, Error>> {
        let name = if identifier.is_empty() {
            "default"
        } else {
            &identifier
        };
        let store = match self.granted(name) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let provider = store.provider().await;
        self.opened(&store, provider)
    }
}

impl store::HostBucket for View<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, Error>> {
        let value = self
            .on("get", &bucket, limits::key(&key), async |store| {
                store.get(&key).await
            })
            .await?;
        if let Ok(Some(value)) = &value {
            Flows::add(&self.part.flows.keyvalue_in, value.len());
        }
        Ok(value)
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        let (bytes, checked) = (
            value.len(),
            limits::key(&key).and_then(|()| self.part.may_write(&value)),
        );
        let set = self
            .on("set", &bucket, checked, async |store| {
                store.set(key, value).await
            })
            .await?;
        if set.is_ok() {
            Flows::add(&self.part.flows.keyvalue_out, bytes);
        }
        Ok(set)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Result<(), Error>> {
        let checked = limits::key(&key);
        self.on("delete", &bucket, checked, async |store| {
            store.delete(key).await
        })
        .await
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Result<bool, Error>> {
        self.on("exists", &bucket, limits::key(&key), async |store| {
            store.exists(&key).await
        })
        .await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<Result<store::KeyResponse, Error>> {
        // The cursor is the last key of the page before.
        let from = cursor.map_or(From::Start, From::After);
        let page = self.on("list_keys", &bucket, Ok(()), async |store| {
            store.list_keys(from, PAGE_KEYS_MAX).await
        });
        Ok(page.await?.map(|Page { keys, more }| store::KeyResponse {
            cursor: keys.last().filter(|_| more).cloned(),
            keys,
        }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.table.delete(bucket)?;
        self.part.handles -= 1;
        Ok(())
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Result<Vec<(String, Option<Vec<u8>>)>, Error>> {
        let checked = limits::keys(keys.iter().map(String::as_str));
        let asked = keys.clone();
        let values = async |store: Arc<dyn Provider>| store.get_many(asked, BATCH_BYTES_MAX).await;
        let values = self.on("get_many", &bucket, checked, values).await?;
        if let Ok(values) = &values {
            let bytes = values.iter().flatten().map(Vec::len).sum();
            Flows::add(&self.part.flows.keyvalue_in, bytes);
        }
        Ok(values.map(|values| keys.into_iter().zip(values).collect()))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<Result<(), Error>> {
        let values = || entries.iter().map(|(_, value)| value);
        let checked = values()
            .try_for_each(|value| self.part.may_write(value))
            .and_then(|()| limits::entries(&entries));
        let bytes = values().map(Vec::len).sum();
        let set = self
            .on("set_many", &bucket, checked, async |store| {
                store.set_many(entries).await
            })
            .await?;
        if set.is_ok() {
            Flows::add(&self.part.flows.keyvalue_out, bytes);
        }
        Ok(set)
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Result<(), Error>> {
        let checked = limits::keys(keys.iter().map(String::as_str));
        self.on("delete_many", &bucket, checked, async |store| {
            store.delete_many(keys).await
        })
        .await
    }
}
