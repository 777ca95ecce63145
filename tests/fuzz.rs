//! How parsers are fuzzed, on stable Rust: every file of a kept corpus, then mutations of them.
//!
//! A crate includes this file as a module of its tests and writes, beside the parser,
//! `fuzz::text("range", &["bytes=", "-"], |input| …)`: the folder of its corpus, words that lead
//! deeper into the code than random bytes, and what must hold for whatever is read. A find becomes a
//! file of `tests/corpus/NAME/` in that crate, and is tried for ever.
//!
//! The same inputs are tried each time. `HOLM_FUZZ_CASES=1000000 HOLM_FUZZ_SEED=7` goes further.

#![allow(dead_code, reason = "each crate uses its own part")]

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::path::Path;

/// Mutations tried, unless `HOLM_FUZZ_CASES` says otherwise.
const CASES: u64 = 512;

/// The seed, unless `HOLM_FUZZ_SEED` says otherwise.
const SEED: u64 = 1;

/// Bytes that one edit cuts out or copies, at most.
const PIECE_MAX: usize = 24;

/// Fuzzes what reads text.
pub fn text(name: &str, words: &[&str], run: impl Fn(&str)) {
    bytes(name, words, |input| run(&String::from_utf8_lossy(input)));
}

/// Fuzzes what reads bytes.
pub fn bytes(name: &str, words: &[&str], run: impl Fn(&[u8])) {
    let corpus = corpus(name);
    for (file, input) in &corpus {
        // Shown only if it fails.
        println!("tests/corpus/{name}/{file}");
        run(input);
    }
    let (cases, seed) = (
        number("HOLM_FUZZ_CASES", CASES),
        number("HOLM_FUZZ_SEED", SEED),
    );
    let config = Config {
        cases: cases as u32,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seeds = [0; 32];
    seeds[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seeds);
    let mutants =
        (any::<Index>(), prop::collection::vec(edit(), 0..6)).prop_map(|(start, edits)| {
            let mut input = start.get(&corpus).1.clone();
            for edit in &edits {
                edit.make(&mut input, words, &corpus);
            }
            input
        });
    let result = TestRunner::new_with_rng(config, rng).run(&mutants, |input| {
        run(&input);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => panic!(
            "{name}: {reason}\ninput: b\"{}\"\nkeep it as a file in tests/corpus/{name}/; \
             it was found with HOLM_FUZZ_SEED={seed} HOLM_FUZZ_CASES={cases}",
            input.escape_ascii()
        ),
        Err(error) => panic!("{name}: {error}"),
    }
}

type Corpus = Vec<(String, Vec<u8>)>;

fn corpus(name: &str) -> Corpus {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut corpus: Corpus = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    corpus.sort();
    assert!(corpus.len() >= 3, "{} has hardly a file", folder.display());
    corpus
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")),
        Err(_) => otherwise,
    }
}

/// Some bytes out, others in.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    cut: usize,
    put: Put,
}

#[derive(Clone, Debug)]
enum Put {
    Nothing,
    Bytes(Vec<u8>),
    Word(Index),
    /// A piece of another file.
    Piece(Index, Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let put = prop_oneof![
        Just(Put::Nothing),
        prop::collection::vec(any::<u8>(), 1..5).prop_map(Put::Bytes),
        prop::collection::vec(0x20u8..0x7f, 1..5).prop_map(Put::Bytes),
        any::<Index>().prop_map(Put::Word),
        (any::<Index>(), any::<Index>(), 1..PIECE_MAX)
            .prop_map(|(file, at, length)| { Put::Piece(file, at, length) }),
    ];
    let cut = prop_oneof![Just(0), 1..PIECE_MAX];
    (any::<Index>(), cut, put).prop_map(|(at, cut, put)| Edit { at, cut, put })
}

impl Edit {
    fn make(&self, input: &mut Vec<u8>, words: &[&str], corpus: &Corpus) {
        let piece = |from: &[u8], at: &Index, length: usize| {
            let at = at.index(from.len() + 1);
            from[at..from.len().min(at + length)].to_vec()
        };
        let put = match &self.put {
            Put::Nothing => Vec::new(),
            Put::Bytes(bytes) => bytes.clone(),
            Put::Word(_) if words.is_empty() => Vec::new(),
            Put::Word(which) => which.get(words).as_bytes().to_vec(),
            Put::Piece(file, at, length) => piece(&file.get(corpus).1, at, *length),
        };
        let start = self.at.index(input.len() + 1);
        let end = input.len().min(start + self.cut);
        input.splice(start..end, put);
    }
}
