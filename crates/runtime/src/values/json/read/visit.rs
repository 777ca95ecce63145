//! What each kind of JSON means where a type stands.

use super::arguments::Members;
use super::at::At;
use crate::values::mismatch::{shown, unknown};
use crate::values::value;
use crate::values::{Mismatch, Type, Value};
use base64::Engine as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a value of type {}", self.ty)
    }

    fn visit_bool<E: Error>(self, got: bool) -> Result<Value, E> {
        if let Some(inner) = self.unwrapped() {
            return inner.visit_bool(got).map(some);
        }
        match self.ty {
            Type::Bool => Ok(Value::Bool(got)),
            Type::Future(Some(of)) => self.of(of).visit_bool(got),
            _ => self.expected(got),
        }
    }

    fn visit_i64<E: Error>(self, got: i64) -> Result<Value, E> {
        match self.unwrapped() {
            Some(inner) => inner.visit_i64(got).map(some),
            None => self.integer(got.into(), &got),
        }
    }

    fn visit_u64<E: Error>(self, got: u64) -> Result<Value, E> {
        match self.unwrapped() {
            Some(inner) => inner.visit_u64(got).map(some),
            None => self.integer(got.into(), &got),
        }
    }

    fn visit_f64<E: Error>(self, got: f64) -> Result<Value, E> {
        if let Some(inner) = self.unwrapped() {
            return inner.visit_f64(got).map(some);
        }
        match self.ty {
            Type::F64 => Ok(Value::F64(got)),
            // A number too large for it would become infinite in silence.
            Type::F32 if (got as f32).is_finite() => Ok(Value::F32(got as f32)),
            Type::Future(Some(of)) => self.of(of).visit_f64(got),
            // 3.0 and 1e3 are integers to JSON, as far as it keeps them apart.
            _ if got.fract() == 0.0 && got.abs() <= (1u64 << 53) as f64 => {
                self.integer(got as i128, &got)
            }
            _ => self.expected(got),
        }
    }

    fn visit_str<E: Error>(self, got: &str) -> Result<Value, E> {
        if let Some(inner) = self.unwrapped() {
            return inner.visit_str(got).map(some);
        }
        let quoted = || format!("\"{}\"", shown(got));
        match self.ty {
            Type::String => {
                self.cx.spend(got.len())?;
                Ok(Value::String(got.to_owned()))
            }
            Type::Char => {
                let mut chars = got.chars();
                match (chars.next(), chars.next()) {
                    (Some(one), None) => Ok(Value::Char(one)),
                    _ => self.expected(quoted()),
                }
            }
            Type::F32 | Type::F64 => {
                let number = match got {
                    "nan" | "NaN" => f64::NAN,
                    "inf" | "Infinity" => f64::INFINITY,
                    "-inf" | "-Infinity" => f64::NEG_INFINITY,
                    _ => return self.expected(quoted()),
                };
                Ok(match self.ty {
                    Type::F32 => Value::F32(number as f32),
                    _ => Value::F64(number),
                })
            }
            Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64 => {
                let digits = got.strip_prefix('-').unwrap_or(got);
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                match got.parse().ok().filter(|_| plain) {
                    Some(number) => self.integer(number, &quoted()),
                    None => self.expected(quoted()),
                }
            }
            Type::Enum(of) => match of.cases.iter().position(|c| *c.name == *got) {
                Some(at) => Ok(Value::Enum(at as u32)),
                None => self.cx.fail(unknown(
                    "case",
                    got,
                    self.ty,
                    of.cases.iter().map(|c| &*c.name),
                )),
            },
            Type::Variant(of) => match of.cases.iter().position(|c| *c.name == *got) {
                Some(at) => match &of.cases[at].ty {
                    None => Ok(Value::Variant(at as u32, None)),
                    Some(ty) => {
                        let text = format!("case `{got}` of {} carries a {ty}", self.ty);
                        self.cx
                            .fail(Mismatch::new(text).help(format!("write it as {{\"{got}\": …}}")))
                    }
                },
                None => self.cx.fail(unknown(
                    "case",
                    got,
                    self.ty,
                    of.cases.iter().map(|c| &*c.name),
                )),
            },
            Type::List(of) | Type::Stream(Some(of)) if matches!(**of, Type::U8) => {
                self.cx.spend(got.len())?;
                match base64::engine::general_purpose::STANDARD.decode(got) {
                    Ok(bytes) => Ok(Value::from(bytes)),
                    Err(error) => {
                        let text = format!("expected bytes as base64, got {}: {error}", quoted());
                        self.cx
                            .fail(Mismatch::new(text).help("an array of numbers is read too"))
                    }
                }
            }
            Type::FixedList(of, length) if matches!(**of, Type::U8) => {
                match base64::engine::general_purpose::STANDARD.decode(got) {
                    Ok(bytes) if bytes.len() == *length as usize => Ok(Value::from(bytes)),
                    Ok(bytes) => self.expected(format_args!("{} bytes", bytes.len())),
                    Err(_) => self.expected(quoted()),
                }
            }
            Type::Own(ty) | Type::Borrow(ty) => match self.cx.handles.borrow_mut().get(got, ty) {
                Ok(resource) => Ok(Value::Resource(resource)),
                Err(why) => self.cx.fail(Mismatch::new(why)),
            },
            Type::Future(Some(of)) => self.of(of).visit_str(got),
            _ => self.expected(quoted()),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        match self.ty {
            Type::Option(_) => Ok(Value::Option(None)),
            _ => self.expected("null"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        if let Some(inner) = self.unwrapped() {
            return inner.visit_seq(seq).map(some);
        }
        match self.ty {
            Type::List(of) | Type::Stream(Some(of)) => self.list(of, seq),
            Type::FixedList(of, length) => {
                let list = self.list(of, seq)?;
                match value::length(&list) {
                    Some(got) if got == *length as usize => Ok(list),
                    got => self.expected(format_args!("an array of {}", got.unwrap_or_default())),
                }
            }
            Type::Tuple(types) => self.tuple(types, seq),
            Type::Flags(of) => self.flags(&of.flags, seq),
            Type::Map(key, of) => self.entries(key, of, seq),
            _ => self.expected("an array"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        if let Some(inner) = self.unwrapped() {
            return inner.visit_map(map).map(some);
        }
        match self.ty {
            Type::Record(of) => {
                self.cx.spend(of.fields.len() * size_of::<Value>())?;
                Members::Fields(&of.fields)
                    .read(self.cx, &mut map, &of.name.name)
                    .map(Value::Record)
            }
            Type::Variant(of) => {
                let cases: Vec<_> = of.cases.iter().map(|c| (&*c.name, c.ty.as_ref())).collect();
                let (at, payload) = self.tagged(&cases, map)?;
                Ok(Value::Variant(at as u32, payload))
            }
            Type::Result(ok, err) => {
                let cases = [("ok", ok.as_deref()), ("err", err.as_deref())];
                Ok(Value::Result(match self.tagged(&cases, map)? {
                    (0, payload) => Ok(payload),
                    (_, payload) => Err(payload),
                }))
            }
            Type::Option(of) => {
                let (_, payload) = self.tagged(&[("some", Some(of))], map)?;
                Ok(Value::Option(payload))
            }
            Type::Map(key, of) if matches!(**key, Type::String) => self.object(of, map),
            _ => self.expected("an object"),
        }
    }
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}
