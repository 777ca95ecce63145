//! Errors: whose fault, what, and what to do.

use crate::support::*;

#[test]
fn missing_file() {
    let out = holm().arg("run").arg("nowhere.wasm").run();
    out.is(2);
    shot!(out.stderr);
}
