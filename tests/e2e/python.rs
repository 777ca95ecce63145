//! Python packages that tests run, in the environment that `scripts/python-tools` makes.

use crate::support::*;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The interpreter of that environment.
fn python() -> PathBuf {
    let path = user_cache().join("holm/python/bin/python");
    assert!(
        path.exists(),
        "{} is missing: run scripts/python-tools",
        path.display()
    );
    path
}

/// Runs a script of `tests/e2e/fixtures` with this input, and gives what it printed and what came on
/// standard error.
#[track_caller]
pub fn run_python(script: &str, args: &[&str], input: &str) -> (String, String) {
    let mut child = Command::new(python())
        .arg(repo().join("tests/e2e/fixtures").join(script))
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOLM_CACHE_DIR", shared_cache())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdout, stderr) = feed(&mut child, input.as_bytes());
    let status = wait(&mut child, PATIENCE);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let stdout = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(
        status.is_some_and(|status| status.success()),
        "{script} {args:?} ended with {status:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
    );
    (stdout, stderr)
}
