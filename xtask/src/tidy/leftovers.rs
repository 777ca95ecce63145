//! No unfinished code, and no debugging, is left behind.

use super::tree::Tree;
use super::{Finding, code};

const MACROS: [(&str, &str); 3] = [
    (
        "todo",
        "write it, or return an error that says what is missing",
    ),
    ("unimplemented", "return an error that says what is missing"),
    ("dbg", "remove it, or log with tracing"),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".rs")) {
        for (number, line) in code::lines(text) {
            for (name, advice) in MACROS {
                let call = format!("{name}!(");
                if code::has_word(line, &call) {
                    findings.push(Finding::at(
                        path,
                        number,
                        format!("{call}…) is left: {advice}"),
                    ));
                }
            }
        }
    }
    findings
}
