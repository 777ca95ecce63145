//! The same for functions that the host provides: what a guest passes, and what it is given.

use super::lift::{self, Registers};
use super::lower::{self, Slots};
use super::{FLAT_PARAMS_MAX, flat, misfit};
use crate::values::Value;
use std::mem::MaybeUninit;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Result, ValRaw};

/// Parameters that a guest passes in so many registers: exactly as many as their types have.
pub(crate) struct Taken<const COUNT: usize>(pub(crate) Vec<Value>);

/// The one result that a guest is given.
pub(crate) struct Given(pub(crate) Value);

// SAFETY: `Lower` is an array of `ValRaw`, as the trait wants it. The engine looks that the registers
// that it has are at least as many, so that none is read beyond them. `typecheck` may say yes to every
// type, because lifting follows the component's own types.
unsafe impl<const COUNT: usize> ComponentType for Taken<COUNT> {
    type Lower = [ValRaw; COUNT];
    const ABI: CanonicalAbiInfo = flat(COUNT as u8);

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: it stands for the list of parameters as a whole, whatever they are.
unsafe impl<const COUNT: usize> ComponentNamedList for Taken<COUNT> {}

// SAFETY: registers are read through a slice whose end is checked, memory through slices whose bounds
// are checked, and alignment is checked where the canonical ABI wants it.
unsafe impl<const COUNT: usize> Lift for Taken<COUNT> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &[ValRaw; COUNT],
    ) -> Result<Self> {
        let InterfaceType::Tuple(tuple) = ty else {
            return Err(misfit());
        };
        let types = cx.types;
        let mut registers = Registers::new(from);
        let each = types[tuple].types.iter();
        each.map(|ty| lift::from_registers(cx, *ty, &mut registers))
            .collect::<Result<_>>()
            .map(Taken)
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &[u8],
    ) -> Result<Self> {
        // Parameters that lie in memory, or the result of an async function that was lifted like an
        // ordinary one. The engine takes it for as long as this type says it is, which is nothing: a
        // place in memory.
        let memory = cx.memory().as_ptr().addr();
        let start = from.as_ptr().addr().wrapping_sub(memory);
        let abi = cx.types.canonical_abi(&ty);
        if !start.is_multiple_of(abi.align32 as usize) {
            return Err(misfit());
        }
        let bytes = lift::within(cx.memory(), start, abi.size32 as usize)?;
        match lift::load(cx, ty, bytes)? {
            Value::Tuple(values) => Ok(Taken(values)),
            _ => Err(misfit()),
        }
    }
}

// SAFETY: `Lower` is one `ValRaw`: the result of a function that gives it in a register. `typecheck`
// may say yes to every type, because the value is checked against the component's own types while it
// is lowered.
unsafe impl ComponentType for Given {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = flat(1);

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: it stands for the list of results as a whole, which has one.
unsafe impl ComponentNamedList for Given {}

// SAFETY: the register is written, or this fails. Memory is written only within where the engine says
// that the result lies, and within what `realloc` gave, through slices that are checked.
unsafe impl Lower for Given {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        to: &mut MaybeUninit<[ValRaw; 1]>,
    ) -> Result<()> {
        let ty = one(cx, ty)?;
        let mut slots = [MaybeUninit::uninit(); FLAT_PARAMS_MAX];
        slots[0].write(ValRaw::u64(0));
        lower::flat(cx, ty, &self.0, &mut Slots::new(&mut slots))?;
        // SAFETY: it was written above, and perhaps again since.
        to.write([unsafe { slots[0].assume_init() }]);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let ty = one(cx, ty)?;
        lower::store_fields(cx, &[ty], std::slice::from_ref(&self.0), offset)
    }
}

/// The type of the one result.
fn one<T>(cx: &LowerContext<'_, T>, ty: InterfaceType) -> Result<InterfaceType> {
    match ty {
        InterfaceType::Tuple(tuple) => match *cx.types[tuple].types {
            [ty] => Ok(ty),
            _ => Err(misfit()),
        },
        _ => Err(misfit()),
    }
}
