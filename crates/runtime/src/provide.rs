//! Imports that whoever embeds Holm provides, beside the capabilities: functions over values.

use crate::link::Host;
use crate::values::{Signature, Value, from_val, to_val};
use futures::future::BoxFuture;
use std::sync::Arc;
use wasmtime::component::{Linker, Val};

/// What such a function does: from arguments to the result, if its signature has one. An error
/// traps the guest, and comes out of the call that it made as the cause.
pub type Call =
    Arc<dyn Fn(Vec<Value>) -> BoxFuture<'static, wasmtime::Result<Option<Value>>> + Send + Sync>;

/// A function that the embedder provides.
#[derive(Clone)]
pub struct Provided {
    /// What the component imports: one of its [`Signatures::imports`](crate::values::Signatures).
    pub signature: Arc<Signature>,
    /// What it does.
    pub call: Call,
}

impl Provided {
    /// Whether it belongs to this import of a component: an interface, or a function of its own.
    pub fn is_of(&self, import: &str) -> bool {
        match &self.signature.interface {
            Some(interface) => **interface == *import,
            None => *self.signature.function == *import,
        }
    }

    pub(crate) fn link<S: Host>(&self, linker: &mut Linker<S>) -> wasmtime::Result<()> {
        let mut root = linker.root();
        let mut place = match &self.signature.interface {
            Some(interface) => root.instance(interface)?,
            None => root,
        };
        let this = self.clone();
        let name = &self.signature.function;
        match self.signature.is_async {
            false => place.func_new_async(name, move |_, _, arguments, results| {
                Box::new(this.clone().cross(arguments, results))
            }),
            true => place.func_new_concurrent(name, move |_, _, arguments, results| {
                Box::pin(this.clone().cross(arguments, results))
            }),
        }
    }

    async fn cross(self, arguments: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
        let params = self.signature.params.iter();
        let values: Result<Vec<Value>, _> = params
            .zip(arguments)
            .map(|(param, val)| from_val(&param.ty, val.clone()))
            .collect();
        let result = (self.call)(values?).await?;
        match (&self.signature.result, result, results) {
            (None, _, []) => Ok(()),
            (Some(ty), Some(value), [slot]) => {
                *slot = to_val(ty, value)?;
                Ok(())
            }
            _ => Err(wasmtime::Error::msg(format!(
                "the host's `{}` gave no result",
                self.signature
            ))),
        }
    }
}
