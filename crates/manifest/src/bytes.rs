//! A number of bytes, written with a unit: "64 MiB".

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::nearest;
use crate::quantity::{Quantity, Unreadable};

/// A number of bytes. Read from `"64 MiB"`, `"1GB"`, `"100"`, and in TOML also from
/// an integer; shown with the largest unit that divides it, so that it reads back the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

/// Units from large to small; of equals the binary one first, for that is how memory comes.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// The name of the schema's format; the validator reads such strings with this type.
pub(crate) const FORMAT: &str = "byte-size";

impl ByteSize {
    /// So many KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// So many GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
}

impl FromStr for ByteSize {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        const WRITE: &str = "write a size such as \"64 MiB\"";
        let Some((quantity, rest)) = Quantity::take(text) else {
            let message = match text.trim_start().starts_with('-') {
                true => "a size cannot be negative",
                false => "a size starts with a number",
            };
            return Err(Unreadable::new(message, WRITE));
        };
        if !rest.is_empty() {
            return Err(Unreadable::new("a size is one number and one unit", WRITE));
        }
        let word = quantity.unit;
        let unit = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        let unit = match unit {
            Some((_, unit)) => *unit,
            None if word.is_empty() => 1,
            None => return Err(unknown_unit(text, word)),
        };
        let bytes = quantity.times(unit).ok_or_else(|| {
            Unreadable::new("this is no whole number of bytes", "use a smaller unit")
        })?;
        let bytes = u64::try_from(bytes)
            .map_err(|_| Unreadable::new("this is more than any machine has", WRITE))?;
        Ok(Self(bytes))
    }
}

fn unknown_unit(text: &str, word: &str) -> Unreadable {
    let number = text.trim().trim_end_matches(word).trim();
    // `M` and `Mi` of other tools: say which of ours.
    let binary = UNITS.iter().map(|(name, _)| *name).find(|name| {
        name.ends_with("iB")
            && (name[..1].eq_ignore_ascii_case(word) || name[..2].eq_ignore_ascii_case(word))
    });
    let help = match binary.or_else(|| nearest(word, UNITS.iter().map(|(name, _)| *name))) {
        Some(name) => format!("write \"{number} {name}\""),
        None => "units are B, KB, KiB, MB, MiB, GB, GiB, TB and TiB".into(),
    };
    Unreadable::new(format!("unknown unit `{word}`"), help)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = UNITS
            .into_iter()
            .find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit))
            .unwrap_or(("B", 1));
        f.pad(&format!("{} {name}", self.0 / unit))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

struct ByteSizeVisitor;

impl Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64 MiB\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes)
            .map(ByteSize)
            .map_err(|_| E::custom("a size cannot be negative"))
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: a number and a unit (B, KB, KiB, MB, MiB, GB, GiB, TB, TiB), or an integer of bytes.",
            "type": ["string", "integer"],
            "format": FORMAT,
            "minimum": 0,
            "examples": ["64 MiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in [
            ("64 MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("1GB", 1_000_000_000),
            ("512 KiB", 512 << 10),
            ("100", 100),
            (" 0 B ", 0),
            ("1.5 GiB", 3 << 29),
            ("0.001 KB", 1),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn says_what_to_write() {
        let help = |text: &str| text.parse::<ByteSize>().unwrap_err().help.unwrap();
        assert_eq!(help("64M"), "write \"64 MiB\"");
        assert_eq!(help("64 Mi"), "write \"64 MiB\"");
        assert_eq!(help("64 MiBs"), "write \"64 MiB\"");
        assert_eq!(
            help("64 apples"),
            "units are B, KB, KiB, MB, MiB, GB, GiB, TB and TiB"
        );
        for text in [
            "",
            "MiB",
            "-1",
            "1 MiB 2",
            "1..5",
            ".5",
            "5.",
            "1.5 B",
            "99999999 TiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn shown_reads_back(bytes: u64, shift in 0u32..50) {
            let size = ByteSize((bytes >> 32) << shift.min(32));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn whatever_is_read_reads_back() {
        crate::fuzz::text("size", &[" KiB", "GB", "99999999999", "1.5"], |text| {
            if let Ok(size) = text.parse::<ByteSize>() {
                assert_eq!(size.to_string().parse(), Ok(size));
            }
        });
    }
}
