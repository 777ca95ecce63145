//! `holm call`: input that is too much or none of what it should be, and guests that read and print.

use crate::support::*;

fn call(guest_name: &str) -> Command {
    holm().arg("call").arg(guest(guest_name))
}

#[test]
fn a_guest_that_reads_or_prints_is_not_in_the_way_of_a_batch() {
    for mode in ["--batch", "--session"] {
        let lines = "input()\nsay(\"hello\")\ninput()\n";
        let output = call("bodies-lab").arg(mode).stdin(lines).run();
        output.is(0);
        assert_eq!(output.stdout, "\"\"\n5\n\"\"\n");
        assert!(output.stderr.contains("hello"), "{}", output.stderr);
    }
    // Arguments from standard input are not the guest's either; what it prints is.
    let output = call("bodies-lab")
        .args(["input", "--json", "-"])
        .stdin("[]")
        .run();
    output.is(0).prints("\"\"\n");
    // Where nothing else reads it, it is.
    let output = call("bodies-lab").arg("input").stdin("for the guest").run();
    output.is(0).prints("\"for the guest\"\n");
    call("bodies-lab")
        .args(["say", "hello"])
        .run()
        .is(0)
        .prints("hello\n5\n");
}

#[test]
fn a_line_that_is_no_text_is_that_lines_error() {
    let lines = b"truth(true)\ntruth(\xff)\ntruth(false)\n";
    let output = call("values-lab").arg("--batch").stdin(lines).run();
    output.is(1);
    assert_eq!(output.stdout, "true\nerror: the line is not UTF-8\nfalse\n");
    let lines = "{\"function\": \"truth\", \"function\": \"truth\", \"arguments\": [true]}\n\
                 {\"function\": \"longs\", \"arguments\": {\"a\": 1, \"b\": 2, \"a\": 3}}\n\
                 {\"function\": \"truth\", \"arguments\": [true]}\n";
    let output = call("values-lab").arg("--batch").stdin(lines).run();
    output.is(1);
    let said: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(said.len(), 3, "{}", output.stdout);
    assert!(said[0].contains("`function` is given twice"), "{}", said[0]);
    assert!(said[1].contains("`a` is given twice"), "{}", said[1]);
    assert_eq!(said[2], "true");
}

#[test]
fn too_much_input_is_an_error_and_no_crash() {
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let output = call("call-lab")
        .args(["count", "--json", "-"])
        .stdin(&deep)
        .run();
    output.is(2).says("do not fit");
    let output = call("call-lab").args(["count", &deep[..10_000]]).run();
    output.is(2);
    // A list of 100 MB, of which each number takes 3 bytes of text.
    let list = format!("[[{}0]]", "77,".repeat(33_333_333));
    let output = call("call-lab")
        .args(["count", "--json", "-"])
        .stdin(list)
        .run();
    output.is(0).prints("33333334\n");
}

#[test]
fn flags_that_do_not_go_together() {
    for args in [
        &["--batch", "--time"][..],
        &["--session", "--time"],
        &["truth", "true", "--receipt", "--time"],
        &["truth", "true", "--repeat", "0"],
        &["truth", "true", "--repeat", "4294967295"],
    ] {
        call("values-lab").args(args).run().is(2);
    }
    call("values-lab")
        .args(["truth", "true", "--repeat", "3"])
        .run()
        .is(0)
        .prints("true\n");
}

#[test]
fn docs_that_the_binary_has_are_shown() {
    let output = holm().arg("call").arg(wat("documented")).run();
    output.is(0);
    shot!("call_documented", output.stdout);
    let output = holm()
        .arg("call")
        .arg(wat("documented"))
        .arg("answer")
        .run();
    output.is(0).prints("42\n");
}
