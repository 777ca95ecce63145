//! `holm mcp` and bad input: whatever comes over standard input has its answer, and the server lives.

use crate::mcp::lines;
use crate::origin::Held;
use crate::support::*;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};

/// A conversation, line by line.
pub struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    id: u32,
}

impl Talk {
    /// Says hello.
    pub fn begin(command: &Command) -> (Talk, Value) {
        let mut child = command.spawn();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut talk = Talk {
            child,
            input,
            output: BufReader::new(output),
            id: 0,
        };
        let hello = talk.ask(
            "initialize",
            json!({
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            }),
        );
        talk.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        (talk, hello)
    }

    pub fn say(&mut self, line: impl AsRef<[u8]>) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_ref()).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    /// The next line that is no notification.
    pub fn hear(&mut self) -> Value {
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            if said.get("method").is_none() {
                return said;
            }
        }
    }

    /// A request, not waited for; its id.
    pub fn begin_to_ask(&mut self, method: &str, params: Value) -> u32 {
        self.id += 1;
        let id = self.id;
        self.say(
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        );
        id
    }

    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin_to_ask(method, params);
        let said = self.hear();
        assert_eq!(said["id"], id, "{said}");
        said
    }

    /// Calls a tool: the text of what came of it, and whether that is an error.
    #[track_caller]
    pub fn call(&mut self, name: &str, arguments: Value) -> (String, bool) {
        let said = self.ask("tools/call", json!({"name": name, "arguments": arguments}));
        told(&said)
    }

    /// Ends it by a signal: its exit code, the rest of its output, and its log.
    pub fn end(mut self, number: Option<i32>) -> (i32, Vec<Value>, Vec<Value>) {
        match number {
            Some(number) => signal(&self.child, number),
            None => drop(self.input.take()),
        }
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).unwrap();
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut log).unwrap();
        let status = wait(&mut self.child, PATIENCE).expect("it does not end");
        (code(status), lines(&rest), lines(&log))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub fn told(said: &Value) -> (String, bool) {
    let result = &said["result"];
    let text = result["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{said}"));
    (text.to_owned(), result["isError"] == true)
}

pub fn lab(args: &[&str]) -> Command {
    holm().arg("mcp").args(args).arg(guest("call-lab"))
}

#[test]
fn each_bad_line_has_its_answer() {
    let (mut talk, _) = Talk::begin(&lab(&[]));
    let mut refused = |line: &[u8]| {
        talk.say(line);
        let said = talk.hear();
        let answer = (said["error"]["code"].as_i64(), said["id"].clone());
        // And it goes on.
        let (text, error) = talk.call("call-lab_greet", json!({"name": "Ada"}));
        assert_eq!((text.as_str(), error), ("\"Hello, Ada!\"", false));
        answer
    };
    let parse = Some(-32700);
    assert_eq!(refused(b"no json"), (parse, Value::Null));
    assert_eq!(
        refused(b"{\"id\":70,\"method\":\"\xff\"}"),
        (parse, json!(70))
    );
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"call-lab_tools_count","arguments":{arguments}}},"id":71}}"#
        )
    };
    let deep = call(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    assert_eq!(refused(deep.as_bytes()), (parse, json!(71)));
    // A list of 100 MB.
    let long = call(&format!("{{\"data\":\"{}\"}}", "A".repeat(100_000_000)));
    assert_eq!(refused(long.as_bytes()), (Some(-32600), json!(71)));
    assert_eq!(refused(b"{}"), (Some(-32600), Value::Null));
    assert_eq!(refused(b"[{\"id\": 1}]"), (Some(-32600), Value::Null));
    // Arguments that are no object.
    for arguments in ["[1]", "\"x\"", "3"] {
        let (code, id) = refused(call(arguments).as_bytes());
        assert!(code.is_some_and(|code| code < 0), "{arguments}: {code:?}");
        assert_eq!(id, 71, "{arguments}");
    }
    assert_eq!(talk.end(None).0, 0);
}

