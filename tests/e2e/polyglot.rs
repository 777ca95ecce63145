//! `examples/polyglot`: a Rust component that calls a Python component that calls a JavaScript one,
//! served as three instances and as one fused file.

use crate::app::*;
use crate::support::*;
use serde_json::json;

fn polyglot() -> App {
    let manifest = std::fs::read_to_string(repo().join("examples/polyglot/holm.toml")).unwrap();
    App::new(&manifest)
        .guest("web.wasm", "polyglot-web")
        .guest("payments.wasm", "polyglot-payments")
        .guest("fraud.wasm", "polyglot-fraud")
}

fn charge(server: &Server, order: serde_json::Value) -> Reply {
    let request = http::Request::post("/charge").body(order.to_string().into_bytes());
    server.request(request.unwrap())
}

/// Both ways must answer the same.
fn answers(server: &Server) {
    let good = json!({ "customer": "Ada Lovelace", "amount": 1250, "country": "GB" });
    let reply = charge(server, good);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.text(), "{\"paid\":\"pay-da3245dd\"}\n");
    let fraud = json!({ "customer": "r2d2", "amount": 200_000, "country": "AQ" });
    let reply = charge(server, fraud);
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.text(), "{\"points\":100,\"refused\":\"fraud\"}\n");
    let nobody = json!({ "customer": " ", "amount": 1, "country": "GB" });
    let reply = charge(server, nobody);
    assert_eq!(
        (reply.status, reply.text()),
        (422, "{\"refused\":\"no customer\"}\n".into())
    );
}

#[test]
fn three_languages_in_three_instances() {
    let _alone = alone();
    let app = polyglot();
    app.check().is(0);
    let server = app.up();
    answers(&server);
    let line = server.entry("/charge");
    let calls = &line["receipt"]["calls"];
    assert_eq!(
        calls["example:payments/processor"]["charge"]["count"], 1,
        "{line}"
    );
    // The Python component's own call is in its own account.
    assert!(calls["example:payments/detector"].is_null(), "{line}");
}

#[test]
fn three_languages_from_the_command_line() {
    let _alone = alone();
    let app = polyglot();
    let call = |customer: &str| {
        let order = format!("{{customer: \"{customer}\", amount: 1250, country: \"GB\"}}");
        let args = ["call", "--app", ".", "payments", "charge", &order];
        holm().args(args).dir(app.dir().path()).run()
    };
    let out = call("Ada Lovelace");
    out.is(0);
    assert_eq!(out.stdout, "ok(\"pay-da3245dd\")\n");
    let out = call(" ");
    out.is(1);
    assert_eq!(out.stdout, "err(invalid(\"no customer\"))\n");
    // What it is linked to is looked at like the file itself.
    app.edit("\"fraud\" }", "\"fraut\" }");
    let out = call("Ada Lovelace");
    out.is(2);
    assert!(
        out.stderr.contains("there is no component `fraut`"),
        "{}",
        out.stderr
    );
}

#[test]
fn three_languages_in_one_file() {
    let _alone = alone();
    let app = polyglot();
    let out = holm()
        .args(["compose", "--fuse", "web", "-o", "fused.wasm"])
        .dir(app.dir().path())
        .run();
    out.is(0);
    let server = Server::up(["fused.wasm"], app.dir().path());
    answers(&server);
}
