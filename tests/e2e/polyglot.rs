//! `examples/polyglot`: a Rust component that calls a Python component that calls a JavaScript one,
//! served as three instances and as one fused file.

use crate::app::*;
use crate::mcp::{agent, call};
use crate::support::*;
use serde_json::{Value, json};

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

fn order(customer: &str) -> Value {
    json!({ "it": { "customer": customer, "amount": 1250, "country": "GB" } })
}

/// What is linked fails by its own limit: the interpreter of JavaScript wants more.
fn too_little(app: &App) {
    let fraud = "source = \"fraud.wasm\"\nlimits = { memory = ";
    app.edit(&format!("{fraud}\"64 MiB\""), &format!("{fraud}\"2 MiB\""));
}

#[test]
fn a_linked_component_is_called_with_json() {
    let _alone = alone();
    let app = polyglot();
    let post = |server: &Server, customer: &str| {
        let request = http::Request::post("/call/example:payments/processor/charge")
            .header("content-type", "application/json")
            .body(order(customer).to_string().into_bytes());
        server.request(request.unwrap())
    };
    let server = app.up();
    let reply = post(&server, "Ada Lovelace");
    assert_eq!((reply.status, reply.json()), (200, json!("pay-da3245dd")));
    let line = server.entry("/call/example:payments/processor/charge");
    let calls = &line["receipt"]["calls"];
    assert_eq!(
        calls["example:payments/detector"]["rate"]["count"], 1,
        "{line}"
    );
    drop(server);

    too_little(&app);
    let server = app.up();
    let reply = post(&server, "Ada Lovelace");
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (500, &json!("failed"))
    );
    let line = server.entry("/call/example:payments/processor/charge");
    assert_eq!(line["fault"]["limit"], "memory", "{line}");
    let message = line["fault"]["message"].as_str().unwrap();
    assert!(
        message.contains("fraud wanted more memory than its limit (2 MiB)"),
        "{message}"
    );
    // Who is refused before that has nothing to do with it.
    let reply = post(&server, " ");
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert_eq!(reply.json()["error"], json!({ "invalid": "no customer" }));
}

#[test]
fn a_linked_component_is_a_tool() {
    let _alone = alone();
    let app = polyglot();
    let folder = app.dir().path().display().to_string();
    let steps = || {
        json!([
            call("payments_processor_charge", order("Ada Lovelace")),
            call("payments_processor_charge", order(" ")),
        ])
    };
    let (said, _) = agent("auto", &[&folder], steps());
    assert_eq!(said[0]["structured"], json!({ "result": "pay-da3245dd" }));
    assert_eq!(said[1]["error"], true, "{}", said[1]);

    too_little(&app);
    let (said, lines) = agent("auto", &[&folder], steps());
    let text = said[0]["text"].as_str().unwrap();
    assert_eq!(said[0]["error"], true, "{text}");
    assert!(
        text.contains("fraud wanted more memory than its limit (2 MiB)\nlimit: memory"),
        "{text}"
    );
    assert!(said[1]["text"].as_str().unwrap().contains("no customer"));
    assert!(lines.iter().any(|line| line["outcome"] == "error"));
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
