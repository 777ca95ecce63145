//! Whatever the text, reading it never panics: good manifests with damage, their lines in any order,
//! their words, and the corpus of earlier finds in `corpus/manifest/`.

#![allow(missing_docs, reason = "test code")]

#[path = "../../../tests/fuzz.rs"]
mod harness;
mod support;

use holm_manifest::{Parser, Source, to_toml};
use proptest::prelude::*;

/// Reads and shows; every way of showing must survive too.
fn try_all(text: &str) {
    let problems = match support::parse(text) {
        Ok(manifest) => {
            let list = manifest.warnings.clone();
            holm_manifest::Problems::new(manifest.source, list)
        }
        Err(problems) => {
            assert!(problems.has_errors(), "refused without an error");
            problems
        }
    };
    assert!(
        !problems.to_string().contains("a bug in Holm"),
        "the TOML parser panicked"
    );
    for width in [0, 41, 80, 1000] {
        let shown = problems.render(false, width);
        let raw = shown.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "a control character reaches the terminal");
    }
    let _ = problems.render(true, 80);
    let _ = problems.to_json();
    let _ = problems.to_string();
}

/// Words that lead deeper into the code than random characters.
const WORDS: [&str; 24] = [
    "[component.web]\n",
    "[[http]]\n",
    "[http]\n",
    "name = ",
    "source = ",
    "limits = ",
    "\"64 M\"",
    "{ ",
    " }",
    "[",
    "]",
    "\n",
    "= ",
    ".",
    "\"",
    "'''",
    "#",
    "component = ",
    "-1",
    "1e400",
    "\u{feff}",
    "\u{202e}",
    "é",
    "9223372036854775808",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn random_words(picks in prop::collection::vec(0..WORDS.len(), 0..60)) {
        let text: String = picks.into_iter().map(|pick| WORDS[pick]).collect();
        try_all(&text);
    }

    #[test]
    fn shuffled_lines(order in Just(support::VALID.lines().collect::<Vec<_>>()).prop_shuffle()) {
        try_all(&order.join("\n"));
    }
}

#[test]
fn whatever_is_read_is_shown() {
    harness::text("manifest", &WORDS, try_all);
}

/// Whatever a spin.toml says, it is shown, or imported to what is read without an error.
#[test]
fn what_is_imported_is_read_again() {
    let words = [
        "spin_manifest_version = 2\n",
        "[application]\nname = \"a\"\n",
        "[component.a]\n",
        "[[trigger.http]]\n",
        "route = \"/\"\n",
        "component = \"web\"\n",
        "source = \"a.wasm\"\n",
        "allowed_outbound_hosts = [\"https://",
        "*",
        ":",
        "\"]\n",
        "files = [\"a\"]\n",
        "static_response = {}\n",
    ];
    let parser = Parser::new(support::vocabulary());
    harness::text("spin", &words, |text| {
        match parser.import(&Source::new("spin.toml", text)) {
            Ok((value, _)) => {
                let text = to_toml(&value);
                if let Err(problems) = parser.parse(&Source::new("holm.toml", &*text)) {
                    panic!("{problems}\n{text}");
                }
            }
            Err(problems) => {
                let shown = problems.render(false, 80);
                let raw = shown.chars().find(|c| c.is_control() && *c != '\n');
                assert_eq!(raw, None, "a control character reaches the terminal");
            }
        }
    });
}
