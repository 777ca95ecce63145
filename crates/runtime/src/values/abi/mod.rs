//! Values straight into a guest's memory and out of it, by the engine's own typed path: no value is
//! built twice, and lists of numbers are copied as a whole.
//!
//! The engine's typed functions want a Rust type for each parameter list. Here is one Rust type for
//! all of them, which looks up what to do in the component's types, as the engine's dynamic values
//! do. This is the wall behind which that is unsafe; what it must hold stands at each `unsafe impl`.

pub(crate) mod define;
mod host;
mod lift;
mod lower;
mod registers;

pub(crate) use host::{Given, Taken};
pub(crate) use registers::{by_registers, registers, registers_of};

use super::ty::Type;
use super::value::{Numbers, Value};
use lower::Slots;
use std::mem::MaybeUninit;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Error, Result, ValRaw};

/// Parameters that the canonical ABI passes in registers; more are passed in memory.
pub(crate) const FLAT_PARAMS_MAX: usize = 16;

/// All arguments of a call.
pub(crate) struct Arguments(pub(crate) Vec<Value>);

/// What a call gives.
pub(crate) struct Answer(pub(crate) Option<Value>);

/// Whether values of a type can go this way.
pub(crate) fn fits(ty: &Type) -> bool {
    match ty {
        Type::ErrorContext => false,
        _ => ty.parts().into_iter().all(fits),
    }
}

const fn flat(count: u8) -> CanonicalAbiInfo {
    CanonicalAbiInfo {
        size32: 0,
        align32: 1,
        size64: 0,
        align64: 1,
        flat_count: Some(count),
    }
}

// SAFETY: `Lower` is an array of `ValRaw`, as the trait wants it, and as long as the canonical ABI
// ever has it: the engine passes it to a function that reads as many of them as it has parameters.
// It is never passed in memory by the engine, because it is not longer than `FLAT_PARAMS_MAX`; where
// the component wants that, `linear_lower_to_flat` does it. `typecheck` may say yes to every type,
// because each value is checked against the component's own types while it is lowered.
unsafe impl ComponentType for Arguments {
    type Lower = [ValRaw; FLAT_PARAMS_MAX];
    const ABI: CanonicalAbiInfo = flat(FLAT_PARAMS_MAX as u8);

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: it stands for the list of parameters as a whole, whatever they are; see above.
unsafe impl ComponentNamedList for Arguments {}

// SAFETY: every slot that the function reads is written, or this fails: `lower::flat` writes as many
// as the type's flat form has. Memory is written only within what `realloc` gave, whose bounds the
// engine has checked, and through slices that are checked again.
unsafe impl Lower for Arguments {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        to: &mut MaybeUninit<[ValRaw; FLAT_PARAMS_MAX]>,
    ) -> Result<()> {
        // SAFETY: an array that may be uninitialised has the same layout as an array of what may be.
        let slots = unsafe {
            &mut *to
                .as_mut_ptr()
                .cast::<[MaybeUninit<ValRaw>; FLAT_PARAMS_MAX]>()
        };
        let InterfaceType::Tuple(tuple) = ty else {
            return Err(misfit());
        };
        let types = cx.types;
        let tuple = &types[tuple];
        if tuple.types.len() != self.0.len() {
            return Err(misfit());
        }
        let mut slots = Slots::new(slots);
        if tuple
            .abi
            .flat_count
            .is_some_and(|count| usize::from(count) <= FLAT_PARAMS_MAX)
        {
            for (ty, value) in tuple.types.iter().zip(&self.0) {
                lower::flat(cx, *ty, value, &mut slots)?;
            }
            return Ok(());
        }
        let start = cx.realloc(0, 0, tuple.abi.align32, tuple.abi.size32 as usize)?;
        lower::store_fields(cx, &tuple.types, &self.0, start)?;
        // Of 64 bits, whose upper half a memory of 32 bits does not read.
        slots.put(ValRaw::i64(start as i64))
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> Result<()> {
        // Parameters are never an element of something.
        Err(misfit())
    }
}

// SAFETY: `Lower` is one `ValRaw`: what a function gives by itself, or the address of it. `typecheck`
// may say yes to every type, because lifting follows the component's own types.
unsafe impl ComponentType for Answer {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = flat(1);

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: it stands for the list of results as a whole.
unsafe impl ComponentNamedList for Answer {}

// SAFETY: memory is read through slices whose bounds are checked, alignment is checked where the
// canonical ABI wants it, and the slot is read only where the function's type has a result.
unsafe impl Lift for Answer {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &[ValRaw; 1],
    ) -> Result<Self> {
        let InterfaceType::Tuple(tuple) = ty else {
            return Err(misfit());
        };
        let types = cx.types;
        let tuple = &types[tuple];
        let [ty] = *tuple.types else {
            return if tuple.types.is_empty() {
                Ok(Answer(None))
            } else {
                Err(misfit())
            };
        };
        let abi = types.canonical_abi(&ty);
        if abi.flat_count.is_some_and(|count| count <= 1) {
            return lift::flat(cx, ty, &from[0]).map(|value| Answer(Some(value)));
        }
        let start = from[0].get_u32() as usize;
        if !start.is_multiple_of(abi.align32 as usize) {
            return Err(Error::msg("the address of the result is not aligned"));
        }
        let bytes = lift::within(cx.memory(), start, abi.size32 as usize)?;
        lift::load(cx, ty, bytes).map(|value| Answer(Some(value)))
    }

    fn linear_lift_from_memory(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &[u8],
    ) -> Result<Self> {
        // Results are never an element of something.
        Err(misfit())
    }
}

/// The value is not one of the component's type. Whoever calls has checked it, so this is a bug.
fn misfit() -> Error {
    Error::msg("a value does not fit the type of the component")
}

/// An empty list of an element's numbers, where it is a number.
fn numbers_of(element: InterfaceType) -> Option<Numbers> {
    Numbers::of(&match element {
        InterfaceType::S8 => Type::S8,
        InterfaceType::U8 => Type::U8,
        InterfaceType::S16 => Type::S16,
        InterfaceType::U16 => Type::U16,
        InterfaceType::S32 => Type::S32,
        InterfaceType::U32 => Type::U32,
        InterfaceType::S64 => Type::S64,
        InterfaceType::U64 => Type::U64,
        InterfaceType::Float32 => Type::F32,
        InterfaceType::Float64 => Type::F64,
        _ => return None,
    })
}
