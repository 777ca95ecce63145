//! How many registers the canonical ABI gives a value, and a Rust type for each number of them.

use crate::values::Type;

/// The registers of a value; more than any function has where it is long.
pub(crate) fn registers(ty: &Type) -> usize {
    match ty {
        Type::String | Type::List(_) | Type::Map(..) => 2,
        Type::FixedList(of, length) => registers(of).saturating_mul(*length as usize),
        Type::Record(of) => registers_of(of.fields.iter().map(|field| &field.ty)),
        Type::Tuple(types) => registers_of(types.iter()),
        Type::Option(of) => registers(of).saturating_add(1),
        Type::Variant(of) => {
            longest(of.cases.iter().filter_map(|case| case.ty.as_ref())).saturating_add(1)
        }
        Type::Result(ok, err) => {
            let both = [ok, err].into_iter().flatten();
            longest(both.map(|ty| &**ty)).saturating_add(1)
        }
        Type::Flags(of) => of.flags.len().div_ceil(32),
        _ => 1,
    }
}

fn longest<'a>(types: impl Iterator<Item = &'a Type>) -> usize {
    types.map(registers).max().unwrap_or(0)
}

/// The registers of values that stand one after the other.
pub(crate) fn registers_of<'a>(types: impl Iterator<Item = &'a Type>) -> usize {
    types.map(registers).fold(0, usize::saturating_add)
}

/// Runs code with a constant for a number of registers, or other code where there are more of them than
/// the canonical ABI ever has.
macro_rules! by_registers {
    ($count:expr, $COUNT:ident => $code:expr, more => $more:expr) => {
        $crate::values::abi::by_registers!(
            @ $count, $COUNT => $code, more => $more;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
        )
    };
    (@ $count:expr, $COUNT:ident => $code:expr, more => $more:expr; $($number:literal)*) => {
        match $count {
            $($number => {
                const $COUNT: usize = $number;
                $code
            })*
            _ => $more,
        }
    };
}
pub(crate) use by_registers;
