//! Values out of a guest: from a register, and from its memory.

use super::{misfit, numbers_of};
use crate::values::{Numbers, Raw, Value};
use wasmtime::component::__internal::{InterfaceType, LiftContext};
use wasmtime::component::{FutureAny, Lift as _, ResourceAny, StreamAny};
use wasmtime::{Error, Result, ValRaw};

/// A piece of memory, if all of it is there.
pub(super) fn within(memory: &[u8], start: usize, length: usize) -> Result<&[u8]> {
    let bytes = start
        .checked_add(length)
        .and_then(|end| memory.get(start..end));
    bytes.ok_or_else(|| Error::msg("an address is out of the bounds of memory"))
}

/// Registers that are read one after the other.
pub(super) struct Registers<'a>(&'a [ValRaw]);

impl<'a> Registers<'a> {
    pub(super) fn new(all: &'a [ValRaw]) -> Self {
        Registers(all)
    }

    fn take(&mut self, count: usize) -> Result<&'a [ValRaw]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(misfit)?;
        self.0 = rest;
        Ok(taken)
    }

    fn pair(&mut self) -> Result<&'a [ValRaw; 2]> {
        self.take(2)?.try_into().map_err(|_| misfit())
    }
}

/// Reads the flat form of a value.
pub(super) fn from_registers(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    from: &mut Registers<'_>,
) -> Result<Value> {
    use InterfaceType as I;
    let types = cx.types;
    Ok(match ty {
        I::String => Value::String(String::linear_lift_from_flat(cx, ty, from.pair()?)?),
        I::List(list) => {
            let pair = from.pair()?;
            match numbers_of(types[list].element) {
                Some(numbers) => Value::Numbers(numbers_at(cx, ty, &numbers, pair)?),
                None => {
                    let [start, length] = pair.map(|half| half.get_u32() as usize);
                    list_at(cx, types[list].element, start, length)?
                }
            }
        }
        I::Map(_) => {
            let [start, length] = from.pair()?.map(|half| half.get_u32() as usize);
            map_at(cx, ty, start, length)?
        }
        I::FixedLengthList(list) => {
            let (element, length) = (types[list].element, types[list].size as usize);
            cx.consume_fuel_array(length, size_of::<Value>())?;
            let values = (0..length).map(|_| from_registers(cx, element, from));
            fixed(element, values.collect::<Result<_>>()?)?
        }
        I::Record(record) => {
            let fields = types[record].fields.iter();
            let values = fields.map(|field| from_registers(cx, field.ty, from));
            Value::Record(values.collect::<Result<_>>()?)
        }
        I::Tuple(tuple) => {
            let parts = types[tuple].types.iter();
            let values = parts.map(|ty| from_registers(cx, *ty, from));
            Value::Tuple(values.collect::<Result<_>>()?)
        }
        I::Flags(flags) if types[flags].names.is_empty() => Value::Flags(0),
        I::Variant(_) | I::Enum(_) | I::Option(_) | I::Result(_) => {
            let count = types.canonical_abi(&ty).flat_count.ok_or_else(misfit)?;
            let (discriminant, rest) = from
                .take(usize::from(count))?
                .split_first()
                .ok_or_else(misfit)?;
            lift_case(cx, ty, discriminant.get_u32(), Payload::Registers(rest))?
        }
        _ => match from.take(1)? {
            [register] => flat(cx, ty, register)?,
            _ => return Err(misfit()),
        },
    })
}

