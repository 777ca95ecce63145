//! A key-value store under `holm run`: kept between runs, where `--state` says.

use crate::support::*;

fn once() -> std::path::PathBuf {
    repo().join("tests/e2e/fixtures/keyvalue-once.wat")
}

#[test]
fn values_outlive_the_program() {
    let scratch = Scratch::new();
    let run = || {
        run()
            .args(["--keyvalue", "default", "--state", "state"])
            .arg(once())
            .dir(scratch.path())
            .run()
    };
    let first = run();
    assert_eq!((first.code, first.stderr.as_str()), (1, ""));
    run().prints("");
    run().prints("");
    assert!(scratch.join("state").is_dir());
    assert!(!scratch.join(".holm").exists());
}

#[test]
fn state_lies_in_the_current_folder_by_default() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let run_in = |scratch: &Scratch| {
        run()
            .args(["--keyvalue", "default"])
            .arg(once())
            .dir(scratch.path())
            .run()
            .code
    };
    assert_eq!(run_in(&one), 1);
    assert_eq!(run_in(&one), 0);
    assert!(one.join(".holm").is_dir());
    assert_eq!(run_in(&two), 1, "another folder has another store");
}

#[test]
fn without_the_grant_it_does_not_start() {
    let scratch = Scratch::new();
    let out = run().arg(once()).dir(scratch.path()).run();
    out.is(126);
    shot!(out.stderr);
    assert!(!scratch.join(".holm").exists());
}

#[test]
fn another_store_is_denied_by_name() {
    let scratch = Scratch::new();
    let out = run()
        .args(["--keyvalue", "other"])
        .arg(once())
        .dir(scratch.path())
        .run();
    out.is(1).says("--keyvalue default");
    shot!(out.stderr);
}

#[test]
fn the_receipt_counts_what_moved() {
    let scratch = Scratch::new();
    let receipt = |_| {
        let out = run()
            .args(["--receipt", "--json", "--keyvalue", "default"])
            .arg(once())
            .dir(scratch.path())
            .run();
        serde_json::from_str::<serde_json::Value>(out.stderr.trim()).unwrap()
    };
    let (first, second) = (receipt(1), receipt(2));
    let calls = |receipt: &serde_json::Value| receipt["calls"]["wasi:keyvalue/store"].clone();
    assert_eq!(calls(&first)["open"]["count"], 1, "{first}");
    assert_eq!(calls(&first)["[method]bucket.set"]["count"], 1, "{first}");
    assert_eq!(calls(&second)["[method]bucket.get"]["count"], 1, "{second}");
    assert_eq!(
        calls(&second)["[method]bucket.set"],
        serde_json::Value::Null,
        "{second}"
    );
    assert_eq!(
        first["bytes"]["keyvalue"],
        serde_json::json!([0, 3]),
        "{first}"
    );
    assert_eq!(
        second["bytes"]["keyvalue"],
        serde_json::json!([3, 0]),
        "{second}"
    );
}
