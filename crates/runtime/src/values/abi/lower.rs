//! Values into a guest: into registers, and into its memory.

use super::{FLAT_PARAMS_MAX, misfit, numbers_of};
use crate::values::{Numbers, Raw, Value, each_numbers};
use std::mem::MaybeUninit;
use wasmtime::component::__internal::{InterfaceType, LowerContext};
use wasmtime::component::Lower;
use wasmtime::{Result, ValRaw};

/// Slots that are filled one after the other.
pub(super) struct Slots<'a> {
    slots: &'a mut [MaybeUninit<ValRaw>; FLAT_PARAMS_MAX],
    at: usize,
}

impl<'a> Slots<'a> {
    pub(super) fn new(slots: &'a mut [MaybeUninit<ValRaw>; FLAT_PARAMS_MAX]) -> Self {
        Slots { slots, at: 0 }
    }

    pub(super) fn put(&mut self, value: ValRaw) -> Result<()> {
        self.slots.get_mut(self.at).ok_or_else(misfit)?.write(value);
        self.at += 1;
        Ok(())
    }

    /// Fills up to a position: the flat form of a variant is as long as its longest case.
    fn fill_to(&mut self, end: usize) -> Result<()> {
        while self.at < end {
            self.put(ValRaw::u64(0))?;
        }
        Ok(())
    }
}

/// Writes the flat form of a value.
pub(super) fn flat<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    to: &mut Slots<'_>,
) -> Result<()> {
    use InterfaceType as I;
    let types = cx.types;
    match (ty, value) {
        (I::Bool, Value::Bool(v)) => to.put(ValRaw::u32(u32::from(*v))),
        (I::S8, Value::S8(v)) => to.put(ValRaw::i32(i32::from(*v))),
        (I::U8, Value::U8(v)) => to.put(ValRaw::u32(u32::from(*v))),
        (I::S16, Value::S16(v)) => to.put(ValRaw::i32(i32::from(*v))),
        (I::U16, Value::U16(v)) => to.put(ValRaw::u32(u32::from(*v))),
        (I::S32, Value::S32(v)) => to.put(ValRaw::i32(*v)),
        (I::U32, Value::U32(v)) => to.put(ValRaw::u32(*v)),
        (I::S64, Value::S64(v)) => to.put(ValRaw::i64(*v)),
        (I::U64, Value::U64(v)) => to.put(ValRaw::u64(*v)),
        (I::Float32, Value::F32(v)) => to.put(ValRaw::f32(v.to_bits())),
        (I::Float64, Value::F64(v)) => to.put(ValRaw::f64(v.to_bits())),
        (I::Char, Value::Char(v)) => to.put(ValRaw::u32(u32::from(*v))),
        (I::String, Value::String(v)) => {
            let mut pair = MaybeUninit::uninit();
            v.as_str().linear_lower_to_flat(cx, ty, &mut pair)?;
            put_pair(&pair, to)
        }
        (I::List(_), Value::Numbers(numbers)) => {
            let mut pair = MaybeUninit::uninit();
            numbers_fit(cx, ty, numbers)?;
            each_numbers!(numbers, list => {
                list.as_slice().linear_lower_to_flat(cx, ty, &mut pair)
            })?;
            put_pair(&pair, to)
        }
        (I::List(list), Value::List(values)) => {
            let start = store_list(cx, types[list].element, values)?;
            to.put(ValRaw::i64(start as i64))?;
            to.put(ValRaw::i64(values.len() as i64))
        }
        (I::Map(_), Value::Map(entries)) => {
            let start = store_map(cx, ty, entries)?;
            to.put(ValRaw::i64(start as i64))?;
            to.put(ValRaw::i64(entries.len() as i64))
        }
        (I::FixedLengthList(list), Value::Numbers(numbers)) => {
            let element = types[list].element;
            fixed_fits(element, types[list].size, numbers)?;
            // They are in registers, and so not many.
            let mut each = numbers.iter();
            each.try_for_each(|number| flat(cx, element, &number, to))
        }
        (I::FixedLengthList(list), Value::List(values)) => {
            same_length(types[list].size as usize, values.len())?;
            let element = types[list].element;
            values
                .iter()
                .try_for_each(|value| flat(cx, element, value, to))
        }
        (I::Record(record), Value::Record(values)) => {
            let fields = &types[record].fields;
            same_length(fields.len(), values.len())?;
            let mut each = fields.iter().zip(values);
            each.try_for_each(|(field, value)| flat(cx, field.ty, value, to))
        }
        (I::Tuple(tuple), Value::Tuple(values)) => {
            same_length(types[tuple].types.len(), values.len())?;
            let mut each = types[tuple].types.iter().zip(values);
            each.try_for_each(|(ty, value)| flat(cx, *ty, value, to))
        }
        (I::Flags(flags), Value::Flags(bits)) => match types[flags].names.len() {
            0 => Ok(()),
            1..=32 => to.put(ValRaw::u32(*bits)),
            _ => Err(misfit()),
        },
        (I::Own(_) | I::Borrow(_), Value::Resource(resource)) => {
            let mut handle = MaybeUninit::uninit();
            resource.linear_lower_to_flat(cx, ty, &mut handle)?;
            // SAFETY: lowering has succeeded, and then it has written the handle.
            to.put(unsafe { handle.assume_init() })
        }
        (I::Stream(_), Value::Raw(Raw::Stream(end))) => {
            let mut handle = MaybeUninit::uninit();
            end.linear_lower_to_flat(cx, ty, &mut handle)?;
            // SAFETY: lowering has succeeded, and then it has written the handle.
            to.put(unsafe { handle.assume_init() })
        }
        (I::Future(_), Value::Raw(Raw::Future(end))) => {
            let mut handle = MaybeUninit::uninit();
            end.linear_lower_to_flat(cx, ty, &mut handle)?;
            // SAFETY: lowering has succeeded, and then it has written the handle.
            to.put(unsafe { handle.assume_init() })
        }
        _ => {
            let case = case(cx, ty, value)?;
            let count = types.canonical_abi(&ty).flat_count.ok_or_else(misfit)?;
            let end = to.at + usize::from(count);
            to.put(ValRaw::u32(case.discriminant))?;
            if let Some((ty, value)) = case.payload {
                flat(cx, ty, value, to)?;
            }
            to.fill_to(end)
        }
    }
}

