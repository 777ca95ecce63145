//! A program's arguments, environment, streams, exit code and signals: as a native program's.

use crate::support::*;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

/// One body, two doors: the same source as a module of 0.1 and as a component of 0.2.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod p1 { $(#[test] fn $name() { super::$name("hello-p1"); })* }
        mod p2 { $(#[test] fn $name() { super::$name("hello-p2"); })* }
    };
}

both!(
    arguments,
    no_environment_by_default,
    environment,
    standard_input,
    bytes_pass_unchanged,
    empty_standard_input,
    streams_apart,
    exit_well,
    closed_pipe,
    interrupted,
    from_a_pipe,
    flags_behind_the_file_are_the_programs,
);

fn arguments(name: &str) {
    run()
        .arg(guest(name))
        .args(["one", "two words", "", "ä€", "--flag"])
        .run()
        .prints("hello\narg: one\narg: two words\narg: \narg: ä€\narg: --flag\n");
}

fn flags_behind_the_file_are_the_programs(name: &str) {
    run()
        .arg(guest(name))
        .args(["--memory", "x"])
        .run()
        .prints("hello\narg: --memory\narg: x\n");
    run()
        .arg(guest(name))
        .arg("--help")
        .run()
        .prints("hello\narg: --help\n");
    run()
        .arg(guest(name))
        .args(["--json", "--", "x"])
        .run()
        .prints("hello\narg: --json\narg: --\narg: x\n");
    run()
        .arg("--")
        .arg(guest(name))
        .arg("--dir")
        .run()
        .prints("hello\narg: --dir\n");
}

fn no_environment_by_default(name: &str) {
    run()
        .env("SECRET", "s3cret")
        .arg(guest(name))
        .run()
        .prints("hello\n");
}

fn environment(name: &str) {
    run()
        .env("INHERITED", "from outside")
        .env("SECRET", "s3cret")
        .args([
            "--env",
            "SET=a=b",
            "--env",
            "INHERITED",
            "--env",
            "NOT_THERE",
            "--env",
            "EMPTY=",
        ])
        .arg(guest(name))
        .run()
        .prints("hello\nenv: EMPTY=\nenv: INHERITED=from outside\nenv: SET=a=b\n");
    run()
        .args(["--env", "A=1", "--env", "A=2"])
        .arg(guest(name))
        .run()
        .prints("hello\nenv: A=2\n");
}

fn standard_input(name: &str) {
    run()
        .arg(guest(name))
        .arg("cat")
        .stdin("one\ntwo\nno newline")
        .run()
        .prints("one\ntwo\nno newline");
}

fn bytes_pass_unchanged(name: &str) {
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let out = run().arg(guest(name)).arg("cat").stdin(&bytes).run();
    out.is(0);
    assert!(
        out.bytes == bytes,
        "{} bytes came back of {}",
        out.bytes.len(),
        bytes.len()
    );
}

fn empty_standard_input(name: &str) {
    run().arg(guest(name)).arg("cat").run().prints("");
}

fn streams_apart(name: &str) {
    let out = run().arg(guest(name)).args(["exit", "seven"]).run();
    out.is(1);
    assert_eq!(out.stdout, "");
    assert_eq!(out.stderr, "hello: invalid digit found in string\n");
}

fn exit_well(name: &str) {
    run().arg(guest(name)).args(["exit", "0"]).run().prints("");
}

#[test]
fn exit_codes() {
    let exits = |name: &str, code: &str| run().arg(guest(name)).args(["exit", code]).run().code;
    for code in [1, 3, 42, 125] {
        assert_eq!(exits("hello-p1", &code.to_string()), code);
        // 0.2 knows only well and badly.
        assert_eq!(exits("hello-p2", &code.to_string()), 1);
    }
    // All that a native program may end with; the system cuts the rest off.
    for (code, seen) in [(126, 126), (134, 134), (255, 255), (256, 0)] {
        assert_eq!(exits("hello-p1", &code.to_string()), seen);
    }
}

