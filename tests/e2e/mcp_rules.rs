//! `holm mcp`: what agents may change and how far, and what tools are called.

use crate::mcp_lines::{Talk, lab, told};
use crate::origin::Held;
use crate::support::*;
use serde_json::{Value, json};

fn tools() -> Scratch {
    let tools = Scratch::new();
    std::fs::copy(guest("call-lab"), tools.join("lab.wasm")).unwrap();
    std::fs::copy(guest("greet"), tools.join("greet.wasm")).unwrap();
    tools
}

fn names(talk: &mut Talk) -> Vec<String> {
    let said = talk.ask("tools/list", json!({}));
    let tools = said["result"]["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn agents_grant_no_more_than_the_scope_that_was_allowed() {
    let dir = tools();
    let dir = dir.path().to_str().unwrap().to_owned();
    let command = holm()
        .env("HOLM_MCP_TOKEN", "0123456789abcdef0123")
        .env("SECRET", "of the operator's")
        .args(["mcp", "--allow-load", &dir, "--allow-grant", "env"])
        .args(["--allow-grant", "http=https://a.example"]);
    let (mut talk, _) = Talk::begin(&command);
    let (text, error) = talk.call("holm_load", json!({"path": "lab.wasm"}));
    assert!(!error, "{text}");
    let mut grant =
        |line: &str| talk.call("holm_grant", json!({"component": "lab", "grant": line}));
    let (text, error) = grant("env = { SECRET = { inherit = true } }");
    assert!(
        error && text.contains("no agent may grant a part of Holm's own environment"),
        "{text}"
    );
    let (text, error) = grant("http = [\"https://b.example\"]");
    assert!(error && text.contains("with this scope"), "{text}");
    assert!(
        text.contains("agents may grant: env, http=https://a.example"),
        "{text}"
    );
    assert_eq!(grant("http = [\"https://a.example\"]").1, false);
    assert_eq!(grant("env = { GREETING = \"hi\" }").1, false);
    for name in ["SECRET", "HOLM_MCP_TOKEN"] {
        let (text, _) = talk.call("lab_tools_variable", json!({"name": name}));
        assert_eq!(text, "null", "{name}");
    }
    assert_eq!(talk.end(None).0, 0);
    // Anything means anything of the machine, and still not its environment.
    let (mut talk, _) = Talk::begin(&lab(&["--allow-grant", "*"]));
    let mut grant = |line: &str| {
        talk.call(
            "holm_grant",
            json!({"component": "call-lab", "grant": line}),
        )
    };
    assert_eq!(grant("http = [\"https://b.example\"]").1, false);
    assert_eq!(grant(&format!("dirs = {{ \"/\" = \"{dir}\" }}")).1, false);
    assert!(grant("env = { PATH = { inherit = true } }").1);
    // Not even the operator gives Holm's own tokens away.
    let operator = lab(&["--env", "HOLM_MCP_TOKEN"])
        .env("HOLM_MCP_TOKEN", "0123456789abcdef")
        .run();
    operator.is(2).says("Holm's own secret");
}

#[test]
fn what_is_refused_is_in_the_log() {
    let dir = tools();
    let path = dir.path().to_str().unwrap().to_owned();
    let mut child = holm().args(["mcp", "--allow-load", &path]).spawn();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let load = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "holm_load", "arguments": {"path": "../etc/passwd"}}});
    let (_, stderr) = feed(&mut child, format!("{hello}\n{ready}\n{load}\n").as_bytes());
    assert_eq!(code(wait(&mut child, PATIENCE).unwrap()), 0);
    let log = String::from_utf8(stderr.join().unwrap()).unwrap();
    assert!(
        log.contains("an agent asked for holm_load and was refused"),
        "{log}"
    );
}

#[test]
fn what_agents_load_is_apart_and_bounded() {
    let dir = tools();
    let path = dir.path().to_str().unwrap().to_owned();
    let (mut talk, _) = Talk::begin(&lab(&["--allow-load", &path]));
    // A name like the operator's own app takes nothing from it.
    let (text, error) = talk.call("holm_load", json!({"path": "greet.wasm", "name": "tools"}));
    assert!(!error, "{text}");
    let (text, _) = talk.call("call-lab_greet", json!({"name": "Ada"}));
    assert_eq!(text, "\"Hello, Ada!\"");
    let (text, _) = talk.call("tools_add", json!({"a": 1, "b": 2}));
    assert_eq!(text, "3");
    assert_eq!(talk.call("holm_unload", json!({"name": "tools"})).1, false);
    assert_eq!(talk.call("call-lab_greet", json!({"name": "Ada"})).1, false);
    for at in 0..64 {
        let (text, error) = talk.call(
            "holm_load",
            json!({"path": "greet.wasm", "name": format!("g{at}")}),
        );
        assert!(!error, "{text}");
    }
    let (text, error) = talk.call("holm_load", json!({"path": "greet.wasm"}));
    assert!(error && text.contains("64 components"), "{text}");
    assert_eq!(talk.call("holm_unload", json!({"name": "g7"})).1, false);
    assert_eq!(
        talk.call("holm_load", json!({"path": "greet.wasm"})).1,
        false
    );
}

