//! Proposals of core WebAssembly: they work, or are refused by name; interfaces nobody provides, too.

use crate::support::*;

macro_rules! works {
    ($($test:ident: $file:literal prints $text:literal,)*) => {
        $(#[test]
        fn $test() {
            run().arg(wat($file)).run().prints($text);
            // Guests that can be stopped run on another engine.
            run().args(["--timeout", "60 s"]).arg(wat($file)).run().prints($text);
        })*
    };
}

works! {
    threads: "threads" prints "threads ok\n",
    gc: "gc" prints "gc ok\n",
    exceptions: "exceptions" prints "exceptions ok\n",
    tail_calls: "tail-calls" prints "tail calls ok\n",
    memory64: "memory64" prints "memory64 ok\n",
    multi_memory: "multi-memory" prints "multi-memory ok\n",
    simd: "simd" prints "simd ok\n",
}

/// A fixture without a test is a mistake.
#[test]
fn each_fixture_has_its_test() {
    let here = [
        "threads",
        "gc",
        "exceptions",
        "tail-calls",
        "memory64",
        "multi-memory",
        "simd",
        "unknown-import",
        "newer-wasi",
        // Tested elsewhere: calls, errors, agents, benches, jobs.
        "calls",
        "clash",
        "documented",
        "exit-code",
        "lies",
    ];
    for entry in std::fs::read_dir(repo().join("guests/wat")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            here.contains(&name),
            "guests/wat/{name}.wat has no test in tests/e2e/run_features.rs"
        );
    }
}

#[test]
fn an_interface_that_nobody_has() {
    let out = run().arg(wat("unknown-import")).run();
    out.is(2);
    shot!(out.stderr);
}

#[test]
fn a_wasi_that_is_not_there_yet() {
    let out = run().arg(wat("newer-wasi")).run();
    out.is(2)
        .says("wasi:cli/environment@0.9.0")
        .says("provided: wasi:cli/environment@0.2.");
    shot!(out.stderr);
}

/// No grant makes a version that is not there: it is told first, beside the grants that are missing.
#[test]
fn a_version_that_nobody_provides_and_a_missing_grant() {
    let scratch = Scratch::new();
    let import = |name: &str| format!("(import \"{name}\" (instance (export \"f\" (func))))");
    let component = |imports: &[&str]| {
        let imports: String = imports.iter().map(|name| import(name)).collect();
        let file = scratch.write("odd.wat", format!("(component {imports})"));
        let out = run().arg(file).run();
        out.is(2);
        out.stderr
    };
    let alone = component(&["wasi:keyvalue/store@0.3.0"]);
    assert!(!alone.contains("denied"), "{alone}");
    let both = component(&[
        "wasi:keyvalue/store@0.3.0",
        "wasi:keyvalue/batch@0.2.0-draft2",
    ]);
    let steady = |text: &str| text.replace(&scratch.path().display().to_string(), "[DIR]");
    shot!("version_unprovided", steady(&alone));
    shot!("version_unprovided_and_ungranted", steady(&both));
    // The grant alone is not the way out.
    let granted = run()
        .args(["--keyvalue", "default"])
        .arg(scratch.join("odd.wat"))
        .dir(scratch.path())
        .run();
    granted.is(2).says("imports `wasi:keyvalue/store@0.3.0`");
}

#[test]
fn a_function_that_no_wasi_has() {
    let scratch = Scratch::new();
    let odd = scratch.write(
        "odd.wat",
        r#"(module (import "env" "frob" (func)) (func (export "_start")))"#,
    );
    let out = run().arg(odd).run();
    out.is(2);
    shot!("import_of_env", out.stderr);
    let odd = scratch.write(
        "odd1.wat",
        r#"(module (import "wasi_snapshot_preview1" "fd_frob" (func)) (func (export "_start")))"#,
    );
    let out = run().arg(odd).run();
    out.is(2);
    shot!("import_of_0_1", out.stderr);
    let odd = scratch.write(
        "odd2.wat",
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64))) (func (export "_start")))"#,
    );
    let out = run().arg(odd).run();
    out.is(2);
    shot!("import_of_another_type", out.stderr);
}

/// `try` … `end` of the first exceptions proposal, put together by hand: text no longer has it.
const LEGACY_EXCEPTIONS: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x07\x01\x05\0\x06\x40\x0b\x0b";
/// A function type that is shared between threads.
const SHARED_EVERYTHING: &[u8] = b"\0asm\x01\0\0\0\x01\x05\x01\x65\x60\0\0";

#[test]
fn proposals_that_the_engine_does_not_have() {
    let scratch = Scratch::new();
    for (name, bytes) in [
        ("legacy-exceptions", LEGACY_EXCEPTIONS),
        ("shared-everything-threads", SHARED_EVERYTHING),
    ] {
        let file = scratch.write(format!("{name}.wasm"), bytes);
        let out = run().arg(file).run();
        out.is(2).says(&format!("needs the proposal {name}"));
        shot!(name, out.stderr);
    }
}
