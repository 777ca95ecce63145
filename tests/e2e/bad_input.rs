//! Files that are broken, odd or hostile: a clear message, a right exit code, never a crash of ours.

use crate::support::*;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

fn refused(file: impl AsRef<Path>) -> Output {
    let out = run().arg(file.as_ref()).run();
    out.is(2).says("error: ");
    assert_eq!(out.stdout, "");
    out
}

#[test]
fn files_that_are_something_else() {
    let scratch = Scratch::new();
    for (name, content) in [
        ("empty", &b""[..]),
        ("text", b"hello there, this is text\n"),
        ("header_alone", b"\0asm"),
        ("unknown_version", b"\0asm\x09\0\0\0"),
        ("native", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("zip", b"PK\x03\x04\x14\0"),
        ("gzip", b"\x1f\x8b\x08\0"),
        ("html", b"<!DOCTYPE html><title>404</title>"),
        ("script", b"#!/bin/sh\necho hi\n"),
        ("bytes", b"\xde\xad\xbe\xef\0\x01\x02"),
        (
            "lfs",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        ),
        ("escape_codes", b"\x1b[2J\x1b[31mboo"),
    ] {
        let out = refused(scratch.write(format!("{name}.wasm"), content));
        assert!(!out.stderr.contains('\x1b'), "{:?}", out.stderr);
        shot!(format!("not_wasm_{name}"), out.stderr);
    }
    let out = refused(scratch.dir("folder.wasm"));
    shot!("not_wasm_folder", out.stderr);
    let out = refused("/dev/null");
    shot!("not_wasm_dev_null", out.stderr);
}

#[test]
fn text_that_does_not_parse() {
    let scratch = Scratch::new();
    for (name, content) in [
        ("unfinished", "(module\n  (func $x\n"),
        (
            "unknown_instruction",
            "(module\n  (func (export \"_start\")\n    i32.frobnicate))\n",
        ),
        ("unknown_name", "(module (func (call $nobody)))\n"),
        ("wrong_type", "(module (func (result i32) (i64.const 1)))\n"),
        ("not_utf8", "(module \u{fffd})"),
    ] {
        let out = refused(scratch.write(format!("{name}.wat"), content));
        shot!(format!("wat_{name}"), out.stderr);
    }
    let out = refused(scratch.write("latin1.wat", b"(module (; \xe9 ;))"));
    shot!("wat_latin1", out.stderr);
    // The name of a file says nothing: this is a module in text.
    run()
        .arg(scratch.write("text.wasm", "(module (func (export \"_start\")))"))
        .run()
        .prints("");
}

#[test]
fn cut_off_anywhere() {
    let scratch = Scratch::new();
    for name in ["hello-p1", "hello-p2"] {
        let whole = std::fs::read(guest(name)).unwrap();
        for length in [
            1,
            3,
            4,
            7,
            8,
            9,
            100,
            whole.len() / 4,
            whole.len() / 2,
            whole.len() - 1,
        ] {
            let out = run().arg(scratch.write("cut.wasm", &whole[..length])).run();
            // Cut right behind its header it is whole: an empty one.
            out.is(2).says("error: ");
            assert!(!out.stderr.contains("panicked"), "{length}: {}", out.stderr);
        }
    }
    let whole = std::fs::read(guest("hello-p2")).unwrap();
    let out = refused(scratch.write("cut.wasm", &whole[..whole.len() / 2]));
    assert!(
        out.stderr.contains("is not valid WebAssembly"),
        "{}",
        out.stderr
    );
    out.says("help: the file may be cut off or damaged; build or download it again");
}

/// Random changes of a valid file: refused, or it runs and ends one way or another.
#[test]
fn flipped_bytes() {
    let small = wat::parse_file(repo().join("tests/e2e/fixtures/keyvalue-once.wat")).unwrap();
    let large = std::fs::read(guest("greet")).unwrap();
    let mut random = Random(0x5eed);
    let scratch = Scratch::new();
    let mut ends = std::collections::BTreeMap::new();
    for round in 0..200 {
        let whole = if round % 8 == 0 { &large } else { &small };
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(3) {
            let at = 8 + random.below(bytes.len() - 8);
            bytes[at] ^= 1 << random.below(8);
        }
        let file = scratch.write("flipped.wasm", &bytes);
        let command = run().args([
            "--timeout",
            "10 s",
            "--memory",
            "64 MiB",
            "--keyvalue",
            "default",
        ]);
        let command = if round % 8 == 0 {
            command.args(["--invoke", "add(1, 2)"])
        } else {
            command
        };
        let out = command
            .env("HOLM_CACHE_DIR", scratch.join("cache"))
            .arg(&file)
            .dir(scratch.path())
            .run();
        let fine = [0, 1, 2, 124, 126, 134].contains(&out.code);
        if !fine || out.stderr.contains("internal error") || out.stderr.contains("panicked at") {
            let kept = std::env::temp_dir().join("holm-e2e-flipped.wasm");
            std::fs::copy(&file, &kept).unwrap();
            panic!(
                "round {round} ended with {}; {} shows it\n{}",
                out.code,
                kept.display(),
                out.stderr
            );
        }
        *ends.entry(out.code).or_insert(0) += 1;
    }
    // The test does something: some were refused, some ran.
    assert!(ends.len() > 1 && ends[&2] > 20, "{ends:?}");
}

/// xorshift: the same changes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn a_file_of_500_megabytes() {
    let scratch = Scratch::new();
    let big = scratch.join("big.wasm");
    File::create(&big).unwrap().set_len(500 << 20).unwrap();
    for command in ["run", "inspect", "compile"] {
        let out = holm().arg(command).arg(&big).run();
        out.is(2);
        assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
        shot!("big_file", out.stderr);
    }
}