/// What one register says.
pub(super) fn flat(cx: &mut LiftContext<'_>, ty: InterfaceType, from: &ValRaw) -> Result<Value> {
    use InterfaceType as I;
    let types = cx.types;
    Ok(match ty {
        I::Bool => Value::Bool(bool::linear_lift_from_flat(cx, ty, from)?),
        I::S8 => Value::S8(i8::linear_lift_from_flat(cx, ty, from)?),
        I::U8 => Value::U8(u8::linear_lift_from_flat(cx, ty, from)?),
        I::S16 => Value::S16(i16::linear_lift_from_flat(cx, ty, from)?),
        I::U16 => Value::U16(u16::linear_lift_from_flat(cx, ty, from)?),
        I::S32 => Value::S32(i32::linear_lift_from_flat(cx, ty, from)?),
        I::U32 => Value::U32(u32::linear_lift_from_flat(cx, ty, from)?),
        I::S64 => Value::S64(i64::linear_lift_from_flat(cx, ty, from)?),
        I::U64 => Value::U64(u64::linear_lift_from_flat(cx, ty, from)?),
        I::Float32 => Value::F32(f32::linear_lift_from_flat(cx, ty, from)?),
        I::Float64 => Value::F64(f64::linear_lift_from_flat(cx, ty, from)?),
        I::Char => Value::Char(char::linear_lift_from_flat(cx, ty, from)?),
        I::Own(_) | I::Borrow(_) => {
            Value::Resource(ResourceAny::linear_lift_from_flat(cx, ty, from)?)
        }
        I::Stream(_) => Value::Raw(Raw::Stream(StreamAny::linear_lift_from_flat(cx, ty, from)?)),
        I::Future(_) => Value::Raw(Raw::Future(FutureAny::linear_lift_from_flat(cx, ty, from)?)),
        I::Record(record) => match &*types[record].fields {
            [field] => Value::Record(vec![flat(cx, field.ty, from)?]),
            _ => return Err(misfit()),
        },
        I::Tuple(tuple) => match &*types[tuple].types {
            [ty] => Value::Tuple(vec![flat(cx, *ty, from)?]),
            _ => return Err(misfit()),
        },
        I::FixedLengthList(list) if types[list].size == 1 => {
            let element = types[list].element;
            fixed(element, vec![flat(cx, element, from)?])?
        }
        I::Flags(flags) => Value::Flags(known_flags(from.get_u32(), types[flags].names.len())),
        // Of types with cases, those alone are so short that carry nothing.
        _ => lift_case(cx, ty, from.get_u32(), Payload::None)?,
    })
}

/// Without what a guest sets beyond the flags that there are.
fn known_flags(bits: u32, count: usize) -> u32 {
    match count {
        0 => 0,
        1..=31 => bits & ((1 << count) - 1),
        _ => bits,
    }
}

