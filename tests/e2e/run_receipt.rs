//! `--receipt` and `--explain-grants`: what a run cost and which grants it really used.

use crate::app::until;
use crate::support::*;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::process::Child;
use std::time::Duration;

fn json(name: &str, args: &[&str]) -> Value {
    let out = run()
        .args(["--receipt", "--json"])
        .arg(guest(name))
        .args(args)
        .stdin("0123456789")
        .run();
    out.is(0);
    serde_json::from_str(out.stderr.trim()).unwrap_or_else(|e| panic!("{e}: {}", out.stderr))
}

fn number(receipt: &Value, path: &[&str]) -> u64 {
    let value = path.iter().fold(receipt, |value, key| &value[*key]);
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no {path:?} in {receipt}"))
}

#[test]
fn calls_by_interface_and_function() {
    let p1 = json("hello-p1", &["one"]);
    assert_eq!(p1["component"], "hello-p1");
    assert_eq!(
        number(
            &p1,
            &["calls", "wasi_snapshot_preview1", "args_get", "count"]
        ),
        1
    );
    assert_eq!(
        number(
            &p1,
            &["calls", "wasi_snapshot_preview1", "fd_write", "count"]
        ),
        2
    );
    let p2 = json("hello-p2", &["one"]);
    assert_eq!(
        number(
            &p2,
            &["calls", "wasi:cli/environment", "get-arguments", "count"]
        ),
        1
    );
    assert!(
        number(
            &p2,
            &[
                "calls",
                "wasi:io/streams",
                "[method]output-stream.blocking-write-and-flush",
                "count"
            ]
        ) >= 1
    );
    for receipt in [p1, p2] {
        assert!(number(&receipt, &["cpu_us"]) > 0, "{receipt}");
        assert!(number(&receipt, &["wall_us"]) > 0, "{receipt}");
        let memory = number(&receipt, &["memory_peak"]);
        assert!(
            (64 << 10..64 << 20).contains(&memory) && memory % (64 << 10) == 0,
            "{receipt}"
        );
        assert_eq!(receipt["limit"], Value::Null);
        // `hello`, `arg: one`, each with its line end.
        assert_eq!(
            receipt["bytes"]["stdio"],
            serde_json::json!([0, 15]),
            "{receipt}"
        );
        assert_eq!(
            (
                number(&receipt, &["bytes_in"]),
                number(&receipt, &["bytes_out"])
            ),
            (0, 15)
        );
        for functions in receipt["calls"].as_object().unwrap().values() {
            for calls in functions.as_object().unwrap().values() {
                assert!(calls["count"].as_u64().unwrap() > 0, "{receipt}");
            }
        }
    }
}

#[test]
fn bytes_in_and_out() {
    for name in ["hello-p1", "hello-p2"] {
        assert_eq!(
            json(name, &["cat"])["bytes"]["stdio"],
            serde_json::json!([10, 10]),
            "{name}"
        );
        let scratch = Scratch::new();
        let files = |args: &[&str]| {
            let out = run()
                .args(["--receipt", "--json", "--dir", ".::/w"])
                .arg(guest(name))
                .args(args)
                .dir(scratch.path())
                .run();
            serde_json::from_str::<Value>(out.stderr.lines().last().unwrap()).unwrap()
        };
        assert_eq!(
            files(&["write", "/w/a", "12345"])["bytes"]["files"],
            serde_json::json!([0, 5]),
            "{name}"
        );
        assert_eq!(
            files(&["read", "/w/a"])["bytes"]["files"],
            serde_json::json!([5, 0]),
            "{name}"
        );
    }
}

/// Waiting costs wall time, not CPU time; computing costs both.
#[test]
fn two_clocks() {
    let slept = json("hello-p2", &["sleep", "300"]);
    assert!(number(&slept, &["wall_us"]) >= 300_000, "{slept}");
    assert!(number(&slept, &["cpu_us"]) < 200_000, "{slept}");
    // Long enough to get some of a machine that does other things too.
    let spun = json("spin-cpu", &["1000"]);
    assert!(number(&spun, &["cpu_us"]) >= 50_000, "{spun}");
}

#[test]
fn a_receipt_for_people() {
    let out = run().arg("--receipt").arg(guest("hello-p2")).run();
    out.is(0);
    assert_eq!(out.stdout, "hello\n");
    let rows: Vec<&str> = out.stderr.lines().collect();
    assert_eq!(rows[0], "receipt of hello-p2");
    for (row, begins) in rows[1..].iter().zip([
        "  cpu  ",
        "  wall  ",
        "  memory  ",
        "  stdio  ",
        "  wasi:cli/environment",
    ]) {
        assert!(row.starts_with(begins), "{}", out.stderr);
    }
    assert!(out.stderr.contains("    get-arguments  "), "{}", out.stderr);
}

