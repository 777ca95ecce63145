//! `Range` (RFC 9110, 14): which bytes of a file are asked for.

/// What a `Range` header means for a file of a known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, one that cannot be read, or several (which may be answered so).
    Whole,
    /// These bytes.
    Part {
        /// The first byte.
        start: u64,
        /// How many.
        length: u64,
    },
    /// None that exist.
    Nothing,
}

/// Reads a `Range` header.
pub fn wanted(header: &str, size: u64) -> Wanted {
    let Some((unit, range)) = header.split_once('=') else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let (start, end) = match (number(first), number(last)) {
        (Number::Is(first), Number::Is(last)) if first <= last => (first, last.saturating_add(1)),
        (Number::Is(first), Number::Absent) => (first, size),
        (Number::Absent, Number::Is(length)) => (size.saturating_sub(length), size),
        _ => return Wanted::Whole,
    };
    let end = end.min(size);
    if start >= end {
        return Wanted::Nothing;
    }
    Wanted::Part {
        start,
        length: end - start,
    }
}

enum Number {
    Absent,
    Is(u64),
    Bad,
}

fn number(text: &str) -> Number {
    match text {
        "" => Number::Absent,
        // More digits than fit mean more bytes than exist.
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Number::Is(digits.parse().unwrap_or(u64::MAX))
        }
        _ => Number::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |start, length| Wanted::Part { start, length };
        for (header, size, expected) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=0-", 10, part(0, 10)),
            ("bytes=2-4", 10, part(2, 3)),
            ("Bytes = 2-400", 10, part(2, 8)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-300", 10, part(0, 10)),
            ("bytes=0-99999999999999999999999", 10, part(0, 10)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=99999999999999999999999-", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=4-2", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=0-1,4-5", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("lines=0-1", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(header, size), expected, "{header}");
        }
    }

    #[test]
    fn a_part_lies_within() {
        let words = [
            "bytes=",
            "-",
            "18446744073709551615",
            "18446744073709551616",
            ",",
        ];
        crate::fuzz::text("range", &words, |header| {
            for size in [0, 1, 10, u64::MAX] {
                if let Wanted::Part { start, length } = wanted(header, size) {
                    assert!(length > 0 && start.checked_add(length).unwrap() <= size);
                }
            }
        });
    }
}
