//! `cargo xtask tidy`: the house rules as checks, each with advice; `cargo test` runs them too.

mod arrows;
mod code;
mod doc_line;
mod engine;
mod leftovers;
mod lockfile;
mod machine_paths;
mod pages;
mod registries;
mod size;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use self::tree::Tree;
use crate::workspace;

/// Flags of `cargo xtask tidy`
#[derive(Parser)]
pub struct Args {}

/// One place where a house rule is broken
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File or folder, below the workspace's root
    path: String,
    /// Counted from one; none where the whole file is meant
    line: Option<usize>,
    /// What is wrong, and what to do instead
    message: String,
}

/// A house rule
type Rule = fn(&Tree) -> Vec<Finding>;

/// All of them: a new rule is a file here and a line in this list.
const RULES: &[Rule] = &[
    arrows::check,
    doc_line::check,
    engine::check,
    leftovers::check,
    lockfile::check,
    machine_paths::check,
    pages::check,
    registries::check,
    size::check,
];

/// Prints every finding; any at all is a failure.
pub fn run(_: Args) -> Result<ExitCode> {
    let tree = Tree::of_git(workspace::root())?;
    let findings = findings(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!(
            "tidy: {} files, {} rules, nothing to say",
            tree.len(),
            RULES.len()
        );
        Ok(ExitCode::SUCCESS)
    } else {
        println!("tidy: {} to put right", findings.len());
        Ok(ExitCode::FAILURE)
    }
}

/// What all rules find, file by file
fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}

impl Finding {
    fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            message: message.into(),
        }
    }

    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::in_file(path, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            message,
        } = self;
        match line {
            Some(line) => write!(f, "{path}:{line}: {message}"),
            None => write!(f, "{path}: {message}"),
        }
    }
}
