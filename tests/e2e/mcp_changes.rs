//! `holm mcp` by the newest revision, spoken by hand: who subscribed is told of each change of the tools.

use crate::client::{self, Connection};
use crate::support::*;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin};
use std::sync::mpsc;

const CHANGED: &str = "notifications/tools/list_changed";
const ACCEPTED: &str = "notifications/subscriptions/acknowledged";

/// A folder that agents may load from.
fn tools() -> Scratch {
    let tools = Scratch::new();
    std::fs::copy(guest("greet"), tools.join("greet.wasm")).unwrap();
    tools
}

/// A request as the newest revision has it: all that a handshake would say is in each.
fn request(id: &str, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn listen(id: &str) -> Value {
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    request(id, "subscriptions/listen", wanted)
}

fn call(id: &str, tool: &str, arguments: Value) -> Value {
    request(
        id,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    )
}

/// What changes the tools, and changes them back.
fn change(at: usize) -> Value {
    let id = format!("call-{at}");
    match at % 2 {
        0 => call(&id, "holm_load", json!({"path": "greet.wasm"})),
        _ => call(&id, "holm_unload", json!({"name": "greet"})),
    }
}

/// The subscription that a notification is for.
fn subscription(said: &Value) -> &str {
    let id = &said["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    id.as_str().unwrap_or_else(|| panic!("{said}"))
}

/// A conversation over standard input and output.
struct Talk {
    child: Child,
    input: ChildStdin,
    said: mpsc::Receiver<Value>,
}

impl Talk {
    fn begin(command: &Command) -> Talk {
        let mut child = command.spawn();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                let said: Value = serde_json::from_str(&line.unwrap()).unwrap();
                if send.send(said).is_err() {
                    return;
                }
            }
        });
        Talk {
            input: child.stdin.take().unwrap(),
            child,
            said,
        }
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.input, "{message}").unwrap();
    }

    #[track_caller]
    fn hear(&self) -> Value {
        self.said.recv_timeout(PATIENCE).expect("nothing is said")
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_subscription_of_a_conversation_is_told_of_loading_and_of_unloading() {
    let tools = tools();
    let folder = tools.path().to_str().unwrap();
    let mut talk = Talk::begin(&holm().args(["mcp", "--allow-load", folder]));
    for at in 0..20 {
        let id = format!("listen-{at}");
        talk.say(&listen(&id));
        // One before may still be told, until it is cancelled.
        let accepted = loop {
            let said = talk.hear();
            if said["method"] == ACCEPTED {
                break said;
            }
        };
        assert_eq!(subscription(&accepted), id);
        talk.say(&change(at));
        let (mut answered, mut told) = (false, false);
        while !(answered && told) {
            let said = talk.hear();
            if said["method"] == CHANGED {
                told |= subscription(&said) == id;
            } else {
                assert_eq!(said["id"], format!("call-{at}"), "{said}");
                assert_ne!(said["result"]["isError"], true, "{said}");
                answered = true;
            }
        }
        let cancelled = json!({"requestId": id, "reason": "enough"});
        let cancelled = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled,
        });
        talk.say(&cancelled);
    }
}

/// Sends a request in a connection of its own.
async fn post(server: &Server, message: &Value) -> (http::Response<Incoming>, Connection) {
    let mut connection = Connection::http1(server.addr()).await;
    let mut request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", message["method"].as_str().unwrap());
    if let Some(name) = message["params"]["name"].as_str() {
        request = request.header("mcp-name", name);
    }
    let request = request.body(client::full(message.to_string())).unwrap();
    let answer = connection.send(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer, connection)
}

/// Reads events until one is of this method.
async fn until_told(answer: &mut http::Response<Incoming>, read: &mut String, method: &str) {
    let wanted = format!("\"{method}\"");
    loop {
        if let Some(at) = read.find(&wanted) {
            read.drain(..at + wanted.len());
            return;
        }
        let piece = client::piece(answer).await.expect("the stream has ended");
        read.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
}

#[test]
fn over_http_each_of_many_is_told_of_loading_and_of_unloading() {
    let tools = tools();
    let folder = tools.path().to_str().unwrap();
    let server =
        Server::start(holm().args(["mcp", "--listen", "127.0.0.1:0", "--allow-load", folder]));
    client::block(async {
        let mut all = Vec::new();
        for at in 0..8 {
            // One more each time, so that the others are told while it begins.
            let (mut answer, connection) = post(&server, &listen(&format!("listen-{at}"))).await;
            let mut read = String::new();
            until_told(&mut answer, &mut read, ACCEPTED).await;
            all.push((answer, read, connection));
            let (changed, _connection) = post(&server, &change(at)).await;
            let said = client::whole(changed).await.unwrap().text().to_owned();
            assert!(!said.contains("\"isError\":true"), "{said}");
            for (answer, read, _) in &mut all {
                until_told(answer, read, CHANGED).await;
            }
        }
    });
}
