//! `--cpu`, `--timeout`, `--memory`: what stops a guest, how that is said, and what the receipt tells.

use crate::support::*;
use serde_json::Value;
use std::time::Duration;

/// The JSON receipt: the last line on standard error.
fn receipt(out: &Output) -> Value {
    let line = out.stderr.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {}", out.stderr))
}

fn limited(flags: &[&str]) -> Command {
    run().args(["--receipt", "--json"]).args(flags)
}

#[test]
fn cpu_time_is_used_up() {
    let out = limited(&["--cpu", "200 ms"]).arg(guest("spin-cpu")).run();
    out.is(152)
        .says("guest failed: spin-cpu used up its CPU time (200 ms)\n    at ")
        .says("help: raise it in the manifest: limits = { cpu = … }\nhelp: or for `holm run`: --cpu\n");
    let receipt = receipt_anywhere(&out);
    assert_eq!(receipt["limit"], "cpu");
    let spent = receipt["cpu_us"].as_u64().unwrap();
    assert!((200_000..2_000_000).contains(&spent), "{receipt}");
}

/// The error is printed after the receipt.
fn receipt_anywhere(out: &Output) -> Value {
    let line = out.stderr.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {}", out.stderr))
}

/// CPU time is counted, not wall time: a guest that sleeps uses none.
#[test]
fn sleep_is_no_cpu_time() {
    for name in ["hello-p1", "hello-p2"] {
        run()
            .args(["--cpu", "400 ms"])
            .arg(guest(name))
            .args(["sleep", "900"])
            .run()
            .prints("");
    }
}

#[test]
fn timeout_of_a_guest_that_sleeps() {
    for name in ["hello-p1", "hello-p2"] {
        let out = limited(&["--timeout", "300 ms"])
            .arg(guest(name))
            .args(["sleep", "60000"])
            .run();
        out.is(124).says(&format!(
            "guest failed: {name} took longer than its timeout (300 ms)"
        ));
        assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
        assert_eq!(receipt_anywhere(&out)["limit"], "timeout");
    }
}

#[test]
fn timeout_of_a_guest_that_computes() {
    let out = limited(&["--timeout", "300 ms"])
        .arg(guest("spin-cpu"))
        .run();
    out.is(124)
        .says("spin-cpu took longer than its timeout (300 ms)");
    assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
    assert_eq!(receipt_anywhere(&out)["limit"], "timeout");
}

/// It reads, and nobody writes.
#[test]
fn timeout_of_a_guest_that_waits_for_input() {
    for name in ["hello-p1", "hello-p2"] {
        let mut child = run()
            .args(["--timeout", "300 ms"])
            .arg(guest(name))
            .arg("cat")
            .spawn();
        let stdin = child.stdin.take();
        let status = wait(&mut child, Duration::from_secs(20));
        drop(stdin);
        assert_eq!(status.map(code), Some(124), "{name}");
    }
}

#[test]
fn limits_that_are_kept_change_nothing() {
    run()
        .args(["--cpu", "10 s", "--timeout", "1m", "--memory", "64 MiB"])
        .arg(guest("hello-p2"))
        .run()
        .prints("hello\n");
}

/// A guest that is refused memory and says so keeps its own exit code; the receipt names the limit.
#[test]
fn memory_is_refused() {
    let out = limited(&["--memory", "16 MiB"])
        .arg(guest("grow-memory"))
        .run();
    out.is(1);
    assert!(out.stdout.starts_with("refused after "), "{}", out.stdout);
    let receipt = receipt(&out);
    assert_eq!(receipt["limit"], "memory");
    assert!(
        receipt["memory_peak"].as_u64().unwrap() <= 16 << 20,
        "{receipt}"
    );
    let out = limited(&["--memory", "64 MiB"])
        .arg(guest("grow-memory"))
        .arg("8")
        .run();
    out.is(0);
    assert_eq!(out.stdout, "took 8 MiB\n");
    assert_eq!(self::receipt(&out)["limit"], Value::Null);
}

