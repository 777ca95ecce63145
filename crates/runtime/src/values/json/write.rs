//! Values to JSON.

use super::{Bytes, Handles, Integers, Options, can_be_null};
use crate::values::{Numbers, Type, Value, each_numbers};
use base64::Engine as _;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use std::cell::RefCell;

/// The largest integer up to which every reader of JSON keeps all integers apart.
const EXACT: u64 = 1 << 53;

/// A value with all that it takes to write it.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a, 'h> {
    pub(super) ty: &'a Type,
    pub(super) value: &'a Value,
    pub(super) options: Options,
    pub(super) handles: &'a RefCell<&'h mut dyn Handles>,
}

impl<'a> Shown<'a, '_> {
    fn part(self, ty: &'a Type, value: &'a Value) -> Self {
        Shown { ty, value, ..self }
    }

    fn seq<S: Serializer>(
        self,
        to: S,
        parts: impl ExactSizeIterator<Item = (&'a Type, &'a Value)>,
    ) -> Result<S::Ok, S::Error> {
        let mut seq = to.serialize_seq(Some(parts.len()))?;
        for (ty, value) in parts {
            seq.serialize_element(&self.part(ty, value))?;
        }
        seq.end()
    }

    /// `{"name": payload}`, `null` where there is no payload.
    fn tagged<S: Serializer>(
        self,
        to: S,
        name: &str,
        ty: Option<&'a Type>,
        payload: &'a Option<Box<Value>>,
    ) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        match (ty, payload) {
            (Some(ty), Some(payload)) => map.serialize_entry(name, &self.part(ty, payload))?,
            (None, None) => map.serialize_entry(name, &())?,
            _ => return Err(misfit(self.ty)),
        }
        map.end()
    }
}

fn misfit<E: serde::ser::Error>(ty: &Type) -> E {
    E::custom(format!("the value is none of the type `{ty}`"))
}

impl Serialize for Shown<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let all = self.options.integers == Integers::Strings;
        match (self.ty, self.value) {
            (Type::Bool, Value::Bool(v)) => to.serialize_bool(*v),
            (Type::S8, Value::S8(v)) => to.serialize_i8(*v),
            (Type::U8, Value::U8(v)) => to.serialize_u8(*v),
            (Type::S16, Value::S16(v)) => to.serialize_i16(*v),
            (Type::U16, Value::U16(v)) => to.serialize_u16(*v),
            (Type::S32, Value::S32(v)) => to.serialize_i32(*v),
            (Type::U32, Value::U32(v)) => to.serialize_u32(*v),
            (Type::S64, Value::S64(v)) if all || v.unsigned_abs() > EXACT => to.collect_str(v),
            (Type::S64, Value::S64(v)) => to.serialize_i64(*v),
            (Type::U64, Value::U64(v)) if all || *v > EXACT => to.collect_str(v),
            (Type::U64, Value::U64(v)) => to.serialize_u64(*v),
            (Type::F32, Value::F32(v)) => match special(f64::from(*v)) {
                Some(word) => to.serialize_str(word),
                // The shortest digits that mean this number, not those of its wider neighbour.
                None => to.serialize_f64(v.to_string().parse().unwrap_or(f64::from(*v))),
            },
            (Type::F64, Value::F64(v)) => match special(*v) {
                Some(word) => to.serialize_str(word),
                None => to.serialize_f64(*v),
            },
            (Type::Char, Value::Char(v)) => to.serialize_char(*v),
            (Type::String, Value::String(v)) => to.serialize_str(v),
            (Type::List(of), Value::Numbers(Numbers::U8(bytes)))
            | (Type::FixedList(of, _), Value::Numbers(Numbers::U8(bytes)))
            | (Type::Stream(Some(of)), Value::Numbers(Numbers::U8(bytes)))
                if matches!(**of, Type::U8) && self.options.bytes == Bytes::Base64 =>
            {
                to.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            (
                Type::List(of) | Type::FixedList(of, _) | Type::Stream(Some(of)),
                Value::Numbers(numbers),
            ) => {
                let mut seq = to.serialize_seq(Some(numbers.len()))?;
                each_numbers!(numbers, list => for number in list {
                    seq.serialize_element(&self.part(of, &Value::from(*number)))?;
                });
                seq.end()
            }
            (
                Type::List(of) | Type::FixedList(of, _) | Type::Stream(Some(of)),
                Value::List(list),
            ) => self.seq(to, list.iter().map(|v| (&**of, v))),
            (Type::Future(Some(of)), value) if !matches!(value, Value::Future(_)) => {
                self.part(of, value).serialize(to)
            }
            (Type::Map(key, of), Value::Map(entries)) if matches!(**key, Type::String) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    let Value::String(key) = key else {
                        return Err(misfit(self.ty));
                    };
                    map.serialize_entry(key, &self.part(of, value))?;
                }
                map.end()
            }
            (Type::Map(key, of), Value::Map(entries)) => {
                let mut seq = to.serialize_seq(Some(entries.len()))?;
                for (k, v) in entries {
                    seq.serialize_element(&(self.part(key, k), self.part(of, v)))?;
                }
                seq.end()
            }
            (Type::Tuple(types), Value::Tuple(values)) if types.len() == values.len() => {
                self.seq(to, types.iter().zip(values))
            }
            (Type::Record(of), Value::Record(values)) if of.fields.len() == values.len() => {
                let mut map = to.serialize_map(Some(values.len()))?;
                for (field, value) in of.fields.iter().zip(values) {
                    map.serialize_entry(&*field.name, &self.part(&field.ty, value))?;
                }
                map.end()
            }
            (Type::Variant(of), Value::Variant(at, payload)) => {
                match (of.cases.get(*at as usize), payload) {
                    (Some(case), None) if case.ty.is_none() => to.serialize_str(&case.name),
                    (Some(case), Some(_)) => self.tagged(to, &case.name, case.ty.as_ref(), payload),
                    _ => Err(misfit(self.ty)),
                }
            }
            (Type::Enum(of), Value::Enum(at)) => match of.cases.get(*at as usize) {
                Some(case) => to.serialize_str(&case.name),
                None => Err(misfit(self.ty)),
            },
            (Type::Flags(of), Value::Flags(bits)) => to.collect_seq(
                of.flags
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| bits >> at & 1 == 1)
                    .map(|(_, flag)| &*flag.name),
            ),
            (Type::Option(_), Value::Option(None)) => to.serialize_unit(),
            (Type::Option(of), Value::Option(Some(value))) => match can_be_null(of) {
                false => self.part(of, value).serialize(to),
                true => {
                    let mut map = to.serialize_map(Some(1))?;
                    map.serialize_entry("some", &self.part(of, value))?;
                    map.end()
                }
            },
            (Type::Result(ok, _), Value::Result(Ok(payload))) => {
                self.tagged(to, "ok", ok.as_deref(), payload)
            }
            (Type::Result(_, err), Value::Result(Err(payload))) => {
                self.tagged(to, "err", err.as_deref(), payload)
            }
            (Type::Own(ty) | Type::Borrow(ty), Value::Resource(resource)) => {
                to.serialize_str(&self.handles.borrow_mut().put(*resource, ty))
            }
            _ => Err(misfit(self.ty)),
        }
    }
}

/// Floats that JSON has no numbers for.
fn special(number: f64) -> Option<&'static str> {
    match number {
        n if n.is_nan() => Some("nan"),
        f64::INFINITY => Some("inf"),
        f64::NEG_INFINITY => Some("-inf"),
        _ => None,
    }
}
