//! Functions over nothing but data: their values go from one guest's memory into the other's by way
//! of the middle's own, in which lists of numbers are one piece and nothing is known by name.
//!
//! What it cannot do goes by the engine's dynamic values: resources and streams, more parameters
//! than registers, maps and lists of a fixed length, and what is for WASI 0.3, where functions take
//! their arguments in other ways.

use super::plan::{Function, Target};
use super::{callee::Callee, define::place};
use crate::core::InstanceState;
use crate::values::Value;
use crate::values::abi::{Answer, Arguments, FLAT_PARAMS_MAX, Given, Taken};
use std::sync::Arc;
use wasmtime::component::LinkerInstance;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::{Result, StoreContextMut, bail};

/// The registers of a function's parameters, if it can go this way.
pub(super) fn registers(function: &ComponentFunc) -> Option<usize> {
    let counts = function.params().map(|(_, ty)| count(&ty));
    let count_all: usize = counts.sum::<Option<usize>>()?;
    let results = function.results().map(|ty| count(&ty));
    let results = results.collect::<Option<Vec<usize>>>()?;
    let fits = count_all <= FLAT_PARAMS_MAX && results.iter().all(|count| *count > 0);
    fits.then_some(count_all)
}

/// The registers of a value.
fn count(ty: &Type) -> Option<usize> {
    let case = |ty: Option<Type>| ty.map_or(Some(0), |ty| count(&ty));
    Some(match ty {
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::Float32
        | Type::Float64
        | Type::Char
        | Type::Enum(_) => 1,
        Type::String => 2,
        Type::List(list) => count(&list.ty()).map(|_| 2)?,
        Type::Record(record) => record
            .fields()
            .map(|field| count(&field.ty))
            .sum::<Option<_>>()?,
        Type::Tuple(tuple) => tuple.types().map(|ty| count(&ty)).sum::<Option<_>>()?,
        Type::Variant(variant) => {
            let cases = variant.cases().map(|one| case(one.ty));
            1 + cases.collect::<Option<Vec<_>>>()?.into_iter().max()?
        }
        Type::Option(option) => 1 + count(&option.ty())?,
        Type::Result(result) => 1 + case(result.ok())?.max(case(result.err())?),
        Type::Flags(flags) if flags.names().len() <= 32 => usize::from(flags.names().len() > 0),
        Type::Flags(_)
        | Type::Map(_)
        | Type::FixedLengthList(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext => return None,
    })
}

/// One Rust type for each number of registers.
macro_rules! by_count {
    ($all:expr, $linker:ident, $target:ident, $function:ident: $($count:literal)*) => {
        match $all {
            $($count => with_count::<S, $count>($linker, $target, $function),)*
            more => bail!("{more} parameters do not fit registers"),
        }
    };
}

/// Puts a function with so many registers onto the caller's linker.
pub(super) fn define<S: InstanceState>(
    linker: &mut LinkerInstance<'_, S>,
    target: Arc<Target<S>>,
    function: Arc<Function>,
    registers: usize,
) -> Result<()> {
    by_count!(registers, linker, target, function: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
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
