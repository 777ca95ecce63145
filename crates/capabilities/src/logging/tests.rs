//! What a guest logs goes where it prints.

use super::Logging;
use super::wit::{Host as _, Level};
use crate::Capability as _;
use crate::stdio::{Capture, Stdio};
use crate::testing::core;
use holm_runtime::seam::Uses;
use std::sync::atomic::Ordering::Relaxed;
use wasmtime_wasi::WasiCtxBuilder;

#[test]
fn messages_are_captured_with_what_is_printed_and_counted() {
    let capture = Capture::new("", 1 << 10);
    let logging = Logging::from(&Stdio::Capture(capture.clone()));
    let core = core(&Uses::default());
    let mut guest = logging.instance(&core, &mut WasiCtxBuilder::new()).unwrap();
    let mut log = |level, context: &str, text: &str| {
        guest.log(level, context.into(), text.into()).unwrap();
    };
    log(Level::Warn, "db", "slow");
    log(Level::Critical, "", "gone");
    // What does not fit is lost, and nobody traps.
    log(Level::Info, "", &"x".repeat(2 << 10));
    let kept = String::from_utf8(capture.stderr.contents().to_vec()).unwrap();
    assert!(
        kept.starts_with("warn db: slow\ncritical: gone\n"),
        "{kept}"
    );
    assert_eq!(core.flows.stdio_out.load(Relaxed), 6 + 4 + 2048);
}

#[test]
fn without_output_there_is_no_log() {
    let logging = Logging::from(&Stdio::Null);
    let core = core(&Uses::default());
    let mut guest = logging.instance(&core, &mut WasiCtxBuilder::new()).unwrap();
    guest.log(Level::Info, "a".into(), "b".into()).unwrap();
}