/// Where the payload of a case is.
enum Payload<'a> {
    /// It has none.
    None,
    /// Within these, which are all of the value.
    Bytes(&'a [u8]),
    /// In the first of these.
    Registers(&'a [ValRaw]),
}

/// A case by its discriminant.
fn lift_case(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    discriminant: u32,
    from: Payload<'_>,
) -> Result<Value> {
    use InterfaceType as I;
    let types = cx.types;
    let out_of_range = || Error::msg(format!("there is no case {discriminant}"));
    let mut payload = |of: Option<InterfaceType>, offset: u32| -> Result<Option<Box<Value>>> {
        let Some(ty) = of else { return Ok(None) };
        cx.consume_fuel(size_of::<Value>())?;
        let value = match from {
            Payload::None => return Err(misfit()),
            Payload::Bytes(bytes) => {
                let size = types.canonical_abi(&ty).size32 as usize;
                load(cx, ty, within(bytes, offset as usize, size)?)
            }
            Payload::Registers(registers) => from_registers(cx, ty, &mut Registers::new(registers)),
        };
        value.map(|value| Some(Box::new(value)))
    };
    Ok(match ty {
        I::Variant(variant) => {
            let variant = &types[variant];
            let of = variant
                .cases
                .values()
                .nth(discriminant as usize)
                .ok_or_else(out_of_range)?;
            Value::Variant(discriminant, payload(*of, variant.info.payload_offset32)?)
        }
        I::Enum(of) if (discriminant as usize) < types[of].names.len() => Value::Enum(discriminant),
        I::Option(option) => {
            let option = &types[option];
            let offset = option.info.payload_offset32;
            match discriminant {
                0 => Value::Option(None),
                1 => Value::Option(payload(Some(option.ty), offset)?),
                _ => return Err(out_of_range()),
            }
        }
        I::Result(result) => {
            let result = &types[result];
            let offset = result.info.payload_offset32;
            match discriminant {
                0 => Value::Result(Ok(payload(result.ok, offset)?)),
                1 => Value::Result(Err(payload(result.err, offset)?)),
                _ => return Err(out_of_range()),
            }
        }
        I::Enum(_) => return Err(out_of_range()),
        _ => return Err(misfit()),
    })
}

/// Reads a value from the bytes that it has in memory.
pub(super) fn load(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Value> {
    use InterfaceType as I;
    let types = cx.types;
    let size = |ty: &InterfaceType| types.canonical_abi(ty).size32 as usize;
    Ok(match ty {
        I::Bool => Value::Bool(bool::linear_lift_from_memory(cx, ty, bytes)?),
        I::S8 => Value::S8(i8::linear_lift_from_memory(cx, ty, bytes)?),
        I::U8 => Value::U8(u8::linear_lift_from_memory(cx, ty, bytes)?),
        I::S16 => Value::S16(i16::linear_lift_from_memory(cx, ty, bytes)?),
        I::U16 => Value::U16(u16::linear_lift_from_memory(cx, ty, bytes)?),
        I::S32 => Value::S32(i32::linear_lift_from_memory(cx, ty, bytes)?),
        I::U32 => Value::U32(u32::linear_lift_from_memory(cx, ty, bytes)?),
        I::S64 => Value::S64(i64::linear_lift_from_memory(cx, ty, bytes)?),
        I::U64 => Value::U64(u64::linear_lift_from_memory(cx, ty, bytes)?),
        I::Float32 => Value::F32(f32::linear_lift_from_memory(cx, ty, bytes)?),
        I::Float64 => Value::F64(f64::linear_lift_from_memory(cx, ty, bytes)?),
        I::Char => Value::Char(char::linear_lift_from_memory(cx, ty, bytes)?),
        I::String => Value::String(String::linear_lift_from_memory(cx, ty, bytes)?),
        I::Own(_) | I::Borrow(_) => {
            Value::Resource(ResourceAny::linear_lift_from_memory(cx, ty, bytes)?)
        }
        I::Stream(_) => Value::Raw(Raw::Stream(StreamAny::linear_lift_from_memory(
            cx, ty, bytes,
        )?)),
        I::Future(_) => Value::Raw(Raw::Future(FutureAny::linear_lift_from_memory(
            cx, ty, bytes,
        )?)),
        I::List(list) => match numbers_of(types[list].element) {
            Some(numbers) => Value::Numbers(load_numbers(cx, ty, &numbers, bytes)?),
            None => load_list(cx, types[list].element, bytes)?,
        },
        I::Map(_) => {
            let (start, length) = pointer_pair(bytes)?;
            map_at(cx, ty, start, length)?
        }
        I::FixedLengthList(list) => {
            let (element, length) = (types[list].element, types[list].size as usize);
            load_fixed(cx, element, length, bytes)?
        }
        I::Record(record) => {
            let fields = &types[record].fields;
            cx.consume_fuel_array(fields.len(), size_of::<Value>())?;
            let mut next = 0;
            let values = fields.iter().map(|field| {
                let at = types.canonical_abi(&field.ty).next_field32_size(&mut next);
                load(cx, field.ty, within(bytes, at, size(&field.ty))?)
            });
            Value::Record(values.collect::<Result<_>>()?)
        }
        I::Tuple(tuple) => {
            let parts = &types[tuple].types;
            cx.consume_fuel_array(parts.len(), size_of::<Value>())?;
            let mut next = 0;
            let values = parts.iter().map(|ty| {
                let at = types.canonical_abi(ty).next_field32_size(&mut next);
                load(cx, *ty, within(bytes, at, size(ty))?)
            });
            Value::Tuple(values.collect::<Result<_>>()?)
        }
        I::Flags(flags) => {
            let bits = bits(bytes, types[flags].abi.size32)?;
            Value::Flags(known_flags(bits, types[flags].names.len()))
        }
        I::Variant(variant) => {
            let discriminant = bits(bytes, u32::from(types[variant].info.size))?;
            lift_case(cx, ty, discriminant, Payload::Bytes(bytes))?
        }
        I::Enum(of) => {
            let discriminant = bits(bytes, u32::from(types[of].info.size))?;
            lift_case(cx, ty, discriminant, Payload::Bytes(bytes))?
        }
        I::Option(_) | I::Result(_) => lift_case(cx, ty, bits(bytes, 1)?, Payload::Bytes(bytes))?,
        _ => return Err(misfit()),
    })
}

/// A number of so many bytes: 1, 2 or 4, or none.
fn bits(bytes: &[u8], size: u32) -> Result<u32> {
    let bytes = within(bytes, 0, size as usize)?;
    let mut whole = [0; 4];
    whole
        .get_mut(..bytes.len())
        .ok_or_else(misfit)?
        .copy_from_slice(bytes);
    Ok(u32::from_le_bytes(whole))
}

/// Numbers of one kind, made by an expression that is typed by it.
macro_rules! each_kind {
    ($of:expr, $make:expr) => {
        Ok(match $of {
            Numbers::S8(_) => Numbers::S8($make?),
            Numbers::U8(_) => Numbers::U8($make?),
            Numbers::S16(_) => Numbers::S16($make?),
            Numbers::U16(_) => Numbers::U16($make?),
            Numbers::S32(_) => Numbers::S32($make?),
            Numbers::U32(_) => Numbers::U32($make?),
            Numbers::S64(_) => Numbers::S64($make?),
            Numbers::U64(_) => Numbers::U64($make?),
            Numbers::F32(_) => Numbers::F32($make?),
            Numbers::F64(_) => Numbers::F64($make?),
        })
    };
}

fn load_numbers(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    of: &Numbers,
    bytes: &[u8],
) -> Result<Numbers> {
    each_kind!(of, Vec::linear_lift_from_memory(cx, ty, bytes))
}

fn numbers_at(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    of: &Numbers,
    pair: &[ValRaw; 2],
) -> Result<Numbers> {
    each_kind!(of, Vec::linear_lift_from_flat(cx, ty, pair))
}

fn load_list(cx: &mut LiftContext<'_>, of: InterfaceType, pair: &[u8]) -> Result<Value> {
    let (start, length) = pointer_pair(pair)?;
    list_at(cx, of, start, length)
}

/// Where something lies, and how long it is.
fn pointer_pair(bytes: &[u8]) -> Result<(usize, usize)> {
    let start = bits(within(bytes, 0, 4)?, 4)? as usize;
    let length = bits(within(bytes, 4, 4)?, 4)? as usize;
    Ok((start, length))
}

/// A map, which lies in memory as a list of pairs.
fn map_at(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    start: usize,
    length: usize,
) -> Result<Value> {
    let InterfaceType::Map(map) = ty else {
        return Err(misfit());
    };
    let types = cx.types;
    let map = &types[map];
    let size = map.entry_abi.size32 as usize;
    if !start.is_multiple_of(map.entry_abi.align32 as usize) {
        return Err(Error::msg("the address of a map is not aligned"));
    }
    let all = length.checked_mul(size).ok_or_else(misfit)?;
    let memory = within(cx.memory(), start, all)?;
    cx.consume_fuel_array(length, size_of::<(Value, Value)>())?;
    let bytes_of = |ty: &InterfaceType| types.canonical_abi(ty).size32 as usize;
    let (keys, values) = (bytes_of(&map.key), bytes_of(&map.value));
    let mut entries = Vec::with_capacity(length);
    for at in 0..length {
        let entry = within(memory, at * size, size)?;
        let key = load(cx, map.key, within(entry, 0, keys)?)?;
        let value = within(entry, map.value_offset32 as usize, values)?;
        entries.push((key, load(cx, map.value, value)?));
    }
    Ok(Value::Map(entries))
}

/// A list of a fixed length, whose elements lie where it does.
fn load_fixed(
    cx: &mut LiftContext<'_>,
    of: InterfaceType,
    length: usize,
    bytes: &[u8],
) -> Result<Value> {
    let size = cx.types.canonical_abi(&of).size32 as usize;
    let all = length.checked_mul(size).ok_or_else(misfit)?;
    let bytes = within(bytes, 0, all)?;
    if let Some(numbers) = numbers_of(of) {
        cx.consume_fuel_array(length, size)?;
        return Ok(Value::Numbers(numbers_in(&numbers, bytes)));
    }
    cx.consume_fuel_array(length, size_of::<Value>())?;
    let each = (0..length).map(|at| load(cx, of, within(bytes, at * size, size)?));
    Ok(Value::List(each.collect::<Result<_>>()?))
}

/// Numbers that lie one behind the other.
fn numbers_in(of: &Numbers, bytes: &[u8]) -> Numbers {
    macro_rules! each {
        ($($kind:ident $ty:ty),*) => {
            match of {
                $(Numbers::$kind(_) => {
                    let (chunks, _) = bytes.as_chunks::<{ size_of::<$ty>() }>();
                    Numbers::$kind(chunks.iter().map(|chunk| <$ty>::from_le_bytes(*chunk)).collect())
                })*
            }
        };
    }
    each!(S8 i8, U8 u8, S16 i16, U16 u16, S32 i32, U32 u32, S64 i64, U64 u64, F32 f32, F64 f64)
}

/// The elements of a list of a fixed length, in the form that values have.
fn fixed(of: InterfaceType, values: Vec<Value>) -> Result<Value> {
    let Some(mut numbers) = numbers_of(of) else {
        return Ok(Value::List(values));
    };
    match values.iter().all(|value| numbers.push(value)) {
        true => Ok(Value::Numbers(numbers)),
        false => Err(misfit()),
    }
}

fn list_at(
    cx: &mut LiftContext<'_>,
    of: InterfaceType,
    start: usize,
    length: usize,
) -> Result<Value> {
    let types = cx.types;
    let abi = types.canonical_abi(&of);
    let size = abi.size32 as usize;
    if !start.is_multiple_of(abi.align32 as usize) {
        return Err(Error::msg("the address of a list is not aligned"));
    }
    let all = length.checked_mul(size).ok_or_else(misfit)?;
    let memory = within(cx.memory(), start, all)?;
    cx.consume_fuel_array(length, size_of::<Value>())?;
    let mut values = Vec::with_capacity(length);
    for at in 0..length {
        values.push(load(cx, of, within(memory, at * size, size)?)?);
    }
    Ok(Value::List(values))
}