/// Just small enough to be read, and still nothing.
#[test]
fn a_file_of_200_megabytes() {
    let scratch = Scratch::new();
    let big = scratch.join("big.wasm");
    File::create(&big).unwrap().set_len(200 << 20).unwrap();
    let out = run().arg(&big).run();
    out.is(2)
        .says("is not WebAssembly: it begins with 00 00 00 00");
    assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
}

#[test]
fn a_file_without_end() {
    let out = run().arg("/dev/zero").run();
    out.is(2);
    assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
}

#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let file = scratch.write("closed.wasm", b"\0asm\x01\0\0\0");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0)).unwrap();
    // Root may read it all the same, and finds that it is no program.
    let out = run().arg(&file).run();
    out.is(2);
}

/// Modules that are valid and no programs.
#[test]
fn modules_without_an_entry() {
    let scratch = Scratch::new();
    let out = run().arg(scratch.write("empty.wat", "(module)")).run();
    out.is(2);
    shot!("no_entry", out.stderr);
    let out = run()
        .arg(scratch.write(
            "params.wat",
            r#"(module (func (export "_start") (param i32)))"#,
        ))
        .run();
    assert!([2, 134].contains(&out.code), "{}", out.stderr);
    assert!(!out.stderr.contains("internal error"), "{}", out.stderr);
    let out = run()
        .arg(scratch.write(
            "global.wat",
            r#"(module (global (export "_start") i32 (i32.const 1)))"#,
        ))
        .run();
    assert!([2, 134].contains(&out.code), "{}", out.stderr);
    assert!(!out.stderr.contains("internal error"), "{}", out.stderr);
}

/// As much of everything as a validator lets through.
#[test]
fn modules_that_are_too_much() {
    let scratch = Scratch::new();
    let table = scratch.write(
        "table.wat",
        r#"(module (table 100000000 funcref) (func (export "_start")))"#,
    );
    let out = run().arg(table).run();
    assert!(!out.stderr.contains("internal error"), "{}", out.stderr);
    assert!(
        [0, 2, 134].contains(&out.code),
        "{}: {}",
        out.code,
        out.stderr
    );
    let nested = format!(
        "(module (func (export \"_start\") {} {}))",
        "(block ".repeat(20_000),
        ")".repeat(20_000)
    );
    let out = run().arg(scratch.write("nested.wat", nested)).run();
    assert!([0, 2].contains(&out.code), "{}: {}", out.code, out.stderr);
    let functions = "(func)".repeat(50_000);
    run()
        .arg(scratch.write(
            "many.wat",
            format!("(module {functions} (func (export \"_start\")))"),
        ))
        .run()
        .prints("");
}