/// Most guests do not look, or abort in their allocator: then the limit is what is told, not the trap.
#[test]
fn a_trap_after_refused_memory_is_told_as_the_limit() {
    let scratch = Scratch::new();
    let greedy = scratch.write(
        "greedy.wat",
        r#"(module (memory (export "memory") 1)
             (func (export "_start") (if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))))"#,
    );
    let out = limited(&["--memory", "1 MiB"]).arg(&greedy).run();
    out.is(134);
    assert_eq!(receipt_anywhere(&out)["limit"], "memory");
    let error: String = out
        .stderr
        .lines()
        .filter(|l| !l.starts_with('{'))
        .map(|l| format!("{l}\n"))
        .collect();
    shot!(error);
    run()
        .args(["--memory", "128 MiB"])
        .arg(&greedy)
        .run()
        .prints("");
}

#[test]
fn memory_that_a_module_begins_with() {
    let scratch = Scratch::new();
    let big = scratch.write(
        "big.wat",
        r#"(module (memory 100) (func (export "_start")))"#,
    );
    let out = run().args(["--memory", "1 MiB"]).arg(&big).run();
    out.is(134).says("--memory");
    shot!(out.stderr);
    let threads = scratch.write(
        "threads.wat",
        r#"(module (import "env" "memory" (memory 1 1000 shared)) (func (export "_start")))"#,
    );
    let out = run().args(["--memory", "1 MiB"]).arg(threads).run();
    out.is(134);
    shot!("memory_of_threads", out.stderr);
}

/// The whole of 32 bits is there by default, for programs that compile chips.
#[test]
fn a_gigabyte_is_given_by_default() {
    let scratch = Scratch::new();
    let big = scratch.write(
        "big.wat",
        r#"(module (memory (export "memory") 1)
             (func (export "_start") (if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then unreachable))))"#,
    );
    run().arg(big).run().prints("");
}

#[test]
fn limits_hold_for_threads() {
    let scratch = Scratch::new();
    let endless = scratch.write(
        "endless.wat",
        r#"(module
             (import "env" "memory" (memory 1 2 shared))
             (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
             (export "memory" (memory 0))
             (func (export "wasi_thread_start") (param i32 i32) (loop $l (br $l)))
             (func (export "_start")
               (drop (call $spawn (i32.const 0)))
               (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#,
    );
    let out = run().args(["--timeout", "500 ms"]).arg(&endless).run();
    out.is(124);
    assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
    let out = limited(&["--cpu", "300 ms"]).arg(&endless).run();
    out.is(152);
    assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
}

/// A thread that dies ends the program, also while the main thread waits for it.
#[test]
fn a_failing_thread_ends_the_program() {
    let scratch = Scratch::new();
    for (name, body, code) in [
        ("traps", "unreachable", 134),
        ("exits", "(call $exit (i32.const 7))", 7),
    ] {
        let file = scratch.write(
            format!("{name}.wat"),
            format!(
                r#"(module
                     (import "env" "memory" (memory 1 2 shared))
                     (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
                     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                     (export "memory" (memory 0))
                     (func (export "wasi_thread_start") (param i32 i32) {body})
                     (func (export "_start")
                       (drop (call $spawn (i32.const 0)))
                       (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#
            ),
        );
        let out = run().arg(&file).run();
        out.is(code);
        assert!(out.took < Duration::from_secs(20), "{:?}", out.took);
    }
}

#[test]
fn flags_that_say_nothing() {
    let wrong = |flag: &str, value: &str| {
        let out = run().args([flag, value]).arg(guest("hello-p1")).run();
        out.is(2);
        out.stderr
    };
    shot!("limit_memory_unit", wrong("--memory", "64 megs"));
    shot!("limit_cpu_no_unit", wrong("--cpu", "10"));
    shot!("limit_timeout_empty", wrong("--timeout", ""));
    shot!("limit_negative", wrong("--timeout", "-1 s"));
}
