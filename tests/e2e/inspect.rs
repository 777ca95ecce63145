//! `holm inspect`: what a file is, as text and as JSON.

use crate::support::*;
use serde_json::Value;

fn inspect(file: impl AsRef<std::path::Path>) -> Output {
    let out = holm().arg("inspect").arg(file.as_ref()).run();
    out.is(0);
    assert_eq!(out.stderr, "");
    out
}

fn json(file: impl AsRef<std::path::Path>) -> Value {
    let out = holm().args(["inspect", "--json"]).arg(file.as_ref()).run();
    out.is(0);
    serde_json::from_str(&out.stdout).unwrap()
}

/// Rows that are the compilers' own, and change with them, are left out.
fn steady(text: &str) -> String {
    let changes = ["size", "digest", "processed-by", "sdk"];
    let kept = text
        .lines()
        .filter(|line| !changes.iter().any(|c| line.starts_with(c)));
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_component() {
    let out = inspect(guest("greet"));
    assert!(out.stdout.contains("\nprocessed-by "), "{}", out.stdout);
    assert!(out.stdout.contains("rustc "), "{}", out.stdout);
    shot!(steady(&out.stdout));
}

#[test]
fn a_service() {
    let out = inspect(guest("http-hello")).stdout;
    assert!(
        out.contains("runs as    an HTTP service, 0.2 (holm up)\n"),
        "{out}"
    );
    assert!(
        out.contains("  export wasi:http/incoming-handler@0.2."),
        "{out}"
    );
    let out = inspect(guest("http-hello-p3")).stdout;
    assert!(
        out.contains("runs as    an HTTP service, 0.3 (holm up)\n"),
        "{out}"
    );
    assert!(out.contains("engine     for WASI 0.3"), "{out}");
    let out = inspect(guest("guestbook")).stdout;
    assert!(out.contains("keyvalue = [\"default\"]\n"), "{out}");
}

#[test]
fn a_core_module() {
    shot!(steady(&inspect(guest("hello-p1")).stdout));
}

#[test]
fn text() {
    let out = inspect(wat("gc")).stdout;
    assert!(out.contains("form       module (text)\n"), "{out}");
    shot!(steady(&out));
    assert!(inspect(wat("threads")).stdout.contains(", with threads\n"));
    assert!(
        inspect(wat("simd"))
            .stdout
            .contains("engine     for WASI 0.1 and 0.2\n")
    );
}

/// What cannot run can still be looked at; it says what is missing.
#[test]
fn a_file_whose_imports_nobody_provides() {
    let out = holm().arg("inspect").arg(wat("newer-wasi")).run();
    out.is(0);
    shot!(format!("{}--- stderr\n{}", steady(&out.stdout), out.stderr));
    let told = holm()
        .args(["inspect", "--json"])
        .arg(wat("newer-wasi"))
        .run();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["engine"]["provided"], false);
    assert!(
        told["engine"]["problem"]
            .as_str()
            .unwrap()
            .contains("wasi:cli/environment@0.9.0")
    );
}

#[test]
fn debug_info_is_told() {
    let scratch = Scratch::new();
    assert!(
        inspect(guest("crash"))
            .stdout
            .contains("debug      DWARF: backtraces show source lines\n")
    );
    assert!(
        inspect(guest("greet"))
            .stdout
            .contains("debug      none: backtraces show numbers\n")
    );
    let named = scratch.write(
        "named.wat",
        "(module (func $fail (export \"_start\") unreachable))",
    );
    assert!(
        inspect(&named)
            .stdout
            .contains("debug      names: backtraces show functions\n")
    );
    assert!(
        inspect(guest("hello-p1"))
            .stdout
            .contains("debug      none: backtraces show numbers\n")
    );
}

#[test]
fn as_json() {
    let it = json(guest("greet"));
    let keys: Vec<&str> = it.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "file",
            "digest",
            "bytes",
            "inspection",
            "runs_as",
            "grants",
            "start",
            "engine"
        ]
    );
    let keys: Vec<&str> = it["inspection"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "form",
            "name",
            "producers",
            "wit",
            "imports",
            "exports",
            "names",
            "dwarf"
        ]
    );
    let keys: Vec<&str> = it["engine"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["wasi", "proposals", "provided", "problem"]);
    assert_eq!(
        it["bytes"],
        std::fs::metadata(guest("greet")).unwrap().len()
    );
    assert!(it["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(it["inspection"]["exports"][0], "greet");
    assert!(
        it["inspection"]["wit"]
            .as_str()
            .unwrap()
            .contains("export greet: func(name: string) -> string;")
    );
    assert_eq!(
        it["inspection"]["producers"]["language"],
        serde_json::json!(["Rust"])
    );
    assert_eq!(it["engine"]["provided"], true);

    let it = json(wat("gc"));
    assert_eq!(it["inspection"]["form"], "module (text)");
    assert_eq!(it["inspection"]["wit"], Value::Null);
    assert_eq!(it["engine"]["proposals"], serde_json::json!(["gc"]));
    assert_eq!(it["runs_as"], serde_json::json!(["a program (holm run)"]));
}

/// What it tells of names is what a backtrace shows.
#[test]
fn a_backtrace_is_as_inspect_tells() {
    for (file, call) in [(guest("greet"), "fail(\"x\")"), (guest("crash-p2"), "")] {
        let told = json(&file);
        let it = &told["inspection"];
        let named = it["names"] == true || it["dwarf"] == true;
        let command = match call {
            "" => run(),
            call => run().args(["--invoke", call]),
        };
        let out = command.arg(&file).run();
        out.is(134);
        let frames = || {
            out.stderr
                .lines()
                .filter(|line| line.starts_with("    at "))
        };
        assert!(frames().count() > 1, "{}", out.stderr);
        let numbers = frames().all(|frame| frame.contains("<function "));
        assert_eq!(named, !numbers, "{}: {}", file.display(), out.stderr);
    }
}

/// The grants that it suggests are ready to paste: with them the app is valid.
#[test]
fn suggested_grants_are_valid() {
    for name in [
        "http-lab",
        "guestbook",
        "hello-p2",
        "udp-tcp",
        "http-lab-p3",
    ] {
        let out = inspect(guest(name)).stdout;
        let (_, grants) = out.split_once("[component.NAME.grants]\n").unwrap();
        let scratch = Scratch::new();
        scratch.dir("data");
        scratch.write(
            "holm.toml",
            format!(
                "name = \"app\"\n[component.it]\nsource = {:?}\n[component.it.grants]\n{grants}",
                guest(name).to_str().unwrap()
            ),
        );
        let checked = holm().arg("check").dir(scratch.path()).run();
        assert_eq!(checked.code, 0, "{name}\n{grants}\n{}", checked.stderr);
    }
}

#[test]
fn machine_code() {
    let scratch = Scratch::new();
    let compiled = scratch.join("greet.cwasm");
    holm()
        .arg("compile")
        .arg(guest("greet"))
        .arg("-o")
        .arg(&compiled)
        .run()
        .is(0);
    let out = inspect(&compiled).stdout;
    assert!(out.contains("form       precompiled component\n"), "{out}");
    assert!(
        out.contains("exports    greet, add, sum, divide, midpoint, area, fail\n"),
        "{out}"
    );
}
