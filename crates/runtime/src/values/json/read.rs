//! Values from JSON, straight from the text: repeated keys are seen, and a long list never exists
//! twice.

use super::{Handles, can_be_null};
use crate::values::mismatch::{shown, unknown};
use crate::values::signature::{Param, Signature};
use crate::values::{Field, Label, Mismatch, Numbers, Type, Value};
use base64::Engine as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::de::StrRead;
use std::cell::{Cell, RefCell};
use std::fmt;

/// Memory that what is read may take; a short text can mean a large value.
const BYTES_MAX: usize = 1 << 30;

/// What a reading has come to.
pub(super) struct Reading<'h> {
    handles: RefCell<&'h mut dyn Handles>,
    /// What did not fit: the reader's own errors cannot carry it.
    found: RefCell<Option<Mismatch>>,
    left: Cell<usize>,
}

impl<'h> Reading<'h> {
    fn new(handles: &'h mut dyn Handles) -> Self {
        Reading {
            handles: RefCell::new(handles),
            found: RefCell::new(None),
            left: Cell::new(BYTES_MAX),
        }
    }

    fn fail<T, E: Error>(&self, mismatch: Mismatch) -> Result<T, E> {
        *self.found.borrow_mut() = Some(mismatch);
        Err(E::custom("it does not fit"))
    }

    /// Says of an error within that it was found there.
    fn within<T, E>(
        &self,
        result: Result<T, E>,
        place: impl Fn(Mismatch) -> Mismatch,
    ) -> Result<T, E> {
        if result.is_err() {
            let found = self.found.borrow_mut().take();
            *self.found.borrow_mut() = found.map(place);
        }
        result
    }

    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => self.fail(Mismatch::new("the value takes more than 1 GiB of memory")),
        }
    }
}

/// Reads text to its end.
pub(super) fn text<'h, T>(
    text: &str,
    handles: &'h mut dyn Handles,
    read: impl FnOnce(
        &Reading<'h>,
        &mut serde_json::Deserializer<StrRead<'_>>,
    ) -> Result<T, serde_json::Error>,
) -> Result<T, Mismatch> {
    let cx = Reading::new(handles);
    let mut reader = serde_json::Deserializer::from_str(text);
    let result = read(&cx, &mut reader).and_then(|value| reader.end().map(|()| value));
    result.map_err(|error| {
        // What did not fit says more than the parser, which only stopped there.
        let found = cx.found.borrow_mut().take();
        found.unwrap_or_else(|| Mismatch::new(format!("it is not JSON: {error}")))
    })
}

/// Reads what is parsed already.
pub(super) fn parsed<'h, T>(
    handles: &'h mut dyn Handles,
    read: impl FnOnce(&Reading<'h>) -> Result<T, serde_json::Error>,
) -> Result<T, Mismatch> {
    let cx = Reading::new(handles);
    read(&cx).map_err(|error| {
        let found = cx.found.borrow_mut().take();
        found.unwrap_or_else(|| Mismatch::new(error.to_string()))
    })
}

/// A place where a value of a type is to stand.
#[derive(Clone, Copy)]
pub(super) struct At<'a, 'h> {
    cx: &'a Reading<'h>,
    ty: &'a Type,
}

impl<'a, 'h> At<'a, 'h> {
    pub(super) fn new(cx: &'a Reading<'h>, ty: &'a Type) -> Self {
        At { cx, ty }
    }

    /// The same place, for a part of the type.
    fn of(self, ty: &'a Type) -> Self {
        At { ty, ..self }
    }

    fn expected<E: Error>(self, got: impl fmt::Display) -> Result<Value, E> {
        self.cx.fail(Mismatch::expected(self.ty, got))
    }

    /// Where an option stands and something is given: the place of what the option may hold.
    fn unwrapped(self) -> Option<Self> {
        match self.ty {
            Type::Option(of) if !can_be_null(of) => Some(self.of(of)),
            _ => None,
        }
    }

