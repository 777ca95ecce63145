//! No paths of the machine that a file was made on: they are wrong on every other one.

use super::Finding;
use super::tree::Tree;

/// Split, so that this file does not find itself.
const PATHS: [&str; 2] = [concat!("/", "work/"), concat!("/", "root/")];

/// In programs, strings lie side by side; only what compilers leave there is told for sure.
const PATHS_IN_BINARIES: [&str; 2] = [concat!("/", "work/main/"), concat!("/", "root/.cargo/")];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, bytes) in tree.files() {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let holds = |path: &str| bytes.windows(path.len()).any(|w| w == path.as_bytes());
            if let Some(found) = PATHS_IN_BINARIES.into_iter().find(|path| holds(path)) {
                let message = format!(
                    "holds the machine path {found}…; build it with --remap-path-prefix, or strip it"
                );
                findings.push(Finding::in_file(path, message));
            }
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            for found in PATHS.iter().filter(|found| starts_in(line, found)) {
                let message = format!(
                    "names the machine path {found}…; say it from the workspace's root, or by a \
                     variable such as $HOME"
                );
                findings.push(Finding::at(path, index + 1, message));
            }
        }
    }
    findings
}

/// Whether a path starts there, rather than goes on: `target/work/` is fine.
fn starts_in(line: &str, found: &str) -> bool {
    line.match_indices(found).any(|(at, _)| {
        let goes_on = |c: char| c.is_alphanumeric() || "._-/~})*".contains(c);
        !line[..at].ends_with(goes_on)
    })
}
