//! Errors of the command line: whose fault, what, and what to do.

use crate::support::*;

fn fails(args: &[&str]) -> String {
    let scratch = Scratch::new();
    let out = holm().args(args).dir(scratch.path()).run();
    out.is(2);
    assert_eq!(out.stdout, "", "{args:?}");
    out.stderr
}

#[test]
fn files_that_are_not_there() {
    shot!("missing_run", fails(&["run", "nowhere.wasm"]));
    shot!("missing_inspect", fails(&["inspect", "nowhere.wasm"]));
    shot!("missing_compile", fails(&["compile", "nowhere.wasm"]));
    shot!("missing_check", fails(&["check", "nowhere"]));
    shot!("missing_up", fails(&["up", "nowhere"]));
    shot!("missing_manifest", fails(&["up"]));
    shot!("folder_run", fails(&["run", "."]));
}

#[test]
fn flags() {
    shot!("flag_unknown", fails(&["run", "--frobnicate", "x.wasm"]));
    shot!("flag_nearly", fails(&["run", "--dri", ".", "x.wasm"]));
    shot!("flag_without_value", fails(&["run", "--dir"]));
    shot!("command_unknown", fails(&["serve"]));
    shot!("command_nearly", fails(&["inspct", "x.wasm"]));
    shot!("run_without_file", fails(&["run"]));
    shot!("completions_unknown_shell", fails(&["completions", "tcsh"]));
    shot!(
        "compile_two_into_one",
        fails(&["compile", "a.wasm", "b.wasm", "-o", "c.cwasm"])
    );
}

#[test]
fn grants() {
    let hello = guest("hello-p1");
    let hello = hello.to_str().unwrap();
    shot!("env_without_name", fails(&["run", "--env", "=x", hello]));
    shot!(
        "config_without_value",
        fails(&["run", "--config", "key", hello])
    );
    shot!(
        "keyvalue_bad_name",
        fails(&["run", "--keyvalue", "../up", hello])
    );
}

#[test]
fn a_service_is_not_a_program() {
    shot!(
        "run_service",
        fails(&["run", guest("http-hello").to_str().unwrap()])
    );
    shot!(
        "run_service_p3",
        fails(&["run", guest("http-hello-p3").to_str().unwrap()])
    );
    shot!(
        "run_library",
        fails(&["run", guest("greet").to_str().unwrap()])
    );
}

#[test]
fn a_program_is_not_a_service() {
    shot!(
        "up_program",
        fails(&["up", guest("hello-p2").to_str().unwrap()])
    );
}

/// Nothing of it is a terminal: no colour, even when nobody says NO_COLOR.
#[test]
fn no_colour_into_a_pipe() {
    let out = holm()
        .env_remove("NO_COLOR")
        .args(["run", "nowhere.wasm"])
        .run();
    out.is(2);
    assert!(!out.stderr.contains('\x1b'), "{:?}", out.stderr);
    let out = run()
        .env_remove("NO_COLOR")
        .args(["--dir", "nowhere"])
        .arg(guest("hello-p1"))
        .run();
    out.is(2);
    assert!(!out.stderr.contains('\x1b'), "{:?}", out.stderr);
}
