//! The page of the manifest tells the truth: its examples parse, its tables are complete.

#![allow(missing_docs, reason = "test code")]

mod support;

use holm_manifest::{Limits, schema};

const PAGE: &str = include_str!("../../../docs/manifest.md");

#[test]
fn examples_parse_without_a_warning() {
    let blocks: Vec<&str> = PAGE
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        assert_eq!(support::shown(block), "", "in the example\n{block}");
    }
}

#[test]
fn limits_are_listed_with_their_defaults() {
    // Behind those of the app, of which some have the same names.
    let (_, of_components) = PAGE.split_once("\n### Limits\n").unwrap();
    for (name, value, meaning) in Limits::default().table() {
        let quoted = match value.parse::<u64>() {
            Ok(_) => value,
            Err(_) => format!("\"{value}\""),
        };
        let row = of_components
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("`{name}` is not on the page"));
        assert!(
            row.contains(&format!("`{quoted}`")),
            "{row} should say {quoted}"
        );
        assert!(row.contains(&meaning), "{row} should say {meaning}");
    }
}

#[test]
fn every_key_is_on_the_page() {
    let schema = schema(&support::vocabulary());
    for place in [
        "/properties",
        "/$defs/Component/properties",
        "/properties/serve/properties",
    ] {
        for key in schema.pointer(place).unwrap().as_object().unwrap().keys() {
            let known = [format!("`{key}`"), format!("[{key}"), format!("[[{key}]]")];
            assert!(
                known.iter().any(|word| PAGE.contains(word)),
                "{key} is not on the page"
            );
        }
    }
}
