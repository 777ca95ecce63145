//! Release candidates of WASI that became the release without a change of any type: guests that were
//! built for one are guests of the release, but for the version in the names of what they import.
//!
//! The names are changed where they stand, to ones of the same length that semantic versioning takes
//! for the release. A component may import both, as Spin's SDK for Python makes them do.

use std::borrow::Cow;
use std::ops::Range;
use wasmparser::{Parser, Payload};

/// The version in names, and what stands for it. All that differs is what comes after the number: a
/// pre-release is compatible with nothing else, a build is with all that the number is.
const VERSIONS: [(&[u8], &[u8]); 1] = [(b"@0.3.0-rc-2026-03-15", b"@0.3.0+rc-2026-03-15")];

/// A component with the names of releases.
pub fn released(component: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let mut found = Vec::new();
    for (of, to) in VERSIONS {
        found.extend(places(&component, of).map(|place| (place, to)));
    }
    if found.is_empty() {
        return component;
    }
    let Some(opaque) = opaque(&component) else {
        return component;
    };
    let mut component = component.into_owned();
    for (place, to) in found {
        let of_a_name = !opaque.iter().any(|range| range.contains(&place));
        if let Some(name) = component
            .get_mut(place..place + to.len())
            .filter(|_| of_a_name)
        {
            name.copy_from_slice(to);
        }
    }
    Cow::Owned(component)
}

fn places(bytes: &[u8], of: &'static [u8]) -> impl Iterator<Item = usize> {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == of[0]);
    starts.filter_map(move |(at, _)| bytes.get(at..)?.starts_with(of).then_some(at))
}

/// Where the guest's own bytes are: data, code, and what tools have left.
fn opaque(component: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut ranges = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::DataSection(section) => ranges.push(section.range()),
            Payload::CodeSectionStart { range, .. } => ranges.push(range),
            Payload::CustomSection(section) => ranges.push(section.range()),
            _ => {}
        }
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATE: &str = r#"(component
        (import "wasi:cli/stdin@0.3.0" (instance))
        (import "wasi:cli/stdin@0.3.0-rc-2026-03-15" (instance))
        (import "wasi:cli/stdin@0.3.0-rc-2026-01-06" (instance))
        (core module
            (memory 1)
            (data (i32.const 0) "wasi:cli/stdin@0.3.0-rc-2026-03-15")))"#;

    #[test]
    fn names_are_those_of_the_release_and_data_is_the_guests() {
        let binary = wat::parse_str(CANDIDATE).unwrap();
        let changed = released(Cow::Borrowed(&binary));
        assert_eq!(changed.len(), binary.len());
        let named = |version: &str| {
            let of = format!("wasi:cli/stdin@{version}");
            let all = changed
                .windows(of.len())
                .filter(|part| *part == of.as_bytes());
            all.count()
        };
        assert_eq!(named("0.3.0+rc-2026-03-15"), 1);
        assert_eq!(
            named("0.3.0-rc-2026-03-15"),
            1,
            "what its memory begins with"
        );
        assert_eq!(
            named("0.3.0-rc-2026-01-06"),
            1,
            "another one, with other types"
        );
        let mut validator =
            wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all());
        validator.validate_all(&changed).unwrap();
    }

    #[test]
    fn others_are_not_copied() {
        let binary = wat::parse_str("(component)").unwrap();
        assert!(matches!(released(Cow::Borrowed(&binary)), Cow::Borrowed(_)));
    }

    #[test]
    fn whatever_it_reads_keeps_its_length() {
        let words = ["@0.3.0-rc-2026-03-15", "\0asm\x0d\0\x01\0", "@0.3.0-rc"];
        crate::fuzz::bytes("candidate", &words, |bytes| {
            assert_eq!(released(Cow::Borrowed(bytes)).len(), bytes.len());
        });
    }
}
