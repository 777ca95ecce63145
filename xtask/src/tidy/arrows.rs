//! Arrows between crates point down only, and `manifest` knows no wasmtime.

use toml::{Table, Value};

use super::Finding;
use super::tree::Tree;

/// Each crate with the crates of ours that it may name, the lowest first
const ARROWS: &[(&str, &[&str])] = &[
    ("holm-manifest", &[]),
    ("holm-runtime", &["holm-manifest"]),
    ("holm-capabilities", &["holm-manifest", "holm-runtime"]),
    (
        "holm-abi",
        &["holm-manifest", "holm-runtime", "holm-capabilities"],
    ),
    (
        "holm-host",
        &[
            "holm-manifest",
            "holm-runtime",
            "holm-capabilities",
            "holm-abi",
        ],
    ),
    (
        "holm",
        &[
            "holm-manifest",
            "holm-runtime",
            "holm-capabilities",
            "holm-abi",
            "holm-host",
        ],
    ),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.texts().filter(|(path, _)| {
        let ours = ["crates/", "embed/", "deploy/", "xtask/"];
        // What `holm new` writes is somebody else's crate.
        let is_ours = ours.iter().any(|folder| path.starts_with(folder));
        path.ends_with("/Cargo.toml") && is_ours && !path.starts_with("crates/holm/templates/")
    });
    manifests
        .flat_map(|(path, text)| check_manifest(path, text))
        .collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::in_file(path, format!("is no TOML: {error}"))],
    };
    let package = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let Some(package) = package.and_then(Value::as_str) else {
        return Vec::new();
    };
    let known = ARROWS.iter().find(|(name, _)| *name == package);
    if known.is_none() && path.starts_with("crates/") {
        let message = format!(
            "crate {package} has no place in the order of crates; say in \
             xtask/src/tidy/arrows.rs what it may depend on, or make it a module"
        );
        return vec![Finding::in_file(path, message)];
    }

    let mut findings = Vec::new();
    for dependency in dependencies(&manifest) {
        if dependency == "holm" {
            findings.push(Finding::in_file(
                path,
                "depends on the command `holm`; move what is needed down into holm-host",
            ));
        } else if let Some((_, allowed)) = known {
            let ours = dependency.starts_with("holm-");
            if ours && !allowed.contains(&dependency.as_str()) {
                let allowed = if allowed.is_empty() {
                    "none"
                } else {
                    &allowed.join(", ")
                };
                let message = format!(
                    "{package} may not depend on {dependency}: arrows point down only \
                     (allowed: {allowed}); move the shared part down, or pass it in"
                );
                findings.push(Finding::in_file(path, message));
            }
            if package == "holm-manifest" && dependency.starts_with("wasmtime") {
                let message = format!(
                    "holm-manifest is plain data and may not depend on {dependency}; \
                     what needs the engine belongs in holm-runtime"
                );
                findings.push(Finding::in_file(path, message));
            }
        }
    }
    findings
}

/// The packages named in any dependency table, those of a target included
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let mut names = Vec::new();
    for table in targets.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(kind).and_then(Value::as_table) else {
                continue;
            };
            for (key, value) in dependencies {
                let renamed = value.get("package").and_then(Value::as_str);
                names.push(renamed.unwrap_or(key).to_owned());
            }
        }
    }
    names
}
