//! The `holm` command as a user meets it: the real binary, real programs, whole outputs.
//!
//! `cargo test --release --workspace --test e2e -- FILTER`. Snapshots lie beside, in `snapshots/`;
//! `INSTA_UPDATE=always` writes them anew, and the diff is then read like code.

mod support;

mod errors;
