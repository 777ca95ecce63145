//! What the command says about itself.

use crate::support::*;

#[test]
fn of_each_command() {
    for command in [
        "run",
        "call",
        "up",
        "new",
        "dev",
        "apps",
        "mcp",
        "build",
        "check",
        "inspect",
        "compile",
        "compose",
        "import",
        "cache",
        "schema",
        "completions",
    ] {
        let long = holm().args([command, "--help"]).run();
        long.is(0);
        assert_eq!(long.stderr, "");
        assert!(
            long.stdout.contains("\nExamples:\n"),
            "holm {command} --help has no examples"
        );
        shot!(format!("help_{command}"), long.stdout);
        holm().args([command, "-h"]).run().is(0);
        let same = holm().args(["help", command]).run();
        assert_eq!(same.stdout, long.stdout);
    }
}

#[test]
fn of_holm_itself() {
    let help = holm().arg("--help").run();
    help.is(0);
    shot!("help", help.stdout);
    let none = holm().run();
    none.is(2);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", help.stdout.as_str())
    );
    let version = holm().arg("--version").run();
    version.prints(&format!("holm {}\n", env!("CARGO_PKG_VERSION")));
}

/// Every line fits a terminal of 100 columns.
#[test]
fn lines_fit() {
    for command in [
        "run",
        "call",
        "up",
        "new",
        "dev",
        "apps",
        "mcp",
        "check",
        "inspect",
        "compile",
        "compose",
        "cache",
        "schema",
        "completions",
    ] {
        for line in holm().args([command, "--help"]).run().stdout.lines() {
            assert!(line.chars().count() <= 100, "holm {command} --help: {line}");
        }
    }
}

#[test]
fn completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let out = holm().args(["completions", shell]).run();
        out.is(0);
        for word in ["holm", "HOLM_COMPLETE"] {
            assert!(out.stdout.contains(word), "{shell}: no {word}");
        }
    }
    let script = holm().args(["completions", "bash"]).run().stdout;
    let checked = std::process::Command::new("bash")
        .args(["-n", "-c", &script])
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

#[test]
fn schema() {
    let out = holm().arg("schema").run();
    out.is(0);
    let schema: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
    assert!(
        schema["$schema"]
            .as_str()
            .unwrap()
            .contains("json-schema.org"),
        "{}",
        out.stdout
    );
}

/// A pipe that is closed early, as by `head`, is no bug.
#[test]
fn a_reader_that_goes_away() {
    for args in [
        vec!["schema"],
        vec!["completions", "bash"],
        vec!["run", "--help"],
        vec!["cache"],
    ] {
        let mut child = holm().args(&args).spawn();
        drop(child.stdout.take());
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
        let ended = code(wait(&mut child, PATIENCE).unwrap());
        assert!(!stderr.contains("panicked"), "holm {args:?}: {stderr}");
        assert!(
            ended == 0 || ended == -libc::SIGPIPE,
            "holm {args:?} ended with {ended}: {stderr}"
        );
    }
}
