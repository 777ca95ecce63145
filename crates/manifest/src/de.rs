//! Values read with serde; what fails points at the innermost value or key at fault.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::span::{END, SPANNED, START, VALUE};
use crate::{Problem, Span, Value, ValueKind, nearest};

impl Value {
    /// Reads this value as a type, as a capability does with the table it is given.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(self).map_err(|fault| fault.at(self.span).0)
    }
}

/// A problem on its way out of serde.
#[derive(Debug)]
pub struct Fault(Problem);

impl Fault {
    /// Adds the place, unless an inner value did already.
    fn at(mut self, span: Span) -> Self {
        if self.0.span.is_none() {
            self.0 = self.0.at(span);
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.len() {
        0 => "there is none".into(),
        1 => format!("the only one is {}", quoted[0]),
        _ => format!("known are {}", quoted.join(", ")),
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Fault {
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => one_of(known),
    };
    Fault(Problem::error(format!("unknown {what} `{name}`")).help(help))
}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Problem::error(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let problem = Problem::error(format!("expected {expected}"));
        Self(problem.label(format!("this is {}", seen(unexpected))))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let problem = Problem::error(format!("expected {expected}"));
        Self(problem.label(format!("this has {length}")))
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        unknown("value", name, known)
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        unknown("key", name, known)
    }

    fn missing_field(name: &'static str) -> Self {
        let problem = Problem::error(format!("missing key `{name}`"));
        Self(problem.label(format!("`{name}` is required here")))
    }
}

/// What serde met, in TOML's words.
fn seen(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Str(text) => format!("the string {text:?}"),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Seq => "an array".into(),
        Unexpected::Map => "a table".into(),
        other => other.to_string(),
    }
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.kind {
            ValueKind::String(text) | ValueKind::Datetime(text) => visitor.visit_borrowed_str(text),
            ValueKind::Secret(text) => visitor.visit_borrowed_str(text.reveal()),
            ValueKind::Integer(number) => visitor.visit_i64(*number),
            ValueKind::Float(number) => visitor.visit_f64(*number),
            ValueKind::Bool(value) => visitor.visit_bool(*value),
            ValueKind::Array(items) => visitor.visit_seq(Items(items.iter())),
            ValueKind::Table(table) => visitor.visit_map(Entries {
                rest: table.iter(),
                value: None,
            }),
        }
        .map_err(|fault| fault.at(self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        // TOML has no null: what is written is there.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match name {
            SPANNED => visitor.visit_map(Placed {
                value: self,
                step: 0,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (name, span, payload) = match &self.kind {
            ValueKind::String(name) => (name, self.span, None),
            ValueKind::Secret(name) => (name.reveal(), self.span, None),
            ValueKind::Table(table) if table.len() == 1 => match table.iter().next() {
                Some((key, value)) => (&key.name, key.span, Some(value)),
                None => return self.deserialize_any(visitor),
            },
            _ => {
                let problem = Problem::error("expected a name, or a table with one key");
                let problem = problem.label(format!("this is {}", self.kind.name()));
                return Err(Fault(problem).at(self.span));
            }
        };
        visitor
            .visit_enum(Variant {
                name,
                span,
                payload,
            })
            .map_err(|fault| fault.at(self.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let read = |value: &'de Value| seed.deserialize(value).map_err(|f| f.at(value.span));
        self.0.next().map(read).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de, I: Iterator<Item = (&'de crate::Key, &'de Value)>> {
    rest: I,
    value: Option<&'de Value>,
}

impl<'de, I: Iterator<Item = (&'de crate::Key, &'de Value)>> MapAccess<'de> for Entries<'de, I> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        let name: StrDeserializer<'_, Fault> = key.name.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|fault| fault.at(key.span))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(|f| f.at(value.span)),
            None => Err(Fault::custom("a value was asked for before its key")),
        }
    }
}

/// The fields of a [`crate::Spanned`].
struct Placed<'de> {
    value: &'de Value,
    step: usize,
}

impl<'de> MapAccess<'de> for Placed<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some(name) = [START, END, VALUE].get(self.step) else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Fault> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        self.step += 1;
        match self.step {
            1 => seed.deserialize(self.value.span.start.into_deserializer()),
            2 => seed.deserialize(self.value.span.end.into_deserializer()),
            _ => seed.deserialize(self.value),
        }
    }
}

struct Variant<'de> {
    name: &'de str,
    span: Span,
    payload: Option<&'de Value>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|f| f.at(self.span))?;
        Ok((variant, self))
    }
}

impl<'de> Variant<'de> {
    fn payload(&self) -> Result<&'de Value, Fault> {
        let missing = || Fault::custom(format!("`{}` needs a value", self.name)).at(self.span);
        self.payload.ok_or_else(missing)
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.payload {
            None => Ok(()),
            Some(value) => {
                Err(Fault::custom(format!("`{}` takes no value", self.name)).at(value.span))
            }
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.payload()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.payload()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.payload()?.deserialize_any(visitor)
    }
}
