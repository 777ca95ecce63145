//! Every manifest snippet in the docs is accepted by this very version.

use holm_manifest::{Given, Parser, Source};
use std::path::{Path, PathBuf};

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

/// The `toml` blocks of a page, with the line on which each begins.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim_end()) {
            (None, "```toml") => open = Some((number + 2, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// A whole manifest around a snippet: what the page leaves out is added.
fn whole(snippet: &str) -> String {
    if snippet.starts_with("spin_manifest_version") {
        return snippet.to_owned();
    }
    let has = |start: &str| {
        snippet
            .lines()
            .any(|line| line.trim_start().starts_with(start))
    };
    let mut text = String::new();
    let top_level = snippet
        .lines()
        .find(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
    let is_grant = top_level.is_some_and(|l| !l.trim_start().starts_with('[') && !has("name ="));
    if !has("name =") {
        text.push_str("name = \"page\"\n");
    }
    if is_grant {
        text.push_str("[component.web]\nsource = \"web.wasm\"\n[component.web.grants]\n");
    }
    text.push_str(snippet);
    let mut named: Vec<&str> = Vec::new();
    for line in snippet.lines() {
        let table = line
            .trim()
            .strip_prefix("[component.")
            .and_then(|rest| rest.split([']', '.']).next());
        let called = line
            .trim()
            .strip_prefix("component = \"")
            .and_then(|rest| rest.split('"').next());
        named.extend(table.into_iter().chain(called));
    }
    named.sort_unstable();
    named.dedup();
    for name in named {
        let header = format!("[component.{name}]");
        if !has(&header) {
            text.push_str(&format!("\n{header}\nsource = \"{name}.wasm\"\n"));
        }
    }
    text
}

#[test]
fn every_manifest_in_the_docs_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    pages(&root.join("docs"), &mut found);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for page in found {
        let text = std::fs::read_to_string(&page).unwrap();
        for (line, block) in blocks(&text) {
            checked += 1;
            let source = Source::new(page.with_extension("toml"), whole(&block).as_str());
            // What variables are is said where an app runs.
            let parser = Parser::new(holm_host::vocabulary()).given(Given::not_needed());
            if let Err(problems) = parser.parse(&source) {
                wrong.push(format!(
                    "{}:{line}\n{}",
                    page.display(),
                    problems.render(false, 100)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 10, "only {checked} snippets were found");
}

#[test]
fn every_example_of_a_capability_is_accepted() {
    for about in holm_capabilities::ABOUT {
        let Some(example) = about.example else {
            continue;
        };
        let source = Source::new("example.toml", whole(example).as_str());
        if let Err(problems) = holm_manifest::parse(&source, &holm_host::vocabulary()) {
            panic!("{}: {}", about.name, problems.render(false, 100));
        }
    }
}

#[test]
fn the_published_schema_is_the_enforced_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/holm.schema.json");
    let published: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let enforced = holm_manifest::schema(&holm_host::vocabulary());
    assert_eq!(
        published, enforced,
        "run `cargo xtask schema` and commit docs/holm.schema.json"
    );
}
