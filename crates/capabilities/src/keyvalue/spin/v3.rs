//! `spin:key-value@3.0.0`: the same with async functions, and the keys as a stream.

use super::super::link::view;
use super::super::provider::{self, Provider};
use super::super::wit::Bucket;
use super::super::{View, is_name, limits};
use super::{Failure, all_keys, v2};
use crate::State;
use holm_runtime::cross;
use holm_runtime::receipt::Flows;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, Resource, StreamReader};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/spin-key-value@3.0.0",
        interfaces: "import spin:key-value/key-value@3.0.0;",
        imports: { default: async | trappable },
        with: { "spin:key-value/key-value.store": crate::keyvalue::wit::Bucket },
    });
}
pub use bindings::spin::key_value::key_value::Error;

/// The part of the state that the functions work on.
struct Part;

impl HasData for Part {
    type Data<'a> = View<'a>;
}

type Host = Accessor<State, Part>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TableFull => Error::StoreTableFull,
            Failure::NoSuchStore => Error::NoSuchStore,
            Failure::AccessDenied => Error::AccessDenied,
            Failure::Other(text) => Error::Other(text),
        }
    }
}

/// One operation: others of the same guest go on while it waits for the store.
async fn on<T, F>(
    host: &Host,
    operation: &'static str,
    bucket: &Resource<Bucket>,
    check: impl FnOnce(&View<'_>) -> Result<(), provider::Error>,
    f: impl FnOnce(Arc<dyn Provider>) -> F,
) -> Result<Result<T, Error>>
where
    F: Future<Output = Result<T, provider::Error>>,
{
    let (begun, checked) = host.with(|mut cx| {
        let view = cx.get();
        (view.begin(operation, bucket), check(&view))
    });
    let (provider, begun) = begun?;
    let done = match checked {
        Ok(()) => f(provider).await,
        Err(error) => Err(error),
    };
    let done = host.with(|mut cx| cx.get().end(begun, done));
    Ok(done.map_err(|error| Failure::from(error).into()))
}

async fn open(host: &Host, label: String) -> Result<Result<Resource<Bucket>, Error>> {
    if !is_name(&label) {
        return Ok(Err(Error::AccessDenied));
    }
    let store = match host.with(|mut cx| cx.get().granted(&label)) {
        Ok(store) => store,
        Err(error) => return Ok(Err(Failure::from(error).into())),
    };
    let provider = store.provider().await;
    host.with(|mut cx| {
        let mut view = cx.get();
        let full = provider.is_ok() && view.part.is_full();
        let opened = view.opened(&store, provider)?;
        Ok(opened.map_err(|error| match full {
            true => Error::StoreTableFull,
            false => Failure::from(error).into(),
        }))
    })
}

async fn get(
    host: &Host,
    bucket: Resource<Bucket>,
    key: String,
) -> Result<Result<Option<Vec<u8>>, Error>> {
    let check = |_: &View<'_>| limits::key(&key);
    let value = on(host, "get", &bucket, check, async |store| {
        store.get(&key).await
    });
    let value = value.await?;
    if let Ok(Some(value)) = &value {
        host.with(|mut cx| Flows::add(&cx.get().part.flows.keyvalue_in, value.len()));
    }
    Ok(value)
}

async fn set(
    host: &Host,
    bucket: Resource<Bucket>,
    key: String,
    value: Vec<u8>,
) -> Result<Result<(), Error>> {
    let bytes = value.len();
    let checked =
        host.with(|mut cx| limits::key(&key).and_then(|()| cx.get().part.may_write(&value)));
    let set = on(
        host,
        "set",
        &bucket,
        |_| checked,
        async |store| store.set(key, value).await,
    );
    let set = set.await?;
    if set.is_ok() {
        host.with(|mut cx| Flows::add(&cx.get().part.flows.keyvalue_out, bytes));
    }
    Ok(set)
}

async fn delete(host: &Host, bucket: Resource<Bucket>, key: String) -> Result<Result<(), Error>> {
    let checked = limits::key(&key);
    on(
        host,
        "delete",
        &bucket,
        |_| checked,
        async |store| store.delete(key).await,
    )
    .await
}

async fn exists(host: &Host, bucket: Resource<Bucket>, key: String) -> Result<Result<bool, Error>> {
    let check = |_: &View<'_>| limits::key(&key);
    on(host, "exists", &bucket, check, async |store| {
        store.exists(&key).await
    })
    .await
}

/// The keys, and how their listing ended.
type Keys = (StreamReader<String>, FutureReader<Result<(), Error>>);

async fn get_keys(host: &Host, bucket: Resource<Bucket>) -> Result<Keys> {
    let listed = on(host, "get_keys", &bucket, |_| Ok(()), all_keys).await?;
    let (keys, ended) = match listed {
        Ok(keys) => (keys, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    host.with(|mut cx| {
        let keys = StreamReader::new(&mut cx, keys)?;
        let ended = FutureReader::new(&mut cx, async move { wasmtime::error::Ok(ended) })?;
        Ok((keys, ended))
    })
}

/// Links them; the engine must have concurrency.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:key-value/key-value", "@3.0.0", Part, view, {
        drop async "store" Bucket = v2::HostStore::drop;
        concurrent value "[static]store.open" = open { a };
        concurrent value "[method]store.get" = get { a, b };
        concurrent value "[method]store.set" = set { a, b, c };
        concurrent value "[method]store.delete" = delete { a, b };
        concurrent value "[method]store.exists" = exists { a, b };
        concurrent value "[method]store.get-keys" = get_keys { a };
    });
    Ok(())
}
