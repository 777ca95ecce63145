//! `fermyon:spin/key-value` without a version: what Spin's first SDKs import. A store is a number
//! there, so that nothing but this file knows whether it is one.

use super::super::View;
use super::super::wit::{Bucket, store};
use super::Failure;
use wasmtime::Result;
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/fermyon-spin",
        interfaces: "import fermyon:spin/key-value;",
        imports: { default: async | trappable },
    });
}
pub use bindings::fermyon::spin::key_value::{Error, Host};

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TableFull => Error::StoreTableFull,
            Failure::NoSuchStore => Error::NoSuchStore,
            Failure::AccessDenied => Error::AccessDenied,
            Failure::Other(text) => Error::Io(text),
        }
    }
}

fn told<T>(done: Result<T, impl Into<Failure>>) -> Result<T, Error> {
    done.map_err(|error| error.into().into())
}

impl View<'_> {
    /// The open store that a guest means by a number.
    fn numbered(&self, number: u32) -> Result<Resource<Bucket>, Error> {
        let bucket = Resource::new_borrow(number);
        match self.table.get(&bucket) {
            Ok(_) => Ok(bucket),
            Err(_) => Err(Error::InvalidStore),
        }
    }
}

impl Host for View<'_> {
    async fn open(&mut self, name: String) -> Result<Result<u32, Error>> {
        let opened = super::open(self, name).await?;
        Ok(told(opened).map(|bucket| bucket.rep()))
    }

    async fn get(&mut self, store: u32, key: String) -> Result<Result<Vec<u8>, Error>> {
        let bucket = match self.numbered(store) {
            Ok(bucket) => bucket,
            Err(error) => return Ok(Err(error)),
        };
        let value = store::HostBucket::get(self, bucket, key).await?;
        Ok(told(value).and_then(|value| value.ok_or(Error::NoSuchKey)))
    }

    async fn set(&mut self, store: u32, key: String, value: Vec<u8>) -> Result<Result<(), Error>> {
        match self.numbered(store) {
            Ok(bucket) => {
                let set = store::HostBucket::set(self, bucket, key, value);
                set.await.map(told)
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete(&mut self, store: u32, key: String) -> Result<Result<(), Error>> {
        match self.numbered(store) {
            Ok(bucket) => store::HostBucket::delete(self, bucket, key).await.map(told),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn exists(&mut self, store: u32, key: String) -> Result<Result<bool, Error>> {
        match self.numbered(store) {
            Ok(bucket) => store::HostBucket::exists(self, bucket, key).await.map(told),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn get_keys(&mut self, store: u32) -> Result<Result<Vec<String>, Error>> {
        match self.numbered(store) {
            Ok(bucket) => super::get_keys(self, bucket).await.map(told),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn close(&mut self, store: u32) -> Result<()> {
        match self.numbered(store) {
            Ok(_) => store::HostBucket::drop(self, Resource::new_own(store)).await,
            // Closing what is not open is no error.
            Err(_) => Ok(()),
        }
    }
}
