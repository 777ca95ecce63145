//! What an event does after its answer.

use crate::app::*;
use serde_json::Value;

fn worked_on(name: &str) {
    let server = App::of(name, "").up();
    assert_eq!(server.get("/after?ms=0").text(), "answered\n");
    server.logged("log", |line| line["line"] == "worked on after the answer");
    // It is the event's time, and ends with it.
    let server = App::of(name, "limits.timeout = \"500 ms\"").up();
    assert_eq!(server.get("/after?ms=3600000").text(), "answered\n");
    let line = server.entry("/after");
    assert_eq!(line["status"], 200, "{line}");
    assert_eq!(line["fault"]["limit"], "timeout", "{line}");
    assert_eq!(server.log("log"), Vec::<Value>::new());
}

#[test]
fn in_wasi_0_2() {
    worked_on("edge-lab");
}

#[test]
fn in_wasi_0_3() {
    worked_on("edge-lab-p3");
}
