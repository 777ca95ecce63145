//! A span of time, written with units: "50 ms", "1m30s".

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::nearest;
use crate::quantity::{Quantity, Unreadable};

/// A span of time. Read from `"50 ms"`, `"10s"`, `"1m30s"`, `"2 h"`; shown with the
/// largest unit that divides it, so that it reads back the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub Duration);

/// All spellings of a unit, the one that is shown first; from large to small.
const UNITS: [(&[&str], u64); 7] = [
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["h", "hour", "hours", "hr"], 3_600_000_000_000),
    (&["min", "m", "minute", "minutes", "mins"], 60_000_000_000),
    (&["s", "sec", "second", "seconds", "secs"], 1_000_000_000),
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
    (&["us", "µs", "μs", "microsecond", "microseconds"], 1_000),
    (&["ns", "nanosecond", "nanoseconds"], 1),
];

const SECOND: u128 = 1_000_000_000;

/// The name of the schema's format; the validator reads such strings with this type.
pub(crate) const FORMAT: &str = "time-span";

impl Time {
    /// The longest time that is accepted: a century. Clocks can always add it.
    pub const MAX: Self = Self(Duration::from_secs(36_525 * 86_400));

    /// So many seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// So many hours.
    pub const fn hours(n: u64) -> Self {
        Self::seconds(n * 3600)
    }

    /// So many milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// No time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Time {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        const WRITE: &str = "write a time such as \"10 s\" or \"1m30s\"";
        let too_long = || Unreadable::new("this is longer than a century", WRITE);
        let mut rest = text.trim_end();
        let mut nanos: u128 = 0;
        let mut last = u64::MAX;
        loop {
            let Some((quantity, next)) = Quantity::take(rest) else {
                let message = match text.trim_start().starts_with('-') {
                    true => "a time cannot be negative",
                    false => "a time starts with a number",
                };
                return Err(Unreadable::new(message, WRITE));
            };
            let unit = find_unit(text, quantity.unit)?;
            if unit >= last {
                return Err(Unreadable::new(
                    "units go from large to small, each once",
                    WRITE,
                ));
            }
            last = unit;
            let part = quantity.times(unit).ok_or_else(|| {
                Unreadable::new("this is finer than a nanosecond", "use a smaller unit")
            })?;
            nanos = nanos.checked_add(part).ok_or_else(too_long)?;
            if next.is_empty() {
                break;
            }
            rest = next;
        }
        if nanos > Self::MAX.0.as_nanos() {
            return Err(too_long());
        }
        // A century of nanoseconds fits in 64 bits five times over.
        let nanos = u64::try_from(nanos).map_err(|_| too_long())?;
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

fn find_unit(text: &str, word: &str) -> Result<u64, Unreadable> {
    let lower = word.to_lowercase();
    let known = UNITS.iter().find(|(names, _)| names.contains(&&*lower));
    if let Some((_, unit)) = known {
        return Ok(*unit);
    }
    if word.is_empty() {
        let number = text.trim();
        return Err(Unreadable::new(
            "a time needs a unit",
            format!("write \"{number} s\" for seconds or \"{number} ms\" for milliseconds"),
        ));
    }
    let names = || UNITS.iter().flat_map(|(names, _)| names.iter().copied());
    let help = match nearest(word, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "units are ns, us, ms, s, min, h and d".into(),
    };
    Err(Unreadable::new(format!("unknown unit `{word}`"), help))
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.pad("0 s");
        }
        // "60 s" and "24 h" read better than "1 min" and "1 d".
        let least = |unit: u128| if unit > SECOND { 2 * unit } else { unit };
        let (names, unit) = UNITS
            .into_iter()
            .map(|(names, unit)| (names, u128::from(unit)))
            .find(|(_, unit)| nanos.is_multiple_of(*unit) && nanos >= least(*unit))
            .unwrap_or((&["ns"], 1));
        f.pad(&format!("{} {}", nanos / unit, names[0]))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"10 s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: numbers with units (ns, us, ms, s, min, h, d), such as \"50 ms\" or \"1m30s\".",
            "type": "string",
            "format": FORMAT,
            "examples": ["10 s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("50 ms", 50),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1 min 30 s", 90_000),
            ("2 h", 7_200_000),
            ("1.5 s", 1_500),
            ("0 s", 0),
            ("1d", 86_400_000),
            ("2 Hours", 7_200_000),
        ] {
            assert_eq!(text.parse(), Ok(Time::millis(millis)), "{text}");
        }
    }

    #[test]
    fn says_what_to_write() {
        let help = |text: &str| text.parse::<Time>().unwrap_err().help.unwrap();
        assert!(help("10").contains("\"10 s\""));
        assert_eq!(help("10 secnds"), "did you mean `seconds`?");
        assert_eq!(help("10 moons"), "units are ns, us, ms, s, min, h and d");
        for text in [
            "", "s", "-1 s", "1s1s", "1s2h", "0.1 ns", "200000 d", "1.2.3 s",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn shown_as_people_say_it() {
        let shown = |millis| Time::millis(millis).to_string();
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(1_000), "1 s");
        assert_eq!(shown(1_500), "1500 ms");
        assert_eq!(shown(60_000), "60 s");
        assert_eq!(shown(90_000), "90 s");
        assert_eq!(shown(300_000), "5 min");
        assert_eq!(shown(86_400_000), "24 h");
    }

    #[test]
    fn the_longest_time_reads_back() {
        assert_eq!(Time::MAX.to_string().parse(), Ok(Time::MAX));
    }

    proptest! {
        #[test]
        fn shown_reads_back(number in 0u64..5_000_000, unit in 0usize..7) {
            let nanos = (number.wrapping_mul(UNITS[unit].1) % 1_000_000_000_000_007).min(3 << 60);
            let time = Time(Duration::from_nanos(nanos));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn whatever_is_read_reads_back() {
        crate::fuzz::text(
            "time",
            &["ms", "µs", "1m", "99999999999d", "1.5 "],
            |text| {
                if let Ok(time) = text.parse::<Time>() {
                    assert_eq!(time.to_string().parse(), Ok(time));
                }
            },
        );
    }
}
