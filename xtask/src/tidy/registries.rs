//! Packages come from the public registries: a mirror's name in a lock file breaks it elsewhere.

use super::Finding;
use super::tree::Tree;

/// Lock files, and how the lines start that say where a package comes from
const LOCKFILES: &[(&str, &str)] = &[
    ("Cargo.lock", "source = "),
    ("package-lock.json", "\"resolved\": "),
    ("npm-shrinkwrap.json", "\"resolved\": "),
    ("yarn.lock", "resolved "),
    ("poetry.lock", "url = "),
    ("uv.lock", "source = "),
];

const PUBLIC: &[&str] = &[
    "github.com/rust-lang/crates.io-index",
    "index.crates.io/",
    "registry.npmjs.org/",
    "registry.yarnpkg.com/",
    "pypi.org/",
    "files.pythonhosted.org/",
];

/// Settings files, and the words in them that name a registry
const SETTINGS: &[(&str, &[&str])] = &[
    (".npmrc", &["registry"]),
    ("pip.conf", &["index-url", "find-links"]),
    (
        ".cargo/config.toml",
        &["[source", "[registr", "replace-with"],
    ),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        let name = path.rsplit('/').next().unwrap_or(path);
        let key = LOCKFILES
            .iter()
            .find(|(file, _)| *file == name)
            .map(|(_, key)| *key);
        let words = SETTINGS
            .iter()
            .find(|(file, _)| path.ends_with(file))
            .map(|(_, words)| *words);
        for (index, line) in text.lines().map(str::trim_start).enumerate() {
            if key.is_some_and(|key| line.starts_with(key)) && !is_public(line) {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    "locks a package to a registry that is not public; make the lock file again \
                     without the mirror",
                ));
            }
            if words.is_some_and(|words| words.iter().any(|word| line.starts_with(word))) {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    "chooses a registry for everybody; put that into your own settings",
                ));
            }
        }
    }
    findings
}

/// Without a host there is nothing to leak: a path, a workspace member.
fn is_public(line: &str) -> bool {
    match line.split_once("://") {
        None => true,
        Some((_, address)) => PUBLIC.iter().any(|host| address.starts_with(host)),
    }
}
