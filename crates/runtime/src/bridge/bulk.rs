//! Functions over nothing but data: their values go from one guest's memory into the other's by way
//! of the middle's own, in which lists of numbers are one piece and nothing is known by name.
//!
//! What it cannot do goes by the engine's dynamic values: resources and streams, which become something
//! else on the way; and functions of a callee that runs in a task of its own ([`super::apart`]), which are
//! handed over to that task.

use super::plan::{Function, Target};
use super::{callee::Callee, define::place};
use crate::core::InstanceState;
use crate::values::abi::{self, Answer, Arguments, Given, Taken, by_registers, fits, registers_of};
use crate::values::{Type, Value, unnamed};
use std::sync::Arc;
use wasmtime::component::LinkerInstance;
use wasmtime::component::types::ComponentFunc;
use wasmtime::{Result, StoreContextMut, bail};

/// The registers of the parameters of a function over nothing but data, if it can go this way; more than
/// the canonical ABI has lie in memory.
pub(super) fn registers(function: &ComponentFunc) -> Option<usize> {
    let params: Vec<Type> = function.params().map(|(_, ty)| unnamed(&ty)).collect();
    let results: Vec<Type> = function.results().map(|ty| unnamed(&ty)).collect();
    let all = || params.iter().chain(&results);
    // What has no register at all is given by no value.
    let fits = all().all(fits) && results.iter().all(|ty| abi::registers(ty) > 0);
    fits.then(|| registers_of(params.iter()))
}

/// Puts a function with so many registers onto the caller's linker.
pub(super) fn define<S: InstanceState>(
    linker: &mut LinkerInstance<'_, S>,
    target: Arc<Target<S>>,
    function: Arc<Function>,
    registers: usize,
) -> Result<()> {
    by_registers!(
        registers,
        COUNT => with_count::<S, COUNT>(linker, target, function),
        // Where they are in memory the engine goes by the types themselves, and by no count.
        more => with_count::<S, 0>(linker, target, function)
    )
}

fn with_count<S: InstanceState, const COUNT: usize>(
    linker: &mut LinkerInstance<'_, S>,
    target: Arc<Target<S>>,
    function: Arc<Function>,
) -> Result<()> {
    let name = function.name.clone();
    if function.results == 0 {
        return linker.func_wrap_async(&name, move |caller, taken: Taken<COUNT>| {
            let (target, function) = (target.clone(), function.clone());
            Box::new(async move { call(caller, &target, &function, taken.0).await.map(|_| ()) })
        });
    }
    linker.func_wrap_async(&name, move |caller, taken: Taken<COUNT>| {
        let (target, function) = (target.clone(), function.clone());
        Box::new(async move {
            match call(caller, &target, &function, taken.0).await? {
                Some(value) => Ok(Given(value)),
                None => bail!("{} gave nothing", function.shown),
            }
        })
    })
}

async fn call<S: InstanceState>(
    mut caller: StoreContextMut<'_, S>,
    target: &Arc<Target<S>>,
    function: &Function,
    arguments: Vec<Value>,
) -> Result<Option<Value>> {
    let crossing = caller.data_mut().core().seam.enter(function.id);
    let beside = place(&mut caller, target).beside.clone();
    let mut slot = beside.lock().await;
    let make = || target.callee.fresh(caller.data_mut(), false);
    let mut callee: Box<Callee<S>> = slot.take(target, make).await?;
    let result = callee.call_typed::<Arguments, Answer>(function, Arguments(arguments));
    let result = result.await?.0;
    slot.give_back(callee);
    caller.data_mut().core().seam.exit(crossing);
    Ok(result)
}