fn put_pair(pair: &MaybeUninit<[ValRaw; 2]>, to: &mut Slots<'_>) -> Result<()> {
    // SAFETY: lowering a list or a string has succeeded, and then it has written both.
    let [start, length] = unsafe { pair.assume_init_ref() };
    to.put(*start)?;
    to.put(*length)
}

fn same_length(a: usize, b: usize) -> Result<()> {
    if a == b { Ok(()) } else { Err(misfit()) }
}

/// Whether a list's elements are those of the numbers.
fn numbers_fit<T>(cx: &LowerContext<'_, T>, ty: InterfaceType, numbers: &Numbers) -> Result<()> {
    let InterfaceType::List(list) = ty else {
        return Err(misfit());
    };
    match numbers_of(cx.types[list].element) {
        Some(of) if of.same_type(numbers) => Ok(()),
        _ => Err(misfit()),
    }
}

/// Whether the numbers are all of a list of a fixed length.
fn fixed_fits(element: InterfaceType, length: u32, numbers: &Numbers) -> Result<()> {
    same_length(length as usize, numbers.len())?;
    match numbers_of(element) {
        Some(of) if of.same_type(numbers) => Ok(()),
        _ => Err(misfit()),
    }
}

/// One case of a type that has cases.
struct CaseOf<'a> {
    discriminant: u32,
    payload: Option<(InterfaceType, &'a Value)>,
    /// How many bytes the discriminant has in memory, and where the payload begins.
    discriminant_bytes: u32,
    payload_offset: usize,
}

