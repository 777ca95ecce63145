//! `wasi:blobstore/types` for the guest: values that it reads and writes.

use super::View;
use super::incoming::Incoming;
use super::limits::OUTGOING_MAX;
use super::outgoing::Outgoing;
use super::wit::{Told, types};
use holm_runtime::receipt::Flows;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

impl types::Host for View<'_> {}

impl types::HostOutgoingValue for View<'_> {
    async fn new_outgoing_value(&mut self) -> Result<Resource<Outgoing>> {
        // There is no error in its type: who holds more than it may has lost.
        if self.part.outgoing >= OUTGOING_MAX {
            wasmtime::bail!("more than {OUTGOING_MAX} values are being written at once");
        }
        match self.part.push(self.table, Outgoing::new())? {
            Ok(value) => {
                self.part.outgoing += 1;
                Ok(value)
            }
            Err(told) => wasmtime::bail!("{told}"),
        }
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<Outgoing>,
    ) -> Result<std::result::Result<Resource<DynOutputStream>, ()>> {
        let Some(body) = self.table.get_mut(&value)?.body(&self.part.account) else {
            return Ok(Err(()));
        };
        // No child of the value: published guests finish a value before they let go of its stream.
        let body: DynOutputStream = Box::new(body);
        Ok(Ok(self.table.push(body)?))
    }

    async fn finish(&mut self, value: Resource<Outgoing>) -> Result<Told<()>> {
        let value = self.table.delete(value)?;
        self.part.handles -= 1;
        self.part.outgoing -= 1;
        if !value.is_placed() {
            value.forget(&self.part.account);
            return Ok(Err(
                "the value has no place: `write-data` comes before `finish`".to_owned(),
            ));
        }
        let (container, done) = value.finish().await;
        Ok(done.map_err(|error| self.part.tell(&container, error)))
    }

    async fn drop(&mut self, value: Resource<Outgoing>) -> Result<()> {
        let value = self.table.delete(value)?;
        value.forget(&self.part.account);
        self.part.handles -= 1;
        self.part.outgoing -= 1;
        Ok(())
    }
}

impl types::HostIncomingValue for View<'_> {
    async fn incoming_value_consume_sync(
        &mut self,
        value: Resource<Incoming>,
    ) -> Result<Told<Vec<u8>>> {
        let value = self.table.delete(value)?;
        self.part.handles -= 1;
        let container = value.container.clone();
        match value.whole().await {
            Ok(bytes) => {
                Flows::add(&self.part.flows().blobs_in, bytes.len());
                Ok(Ok(bytes))
            }
            Err(error) => Ok(Err(self.part.tell(&container, error))),
        }
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<Incoming>,
    ) -> Result<Told<Resource<DynInputStream>>> {
        let value = self.table.delete(value)?;
        self.part.handles -= 1;
        let body: DynInputStream = Box::new(value.stream(self.part.flows().clone()));
        Ok(Ok(self.table.push(body)?))
    }

    async fn size(&mut self, value: Resource<Incoming>) -> Result<u64> {
        Ok(self.table.get(&value)?.read.size)
    }

    async fn drop(&mut self, value: Resource<Incoming>) -> Result<()> {
        self.table.delete(value)?;
        self.part.handles -= 1;
        Ok(())
    }
}
