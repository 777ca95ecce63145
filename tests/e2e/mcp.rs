//! `holm mcp`: functions as tools, used by the protocol's own Python client over standard input and
//! output, by the handshake of old and by the newest revision.

use crate::python::run_python;
use crate::support::*;
use serde_json::{Value, json};
use std::path::Path;

/// Both ways to begin a conversation.
const MODES: [&str; 2] = ["legacy", "auto"];

/// Does steps with `holm mcp ARGS`; what came of each, and the server's log.
#[track_caller]
pub fn agent(mode: &str, args: &[&str], steps: Value) -> (Vec<Value>, Vec<Value>) {
    let mut all = vec![mode, "--", "env"];
    let cache = format!("HOLM_CACHE_DIR={}", shared_cache().display());
    all.extend([cache.as_str(), env!("CARGO_BIN_EXE_holm"), "mcp"]);
    all.extend(args);
    let (said, stderr) = run_python("mcp_client.py", &all, &steps.to_string());
    (lines(&said), lines(&stderr))
}

/// Lines of JSON; others are dropped.
pub fn lines(text: &str) -> Vec<Value> {
    let parsed = text.lines().filter_map(|l| serde_json::from_str(l).ok());
    parsed.collect()
}

fn lab() -> String {
    guest("call-lab").display().to_string()
}

pub fn call(name: &str, arguments: Value) -> Value {
    json!({"do": "call", "name": name, "arguments": arguments})
}

/// The text of an error.
#[track_caller]
fn error(said: &Value) -> &str {
    assert_eq!(said["error"], true, "{said}");
    said["text"].as_str().unwrap()
}

#[test]
fn tools_are_functions_with_their_docs_and_types() {
    for mode in MODES {
        let (said, _) = agent(mode, &[&lab()], json!([{"do": "version"}, {"do": "list"}]));
        let newest = said[0]["protocol"] == "2026-07-28";
        assert_eq!(newest, mode == "auto", "{}", said[0]);
        let tools = said[1]["tools"].as_array().unwrap();
        let names: Vec<&str> = tools.iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"call-lab_greet"), "{names:?}");
        assert!(names.contains(&"call-lab_tools_price"), "{names:?}");
        // What no agent can call is not there: a resource lives no longer than a call.
        assert!(!names.iter().any(|name| name.contains("tab")), "{names:?}");
        let price = tools.iter().find(|t| t["name"] == "call-lab_tools_price");
        shot!(
            "mcp_tool",
            serde_json::to_string_pretty(price.unwrap()).unwrap()
        );
    }
}

