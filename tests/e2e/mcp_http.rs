//! `holm mcp --listen`: the same tools over HTTP, and who may call.

use crate::mcp::{call, lines};
use crate::python::run_python;
use crate::support::*;
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn serve(args: &[&str]) -> Server {
    let lab = guest("call-lab");
    let command = holm()
        .args(["mcp", "--listen", "127.0.0.1:0"])
        .args(args)
        .arg(lab);
    Server::start(command)
}

#[track_caller]
fn agent(server: &Server, mode: &str, token: &[&str], steps: Value) -> Vec<Value> {
    let url = format!("http://{}/mcp", server.addr());
    let mut args = vec![mode, &*url];
    args.extend(token);
    lines(&run_python("mcp_client.py", &args, &steps.to_string()).0)
}

#[test]
fn tools_over_http() {
    let server = serve(&["--cpu", "90 s", "--timeout", "90 s"]);
    for mode in ["legacy", "auto"] {
        let steps = json!([
            {"do": "list"},
            call("call-lab_greet", json!({"name": "Ada"})),
            call("call-lab_tools_crash", json!({"message": "boom"})),
            {"do": "cancel", "name": "call-lab_tools_spin"},
            call("call-lab_greet", json!({"name": "after"})),
        ]);
        let said = agent(&server, mode, &[], steps);
        assert!(said[0]["tools"].as_array().unwrap().len() > 5);
        assert_eq!(said[1]["structured"], json!({"result": "Hello, Ada!"}));
        assert_eq!(said[2]["error"], true, "{}", said[2]);
        assert_eq!(said[3]["cancelled"], true);
        assert_eq!(said[4]["structured"], json!({"result": "Hello, after!"}));
    }
    // Both cancelled calls stopped their guests, long before their limits.
    let spins = || {
        let lines = lines(&server.stderr().join("\n"));
        lines
            .into_iter()
            .filter(|l| l["tool"] == "call-lab_tools_spin")
            .collect::<Vec<_>>()
    };
    let spins = crate::app::until("both ended", || Some(spins()).filter(|s| s.len() == 2));
    for line in spins {
        assert_eq!(line["outcome"], "left", "{line}");
        assert_eq!(line["receipt"].get("limit"), None, "{line}");
    }
    assert_eq!(server.terminate(), 0);
}

#[test]
fn changes_are_told_over_http() {
    let tools = Scratch::new();
    std::fs::copy(guest("greet"), tools.join("greet.wasm")).unwrap();
    let server = serve(&["--allow-load", tools.path().to_str().unwrap()]);
    for (mode, name) in [("legacy", "one"), ("auto", "two")] {
        let load = call("holm_load", json!({"path": "greet.wasm", "name": name}));
        let steps = json!([
            {"do": "changed", "by": load},
            call(&format!("{name}_add"), json!({"a": 1, "b": 2})),
        ]);
        let said = agent(&server, mode, &[], steps);
        assert_eq!(said[0]["changed"], true, "{}", said[0]);
        assert_eq!(said[1]["structured"], json!({"result": 3}));
    }
}

/// A bare request for the list of tools, by the newest revision.
fn list() -> Vec<u8> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}}}});
    body.to_string().into_bytes()
}

/// What a message is answered by.
fn post(server: &Server, body: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
    let mut request = http::Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.request(request.body(body).unwrap())
}

fn ask(server: &Server, headers: &[(&str, &str)]) -> u16 {
    post(server, list(), headers).status
}

