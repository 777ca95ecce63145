//! Values read with serde, as a capability reads its grant: what is there, and where a
//! mistake is said to be.

#![allow(missing_docs, reason = "test code")]

mod support;

use std::collections::BTreeMap;

use holm_manifest::{ByteSize, Source, Spanned, Time, Value};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    size: ByteSize,
    time: Option<Time>,
    #[serde(default)]
    small: u8,
    #[serde(default)]
    names: Vec<Spanned<String>>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    map: BTreeMap<String, Spanned<Mode>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Off,
    Level(i8),
    Range { low: f64, high: f64 },
}

/// The value of the grant `any` of a manifest, which accepts all.
fn value(text: &str) -> (String, Value) {
    let text = format!("name = \"x\"\n[component.a]\nsource = \"a\"\ngrants.any = {{ {text} }}\n");
    let mut vocabulary = support::vocabulary();
    vocabulary.grants.push(holm_manifest::Fragment {
        name: "any",
        doc: "Anything.",
        example: "",
        schema: true.into(),
        check: |_| Vec::new(),
    });
    let source = Source::new("holm.toml", text.clone());
    let manifest = holm_manifest::parse(&source, &vocabulary).unwrap();
    let grant = manifest.components[0].grant("any").unwrap();
    (text, grant.value.clone())
}

fn good(text: &str) -> Grant {
    let (_, value) = value(text);
    value
        .parse()
        .unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

/// The message, and the text that the problem points at.
fn bad(text: &str) -> (String, String) {
    let (text, value) = value(text);
    let problem = value.parse::<Grant>().unwrap_err();
    let span = problem.span.unwrap();
    (problem.message, text[span.start..span.end].to_owned())
}

#[test]
fn all_shapes_are_read() {
    let grant = good("size = 5, time = \"5 s\", small = 255, names = [\"a\", \"b\"]");
    assert_eq!(grant.size, ByteSize(5));
    assert_eq!(grant.time, Some(Time::seconds(5)));
    assert_eq!(grant.small, 255);
    assert_eq!(grant.names[1].value, "b");
    assert!(grant.names[1].span.start > grant.names[0].span.end);
    assert_eq!(good("size = 1, mode = \"off\"").mode, Some(Mode::Off));
    assert_eq!(
        good("size = 1, mode = { level = -3 }").mode,
        Some(Mode::Level(-3))
    );
    let grant = good("size = 1, map = { x = { range = { low = 1, high = 2.5 } } }");
    let range = Mode::Range {
        low: 1.0,
        high: 2.5,
    };
    assert_eq!(grant.map["x"].value, range);
}

#[test]
fn mistakes_point_at_the_innermost_value() {
    let says = |text, message: &str, place: &str| {
        let (found, at) = bad(text);
        assert!(found.contains(message), "{text}: {found}");
        assert_eq!(at, place, "{text}");
    };
    says("size = \"5 M\"", "unknown unit", "\"5 M\"");
    says("size = -5", "negative", "-5");
    says("size = 5, small = 300", "expected u8", "300");
    says("size = 5, names = [\"a\", 7]", "expected a string", "7");
    says("size = 5, nmes = []", "unknown key `nmes`", "nmes");
    says("small = 5", "missing key `size`", "{ small = 5 }");
    says("size = 5, mode = \"of\"", "unknown value `of`", "\"of\"");
    says(
        "size = 5, mode = \"level\"",
        "`level` needs a value",
        "\"level\"",
    );
    says("size = 5, mode = { off = 1 }", "`off` takes no value", "1");
    says("size = 5, mode = 3", "expected a name", "3");
    says(
        "size = 5, map = { x = { level = \"1\" } }",
        "expected i8",
        "\"1\"",
    );
}

#[test]
fn json_keeps_order_and_meaning() {
    let (_, value) = value("b = 1, a = [true, 2.5, inf], d = 2026-08-01");
    let json = value.to_json().to_string();
    assert_eq!(json, r#"{"b":1,"a":[true,2.5,"inf"],"d":"2026-08-01"}"#);
}