#[test]
fn it_ends_well() {
    // Nobody ever said a word.
    let silent = holm().arg("mcp").arg(guest("greet")).run();
    silent.is(0).prints("");
    assert_eq!(silent.stderr, "");
    // What was asked before the end of input is answered.
    let (mut talk, _) = Talk::begin(&lab(&[]));
    let id = talk.begin_to_ask(
        "tools/call",
        json!({"name": "call-lab_tools_wait", "arguments": {"milliseconds": 300}}),
    );
    let (code, rest, _) = talk.end(None);
    assert_eq!((code, rest[0]["id"].clone()), (0, json!(id)), "{rest:?}");
    // And so it is at SIGTERM.
    let (mut talk, _) = Talk::begin(&lab(&[]));
    talk.call("call-lab_greet", json!({"name": "a"}));
    let id = talk.begin_to_ask(
        "tools/call",
        json!({"name": "call-lab_tools_wait", "arguments": {"milliseconds": 500}}),
    );
    // It was read before this is.
    let later = talk.begin_to_ask("ping", json!({}));
    assert_eq!(talk.hear()["id"], later);
    let (code, rest, log) = talk.end(Some(libc::SIGTERM));
    assert_eq!(code, 0);
    assert_eq!(rest[0]["id"], id, "{rest:?}");
    assert_eq!(rest[0]["result"]["isError"], false, "{rest:?}");
    let waited = log
        .iter()
        .find(|l| l["tool"] == "call-lab_tools_wait")
        .unwrap();
    assert_eq!(waited["outcome"], "ok", "{waited}");
    // A first message that is none has its answer, and the end of input is an end.
    let wrong = lab(&[])
        .stdin("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n")
        .run();
    wrong.is(0);
    let said = lines(&wrong.stdout);
    assert_eq!((said.len(), &said[0]["id"]), (1, &json!(1)), "{said:?}");
    assert!(said[0]["error"].is_object(), "{said:?}");
}

#[test]
fn a_call_that_never_began_has_its_reason_in_the_log() {
    let scratch = Scratch::new();
    std::os::unix::fs::symlink(guest("call-lab"), scratch.join("lab.wasm")).unwrap();
    std::os::unix::fs::symlink(guest("bodies-lab"), scratch.join("bodies.wasm")).unwrap();
    std::os::unix::fs::symlink(guest("link-callee"), scratch.join("shop.wasm")).unwrap();
    let asked = Held::listen();
    scratch.write(
        "holm.toml",
        format!(
            "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\
             limits = {{ request_body = \"1 KiB\" }}\n\n\
             [component.bodies]\nsource = \"bodies.wasm\"\nlimits = {{ cpu = \"60 s\" }}\n\n\
             [component.shop]\nsource = \"shop.wasm\"\nlimits = {{ concurrency = 1, queue = 0 }}\n\
             grants = {{ http = [\"http://{}\"] }}\n\n\
             [[mcp]]\ncomponent = \"lab\"\nfunctions = [\"*\"]\n\n\
             [[mcp]]\ncomponent = \"bodies\"\nfunctions = [\"*\"]\n\n\
             [[mcp]]\ncomponent = \"shop\"\nfunctions = [\"*\"]\n",
            asked.authority()
        ),
    );
    let (mut talk, hello) = Talk::begin(&holm().arg("mcp").arg(scratch.path()));
    // Functions that cannot be tools are named to agents.
    let instructions = hello["result"]["instructions"].as_str().unwrap();
    assert!(instructions.contains("cannot be tools"), "{instructions}");
    assert!(
        instructions.contains("tab.total` of `lab`: "),
        "{instructions}"
    );
    let slow = talk.begin_to_ask(
        "tools/call",
        json!({"name": "shop_api_fetch", "arguments": {"authority": asked.authority()}}),
    );
    let under_way = asked.taken();
    let (text, error) = talk.call("shop_api_nothing", json!({}));
    assert!(error && text.starts_with("busy: "), "{text}");
    under_way.answer();
    let said = talk.hear();
    assert_eq!(said["id"], slow);
    let (text, error) = talk.call("lab_greet", json!({"nome": "a"}));
    assert!(error && text.contains("nome"), "{text}");
    // As many bytes as a request may have over HTTP, and they are counted.
    let (text, error) = talk.call("lab_tools_count", json!({"data": "A".repeat(2000)}));
    assert!(error && text.contains("limit: request_body"), "{text}");
    let (text, error) = talk.call("lab_tools_count", json!({"data": "AAAA"}));
    assert_eq!((text.as_str(), error), ("3", false));
    // A result without end is not the agent's mistake.
    let (text, error) = talk.call("bodies_bodies_endless", json!({}));
    assert!(
        error && text.starts_with("guest failed: bodies failed"),
        "{text}"
    );
    let (code, _, log) = talk.end(None);
    assert_eq!(code, 0);
    let fault = |tool: &str, word: &str| {
        let found = log.iter().any(|line| {
            let fault = line["fault"].as_str().unwrap_or_default();
            line["tool"] == tool && line["outcome"] == "error" && fault.contains(word)
        });
        assert!(found, "{tool}: {word} in {log:#?}");
    };
    fault("shop_api_nothing", "shop is busy");
    fault("lab_greet", "the arguments of `greet` do not fit");
    fault("lab_tools_count", "larger body than its limit (1 KiB)");
    fault("bodies_bodies_endless", "longer than what is collected");
    let counted = log
        .iter()
        .find(|line| line["tool"] == "lab_tools_count" && line["outcome"] == "ok");
    assert_eq!(counted.unwrap()["receipt"]["bytes_in"], 15, "{counted:?}");
}