#[test]
fn json_belongs_to_the_receipt() {
    let out = run().arg("--json").arg(guest("hello-p1")).run();
    out.is(2);
    shot!(out.stderr);
}

/// Prints what it printed, ends as it ended: the receipt changes neither.
#[test]
fn a_receipt_comes_after_a_failure_too() {
    let out = run()
        .args(["--receipt", "--json"])
        .arg(guest("hello-p1"))
        .args(["exit", "9"])
        .run();
    out.is(9);
    assert!(
        out.stderr.starts_with("{\"component\":\"hello-p1\""),
        "{}",
        out.stderr
    );
    let out = run()
        .args(["--receipt", "--json"])
        .arg(guest("crash-p2"))
        .run();
    out.is(134)
        .says("{\"component\":\"crash-p2\"")
        .says("guest failed: ");
}

struct Explained {
    manifest: String,
    flags: String,
}

fn explain(command: Command) -> Explained {
    let out = command.run();
    out.is(0);
    let (manifest, flags) = out
        .stderr
        .split_once("# the same for `holm run`: ")
        .unwrap_or_else(|| panic!("no flags in {}", out.stderr));
    Explained {
        manifest: manifest.into(),
        flags: flags.trim().into(),
    }
}

/// What it prints is pasted into a shell, as flags, and into a manifest: both do, and nothing less.
#[test]
fn grants_that_were_used_are_enough() {
    for name in ["hello-p1", "hello-p2"] {
        let scratch = Scratch::new();
        scratch.write("with space/in.txt", "in");
        scratch.dir("out's");
        scratch.dir("unused");
        let all = |args: &[&str]| {
            run()
                .env("OWN", "of the user")
                .args([
                    "--explain-grants",
                    "--dir",
                    "with space::/in",
                    "--dir",
                    "out's::/out",
                    "--dir",
                    "unused",
                ])
                .args([
                    "--env",
                    "A=two words",
                    "--env",
                    "OWN",
                    "--net",
                    "127.0.0.1:9",
                    "--http",
                    "https://example.com",
                ])
                .arg(guest(name))
                .args(args)
                .dir(scratch.path())
        };
        let reading = explain(all(&["read", "/in/in.txt"]));
        let writing = explain(all(&["write", "/out/b", "b"]));
        shot!(
            format!("explain_reading_{name}"),
            format!("{}{}\n", reading.manifest, reading.flags)
        );
        shot!(
            format!("explain_writing_{name}"),
            format!("{}{}\n", writing.manifest, writing.flags)
        );

        let paste = |flags: &str, args: &str| {
            let line = format!("exec \"$HOLM\" run {flags} \"$GUEST\" {args}");
            let out = std::process::Command::new("sh")
                .args(["-c", &line])
                .env("HOLM", env!("CARGO_BIN_EXE_holm"))
                .env("GUEST", guest(name))
                .env("HOLM_CACHE_DIR", shared_cache())
                .current_dir(scratch.path())
                .output()
                .unwrap();
            (code(out.status), String::from_utf8(out.stdout).unwrap())
        };
        assert_eq!(paste(&reading.flags, "read /in/in.txt"), (0, "in".into()));
        assert_eq!(paste(&writing.flags, "write /out/b c"), (0, String::new()));
        assert_eq!(scratch.read("out's/b"), "c");
        // It is the smallest set: reading was read-only, and what was not used is gone.
        assert_eq!(paste(&reading.flags, "write /in/in.txt x").0, 1);
        assert_eq!(paste(&reading.flags, "ls /out").0, 1);

        std::fs::copy(guest(name), scratch.join("guest.wasm")).unwrap();
        scratch.write(
            "holm.toml",
            format!(
                "name = \"x\"\n[component.{name}]\nsource = \"guest.wasm\"\n{}",
                writing.manifest
            ),
        );
        let checked = holm().arg("check").dir(scratch.path()).run();
        checked.is(0);
        assert_eq!(checked.stdout, "ok: 1 component, 0 routes\n");
    }
}

