//! gRPC through a guest: HTTP/2 with trailers, both ways at once, by a client that nobody here wrote.

use crate::app::*;
use crate::python::run_python;
use serde_json::{Value, json};

fn calls(name: &str) {
    let server = App::of(name, "").up();
    let (said, _) = run_python("grpc_client.py", &[&server.addr().to_string()], "");
    let said: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        said,
        [
            json!({"call": "say", "answer": "\n\u{5}hello", "code": "OK"}),
            json!({"call": "large", "same": true}),
            json!({"call": "each", "answers": ["one", "two"], "code": "OK"}),
            json!({"call": "fail", "code": "NOT_FOUND", "details": "no such thing"}),
        ]
    );
    assert_eq!(server.entry("/lab.Echo/Say")["http"], "2");
}

#[test]
fn through_wasi_0_2() {
    calls("edge-lab");
}

#[test]
fn through_wasi_0_3() {
    calls("edge-lab-p3");
}
