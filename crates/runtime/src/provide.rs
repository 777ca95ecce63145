//! Imports that whoever embeds Holm provides, beside the capabilities: functions over values.

use crate::link::Host;
use crate::values::abi::define::{Does, Shape, define};
use crate::values::{Signature, Value, check};
use futures::future::BoxFuture;
use std::sync::Arc;
use wasmtime::component::{Accessor, Linker};
use wasmtime::{Error, Result, StoreContextMut};

/// What such a function does: from arguments to the result, if its signature has one. An error
/// traps the guest, and comes out of the call that it made as the cause.
pub type Call = Arc<dyn Fn(Vec<Value>) -> BoxFuture<'static, Result<Option<Value>>> + Send + Sync>;

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

    pub(crate) fn link<S: Host>(&self, linker: &mut Linker<S>) -> Result<()> {
        let mut root = linker.root();
        let mut place = match &self.signature.interface {
            Some(interface) => root.instance(interface)?,
            None => root,
        };
        let Signature {
            params,
            result,
            is_async,
            ..
        } = &*self.signature;
        let params = params.iter().map(|param| &param.ty);
        let shape = Shape::of(params, result.as_ref(), *is_async);
        define(
            &mut place,
            &self.signature.function,
            shape,
            Arc::new(self.clone()),
        )
    }

    async fn cross(&self, arguments: Vec<Value>) -> Result<Option<Value>> {
        // Nobody opens those of a host function.
        if self.signature.types().any(|ty| ty.flows()) {
            return Err(Error::msg(format!(
                "the host's `{}` has a stream or a future, which cannot stand there",
                self.signature
            )));
        }
        let result = (self.call)(arguments).await?;
        match (&self.signature.result, result) {
            (None, _) => Ok(None),
            (Some(ty), Some(value)) => {
                check(ty, &value)?;
                Ok(Some(value))
            }
            (Some(_), None) => Err(Error::msg(format!(
                "the host's `{}` gave no result",
                self.signature
            ))),
        }
    }
}

impl<S: Host> Does<S> for Provided {
    async fn call(
        &self,
        _: StoreContextMut<'_, S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        self.cross(arguments).await
    }

    async fn call_beside(&self, _: &Accessor<S>, arguments: Vec<Value>) -> Result<Option<Value>> {
        self.cross(arguments).await
    }
}