#[test]
fn results_errs_and_faults() {
    let tea = json!({"order": {"items": [{"name": "tea", "count": 2}]}});
    let steps = json!([
        call("call-lab_greet", json!({"name": "Ada"})),
        call("call-lab_tools_price", tea),
        call("call-lab_tools_price", json!({"order": {"items": []}})),
        call(
            "call-lab_tools_price",
            json!({"order": {"items": [{"name": "tea", "count": "x"}]}})
        ),
        call("call-lab_tools_crash", json!({"message": "boom"})),
        call("call-lab_tools_grow", json!({"mebibytes": 900})),
        call("call-lab_tools_exit", json!({"code": 3})),
        call(
            "call-lab_tools_print",
            json!({"line": "for nobody's protocol"})
        ),
        call("none", json!({})),
        call("call-lab_tools_variable", json!({"name": "GREETING"})),
        call("call-lab_tools_variable", json!({"name": "HOME"})),
    ]);
    for mode in MODES {
        let (said, log) = agent(mode, &["--env", "GREETING=hi", &lab()], steps.clone());
        assert_eq!(said[0]["text"], "\"Hello, Ada!\"");
        assert_eq!(said[0]["structured"], json!({"result": "Hello, Ada!"}));
        assert_eq!(said[1]["structured"], json!({"result": 500}));
        assert_eq!(
            error(&said[2]),
            "the function answered with an error: \"empty\""
        );
        assert!(
            error(&said[3]).contains("order.items[0].count"),
            "{}",
            said[3]
        );
        // A backtrace, so that its author can do something about it.
        assert!(
            error(&said[4]).starts_with("guest failed: call-lab trapped"),
            "{}",
            said[4]
        );
        assert!(error(&said[4]).contains("\n    at "), "{}", said[4]);
        assert!(error(&said[5]).contains("\nlimit: memory"), "{}", said[5]);
        assert!(
            error(&said[6]).contains("exited with code 1"),
            "{}",
            said[6]
        );
        assert_eq!(
            (&said[7]["error"], &said[7]["structured"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(said[8]["code"], -32602, "{}", said[8]);
        // Only what was granted.
        assert_eq!(said[9]["structured"], json!({"result": "hi"}));
        assert_eq!(said[10]["structured"], json!({"result": null}));
        // What guests print, and a line for each call, are in the log.
        assert!(
            log.iter().any(|l| l["line"] == "for nobody's protocol"),
            "{log:?}"
        );
        let crashed = log
            .iter()
            .find(|l| l["tool"] == "call-lab_tools_crash")
            .unwrap();
        assert_eq!(
            (&crashed["type"], &crashed["outcome"]),
            (&json!("tool"), &json!("error"))
        );
        assert!(crashed["receipt"]["cpu_us"].is_u64(), "{crashed}");
    }
}

#[test]
fn a_tool_that_lies_is_an_error() {
    let lies = wat("lies").display().to_string();
    let steps = ["nonsense", "nowhere", "no-char", "nonsense"]
        .map(|name| call(&format!("lies_{name}"), json!({})));
    let (said, _) = agent("auto", &[&lies], json!(steps));
    for said in said {
        assert!(
            error(&said).starts_with("guest failed: lies failed"),
            "{said}"
        );
    }
}

#[test]
fn a_tool_that_hangs_is_stopped_by_its_limit_or_its_client() {
    let spin = json!({"do": "cancel", "name": "call-lab_tools_spin"});
    let greet = call("call-lab_greet", json!({"name": "after"}));
    for mode in MODES {
        let args = ["--cpu", "90 s", "--timeout", "90 s", &lab()];
        let (said, log) = agent(mode, &args, json!([spin, greet]));
        assert_eq!(said[0]["cancelled"], true);
        assert_eq!(said[1]["structured"], json!({"result": "Hello, after!"}));
        let left = log
            .iter()
            .find(|l| l["tool"] == "call-lab_tools_spin")
            .unwrap();
        // It was stopped long before its limits.
        assert_eq!(left["outcome"], "left", "{left}");
        assert_eq!(left["receipt"].get("limit"), None, "{left}");
        let args = ["--cpu", "100 ms", &lab()];
        let steps = json!([call("call-lab_tools_spin", json!({})), greet]);
        let (said, _) = agent(mode, &args, steps);
        assert!(error(&said[0]).contains("\nlimit: cpu"), "{}", said[0]);
        assert_eq!(said[1]["error"], false);
        let args = ["--timeout", "100 ms", &lab()];
        let waits = call("call-lab_tools_wait", json!({"milliseconds": 60_000}));
        let (said, _) = agent(mode, &args, json!([waits]));
        assert!(error(&said[0]).contains("\nlimit: timeout"), "{}", said[0]);
    }
}

#[test]
fn long_results_are_cut_with_a_notice() {
    let long = |times: u32| {
        call(
            "call-lab_tools_repeat",
            json!({"text": "äöü", "times": times}),
        )
    };
    for mode in MODES {
        let args = ["--max-result", "100 B", &lab()];
        let (said, _) = agent(mode, &args, json!([long(16), long(17)]));
        assert_eq!(
            said[0]["structured"]["result"]
                .as_str()
                .unwrap()
                .chars()
                .count(),
            48
        );
        assert_eq!(said[1]["error"], false, "{}", said[1]);
        let text = said[1]["text"].as_str().unwrap();
        assert!(
            text.ends_with("[cut: this is 104 B long, and 100 B are shown; ask for less]"),
            "{text}"
        );
        assert!(
            said[1]["structured"]["notice"]
                .as_str()
                .unwrap()
                .starts_with("cut:")
        );
        assert_eq!(said[1]["structured"].get("result"), None);
    }
}

#[test]
fn what_an_app_offers() {
    let scratch = Scratch::new();
    let manifest = "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\nwit = \"wit\"\n\
                    limits = { cpu = \"200 ms\" }\ngrants.env = { GREETING = \"moin\" }\n\n\
                    [component.other]\nsource = \"lab.wasm\"\n\n\
                    [[mcp]]\ncomponent = \"lab\"\nfunctions = [\"greet\", \"example:lab/tools.variable\", \"example:lab/tools.spin\"]\n\n\
                    [[mcp]]\ncomponent = \"other\"\nfunctions = [\"example:lab/tools.variable\"]\n";
    scratch.write("holm.toml", manifest);
    std::os::unix::fs::symlink(guest("call-lab"), scratch.join("lab.wasm")).unwrap();
    let wit = repo().join("guests/rust/call-lab/wit");
    std::os::unix::fs::symlink(wit, scratch.join("wit")).unwrap();
    let dir = scratch.path().display().to_string();
    let variable = json!({"name": "GREETING"});
    let steps = json!([
        {"do": "list"},
        call("lab_tools_variable", variable.clone()),
        call("other_tools_variable", variable),
        call("lab_tools_spin", json!({})),
        call("lab_tools_crash", json!({"message": ""})),
    ]);
    let (said, _) = agent("auto", &[&dir], steps);
    let names: Vec<&Value> = said[0]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();
    assert_eq!(
        names,
        [
            "lab_greet",
            "lab_tools_spin",
            "lab_tools_variable",
            "other_tools_variable"
        ]
    );
    let docs = "What the environment says under a name.\n\n\
                variable: func(name: string) -> option<string>";
    assert_eq!(said[0]["tools"][2]["description"], docs);
    // Each component has its own grants and limits.
    assert_eq!(said[1]["structured"], json!({"result": "moin"}));
    assert_eq!(said[2]["structured"], json!({"result": null}));
    assert!(error(&said[3]).contains("limit: cpu"), "{}", said[3]);
    assert_eq!(said[4]["code"], -32602);
    let bad = manifest.replace("\"greet\"", "\"gret\"");
    scratch.write("holm.toml", bad);
    let refused = holm().args(["mcp", &dir]).run();
    refused.is(2);
    shot!("mcp_app_refused", refused.stderr);
}

#[test]
fn agents_load_and_grant_only_what_the_operator_allows() {
    let tools = Scratch::new();
    std::os::unix::fs::symlink(guest("greet"), tools.join("link.wasm")).unwrap();
    std::fs::copy(guest("call-lab"), tools.join("lab.wasm")).unwrap();
    let dir = tools.path().display().to_string();
    let variable = call("lab_tools_variable", json!({"name": "GREETING"}));
    let grant = |line: &str| call("holm_grant", json!({"component": "lab", "grant": line}));
    let load = |path: &str| call("holm_load", json!({"path": path}));
    for mode in MODES {
        let args = ["--allow-load", &dir, "--allow-grant", "env"];
        // On a busy machine the SDK's second subscription of a conversation was twice not told.
        let unload = call("holm_unload", json!({"name": "lab"}));
        let unload = match mode {
            "legacy" => json!({"do": "changed", "by": unload}),
            _ => unload,
        };
        let steps = json!([
            {"do": "list"},
            {"do": "changed", "by": load("lab.wasm")},
            variable,
            grant("env = { GREETING = \"hey\" }"),
            variable,
            grant("http = [\"https://example.com\"]"),
            grant("env = 3"),
            load("link.wasm"),
            load("../lab.wasm"),
            load("lab.wasm"),
            unload,
            {"do": "list"},
            variable,
        ]);
        let (said, _) = agent(mode, &args, steps);
        let names = |listed: &Value| -> Vec<Value> {
            let tools = listed["tools"].as_array().unwrap().iter();
            tools.map(|tool| tool["name"].clone()).collect()
        };
        assert_eq!(names(&said[0]), ["holm_load", "holm_unload", "holm_grant"]);
        assert_eq!(
            (&said[1]["changed"], &said[1]["error"]),
            (&json!(true), &json!(false)),
            "{}",
            said[1]
        );
        assert_eq!(said[2]["structured"], json!({"result": null}));
        assert_eq!(said[3]["error"], false, "{}", said[3]);
        assert_eq!(said[4]["structured"], json!({"result": "hey"}));
        assert!(
            error(&said[5]).contains("does not let agents grant `http`"),
            "{}",
            said[5]
        );
        assert!(
            error(&said[6]).starts_with("error: this is no grant"),
            "{}",
            said[6]
        );
        assert!(error(&said[7]).contains("below the folder"), "{}", said[7]);
        assert!(error(&said[8]).contains("below the folder"), "{}", said[8]);
        assert!(error(&said[9]).contains("already"), "{}", said[9]);
        assert_eq!(said[10]["error"], false, "{}", said[10]);
        assert_eq!(names(&said[11]), ["holm_load", "holm_unload", "holm_grant"]);
        assert_eq!(said[12]["code"], -32602, "{}", said[12]);
    }
    // Off by default: they are not even there.
    let (said, _) = agent(
        "auto",
        &[&lab()],
        json!([{"do": "list"}, load("lab.wasm"), grant("env = {}")]),
    );
    let names = said[0]["tools"].to_string();
    assert!(!names.contains("holm_"), "{names}");
    assert_eq!(
        (&said[1]["code"], &said[2]["code"]),
        (&json!(-32602), &json!(-32602))
    );
}

#[test]
fn the_output_is_the_protocols_alone() {
    let handshake = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}}});
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let print = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "call-lab_tools_print", "arguments": {"line": "{\"jsonrpc\": \"2.0\"}"}}});
    // The input may be anything, and the server goes on; at its end it ends.
    let input = format!("{handshake}\n{initialized}\nno json\n{{}}\n{print}\n");
    let output = holm().args(["mcp", &lab()]).stdin(input).run();
    output.is(0);
    for line in output.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(
            line["id"].is_number() || line["error"].is_object(),
            "{line}"
        );
    }
    let ids = lines(&output.stdout);
    assert!(
        ids.iter()
            .any(|l| l["id"] == 2 && l["result"]["isError"] == false),
        "{ids:?}"
    );
}

#[test]
fn what_cannot_be_served() {
    let refused = |name: &str, args: &[&str]| {
        let output = holm().arg("mcp").args(args).dir(repo()).run();
        output.is(2);
        shot!(format!("mcp_{name}"), output.stderr);
    };
    let lab = lab();
    let missing = Path::new("missing.wasm").display().to_string();
    refused("no_such_tool", &["--tool", "none", &lab]);
    refused("bad_tool", &["--tool", "a b", &lab]);
    refused("missing", &[&missing]);
    refused("nothing", &["examples/guestbook"]);
    refused("two_of_a_name", &[&lab, &lab]);
    refused("flags_of_an_app", &["--env", "A=1", "examples/guestbook"]);
    refused("no_folder", &["--allow-load", "nowhere", &lab]);
    refused("no_such_grant", &["--allow-grant", "htp", &lab]);
    refused("no_token", &["--listen", "0.0.0.0:0", &lab]);
}
