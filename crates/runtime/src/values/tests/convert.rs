//! Between [`Value`] and the engine's own dynamic values, to see that both ways into a guest agree.

use crate::values::{Mismatch, Numbers, Type, Value, each_numbers};
use wasmtime::component::Val;

/// A value of a type without flows as the engine has it.
pub(super) fn to_val(ty: &Type, value: Value) -> Result<Val, Mismatch> {
    let wrong = || Mismatch::expected(ty, "a value of another type");
    let optional = |ty: Option<&Type>, value: Option<Box<Value>>| match (ty, value) {
        (Some(ty), Some(v)) => to_val(ty, *v).map(|v| Some(Box::new(v))),
        (None, None) => Ok(None),
        _ => Err(wrong()),
    };
    Ok(match (ty, value) {
        (Type::Bool, Value::Bool(v)) => Val::Bool(v),
        (Type::S8, Value::S8(v)) => Val::S8(v),
        (Type::U8, Value::U8(v)) => Val::U8(v),
        (Type::S16, Value::S16(v)) => Val::S16(v),
        (Type::U16, Value::U16(v)) => Val::U16(v),
        (Type::S32, Value::S32(v)) => Val::S32(v),
        (Type::U32, Value::U32(v)) => Val::U32(v),
        (Type::S64, Value::S64(v)) => Val::S64(v),
        (Type::U64, Value::U64(v)) => Val::U64(v),
        (Type::F32, Value::F32(v)) => Val::Float32(v),
        (Type::F64, Value::F64(v)) => Val::Float64(v),
        (Type::Char, Value::Char(v)) => Val::Char(v),
        (Type::String, Value::String(v)) => Val::String(v),
        (Type::List(of), value) => Val::List(list(ty, of, value)?),
        (Type::FixedList(of, length), value) => match list(ty, of, value)? {
            list if list.len() == *length as usize => Val::FixedLengthList(list),
            list => return Err(Mismatch::expected(ty, format_args!("{} items", list.len()))),
        },
        (Type::Map(key, of), Value::Map(entries)) => Val::Map(
            entries
                .into_iter()
                .map(|(k, v)| Ok((to_val(key, k)?, to_val(of, v)?)))
                .collect::<Result<_, Mismatch>>()?,
        ),
        (Type::Tuple(types), Value::Tuple(values)) if types.len() == values.len() => Val::Tuple(
            types
                .iter()
                .zip(values)
                .enumerate()
                .map(|(at, (ty, v))| to_val(ty, v).map_err(|m| m.at(at)))
                .collect::<Result<_, _>>()?,
        ),
        (Type::Record(of), Value::Record(values)) if of.fields.len() == values.len() => {
            Val::Record(
                of.fields
                    .iter()
                    .zip(values)
                    .map(|(field, v)| {
                        let value = to_val(&field.ty, v).map_err(|m| m.within(&field.name))?;
                        Ok((field.name.to_string(), value))
                    })
                    .collect::<Result<_, Mismatch>>()?,
            )
        }
        (Type::Variant(of), Value::Variant(at, payload)) => {
            let case = of.cases.get(at as usize).ok_or_else(wrong)?;
            let payload = optional(case.ty.as_ref(), payload).map_err(|m| m.within(&case.name))?;
            Val::Variant(case.name.to_string(), payload)
        }
        (Type::Enum(of), Value::Enum(at)) => Val::Enum(
            of.cases
                .get(at as usize)
                .ok_or_else(wrong)?
                .name
                .to_string(),
        ),
        (Type::Flags(of), Value::Flags(bits)) => {
            if u64::from(bits) >> of.flags.len() != 0 {
                return Err(wrong());
            }
            let set = of
                .flags
                .iter()
                .enumerate()
                .filter(|(at, _)| bits >> at & 1 == 1);
            Val::Flags(set.map(|(_, flag)| flag.name.to_string()).collect())
        }
        (Type::Option(_), Value::Option(None)) => Val::Option(None),
        (Type::Option(of), Value::Option(value)) => Val::Option(optional(Some(of), value)?),
        (Type::Result(ok, _), Value::Result(Ok(value))) => {
            Val::Result(Ok(
                optional(ok.as_deref(), value).map_err(|m| m.within("ok"))?
            ))
        }
        (Type::Result(_, err), Value::Result(Err(value))) => {
            Val::Result(Err(
                optional(err.as_deref(), value).map_err(|m| m.within("err"))?
            ))
        }
        (Type::Own(_) | Type::Borrow(_), Value::Resource(resource)) => Val::Resource(resource),
        _ => return Err(wrong()),
    })
}

fn list(ty: &Type, of: &Type, value: Value) -> Result<Vec<Val>, Mismatch> {
    match value {
        Value::List(list) => list
            .into_iter()
            .enumerate()
            .map(|(at, v)| to_val(of, v).map_err(|m| m.at(at)))
            .collect(),
        Value::Numbers(numbers) if Numbers::of(of).is_some_and(|n| n.same_type(&numbers)) => {
            Ok(each_numbers!(numbers, list => list.into_iter().map(number).collect()))
        }
        _ => Err(Mismatch::expected(ty, "a value of another type")),
    }
}