#[test]
fn a_program_that_uses_nothing() {
    let scratch = Scratch::new();
    let nothing = scratch.write("nothing.wat", r#"(module (func (export "_start")))"#);
    let out = run()
        .args(["--explain-grants", "--dir", ".", "--env", "A=b"])
        .arg(nothing)
        .dir(scratch.path())
        .run();
    out.is(0);
    assert_eq!(out.stderr, "# it used no grant at all\n");
}

fn explained(flags: &[&str], name: &str, args: &[&str]) -> (i32, String) {
    let out = run()
        .arg("--explain-grants")
        .args(flags)
        .arg(guest(name))
        .args(args)
        .run();
    (out.code, out.stderr)
}

/// Looking a name up takes a grant, also where nobody connects.
#[test]
fn a_look_up_is_a_use() {
    let resolve = |flags: &[&str]| explained(flags, "udp-tcp", &["resolve", "localhost"]);
    for (granted, used) in [
        (["--net", "localhost:4113"].as_slice(), "localhost:4113"),
        (&["--net", "localhost:*"], "localhost:*"),
        (&["--allow-all-net"], "localhost:*"),
    ] {
        let (code, told) = resolve(granted);
        assert_eq!(code, 0, "{told}");
        let lines = format!(
            "[component.udp-tcp.grants]\nnet = [\"{used}\"]\n\
             # the same for `holm run`: --net {}\n",
            used.replace("localhost:*", "'localhost:*'")
        );
        assert_eq!(told, lines, "{granted:?}");
    }
}

/// Nobody is there, or speaks TLS: the request was granted all the same.
#[test]
fn a_request_that_failed_is_a_use() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = nobody.local_addr().unwrap();
    drop(nobody);
    let origin = crate::origin::origin();
    for url in [
        format!("http://{refused}"),
        format!("https://{}", origin.addr),
    ] {
        let (code, told) = explained(&["--allow-all-net"], "http-get", &[&url]);
        assert_eq!(code, 1, "{told}");
        assert!(told.starts_with("http-get: ErrorCode::"), "{told}");
        assert!(told.contains(&format!("http = [\"{url}\"]\n")), "{told}");
        assert!(told.contains(&format!("--http {url}\n")), "{told}");
    }
    // A denial is no use.
    let (code, told) = explained(&[], "http-get", &[&format!("http://{refused}")]);
    assert_eq!(code, 1, "{told}");
    assert!(told.ends_with("# it used no grant at all\n"), "{told}");
}

/// Ends it by a signal; what it says on standard error.
fn ended_by(mut child: Child, number: i32) -> String {
    signal(&child, number);
    let status = wait(&mut child, Duration::from_secs(30)).expect("the signal did not end it");
    let mut stderr = String::new();
    let mut stream = child.stderr.take().unwrap();
    stream.read_to_string(&mut stderr).unwrap();
    assert_eq!(code(status), -number, "{stderr}");
    stderr
}

/// Whether a process has a handler of its own for a signal.
fn catches(child: &Child, number: i32) -> Option<()> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    (caught & (1 << (number - 1)) != 0).then_some(())
}

/// Starts `hello cat`, and waits until it has echoed a line.
fn echoing(flags: &[&str], name: &str) -> Child {
    let mut child = run().args(flags).arg(guest(name)).arg("cat").spawn();
    child.stdin.as_mut().unwrap().write_all(b"ready\n").unwrap();
    let mut answer = [0; 6];
    let stdout = child.stdout.as_mut().unwrap();
    stdout.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ready\n");
    child
}

/// A program that a signal ends has cost something too.
#[test]
fn a_receipt_after_a_signal() {
    let flags = ["--receipt", "--json", "--explain-grants", "--env", "A=b"];
    for name in ["hello-p1", "hello-p2"] {
        for number in [libc::SIGINT, libc::SIGTERM] {
            let mut child = echoing(&flags, name);
            let stdin = child.stdin.take();
            let stderr = ended_by(child, number);
            drop(stdin);
            let (receipt, grants) = stderr.split_once('\n').unwrap();
            let receipt: Value = serde_json::from_str(receipt).unwrap();
            assert_eq!(receipt["component"], name);
            assert_eq!(receipt["bytes"]["stdio"], serde_json::json!([6, 6]));
            assert!(
                grants.contains("[component.") || grants.contains("no grant"),
                "{grants}"
            );
        }
    }
}

/// One that computes without end, and one that sleeps.
#[test]
fn a_receipt_after_a_signal_to_one_that_does_not_listen() {
    for (name, args) in [
        ("spin-cpu", ["60000"].as_slice()),
        ("hello-p1", &["sleep", "60000"]),
        ("hello-p2", &["sleep", "60000"]),
    ] {
        let command = run().args(["--receipt", "--json"]).arg(guest(name));
        let child = command.args(args).spawn();
        until("it listens to signals", || catches(&child, libc::SIGINT));
        let stderr = ended_by(child, libc::SIGINT);
        let receipt: Value =
            serde_json::from_str(stderr.trim()).unwrap_or_else(|e| panic!("{name}: {e}: {stderr}"));
        assert_eq!(receipt["component"], name);
    }
}

/// Without a receipt a signal asks nobody.
#[test]
fn grants_after_a_signal() {
    let child = echoing(&["--explain-grants"], "hello-p2");
    let stderr = ended_by(child, libc::SIGINT);
    assert_eq!(stderr, "# it used no grant at all\n");
}
