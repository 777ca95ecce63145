//! Whatever the text, reading it never panics: random strings, good manifests with
//! damage, and the corpus of earlier finds in `corpus/`.

#![allow(missing_docs, reason = "test code")]

mod support;

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
    fn random_text(text in any::<String>()) {
        try_all(&text);
    }

    #[test]
    fn random_words(picks in prop::collection::vec(0..WORDS.len(), 0..60)) {
        let text: String = picks.into_iter().map(|pick| WORDS[pick]).collect();
        try_all(&text);
    }

    #[test]
    fn damaged_manifests(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..30, 0..WORDS.len() + 1), 1..6)
    ) {
        let mut text = support::VALID.to_owned();
        for (place, length, word) in edits {
            let start = text.floor_char_boundary(place.index(text.len() + 1));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end.max(start), WORDS.get(word).unwrap_or(&""));
        }
        try_all(&text);
    }

    #[test]
    fn shuffled_lines(order in Just(support::VALID.lines().collect::<Vec<_>>()).prop_shuffle()) {
        try_all(&order.join("\n"));
    }
}

#[test]
fn corpus() {
    let files = support::files("corpus");
    assert!(files.len() >= 10);
    for path in files {
        // As `Source::read` does, but without its refusal of what is not UTF-8.
        let bytes = std::fs::read(&path).unwrap();
        try_all(&String::from_utf8_lossy(&bytes));
    }
}
