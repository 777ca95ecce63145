//! What is left of a guest that died: what happened, and where.

use crate::support::*;

const CRASHES: [&str; 2] = ["crash", "crash-p2"];

/// The functions of a backtrace, innermost first, and their places.
fn frames(stderr: &str) -> Vec<(String, String)> {
    let lines = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("    at "));
    lines
        .map(|line| match line.rsplit_once(" (") {
            Some((function, place)) => {
                (function.to_owned(), place.trim_end_matches(')').to_owned())
            }
            None => (line.to_owned(), String::new()),
        })
        .collect()
}

/// These functions come in this order, each with a line of this file; others may stand between.
#[track_caller]
fn in_order(out: &Output, wanted: &[(&str, &str)]) {
    let frames = frames(&out.stderr);
    let mut rest = frames.iter();
    for (function, file) in wanted {
        let found = rest.find(|(f, _)| f.ends_with(function));
        let Some((_, place)) = found else {
            panic!("no `{function}` in its place:\n{}", out.stderr)
        };
        let (path, position) = place
            .split_once(".rs:")
            .unwrap_or_else(|| panic!("no source line: {place}"));
        assert!(
            format!("{path}.rs").ends_with(file),
            "{place} is not of {file}"
        );
        assert!(
            position
                .split(':')
                .all(|n| n.parse::<u32>().is_ok_and(|n| n > 0)),
            "{place}"
        );
    }
}

#[test]
fn functions_in_order_with_source_lines() {
    for name in CRASHES {
        for (how, says) in [
            ("panic", "unreachable"),
            ("trap", "unreachable"),
            ("divide", "attempt to divide by zero"),
            ("bounds", "out of bounds memory access"),
        ] {
            let out = run().arg(guest(name)).arg(how).run();
            out.is(134)
                .says(&format!("guest failed: {name} trapped: "))
                .says(says);
            assert_eq!(out.stdout, format!("about to {how}\n"));
            in_order(
                &out,
                &[
                    ("depths::inner", "src/depths.rs"),
                    ("depths::middle", "src/depths.rs"),
                    ("outer", "src/main.rs"),
                    ("main", "src/main.rs"),
                ],
            );
        }
    }
}

#[test]
fn a_panics_own_message_comes_first() {
    for name in CRASHES {
        let out = run().arg(guest(name)).run();
        let (panic, holm) = out.stderr.split_once("guest failed: ").unwrap();
        assert!(panic.contains("inner gave up"), "{}", out.stderr);
        assert!(
            holm.contains("help: a panic or an abort in the guest"),
            "{}",
            out.stderr
        );
    }
}

#[test]
fn endless_recursion_is_cut_short() {
    for name in CRASHES {
        let out = run().arg(guest(name)).arg("overflow").run();
        // The guest's own stack lies in its memory and is the first to run over.
        out.is(134)
            .says("out of bounds memory access")
            .says("recursion beyond its own stack");
        let frames = frames(&out.stderr);
        assert!((10..=30).contains(&frames.len()), "{}", out.stderr);
        assert!(frames[2].0.ends_with("depths::endless"), "{}", out.stderr);
    }
}

#[test]
fn recursion_on_the_engines_stack() {
    let scratch = Scratch::new();
    let endless = scratch.write(
        "endless.wat",
        r#"(module (func $again (export "_start") call $again))"#,
    );
    let out = run().arg(endless).run();
    out.is(134)
        .says("endless called itself deeper than its stack (512 KiB)\n    at again")
        .says("help: or look for recursion without end");
    assert!(frames(&out.stderr).len() <= 30, "{}", out.stderr);
}

#[test]
fn names_without_lines_and_neither() {
    let scratch = Scratch::new();
    let named = scratch.write(
        "named.wat",
        r#"(module $m (func $deep unreachable) (func (export "_start") call $deep))"#,
    );
    let out = run().arg(named).run();
    out.is(134);
    shot!("trap_with_names", out.stderr);
    let bare =
        wat::parse_str("(module (func unreachable) (func (export \"_start\") call 0))").unwrap();
    let out = run().arg(scratch.write("bare.wasm", bare)).run();
    out.is(134);
    shot!("trap_without_names", out.stderr);
}

/// A name in a file must not colour the terminal or move its cursor.
#[test]
fn names_are_shown_harmless() {
    let scratch = Scratch::new();
    let odd = scratch.write(
        "odd.wat",
        "(module (func $deep (@name \"\\1b[31mred\\07\\0d\") unreachable) (func (export \"_start\") call $deep))",
    );
    let out = run().arg(odd).run();
    out.is(134).says("[31mred");
    assert!(
        !out.stderr.contains(['\x1b', '\x07', '\r']),
        "{:?}",
        out.stderr
    );
}
