//! No source file needs more than one sitting to read.

use super::Finding;
use super::doc_line::GENERATED;
use super::tree::Tree;

const LINES_MAX: usize = 800;

/// What people write and read as code; standards, lock files and snapshots have other authors.
const SOURCES: [&str; 9] = [".rs", ".py", ".js", ".ts", ".go", ".c", ".h", ".sh", ".sql"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let written = |(path, text): &(&str, &str)| {
        SOURCES.iter().any(|ending| path.ends_with(ending)) && !text.starts_with(GENERATED)
    };
    let sources = tree.texts().filter(written);
    let long = sources.filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > LINES_MAX).then(|| {
            let message = format!("has {lines} lines, {LINES_MAX} are the most; split it by noun");
            Finding::in_file(path, message)
        })
    });
    long.collect()
}