    fn integer<E: Error>(self, number: i128, got: &dyn fmt::Display) -> Result<Value, E> {
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
    fn list<'de, A: SeqAccess<'de>>(self, of: &'a Type, mut seq: A) -> Result<Value, A::Error> {
        if let Some(mut numbers) = Numbers::of(of) {
            for at in 0.. {
                let next = seq.next_element_seed(self.of(of));
                match self.cx.within(next, |m| m.at(at))? {
                    Some(number) => numbers.push(&number),
                    None => break,
                };
                self.cx.spend(8)?;
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

    fn tuple<'de, A: SeqAccess<'de>>(
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
    fn flags<'de, A: SeqAccess<'de>>(self, flags: &[Label], mut seq: A) -> Result<Value, A::Error> {
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
    fn entries<'de, A: SeqAccess<'de>>(
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
        if let Some(at) = crate::values::value::repeated_key(&entries) {
            return self
                .cx
                .fail(Mismatch::new("this key stands in the map already").at(at));
        }
        Ok(Value::Map(entries))
    }

    /// Reads an object whose keys are the map's.
    fn object<'de, A: MapAccess<'de>>(self, of: &'a Type, mut map: A) -> Result<Value, A::Error> {
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
    fn tagged<'de, A: MapAccess<'de>>(
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
                match crate::values::value::length(&list) {
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

/// What is named in an object: the fields of a record, the parameters of a function.
#[derive(Clone, Copy)]
enum Members<'a> {
    Fields(&'a [Field]),
    Params(&'a [Param]),
}

impl<'a> Members<'a> {
    fn len(self) -> usize {
        match self {
            Members::Fields(fields) => fields.len(),
            Members::Params(params) => params.len(),
        }
    }

    fn get(self, at: usize) -> (&'a str, &'a Type) {
        match self {
            Members::Fields(fields) => (&fields[at].name, &fields[at].ty),
            Members::Params(params) => (&params[at].name, &params[at].ty),
        }
    }

    /// Reads an object of them; those that are options may be missing.
    fn read<'de, A: MapAccess<'de>>(
        self,
        cx: &Reading<'_>,
        map: &mut A,
        whose: &str,
    ) -> Result<Vec<Value>, A::Error> {
        let word = match self {
            Members::Fields(_) => "field",
            Members::Params(_) => "parameter",
        };
        let mut values: Vec<Option<Value>> = vec![None; self.len()];
        while let Some(key) = map.next_key::<String>()? {
            let Some(at) = (0..self.len()).find(|at| self.get(*at).0 == key) else {
                let names = (0..self.len()).map(|at| self.get(at).0);
                return cx.fail(unknown(word, &key, whose, names));
            };
            if values[at].is_some() {
                return cx.fail(Mismatch::new(format!("{word} `{key}` is given twice")));
            }
            let value = map.next_value_seed(At {
                cx,
                ty: self.get(at).1,
            });
            values[at] = Some(cx.within(value, |m| m.within(&key))?);
        }
        let filled =
            values
                .into_iter()
                .enumerate()
                .map(|(at, value)| match (value, self.get(at)) {
                    (Some(value), _) => Ok(value),
                    (None, (_, Type::Option(_))) => Ok(Value::Option(None)),
                    (None, (name, ty)) => cx.fail(Mismatch::new(format!(
                        "{word} `{name}` ({ty}) of {whose} is missing"
                    ))),
                });
        filled.collect()
    }
}

/// The place of all arguments of a function.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a, 'h> {
    cx: &'a Reading<'h>,
    signature: &'a Signature,
}

impl<'a, 'h> Arguments<'a, 'h> {
    pub(super) fn new(cx: &'a Reading<'h>, signature: &'a Signature) -> Self {
        Arguments { cx, signature }
    }

    fn wrong_count<E: Error>(self, given: usize) -> Result<Vec<Value>, E> {
        self.cx.fail(Mismatch::count(self.signature, given))
    }
}

impl<'de> DeserializeSeed<'de> for Arguments<'_, '_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Value>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Arguments<'_, '_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("arguments: an array of them, or an object by their names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Value>, A::Error> {
        let params = &self.signature.params;
        let mut values = Vec::with_capacity(params.len());
        for param in params {
            let next = seq.next_element_seed(At {
                cx: self.cx,
                ty: &param.ty,
            });
            match self.cx.within(next, |m| m.within(&param.name))? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        // Options at the end may be left out, as they may in an object.
        for param in &params[values.len()..] {
            match param.ty {
                Type::Option(_) => values.push(Value::Option(None)),
                _ => return self.wrong_count(values.len()),
            }
        }
        match seq.next_element_seed(Anything)? {
            Some(()) => self
                .cx
                .fail(Mismatch::too_few_or_many(self.signature, "more were")),
            None => Ok(values),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value>, A::Error> {
        Members::Params(&self.signature.params).read(
            self.cx,
            &mut map,
            &self.signature.local_name(),
        )
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Value>, E> {
        match self
            .signature
            .params
            .iter()
            .all(|p| matches!(p.ty, Type::Option(_)))
        {
            true => Ok(vec![Value::Option(None); self.signature.params.len()]),
            false => self.wrong_count(0),
        }
    }
}

/// Passes over whatever stands there.
struct Anything;

impl<'de> DeserializeSeed<'de> for Anything {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_ignored_any(serde::de::IgnoredAny)
            .map(|_| ())
    }
}

/// A JSON value as an error names it.
fn kind(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Array(_) => "an array".into(),
        serde_json::Value::Object(_) => "an object".into(),
        other => shown(&other.to_string()),
    }
}