#[test]
fn a_call_in_flight_outlives_its_component() {
    let dir = Scratch::new();
    std::fs::copy(guest("link-callee"), dir.join("shop.wasm")).unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let args = ["mcp", "--allow-load", &path, "--allow-grant", "http"];
    let (mut talk, _) = Talk::begin(&holm().args(args));
    assert_eq!(
        talk.call("holm_load", json!({"path": "shop.wasm"})).1,
        false
    );
    let asked = Held::listen();
    let grant = format!("http = [\"http://{}\"]", asked.authority());
    let grant = json!({"component": "shop", "grant": grant});
    let (text, error) = talk.call("holm_grant", grant);
    assert!(!error, "{text}");
    let slow = talk.begin_to_ask(
        "tools/call",
        json!({"name": "shop_api_fetch", "arguments": {"authority": asked.authority()}}),
    );
    let under_way = asked.taken();
    assert_eq!(talk.call("holm_unload", json!({"name": "shop"})).1, false);
    let left = names(&mut talk);
    assert_eq!(left, ["holm_load", "holm_unload", "holm_grant"]);
    under_way.answer();
    let said = talk.hear();
    assert_eq!(
        (&said["id"], told(&said)),
        (&json!(slow), ("204".into(), false))
    );
}

#[test]
fn no_tool_is_lost_to_another_of_its_name() {
    let scratch = Scratch::new();
    std::os::unix::fs::symlink(wat("clash"), scratch.join("clash.wat")).unwrap();
    let manifest = |functions: [&str; 2]| {
        let [one, two] = functions;
        format!(
            "name = \"clash\"\n\n[component.c]\nsource = \"clash.wat\"\n\n\
             [[mcp]]\ncomponent = \"c\"\nfunctions = [\"{one}\"]\n\n\
             [[mcp]]\ncomponent = \"c\"\nfunctions = [\"{two}\"]\n"
        )
    };
    let listed = |text: String| {
        scratch.write("holm.toml", text);
        let (mut talk, _) = Talk::begin(&holm().arg("mcp").arg(scratch.path()));
        names(&mut talk)
    };
    let both = listed(manifest(["t:t/a.b", "u:u/a.b"]));
    assert_eq!(both, ["c_t-t-a_b", "c_u-u-a_b"]);
    // A name stays what it is when another function becomes a tool, and no tool is there twice.
    assert_eq!(listed(manifest(["t:t/a.b", "t:t/a.*"])), both[..1]);
    // Nor to the server's own.
    std::fs::copy(guest("greet"), scratch.join("holm.wasm")).unwrap();
    let dir = scratch.path().to_str().unwrap().to_owned();
    let (mut talk, _) = Talk::begin(
        &holm()
            .args(["mcp", "--allow-load", &dir])
            .arg(scratch.join("holm.wasm")),
    );
    assert!(names(&mut talk).contains(&"holm_load".to_owned()));
}

#[test]
fn flags_that_would_mean_nothing() {
    let dir = tools();
    let path = dir.path().to_str().unwrap().to_owned();
    let refused = |name: &str, args: &[&str]| {
        let output = holm().arg("mcp").args(args).dir(repo()).run();
        output.is(2);
        shot!(format!("mcp_{name}"), output.stderr);
    };
    let lab = guest("call-lab").display().to_string();
    refused("tool_typo", &["--tool", "greet", "--tool", "gret", &lab]);
    refused(
        "tool_not_callable",
        &["--tool", "example:lab/tools.tab.total", &lab],
    );
    refused(
        "grants_for_nobody",
        &["--allow-load", &path, "--env", "A=1"],
    );
    refused("no_such_scope", &["--allow-grant", "http={", &lab]);
    // What no surface can open is refused where it is named, and named where a pattern means it.
    let streams = guest("streams-lab").display().to_string();
    let pairs = "holm:streams/flows.pairs";
    let named = holm().args(["mcp", "--tool", pairs, &streams]).run();
    named.is(2).says(
        "--tool holm:streams/flows.pairs cannot be called from here: its result holds a stream",
    );
    let meant = holm().args(["mcp", &streams]).stdin("").run();
    meant.is(0).says(
        "no tool: `holm:streams/flows.pairs` of `streams-lab`: its result holds a stream of \
         `tuple<u32, u32>`",
    );
    // Limits may be for what agents load.
    let app = Scratch::new();
    std::fs::copy(guest("call-lab"), app.join("lab.wasm")).unwrap();
    app.write(
        "holm.toml",
        "name = \"a\"\n\n[component.own]\nsource = \"lab.wasm\"\nlimits = { cpu = \"60 s\" }\n\n\
         [[mcp]]\ncomponent = \"own\"\nfunctions = [\"*\"]\n",
    );
    let command = holm()
        .args(["mcp", "--allow-load", &path, "--cpu", "100 ms"])
        .arg(app.path());
    let (mut talk, _) = Talk::begin(&command);
    assert_eq!(talk.call("holm_load", json!({"path": "lab.wasm"})).1, false);
    let (text, error) = talk.call("lab_tools_spin", json!({}));
    assert!(error && text.contains("100 ms"), "{text}");
    let _: Value = talk.ask("ping", json!({}));
}