fn number<T: Copy + Into<Value>>(number: T) -> Val {
    match number.into() {
        Value::S8(v) => Val::S8(v),
        Value::U8(v) => Val::U8(v),
        Value::S16(v) => Val::S16(v),
        Value::U16(v) => Val::U16(v),
        Value::S32(v) => Val::S32(v),
        Value::U32(v) => Val::U32(v),
        Value::S64(v) => Val::S64(v),
        Value::U64(v) => Val::U64(v),
        Value::F32(v) => Val::Float32(v),
        Value::F64(v) => Val::Float64(v),
        _ => Val::Bool(false),
    }
}

/// A value from the engine's own.
pub(super) fn from_val(ty: &Type, val: Val) -> Result<Value, Mismatch> {
    let wrong = || Mismatch::expected(ty, "a value of another type");
    let inner = |ty: Option<&Type>, val: Option<Box<Val>>| match (ty, val) {
        (Some(ty), Some(val)) => from_val(ty, *val).map(|v| Some(Box::new(v))),
        (None, None) => Ok(None),
        _ => Err(wrong()),
    };
    Ok(match (ty, val) {
        (Type::Bool, Val::Bool(v)) => Value::Bool(v),
        (Type::S8, Val::S8(v)) => Value::S8(v),
        (Type::U8, Val::U8(v)) => Value::U8(v),
        (Type::S16, Val::S16(v)) => Value::S16(v),
        (Type::U16, Val::U16(v)) => Value::U16(v),
        (Type::S32, Val::S32(v)) => Value::S32(v),
        (Type::U32, Val::U32(v)) => Value::U32(v),
        (Type::S64, Val::S64(v)) => Value::S64(v),
        (Type::U64, Val::U64(v)) => Value::U64(v),
        (Type::F32, Val::Float32(v)) => Value::F32(v),
        (Type::F64, Val::Float64(v)) => Value::F64(v),
        (Type::Char, Val::Char(v)) => Value::Char(v),
        (Type::String, Val::String(v)) => Value::String(v),
        (Type::List(of), Val::List(list))
        | (Type::FixedList(of, _), Val::FixedLengthList(list)) => match Numbers::of(of) {
            Some(mut numbers) => {
                for val in list {
                    if !numbers.push(&from_val(of, val)?) {
                        return Err(wrong());
                    }
                }
                Value::Numbers(numbers)
            }
            None => Value::List(
                list.into_iter()
                    .map(|val| from_val(of, val))
                    .collect::<Result<_, _>>()?,
            ),
        },
        (Type::Map(key, of), Val::Map(entries)) => Value::Map(
            entries
                .into_iter()
                .map(|(k, v)| Ok((from_val(key, k)?, from_val(of, v)?)))
                .collect::<Result<_, Mismatch>>()?,
        ),
        (Type::Tuple(types), Val::Tuple(vals)) if types.len() == vals.len() => Value::Tuple(
            types
                .iter()
                .zip(vals)
                .map(|(ty, v)| from_val(ty, v))
                .collect::<Result<_, _>>()?,
        ),
        (Type::Record(of), Val::Record(vals)) if of.fields.len() == vals.len() => Value::Record(
            of.fields
                .iter()
                .zip(vals)
                .map(|(field, (_, v))| from_val(&field.ty, v))
                .collect::<Result<_, _>>()?,
        ),
        (Type::Variant(of), Val::Variant(name, payload)) => {
            let at = of
                .cases
                .iter()
                .position(|c| *c.name == *name)
                .ok_or_else(wrong)?;
            Value::Variant(at as u32, inner(of.cases[at].ty.as_ref(), payload)?)
        }
        (Type::Enum(of), Val::Enum(name)) => {
            let at = of
                .cases
                .iter()
                .position(|c| *c.name == *name)
                .ok_or_else(wrong)?;
            Value::Enum(at as u32)
        }
        (Type::Flags(of), Val::Flags(names)) => {
            let mut bits = 0;
            for name in names {
                let at = of
                    .flags
                    .iter()
                    .position(|f| *f.name == *name)
                    .ok_or_else(wrong)?;
                bits |= 1 << at;
            }
            Value::Flags(bits)
        }
        (Type::Option(_), Val::Option(None)) => Value::Option(None),
        (Type::Option(of), Val::Option(val)) => Value::Option(inner(Some(of), val)?),
        (Type::Result(ok, _), Val::Result(Ok(val))) => {
            Value::Result(Ok(inner(ok.as_deref(), val)?))
        }
        (Type::Result(_, err), Val::Result(Err(val))) => {
            Value::Result(Err(inner(err.as_deref(), val)?))
        }
        (Type::Own(_) | Type::Borrow(_), Val::Resource(resource)) => Value::Resource(resource),
        _ => return Err(wrong()),
    })
}
