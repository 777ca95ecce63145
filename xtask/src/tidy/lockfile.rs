//! One version of the engine in the tree, so that an update moves all of it.

use toml::{Table, Value};

use super::Finding;
use super::tree::Tree;

const LOCKFILE: &str = "Cargo.lock";

/// The crates that are released together with the engine and share its types
const ENGINE: [&str; 4] = [
    "wasmtime",
    "wasmtime-wasi",
    "wasmtime-wasi-http",
    "wasmtime-wasi-io",
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some((_, text)) = tree.texts().find(|(path, _)| *path == LOCKFILE) else {
        return vec![Finding::in_file(
            LOCKFILE,
            "is missing; a command's lock file is committed",
        )];
    };
    let lock: Table = match text.parse() {
        Ok(lock) => lock,
        Err(error) => return vec![Finding::in_file(LOCKFILE, format!("is no TOML: {error}"))],
    };
    let packages = lock.get("package").and_then(Value::as_array);
    let locked: Vec<_> = packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            Some((
                package.get("name")?.as_str()?,
                package.get("version")?.as_str()?,
            ))
        })
        .filter(|(name, _)| ENGINE.contains(name))
        .collect();
    let Some((_, first)) = locked.first() else {
        return Vec::new();
    };
    if locked.iter().all(|(_, version)| version == first) {
        return Vec::new();
    }
    let locked: Vec<_> = locked
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let message = format!(
        "holds more than one version of the engine ({}); move all pins in the root Cargo.toml \
         together and find what drags the other in: cargo tree --invert wasmtime",
        locked.join(", ")
    );
    vec![Finding::in_file(LOCKFILE, message)]
}
