//! Only `runtime` makes a wasmtime Engine, Store or Linker: limits and the seam are set up there.

use super::tree::Tree;
use super::{Finding, code};

const TYPES: [&str; 3] = ["Engine", "Linker", "Store"];
const MAKERS: [&str; 3] = ["default", "new", "try_new"];

/// Where they may be made, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    (
        "crates/runtime/",
        "the engine room, where limits and the seam are set up",
    ),
    (
        "xtask/src/tidy/tests.rs",
        "this rule's own examples, which are text",
    ),
];

/// Tests look at the linked functions from outside, beside the engine's own, without a runtime.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("tests.rs")
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let outside = tree.rust().filter(|(path, _)| {
        !is_test(path) && !ALLOWED.iter().any(|(room, _)| path.starts_with(room))
    });
    outside
        .flat_map(|(path, text)| check_file(path, text))
        .collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let imported = imported(text);
    let mut findings = Vec::new();
    for (number, line) in code::lines(text) {
        for name in TYPES {
            let made = code::words(line, name).any(is_made);
            let qualified = ["wasmtime::", "component::"]
                .iter()
                .any(|module| code::words(line, &format!("{module}{name}")).any(is_made));
            if qualified || (made && imported.contains(&name)) {
                let message = format!(
                    "makes a wasmtime {name}; ask holm-runtime for one, which sets limits and \
                     the seam (only crates/runtime/ makes them)"
                );
                findings.push(Finding::at(path, number, message));
            }
        }
    }
    findings
}

/// The types that a `use wasmtime…;` brings in by name; other crates have a `Store` too.
fn imported(text: &str) -> Vec<&'static str> {
    let code: Vec<_> = code::lines(text).map(|(_, line)| line).collect();
    let code = code.join("\n");
    let statements: Vec<_> = code
        .split(';')
        .filter_map(|statement| {
            let (_, path) = statement.rsplit_once("use ")?;
            path.trim_start().starts_with("wasmtime::").then_some(path)
        })
        .collect();
    let imports = |name: &str| {
        statements.iter().any(|path| {
            // `Store as _` and `Store as Other` are left to the reader.
            code::has_word(path, name) || path.trim_end().ends_with("::*")
        })
    };
    TYPES.into_iter().filter(|name| imports(name)).collect()
}

/// Whether what follows a type's name makes one: `::new(`, or `::<T>::new(`
fn is_made(after: &str) -> bool {
    let Some(mut rest) = after.strip_prefix("::") else {
        return false;
    };
    if rest.starts_with('<') {
        let Some((_, behind)) = rest.split_once(">::") else {
            return false;
        };
        rest = behind;
    }
    let maker = |name: &str| {
        rest.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('('))
    };
    MAKERS.into_iter().any(maker)
}
