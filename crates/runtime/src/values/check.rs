//! Whether a value is one of a type: surfaces make values, and may be wrong.

use super::mismatch::Mismatch;
use super::ty::Type;
use super::value::{Numbers, Value, length};

/// Whether a value is one of a type.
///
/// # Errors
/// It is not; the error says where.
pub fn check(ty: &Type, value: &Value) -> Result<(), Mismatch> {
    let wrong = || Err(Mismatch::expected(ty, "a value of another type"));
    let payload = |ty: Option<&Type>, value: &Option<Box<Value>>, name: &str| match (ty, value) {
        (Some(ty), Some(value)) => check(ty, value).map_err(|m| m.within(name)),
        (None, None) => Ok(()),
        _ => wrong(),
    };
    match (ty, value) {
        (Type::Bool, Value::Bool(_))
        | (Type::S8, Value::S8(_))
        | (Type::U8, Value::U8(_))
        | (Type::S16, Value::S16(_))
        | (Type::U16, Value::U16(_))
        | (Type::S32, Value::S32(_))
        | (Type::U32, Value::U32(_))
        | (Type::S64, Value::S64(_))
        | (Type::U64, Value::U64(_))
        | (Type::F32, Value::F32(_))
        | (Type::F64, Value::F64(_))
        | (Type::Char, Value::Char(_))
        | (Type::String, Value::String(_))
        | (Type::Own(_) | Type::Borrow(_), Value::Resource(_) | Value::Object(_)) => Ok(()),
        (Type::FixedList(_, wanted), list) if length(list) != Some(*wanted as usize) => wrong(),
        (Type::List(of) | Type::FixedList(of, _), Value::Numbers(numbers)) => {
            match Numbers::of(of) {
                Some(of) if of.same_type(numbers) => Ok(()),
                _ => wrong(),
            }
        }
        (Type::List(of) | Type::FixedList(of, _), Value::List(list)) => {
            // Numbers lie together always, so that there is one form of each value.
            if Numbers::of(of).is_some() && !list.is_empty() {
                return wrong();
            }
            let mut each = list.iter().enumerate();
            each.try_for_each(|(at, value)| check(of, value).map_err(|m| m.at(at)))
        }
        (Type::Map(key, of), Value::Map(entries)) => {
            let mut each = entries.iter().enumerate();
            each.try_for_each(|(at, (k, v))| {
                check(key, k)
                    .and_then(|()| check(of, v))
                    .map_err(|m| m.at(at))
            })
        }
        (Type::Tuple(types), Value::Tuple(values)) if types.len() == values.len() => {
            let mut each = types.iter().zip(values).enumerate();
            each.try_for_each(|(at, (ty, value))| check(ty, value).map_err(|m| m.at(at)))
        }
        (Type::Record(of), Value::Record(values)) if of.fields.len() == values.len() => {
            let mut each = of.fields.iter().zip(values);
            each.try_for_each(|(field, v)| check(&field.ty, v).map_err(|m| m.within(&field.name)))
        }
        (Type::Variant(of), Value::Variant(at, value)) => match of.cases.get(*at as usize) {
            Some(case) => payload(case.ty.as_ref(), value, &case.name),
            None => wrong(),
        },
        (Type::Enum(of), Value::Enum(at)) if (*at as usize) < of.cases.len() => Ok(()),
        (Type::Flags(of), Value::Flags(bits)) if u64::from(*bits) >> of.flags.len() == 0 => Ok(()),
        (Type::Option(_), Value::Option(None)) => Ok(()),
        (Type::Option(of), Value::Option(value)) => payload(Some(of), value, "some"),
        (Type::Result(of, _), Value::Result(Ok(value))) => payload(of.as_deref(), value, "ok"),
        (Type::Result(_, of), Value::Result(Err(value))) => payload(of.as_deref(), value, "err"),
        // What is in a flow is seen when it flows.
        (Type::Stream(_), Value::Stream(_)) | (Type::Future(_), Value::Future(_)) => Ok(()),
        (Type::Stream(Some(of)), list @ (Value::List(_) | Value::Numbers(_))) => {
            check(&Type::List(of.clone()), list)
        }
        (Type::Future(Some(of)), value) => check(of, value),
        _ => wrong(),
    }
}
