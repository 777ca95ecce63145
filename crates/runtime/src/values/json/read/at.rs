//! A place in a value, and what may stand there as an array or an object.

use super::{Anything, Reading, kind};
use crate::values::json::can_be_null;
use crate::values::mismatch::{shown, unknown};
use crate::values::value::repeated_key;
use crate::values::{Label, Mismatch, Numbers, Type, Value};
use serde::de::{Error, MapAccess, SeqAccess};
use std::fmt;

/// A place where a value of a type is to stand.
#[derive(Clone, Copy)]
pub(in crate::values::json) struct At<'a, 'h> {
    pub(super) cx: &'a Reading<'h>,
    pub(super) ty: &'a Type,
}

impl<'a, 'h> At<'a, 'h> {
    pub(in crate::values::json) fn new(cx: &'a Reading<'h>, ty: &'a Type) -> Self {
        At { cx, ty }
    }

    /// The same place, for a part of the type.
    pub(super) fn of(self, ty: &'a Type) -> Self {
        At { ty, ..self }
    }

    pub(super) fn expected<E: Error>(self, got: impl fmt::Display) -> Result<Value, E> {
        self.cx.fail(Mismatch::expected(self.ty, got))
    }

    /// Where an option stands and something is given: the place of what the option may hold.
    pub(super) fn unwrapped(self) -> Option<Self> {
        match self.ty {
            Type::Option(of) if !can_be_null(of) => Some(self.of(of)),
            _ => None,
        }
    }

    pub(super) fn integer<E: Error>(
        self,
        number: i128,
        got: &dyn fmt::Display,
    ) -> Result<Value, E> {
        macro_rules! within {
            ($($case:ident $rust:ty),*) => {
                match self.ty {
                    $(Type::$case => <$rust>::try_from(number).ok().map(Value::$case),)*
                    Type::F32 => Some(Value::F32(number as f32)),
                    Type::F64 => Some(Value::F64(number as f64)),
                    Type::Future(Some(of)) => return self.of(of).integer(number, got),
                    _ => None,
                }
            };
        }
        let value = within!(S8 i8, U8 u8, S16 i16, U16 u16, S32 i32, U32 u32, S64 i64, U64 u64);
        match value {
            Some(value) => Ok(value),
            None => self.expected(got),
        }
    }

    /// Reads an array of items of one type.
    pub(super) fn list<'de, A: SeqAccess<'de>>(
        self,
        of: &'a Type,
        mut seq: A,
    ) -> Result<Value, A::Error> {
        if let Some(mut numbers) = Numbers::of(of) {
            for at in 0.. {
                let next = seq.next_element_seed(self.of(of));
                match self.cx.within(next, |m| m.at(at))? {
                    Some(number) => numbers.push(&number),
                    None => break,
                };
                self.cx.spend(numbers.size())?;
            }
            return Ok(Value::Numbers(numbers));
        }
        let mut list = Vec::new();
        for at in 0.. {
            let next = seq.next_element_seed(self.of(of));
            match self.cx.within(next, |m| m.at(at))? {
                Some(value) => list.push(value),
                None => break,
            }
            self.cx.spend(size_of::<Value>())?;
        }
        Ok(Value::List(list))
    }

    pub(super) fn tuple<'de, A: SeqAccess<'de>>(
        self,
        types: &'a [Type],
        mut seq: A,
    ) -> Result<Value, A::Error> {
        let mut values = Vec::with_capacity(types.len());
        for (at, ty) in types.iter().enumerate() {
            let next = seq.next_element_seed(self.of(ty));
            match self.cx.within(next, |m| m.at(at))? {
                Some(value) => values.push(value),
                None => return self.expected(format_args!("an array of {at}")),
            }
        }
        match seq.next_element_seed(Anything)? {
            Some(()) => self.expected(format_args!("an array of more than {}", types.len())),
            None => {
                self.cx.spend(types.len() * size_of::<Value>())?;
                Ok(Value::Tuple(values))
            }
        }
    }

