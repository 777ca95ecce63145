//! What the user reads: each `ui/CASE.toml` must be answered with `ui/CASE.err`; those in `ui_spin/`
//! are read as a `spin.toml`.
//!
//! A new case is a new `.toml` file and no code. `HOLM_BLESS=1 cargo test` writes what
//! is shown now into the `.err` files; review the difference. An empty `.err` says that
//! the manifest is good.

#![allow(missing_docs, reason = "test code")]

mod support;

#[test]
fn each_mistake_is_answered_as_written() {
    compare("ui", "holm.toml", 30);
}

#[test]
fn the_same_of_spins_manifests() {
    compare("ui_spin", "spin.toml", 10);
}

fn compare(folder: &str, manifest: &str, least: usize) {
    let bless = std::env::var_os("HOLM_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for path in support::files(folder) {
        if path.extension().is_none_or(|ext| ext != "toml") {
            let partner = path.with_extension("toml");
            assert!(partner.exists(), "{} belongs to no case", path.display());
            continue;
        }
        cases += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = support::shown_as(manifest, &text);
        let expected_path = path.with_extension("err");
        if bless {
            std::fs::write(&expected_path, &shown).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if shown != expected {
            let name = path.file_name().unwrap().display();
            wrong.push(format!(
                "== {name}: expected\n{expected}\n-- shown\n{shown}"
            ));
        }
    }
    assert!(cases >= least, "only {cases} cases were found");
    assert!(
        wrong.is_empty(),
        "{}\nHOLM_BLESS=1 accepts these",
        wrong.join("\n")
    );
}