fn case<'a, T>(
    cx: &LowerContext<'_, T>,
    ty: InterfaceType,
    value: &'a Value,
) -> Result<CaseOf<'a>> {
    use InterfaceType as I;
    let types = cx.types;
    let (at, of, payload, info) = match (ty, value) {
        (I::Variant(variant), Value::Variant(at, payload)) => {
            let variant = &types[variant];
            let of = variant
                .cases
                .values()
                .nth(*at as usize)
                .ok_or_else(misfit)?;
            (*at, *of, payload.as_deref(), &variant.info)
        }
        (I::Enum(of), Value::Enum(at)) if (*at as usize) < types[of].names.len() => {
            (*at, None, None, &types[of].info)
        }
        (I::Option(option), Value::Option(payload)) => {
            let option = &types[option];
            let of = payload.as_ref().map(|_| option.ty);
            (
                u32::from(payload.is_some()),
                of,
                payload.as_deref(),
                &option.info,
            )
        }
        (I::Result(result), Value::Result(Ok(payload))) => {
            (0, types[result].ok, payload.as_deref(), &types[result].info)
        }
        (I::Result(result), Value::Result(Err(payload))) => (
            1,
            types[result].err,
            payload.as_deref(),
            &types[result].info,
        ),
        _ => return Err(misfit()),
    };
    Ok(CaseOf {
        discriminant: at,
        payload: match (of, payload) {
            (Some(ty), Some(value)) => Some((ty, value)),
            (None, None) => None,
            _ => return Err(misfit()),
        },
        discriminant_bytes: u32::from(info.size),
        payload_offset: info.payload_offset32 as usize,
    })
}

/// Writes values one behind the other, as a record has them.
pub(super) fn store_fields<T>(
    cx: &mut LowerContext<'_, T>,
    fields: &[InterfaceType],
    values: &[Value],
    start: usize,
) -> Result<()> {
    same_length(fields.len(), values.len())?;
    let mut offset = 0;
    for (ty, value) in fields.iter().zip(values) {
        let at = cx.types.canonical_abi(ty).next_field32_size(&mut offset);
        store(cx, *ty, value, start + at)?;
    }
    Ok(())
}

/// Writes the elements of a list into memory that it takes for them; gives its address.
fn store_list<T>(
    cx: &mut LowerContext<'_, T>,
    of: InterfaceType,
    values: &[Value],
) -> Result<usize> {
    let abi = cx.types.canonical_abi(&of);
    let (size, align) = (abi.size32 as usize, abi.align32);
    let bytes = values.len().checked_mul(size).ok_or_else(misfit)?;
    let start = cx.realloc(0, 0, align, bytes)?;
    for (at, value) in values.iter().enumerate() {
        store(cx, of, value, start + at * size)?;
    }
    Ok(start)
}

/// Writes the entries of a map into memory that it takes for them, as a list of pairs; gives its
/// address.
fn store_map<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    entries: &[(Value, Value)],
) -> Result<usize> {
    let InterfaceType::Map(map) = ty else {
        return Err(misfit());
    };
    let types = cx.types;
    let map = &types[map];
    let size = map.entry_abi.size32 as usize;
    let bytes = entries.len().checked_mul(size).ok_or_else(misfit)?;
    let start = cx.realloc(0, 0, map.entry_abi.align32, bytes)?;
    for (at, (key, value)) in entries.iter().enumerate() {
        let entry = start + at * size;
        store(cx, map.key, key, entry)?;
        store(cx, map.value, value, entry + map.value_offset32 as usize)?;
    }
    Ok(start)
}