#[test]
fn a_body_that_is_no_message_is_refused_and_the_server_lives() {
    let server = serve(&[]);
    let named = |name: &[u8]| {
        let text = list();
        let at = text.windows(3).position(|part| part == b"\"t\"").unwrap();
        [&text[..=at], name, &text[at + 2..]].concat()
    };
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \"params\": {{\"name\": \"call-lab_greet\", \"arguments\": {open}{close}}}}}"
        )
    };
    let bad: [(&str, Vec<u8>, u16); 8] = [
        ("empty", Vec::new(), 415),
        ("no JSON", b"tools, please".to_vec(), 415),
        ("half of it", list()[..100].to_vec(), 415),
        ("invalid UTF-8", named(b"\xff\xfe"), 415),
        ("nested deep", nested(200_000).into_bytes(), 415),
        ("never closed", vec![b'['; 1 << 20], 415),
        ("no object", b"null".to_vec(), 415),
        ("over 16 MiB", named(&vec![b't'; 16 << 20]), 413),
    ];
    for (what, body, status) in bad {
        let reply = post(&server, body, &[]);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert!(!reply.text().contains("result"), "{what}: {}", reply.text());
        assert_eq!(ask(&server, &[]), 200, "after {what}");
    }
    // As long as it may be.
    assert_eq!(post(&server, named(&vec![b't'; 15 << 20]), &[]).status, 200);
    let steps = json!([call("call-lab_greet", json!({"name": "Ada"}))]);
    let said = agent(&server, "auto", &[], steps);
    assert_eq!(said[0]["structured"], json!({"result": "Hello, Ada!"}));
    assert_eq!(server.terminate(), 0);
}

#[test]
fn no_web_page_calls_it() {
    let server = serve(&[]);
    assert_eq!(ask(&server, &[]), 200);
    // A page says where it is from, and a name that was made to lead here is not ours.
    let own = format!("http://{}", server.addr());
    for origin in ["https://evil.example", "null", &own] {
        assert_eq!(ask(&server, &[("origin", origin)]), 403, "{origin}");
    }
    assert_eq!(ask(&server, &[("host", "evil.example")]), 403);
    assert_eq!(ask(&server, &[("host", "localhost:1")]), 200);
    assert_eq!(server.get("/").status, 404);
}

#[test]
fn elsewhere_it_wants_a_token() {
    let scratch = Scratch::new();
    let file = scratch.write("token", format!("{TOKEN}\n"));
    let lab = guest("call-lab");
    let command = holm()
        .args(["mcp", "--listen", "0.0.0.0:0", "--token-file"])
        .arg(file)
        .arg(lab);
    let server = Server::start(command);
    let addr = format!("http://127.0.0.1:{}/mcp", server.addr().port());
    let given = |value: &str| {
        let mut request = http::Request::post("/mcp").header("host", "tools.example");
        if !value.is_empty() {
            request = request.header("authorization", value);
        }
        let reply = server.request(request.body(Vec::new()).unwrap());
        (reply.status, reply.header("www-authenticate").to_owned())
    };
    for wrong in [
        "",
        "Bearer",
        "Bearer wrong",
        &format!("Bearer {TOKEN}0"),
        TOKEN,
    ] {
        assert_eq!(given(wrong), (401, "Bearer".into()), "{wrong}");
    }
    let steps = json!([call("call-lab_greet", json!({"name": "Ada"}))]).to_string();
    let (said, _) = run_python("mcp_client.py", &["auto", &addr, TOKEN], &steps);
    assert_eq!(
        lines(&said)[0]["structured"],
        json!({"result": "Hello, Ada!"})
    );
    server.wait_for("crosses the network in clear");
    // On this machine alone it is asked for too, where there is one.
    let command = holm()
        .args(["mcp", "--listen", "127.0.0.1:0"])
        .arg(guest("call-lab"))
        .env("HOLM_MCP_TOKEN", TOKEN);
    let server = Server::start(command);
    assert_eq!(ask(&server, &[]), 401);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(ask(&server, &[("authorization", &bearer)]), 200);
    // A proxy in front of it passes on its own name.
    let proxied = [("authorization", &*bearer), ("host", "tools.example")];
    assert_eq!(ask(&server, &proxied), 200);
}

#[test]
fn any_address_of_this_machine_is_its_own() {
    let command = holm()
        .args(["mcp", "--listen", "127.0.0.2:0"])
        .arg(guest("call-lab"));
    let server = Server::start(command);
    assert_eq!(server.addr().ip().to_string(), "127.0.0.2");
    assert_eq!(ask(&server, &[]), 200);
    assert_eq!(ask(&server, &[("host", "localhost")]), 200);
    assert_eq!(ask(&server, &[("host", "evil.example")]), 403);
}
