//! The grants as the manifest language has them: what the schema refuses, what is found later.

use holm_capabilities::{Grants, Place, fragments};
use holm_manifest::{Problems, Source, Vocabulary, parse};
use std::path::Path;

/// The problems with the grants of one component, as the user sees them.
fn problems(base: &Path, grants: &str) -> String {
    let text = format!(
        "name = \"app\"\n[component.web]\nsource = \"web.wasm\"\n[component.web.grants]\n{grants}\n"
    );
    let source = Source::new("holm.toml", text);
    let vocabulary = Vocabulary {
        grants: fragments(),
        ..Vocabulary::default()
    };
    let manifest = match parse(&source, &vocabulary) {
        Ok(manifest) => manifest,
        Err(problems) => return problems.render(false, 100),
    };
    let place = Place {
        base: base.to_owned(),
        state: base.join(".holm"),
        stores: [].into(),
        shared: Default::default(),
        brokers: Default::default(),
    };
    match Grants::resolve(&manifest.components[0].grants, &place) {
        Ok(_) => String::new(),
        Err(problems) => Problems::new(source, problems).render(false, 100),
    }
    .replace(&base.display().to_string(), "/base")
}

#[test]
fn grants_that_are_right() {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join("public")).unwrap();
    let grants = r#"dirs = { "/site" = "public", "/data" = { path = "public", access = "write" } }
env = { GREETING = "hello", LANG = { inherit = true } }"#;
    assert_eq!(problems(base.path(), grants), "");
}

#[test]
fn grants_that_are_wrong() {
    let base = tempfile::tempdir().unwrap();
    for (grants, told) in [
        (
            r#"dirs = { "/site" = "public" }"#,
            "create it: mkdir -p /base/public",
        ),
        (
            r#"dirs = { "/d" = { path = "d", access = "x" } }"#,
            r#"`access` must be "read" or "write""#,
        ),
        (
            r#"dirs = { "/d" = { path = "d", acces = "write" } }"#,
            "did you mean `access`?",
        ),
        (r#"dirs = ["/data"]"#, "`dirs` must be a table"),
        (
            r#"env = { GREETING = 1 }"#,
            "`GREETING` must be a string or a table",
        ),
        (
            r#"env = { "A=B" = "x" }"#,
            "`A=B` cannot name an environment variable",
        ),
        (
            r#"env = { LANG = { inherits = true } }"#,
            "did you mean `inherit`?",
        ),
    ] {
        let problems = problems(base.path(), grants);
        assert!(problems.contains(told), "{problems}");
    }
}