    /// Reads an array of names.
    pub(super) fn flags<'de, A: SeqAccess<'de>>(
        self,
        flags: &[Label],
        mut seq: A,
    ) -> Result<Value, A::Error> {
        let mut bits = 0u32;
        let mut at = 0;
        while let Some(name) = seq.next_element::<serde_json::Value>()? {
            let place = |m: Mismatch| m.at(at);
            let Some(name) = name.as_str() else {
                let mismatch = Mismatch::expected(
                    format_args!("the name of a flag of {}", self.ty),
                    kind(&name),
                );
                return self.cx.fail(place(mismatch));
            };
            let Some(bit) = flags.iter().position(|f| *f.name == *name) else {
                return self.cx.fail(place(unknown(
                    "flag",
                    name,
                    self.ty,
                    flags.iter().map(|f| &*f.name),
                )));
            };
            if bits >> bit & 1 == 1 {
                return self.cx.fail(place(Mismatch::new(format!(
                    "flag `{name}` is named twice"
                ))));
            }
            bits |= 1 << bit;
            at += 1;
        }
        Ok(Value::Flags(bits))
    }

    /// Reads an array of `[key, value]`.
    pub(super) fn entries<'de, A: SeqAccess<'de>>(
        self,
        key: &'a Type,
        of: &'a Type,
        mut seq: A,
    ) -> Result<Value, A::Error> {
        let pair = Type::Tuple([key.clone(), of.clone()].into());
        let mut entries: Vec<(Value, Value)> = Vec::new();
        for at in 0.. {
            let next = seq.next_element_seed(At {
                cx: self.cx,
                ty: &pair,
            });
            let Some(Value::Tuple(values)) = self.cx.within(next, |m| m.at(at))? else {
                break;
            };
            let Ok([key, value]) = <[Value; 2]>::try_from(values) else {
                break;
            };
            entries.push((key, value));
        }
        if let Some(at) = repeated_key(&entries) {
            return self
                .cx
                .fail(Mismatch::new("this key stands in the map already").at(at));
        }
        Ok(Value::Map(entries))
    }

    /// Reads an object whose keys are the map's.
    pub(super) fn object<'de, A: MapAccess<'de>>(
        self,
        of: &'a Type,
        mut map: A,
    ) -> Result<Value, A::Error> {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let next = map.next_value_seed(self.of(of));
            let value = self.cx.within(next, |m| m.within(&shown(&key)))?;
            self.cx.spend(2 * (size_of::<Value>() + key.len()))?;
            if !seen.insert(key.clone()) {
                return self.cx.fail(
                    Mismatch::new("this key stands in the map already").within(&shown(&key)),
                );
            }
            entries.push((Value::String(key), value));
        }
        Ok(Value::Map(entries))
    }

    /// Reads `{"name": payload}`, one of some cases.
    pub(super) fn tagged<'de, A: MapAccess<'de>>(
        self,
        cases: &[(&str, Option<&'a Type>)],
        mut map: A,
    ) -> Result<(usize, Option<Box<Value>>), A::Error> {
        let names = || cases.iter().map(|(name, _)| *name);
        let Some(name) = map.next_key::<String>()? else {
            self.expected::<A::Error>("an empty object")?;
            return Err(A::Error::custom("it does not fit"));
        };
        let Some(at) = names().position(|case| case == name) else {
            return self.cx.fail(unknown("case", &name, self.ty, names()));
        };
        let payload = match cases[at].1 {
            Some(ty) => {
                let value = map.next_value_seed(self.of(ty));
                self.cx.spend(size_of::<Value>())?;
                Some(Box::new(self.cx.within(value, |m| m.within(&name))?))
            }
            None => {
                let value = map.next_value::<serde_json::Value>()?;
                if !value.is_null() {
                    let mismatch =
                        Mismatch::new(format!("it carries nothing, got {}", kind(&value)));
                    return self.cx.fail(mismatch.within(&name));
                }
                None
            }
        };
        if let Some(second) = map.next_key::<String>()? {
            let text = format!(
                "expected one case of {}, got two: `{name}` and `{}`",
                self.ty,
                shown(&second)
            );
            return self.cx.fail(Mismatch::new(text));
        }
        Ok((at, payload))
    }
}