/// Whoever reads goes away: a native program ends by SIGPIPE, without a word.
fn closed_pipe(name: &str) {
    let mut child = run().arg(guest(name)).arg("cat").spawn();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || while stdin.write_all(&[b'x'; 4096]).is_ok() {});
    let status = wait(&mut child, Duration::from_secs(30)).expect("it went on writing to nobody");
    feed.join().unwrap();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(code(status), -libc::SIGPIPE, "{stderr}");
    assert_eq!(stderr, "");
}

fn interrupted(name: &str) {
    for number in [libc::SIGINT, libc::SIGTERM] {
        let mut child = run().arg(guest(name)).arg("cat").spawn();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        stdin.write_all(b"ready\n").unwrap();
        let mut answer = [0; 6];
        stdout.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ready\n");
        signal(&child, number);
        let status = wait(&mut child, Duration::from_secs(10)).expect("the signal did not end it");
        assert_eq!(code(status), -number);
    }
}

/// What the file is, is found by looking at it; it may as well come through a pipe.
fn from_a_pipe(name: &str) {
    let bytes = std::fs::read(guest(name)).unwrap();
    run()
        .args(["/dev/stdin", "a"])
        .stdin(bytes)
        .run()
        .prints("hello\narg: a\n");
}

#[test]
fn output_comes_as_it_is_written() {
    let mut child = run().arg(guest("hello-p2")).arg("cat").spawn();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut answer = [0; 4];
        stdout.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, line.as_bytes());
    }
    drop(stdin);
    assert!(wait(&mut child, PATIENCE).unwrap().success());
}

#[test]
fn streams_can_be_closed_or_null() {
    let status = run()
        .arg(guest("hello-p2"))
        .process()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(code(status), 0);
    let closed = std::process::Command::new("sh")
        .args(["-c", "\"$0\" run \"$1\" cat <&- >&- 2>&-"])
        .arg(env!("CARGO_BIN_EXE_holm"))
        .arg(guest("hello-p1"))
        .env("HOLM_CACHE_DIR", shared_cache())
        .status()
        .unwrap();
    assert!(
        closed.code().is_some(),
        "a closed stream ended it by {closed}"
    );
}

#[test]
fn a_command_in_c() {
    run()
        .arg(guest("wc-c"))
        .stdin("one two\nthree\n")
        .run()
        .prints("      2       3      14\n");
    run()
        .arg(guest("wc-c"))
        .args(["-w", "-"])
        .stdin("a b c")
        .run()
        .prints("      3 -\n");
    let wrong = run().arg(guest("wc-c")).arg("-x").run();
    wrong
        .is(2)
        .says("usage: wc-c [-lwc] [-o REPORT] [FILE...]\n");
    assert_eq!(wrong.stdout, "");
    run()
        .arg(guest("wc-c"))
        .arg("/nowhere")
        .run()
        .is(1)
        .says("wc-c: /nowhere: ");
}

#[test]
fn a_command_in_go() {
    let scratch = Scratch::new();
    let todo = |args: &[&str]| {
        let dir = format!("{}::/data", scratch.path().display());
        run()
            .args(["--dir", &dir])
            .arg(guest("todo-go"))
            .args(args)
            .run()
    };
    todo(&["add", "write", "tests"]).prints("added 1\n");
    todo(&["add", "read them"]).prints("added 2\n");
    todo(&["done", "1"]).prints("done: write tests\n");
    todo(&["list"]).prints("1 [x] write tests\n2 [ ] read them\n");
    let wrong = todo(&["done", "7"]);
    wrong.is(1);
    assert_eq!(
        (wrong.stdout.as_str(), wrong.stderr.as_str()),
        ("", "todo-go: there is no entry 7\n")
    );
    assert!(scratch.read("todo.json").contains("\"read them\""));
    assert!(!scratch.join("todo.json.new").exists());
}

#[test]
fn a_go_program_finds_its_folder_by_a_variable() {
    let scratch = Scratch::new();
    scratch.dir("lists");
    run()
        .args(["--dir", "lists::/lists", "--env", "TODO_DIR=/lists"])
        .arg(guest("todo-go"))
        .args(["add", "x"])
        .dir(scratch.path())
        .run()
        .prints("added 1\n");
    assert!(scratch.join("lists/todo.json").exists());
}