fn store<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    offset: usize,
) -> Result<()> {
    use InterfaceType as I;
    let types = cx.types;
    match (ty, value) {
        (I::Bool, Value::Bool(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::S8, Value::S8(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::U8, Value::U8(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::S16, Value::S16(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::U16, Value::U16(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::S32, Value::S32(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::U32, Value::U32(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::S64, Value::S64(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::U64, Value::U64(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::Float32, Value::F32(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::Float64, Value::F64(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::Char, Value::Char(v)) => v.linear_lower_to_memory(cx, ty, offset),
        (I::String, Value::String(v)) => v.as_str().linear_lower_to_memory(cx, ty, offset),
        (I::List(_), Value::Numbers(numbers)) => {
            numbers_fit(cx, ty, numbers)?;
            each_numbers!(numbers, list => {
                list.as_slice().linear_lower_to_memory(cx, ty, offset)
            })
        }
        (I::List(list), Value::List(values)) => {
            let start = store_list(cx, types[list].element, values)?;
            put_u32(cx, offset, u32::try_from(start)?);
            put_u32(cx, offset + 4, u32::try_from(values.len())?);
            Ok(())
        }
        (I::Map(_), Value::Map(entries)) => {
            let start = store_map(cx, ty, entries)?;
            put_u32(cx, offset, u32::try_from(start)?);
            put_u32(cx, offset + 4, u32::try_from(entries.len())?);
            Ok(())
        }
        (I::FixedLengthList(list), Value::Numbers(numbers)) => {
            let element = types[list].element;
            fixed_fits(element, types[list].size, numbers)?;
            each_numbers!(numbers, list => {
                Lower::linear_store_list_to_memory(cx, element, offset, list.as_slice())
            })
        }
        (I::FixedLengthList(list), Value::List(values)) => {
            let element = types[list].element;
            same_length(types[list].size as usize, values.len())?;
            let size = types.canonical_abi(&element).size32 as usize;
            let mut each = values.iter().enumerate();
            each.try_for_each(|(at, value)| store(cx, element, value, offset + at * size))
        }
        (I::Record(record), Value::Record(values)) => {
            let fields = &types[record].fields;
            same_length(fields.len(), values.len())?;
            let mut next = 0;
            fields.iter().zip(values).try_for_each(|(field, value)| {
                let at = types.canonical_abi(&field.ty).next_field32_size(&mut next);
                store(cx, field.ty, value, offset + at)
            })
        }
        (I::Tuple(tuple), Value::Tuple(values)) => {
            store_fields(cx, &types[tuple].types, values, offset)
        }
        (I::Flags(flags), Value::Flags(bits)) => {
            if types[flags].names.len() > 32 {
                return Err(misfit());
            }
            put_bits(cx, offset, types[flags].abi.size32, *bits);
            Ok(())
        }
        (I::Own(_) | I::Borrow(_), Value::Resource(resource)) => {
            resource.linear_lower_to_memory(cx, ty, offset)
        }
        (I::Stream(_), Value::Raw(Raw::Stream(end))) => end.linear_lower_to_memory(cx, ty, offset),
        (I::Future(_), Value::Raw(Raw::Future(end))) => end.linear_lower_to_memory(cx, ty, offset),
        _ => {
            let case = case(cx, ty, value)?;
            put_bits(cx, offset, case.discriminant_bytes, case.discriminant);
            match case.payload {
                Some((ty, value)) => store(cx, ty, value, offset + case.payload_offset),
                None => Ok(()),
            }
        }
    }
}

fn put_u32<T>(cx: &mut LowerContext<'_, T>, offset: usize, value: u32) {
    *cx.get::<4>(offset) = value.to_le_bytes();
}

/// Writes a number of so many bytes: 1, 2 or 4, or none.
fn put_bits<T>(cx: &mut LowerContext<'_, T>, offset: usize, bytes: u32, value: u32) {
    let [a, b, ..] = value.to_le_bytes();
    match bytes {
        0 => {}
        1 => *cx.get::<1>(offset) = [a],
        2 => *cx.get::<2>(offset) = [a, b],
        _ => put_u32(cx, offset, value),
    }
}
