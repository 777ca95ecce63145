//! JSON in which no object has a key twice.

use crate::values::mismatch::shown;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Any JSON in which no object has a key twice.
pub(super) struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Once)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Once, A::Error> {
        while seq.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                let what = format!("`{}` is given twice", shown(&key));
                return Err(A::Error::custom(what));
            }
            map.next_value::<Once>()?;
            keys.insert(key);
        }
        Ok(Once)
    }
}

#[cfg(test)]
mod tests {
    use crate::values::json::no_key_twice;

    fn wrong(text: &str) -> Option<String> {
        no_key_twice(text).err().map(|m| m.to_string())
    }

    #[test]
    fn a_key_is_given_once() {
        assert_eq!(
            wrong(r#"{"a": {"a": [1, null, 2.5, "a", true]}, "b": {}}"#),
            None
        );
        assert_eq!(
            wrong(r#"{"a": [{"b": 1, "b": 2}]}"#).as_deref(),
            Some("`b` is given twice at line 1 column 19")
        );
        assert_eq!(
            wrong(r#"{"a": 1, "\u0061": 2}"#).as_deref(),
            Some("`a` is given twice at line 1 column 17")
        );
        assert!(wrong("{").is_some_and(|text| text.starts_with("it is not JSON: ")));
        assert!(wrong(&"[".repeat(100_000)).is_some());
    }
}
