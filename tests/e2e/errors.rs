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

/// The flag as it was written stands before what is wrong with it.
#[test]
fn values_of_flags() {
    let hello = guest("hello-p1");
    let hello = hello.to_str().unwrap();
    shot!(
        "flags_wrong_values",
        fails(&[
            "run",
            "--http",
            "foo",
            "--net",
            "foo",
            "--bind",
            "80",
            "--bind",
            ":80",
            "--dir",
            "d:rw",
            "--dir",
            "d::/x:ro:ro",
            "--dir",
            "d::/a::/b",
            hello,
        ])
    );
    let service = guest("http-hello");
    shot!(
        "flags_wrong_values_up",
        fails(&["up", "--http", "foo", service.to_str().unwrap()])
    );
    shot!("flag_unknown_short", fails(&["run", "-x"]));
}

/// A command that cannot say what it found has failed, and says that.
#[test]
fn a_full_disk_behind_standard_output() {
    let hello = guest("http-hello");
    let hello = hello.to_str().unwrap();
    for args in [
        &["inspect", hello][..],
        &["schema"],
        &["completions", "bash"],
        &["cache"],
        &["compile", hello],
        &["up", "--listen", "127.0.0.1:0", hello],
        &[
            "run",
            "--invoke",
            "greet(\"Ada\")",
            guest("greet").to_str().unwrap(),
        ],
    ] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let child = holm().args(args).process().stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(2), "{args:?}: {said}");
        assert!(
            said.contains("error: cannot write to standard output"),
            "{args:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

/// What is written wrong does not hide what is right and means nothing.
#[test]
fn all_that_is_wrong_with_an_app_in_one_round() {
    let app = crate::app::App::new(
        "nmae = \"x\"\nname = \"x\"\n\n\
         [component.none]\nsource = \"none.wasm\"\n\n\
         [component.lab]\nsource = \"lab.wasm\"\n\
         grants.dirs = { \"/data\" = \"nofolder\" }\nlimits.memroy = \"1 MiB\"\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n",
    );
    let app = app.guest("lab.wasm", "http-lab");
    let out = app.check();
    out.is(2);
    shot!("check_in_one_round", out.stderr);
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
