//! Host functions over values, on a linker: one Rust type for each number of registers that the
//! canonical ABI knows, so that no list of numbers is taken apart.

use super::registers::by_registers;
use super::{Given, Taken, registers, registers_of};
use crate::values::{Type, Value};
use std::sync::Arc;
use wasmtime::component::{Accessor, ComponentNamedList, LinkerInstance, Lower};
use wasmtime::{Error, Result, StoreContextMut};

/// What a host function does.
pub(crate) trait Does<T: 'static>: Send + Sync + 'static {
    /// For a guest that waits for it.
    fn call(
        &self,
        store: StoreContextMut<'_, T>,
        arguments: Vec<Value>,
    ) -> impl Future<Output = Result<Option<Value>>> + Send;

    /// For a guest that goes on meanwhile.
    fn call_beside(
        &self,
        store: &Accessor<T>,
        arguments: Vec<Value>,
    ) -> impl Future<Output = Result<Option<Value>>> + Send;
}

/// What the ABI sees of a host function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The registers of its parameters.
    params: usize,
    /// The registers of its result, if it has one.
    pub(crate) result: Option<usize>,
    /// Whether guests may go on beside it.
    pub(crate) is_async: bool,
}

impl Shape {
    /// Of a function over such types.
    pub(crate) fn of<'a>(
        params: impl Iterator<Item = &'a Type>,
        result: Option<&Type>,
        is_async: bool,
    ) -> Self {
        Shape {
            params: registers_of(params),
            result: result.map(registers),
            is_async,
        }
    }
}

/// Puts a function onto a linker.
pub(crate) fn define<T: Send + 'static, D: Does<T>>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    shape: Shape,
    does: Arc<D>,
) -> Result<()> {
    by_registers!(
        shape.params,
        COUNT => with_count::<T, D, COUNT>(linker, name, shape, does),
        // Where they are in memory the engine goes by the types themselves, and by no count.
        more => with_count::<T, D, 0>(linker, name, shape, does)
    )
}

fn with_count<T: Send + 'static, D: Does<T>, const COUNT: usize>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    shape: Shape,
    does: Arc<D>,
) -> Result<()> {
    match shape.result {
        Some(_) => place::<T, D, Given, COUNT>(linker, name, shape, does),
        None => place::<T, D, (), COUNT>(linker, name, shape, does),
    }
}

fn place<T: Send + 'static, D: Does<T>, G: Gives, const COUNT: usize>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    shape: Shape,
    does: Arc<D>,
) -> Result<()> {
    if shape.is_async {
        return linker.func_wrap_concurrent(name, move |store, taken: Taken<COUNT>| {
            let does = does.clone();
            Box::pin(async move { G::of(does.call_beside(store, taken.0).await?) })
        });
    }
    linker.func_wrap_async(name, move |store, taken: Taken<COUNT>| {
        let does = does.clone();
        Box::new(async move { G::of(does.call(store, taken.0).await?) })
    })
}

/// What a host function gives, as the engine wants it.
trait Gives: ComponentNamedList + Lower + Send + Sync + Sized + 'static {
    fn of(value: Option<Value>) -> Result<Self>;
}

impl Gives for () {
    fn of(_: Option<Value>) -> Result<Self> {
        Ok(())
    }
}

impl Gives for Given {
    fn of(value: Option<Value>) -> Result<Self> {
        let value = value.ok_or_else(|| Error::msg("a function of the host gave no result"))?;
        Ok(Given(value))
    }
}
