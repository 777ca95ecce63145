//! Completion of `holm call`, asked as shells ask it.

use crate::support::*;
use std::path::Path;

/// What bash offers for the last of some words: its own script, sourced, in a folder.
fn bash(dir: &Path, words: &[&str]) -> Vec<String> {
    let scratch = Scratch::new();
    let bin = scratch.dir("bin");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_holm"), bin.join("holm")).unwrap();
    let script = "source <(holm completions bash); COMP_WORDS=(holm \"$@\"); \
                  COMP_CWORD=$#; COMP_TYPE=9; _clap_complete_holm holm \"${!#}\" x; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let path = std::env::var("PATH").unwrap();
    let out = std::process::Command::new("bash")
        .args(["--norc", "-c", script, "bash"])
        .args(words)
        .env("PATH", format!("{}:{path}", bin.display()))
        .current_dir(dir)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "{errors}");
    let lines = String::from_utf8(out.stdout).unwrap();
    let lines = lines.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// What fish and zsh are told for the last of some words, descriptions and all.
fn told(shell: &str, dir: &Path, words: &[&str]) -> String {
    let out = holm()
        .env("HOLM_COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .args(["--", "holm"])
        .args(words)
        .dir(dir)
        .run();
    out.is(0);
    assert_eq!(out.stderr, "");
    out.stdout
}

/// A folder with a component, an app, and what is neither.
fn folder() -> Scratch {
    let scratch = Scratch::new();
    let link = |name: &str, to: &str| {
        std::os::unix::fs::symlink(guest(name), scratch.join(to)).unwrap();
    };
    link("greet", "greet.wasm");
    link("streams-lab", "streams.wasm");
    scratch.write("notes.txt", "");
    scratch.write(
        "app/holm.toml",
        "name = \"app\"\n\n[component.web]\nsource = \"../greet.wasm\"\n\n\
         [component.worker]\nsource = \"../streams.wasm\"\n",
    );
    scratch
}

#[test]
fn files_functions_and_components() {
    let folder = folder();
    let bash = |words: &[&str]| bash(folder.path(), words);
    assert_eq!(bash(&["call", ""]), ["greet.wasm", "streams.wasm", "app/"]);
    assert_eq!(bash(&["call", "gr"]), ["greet.wasm"]);
    let functions = bash(&["call", "greet.wasm", ""]);
    for function in ["add", "greet", "midpoint"] {
        assert!(functions.iter().any(|f| f == function), "{functions:?}");
    }
    assert_eq!(bash(&["call", "greet.wasm", "gre"]), ["greet"]);
    // Wherever flags stand, and by the interface too.
    assert_eq!(
        bash(&["call", "--timeout", "1s", "greet.wasm", "gre"]),
        ["greet"]
    );
    assert_eq!(
        bash(&["call", "streams.wasm", "flows.tot"]),
        ["flows.total"]
    );
    // What no call can be made of is not offered.
    assert_eq!(bash(&["call", "streams.wasm", "pai"]), [""; 0], "pairs");
    assert_eq!(bash(&["call", "--app", "app", ""]), ["web", "worker"]);
    assert_eq!(bash(&["call", "--app", "app", "web", "gre"]), ["greet"]);
    assert_eq!(bash(&["call", "--rec"]), ["--receipt"]);
    // Of what cannot be read there is nothing but flags, and nobody is told off.
    for words in [
        ["call", "notes.txt", ""].as_slice(),
        &["call", "missing.wasm", ""],
        &["call", "--app", "missing", ""],
    ] {
        let offered = bash(words);
        let flags = offered.iter().all(|word| word.starts_with("--"));
        assert!(flags, "{words:?}: {offered:?}");
    }
}

#[test]
fn shells_that_show_more_are_told_more() {
    let folder = folder();
    let words = ["call", "greet.wasm", "add"];
    let fish = told("fish", folder.path(), &words);
    assert!(fish.starts_with("add\tadd: func(a: "), "{fish}");
    let zsh = told("zsh", folder.path(), &words);
    assert!(zsh.starts_with("add:add: func(a: "), "{zsh}");
    for (shell, asks) in [
        ("fish", "HOLM_COMPLETE=fish "),
        ("zsh", "HOLM_COMPLETE=\"zsh\" "),
    ] {
        let script = holm().args(["completions", shell]).run().stdout;
        assert!(script.contains(asks), "{script}");
    }
}
