//! A limit that can be switched off: a value, or the word `"none"`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Value as Json, json};

/// The word that switches a limit off.
pub(crate) const WORD: &str = "none";

/// The schema's keyword that says where the word is allowed.
const KEYWORD: &str = "x-or-none";

/// A value, or `"none"`: no limit at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

impl<T> OrNone<T> {
    /// This value.
    pub const fn some(value: T) -> Self {
        Self(Some(value))
    }

    /// No limit.
    pub const NONE: Self = Self(None);
}

/// Whether a schema allows the word.
pub(crate) fn allowed(schema: &Json) -> bool {
    schema.get(KEYWORD).and_then(Json::as_bool) == Some(true)
}

impl<T: fmt::Display> fmt::Display for OrNone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.pad(WORD),
        }
    }
}

impl<T: Serialize> Serialize for OrNone<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(WORD),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrNoneVisitor(PhantomData))
    }
}

struct OrNoneVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrNoneVisitor<T> {
    type Value = OrNone<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a limit or \"none\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OrNone<T>, E> {
        match text {
            WORD => Ok(OrNone::NONE),
            text => T::deserialize(text.into_deserializer()).map(OrNone::some),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<OrNone<T>, E> {
        T::deserialize(number.into_deserializer()).map(OrNone::some)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<OrNone<T>, E> {
        T::deserialize(number.into_deserializer()).map(OrNone::some)
    }
}

impl<T: JsonSchema> JsonSchema for OrNone<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrNone", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        let text = |schema: &Schema| Some(schema.get("description")?.as_str()?.to_owned());
        if let Some(text) = text(&schema) {
            let text = format!("{} Or \"{WORD}\".", text.trim_end());
            schema.insert("description".into(), text.into());
        }
        // A number alone: the only string beside it is the word.
        if schema.get("type") == Some(&json!("integer")) {
            schema.insert("type".into(), json!(["integer", "string"]));
            schema.insert("pattern".into(), format!("^{WORD}$").into());
            schema.insert(
                "x-expected".into(),
                format!("an integer or {WORD:?}").into(),
            );
        }
        schema.insert(KEYWORD.into(), true.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteSize, Time, Value};
    use proptest::prelude::*;

    #[test]
    fn the_word_and_the_values() {
        let read = |value: Value| value.parse::<OrNone<Time>>();
        assert_eq!(read(Value::string("none")).unwrap(), OrNone::NONE);
        let ten = OrNone::some(Time::seconds(10));
        assert_eq!(read(Value::string("10 s")).unwrap(), ten);
        assert!(read(Value::string("None")).is_err());
        assert!(read(Value::string("")).is_err());
        let size = Value::string("1 KiB").parse::<OrNone<ByteSize>>().unwrap();
        assert_eq!(size, OrNone::some(ByteSize(1024)));
        assert_eq!(size.to_string(), "1 KiB");
        assert_eq!(OrNone::<Time>::NONE.to_string(), "none");
    }

    proptest! {
        #[test]
        fn shown_reads_back(bytes in proptest::option::of(any::<u64>())) {
            let size = OrNone(bytes.map(ByteSize));
            let read = Value::string(size.to_string()).parse::<OrNone<ByteSize>>();
            prop_assert_eq!(read.unwrap(), size);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = Value::string(&text).parse::<OrNone<ByteSize>>();
            let _ = Value::string(&text).parse::<OrNone<u64>>();
        }
    }
}
