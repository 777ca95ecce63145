//! `fermyon:spin/key-value@2.0.0`: what Spin's SDKs since 2023 import.

use super::super::View;
use super::super::wit::{Bucket, store};
use super::Failure;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin@2.0.0",
        interfaces: "import fermyon:spin/key-value@2.0.0;",
        imports: { default: async | trappable },
        with: { "fermyon:spin/key-value.store": crate::keyvalue::wit::Bucket },
    });
}
pub use bindings::fermyon::spin::key_value::{Error, Host, HostStore};

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

fn told<T>(done: Result<T, impl Into<Failure>>) -> Result<T, Error> {
    done.map_err(|error| error.into().into())
}

impl Host for View<'_> {}

impl HostStore for View<'_> {
    async fn open(&mut self, label: String) -> Result<Result<Resource<Bucket>, Error>> {
        super::open(self, label).await.map(told)
    }

    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, Error>> {
        store::HostBucket::get(self, bucket, key).await.map(told)
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        let set = store::HostBucket::set(self, bucket, key, value);
        set.await.map(told)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Result<(), Error>> {
        store::HostBucket::delete(self, bucket, key).await.map(told)
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Result<bool, Error>> {
        store::HostBucket::exists(self, bucket, key).await.map(told)
    }

    async fn get_keys(&mut self, bucket: Resource<Bucket>) -> Result<Result<Vec<String>, Error>> {
        super::get_keys(self, bucket).await.map(told)
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        store::HostBucket::drop(self, bucket).await
    }
}
