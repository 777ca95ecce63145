//! Containers of objects as a guest behind HTTP meets them: in a folder, in memory, and on the S3 server
//! that `scripts/servers` starts.

use crate::app::*;
use crate::client::*;
use crate::support::*;
use serde_json::{Value, json};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What `scripts/servers start` has set.
fn set(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/servers start)\""))
}

fn lab(more: &str) -> App {
    App::of("blob-lab", more)
}

/// A container on a server, in a part of its bucket that is this test's.
fn on_s3(url: &str, prefix: &str) -> String {
    format!(
        "[variables]\nsecret = {{ default = \"hunter2\", secret = true }}\n\
         [store.a]\ntype = \"blobs\"\nprovider = \"s3\"\nurl = \"{url}\"\nbucket = \"holm\"\n\
         prefix = \"e2e-{}-{prefix}\"\naccess_key_id = \"test\"\n\
         secret_access_key = \"{{{{ secret }}}}\"\ntimeout = \"3 s\"\n",
        std::process::id()
    )
}

#[track_caller]
fn op(server: &Server, operation: &str) -> Value {
    let reply = server.get(&format!("/op/{operation}"));
    assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
    reply.json()
}

fn put(server: &Server, query: &str, body: impl Into<Vec<u8>>) -> Value {
    let request = http::Request::put(format!("/object?{query}"));
    server.request(request.body(body.into()).unwrap()).json()
}

fn each_operation(server: &Server) {
    for (operation, answer) in [
        ("exists?c=a", json!({"ok": true})),
        ("exists?c=c", json!({"ok": false})),
        ("create?c=a", json!({"ok": "a"})),
        ("list?c=a", json!({"ok": {"names": [], "skipped": 0}})),
        ("has?c=a&name=x", json!({"ok": false})),
        (
            "info?c=a&name=x",
            json!({"error": "there is no object \"x\""}),
        ),
        ("write?c=a&name=x&value=hello", json!({"ok": null})),
        ("write?c=a&name=p/%C3%A4+b&value=", json!({"ok": null})),
        ("has?c=a&name=x", json!({"ok": true})),
        (
            "info?c=a&name=x",
            json!({"ok": {"name": "x", "container": "a", "size": 5, "dated": true}}),
        ),
        ("copy?c=a&name=x&to=y", json!({"ok": null})),
        ("move?c=a&name=x&to=p/z", json!({"ok": null})),
        (
            "list?c=a&page=2",
            json!({"ok": {"names": ["p/z", "p/ä b", "y"], "skipped": 0}}),
        ),
        (
            "copy?c=a&name=none&to=y",
            json!({"error": "there is no object \"none\""}),
        ),
        // Into another container, through the host.
        ("copy?c=a&name=y&to-c=other&to=y", json!({"ok": null})),
        ("move?c=a&name=y&to-c=other&to=z", json!({"ok": null})),
        (
            "list?c=other",
            json!({"ok": {"names": ["y", "z"], "skipped": 0}}),
        ),
        ("delete?c=a&name=none", json!({"ok": null})),
        ("delete-many?c=a&name=p/z,none", json!({"ok": null})),
        (
            "list?c=a",
            json!({"ok": {"names": ["p/ä b"], "skipped": 0}}),
        ),
        ("clear?c=other", json!({"ok": null})),
        ("delete-container?c=a", json!({"ok": null})),
        (
            "list?c=a&skip=3",
            json!({"ok": {"names": [], "skipped": 0}}),
        ),
        (
            "write?c=a&name=a//b&value=",
            json!({"error": "the name of an object has no empty part, `.` or `..` between its `/`"}),
        ),
    ] {
        assert_eq!(op(server, operation), answer, "{operation}");
    }
    assert_eq!(put(server, "c=a&name=x", "0123456789"), json!({"ok": 10}));
    for (query, bytes) in [
        ("", "0123456789"),
        ("&whole", "0123456789"),
        ("&from=3&to=5", "345"),
        ("&from=8", "89"),
        ("&from=10", ""),
    ] {
        let reply = server.get(&format!("/object?c=a&name=x{query}"));
        assert_eq!(reply.text(), bytes, "{query}");
        assert_eq!(reply.header("x-size"), bytes.len().to_string());
    }
    let told = json!({"error": "there is no object \"none\""});
    assert_eq!(server.get("/object?c=a&name=none").json(), told);
    assert_eq!(
        put(server, "c=a&name=y&unfinished", "y"),
        json!({"ok": null})
    );
    assert_eq!(op(server, "has?c=a&name=y"), json!({"ok": false}));
    assert_eq!(put(server, "c=a&name=y&late", "later"), json!({"ok": 5}));
    assert_eq!(server.get("/object?c=a&name=y").text(), "later");
}

const BOTH: &str = "grants.blobs = [\"a\", \"other\"]";

#[test]
fn operations_in_a_folder() {
    let app = lab(BOTH);
    let server = app.up();
    each_operation(&server);
    drop(server);
    // It is a folder of files, and the next process has it.
    let folder = app.dir().join(".holm/blobs/a");
    assert_eq!(std::fs::read(folder.join("x")).unwrap(), b"0123456789");
    let server = app.up();
    assert_eq!(server.get("/object?c=a&name=x&from=8").text(), "89");
}

#[test]
fn operations_in_memory() {
    let app = lab(BOTH).and("[store.a]\ntype = \"blobs\"\nprovider = \"memory\"\n");
    each_operation(&app.up());
    assert_eq!(op(&app.up(), "has?c=a&name=x"), json!({"ok": false}));
}

#[test]
fn operations_on_a_server() {
    let app = lab(BOTH).and(&on_s3(&set("HOLM_TEST_S3"), "ops"));
    let server = app.up();
    each_operation(&server);
    let log = server.stderr().join("\n");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn what_is_not_granted_is_denied_with_the_line_that_grants_it() {
    let app = lab("grants.blobs = [\"a\", { store = \"r\", access = \"read\" }]");
    let server = app.up();
    let told = json!({"error": "container \"c\" is not granted"});
    assert_eq!(op(&server, "list?c=c"), told);
    let told = json!({"error": "container \"r\" may only be read"});
    assert_eq!(op(&server, "write?c=r&name=x&value=1"), told);
    assert_eq!(
        op(&server, "list?c=r"),
        json!({"ok": {"names": [], "skipped": 0}})
    );
    let denials = |path: &str| server.entry(path)["denials"].clone();
    assert_eq!(
        denials("/op/list"),
        json!([{"asked": "open container \"c\"", "grant": "blobs", "line": "blobs = [\"c\"]"}])
    );
    assert_eq!(
        denials("/op/write"),
        json!([{"asked": "write to container \"r\"", "grant": "blobs", "line": "blobs = [\"r\"]"}])
    );
    // What was written stands in the receipt.
    assert_eq!(put(&server, "c=a&name=x", "12345"), json!({"ok": 5}));
    let line = server.entry("/object");
    assert_eq!(line["receipt"]["bytes"]["blobs"], json!([0, 5]), "{line}");
    drop(server);
    app.edit(
        "grants.blobs = [\"a\", { store = \"r\", access = \"read\" }]",
        "",
    );
    app.refused()
        .is(2)
        .says("wasi:blobstore")
        .says("blobs = [\"default\"]");
}

/// More than the guest's memory, and than the host may take for it.
const LARGE: u64 = 96 << 20;

fn large_objects_pass(app: App) {
    let server = app.up();
    assert_eq!(put(&server, "c=a&name=x", "warm"), json!({"ok": 4}));
    let before = server.memory_peak_mb();
    block(async {
        let mut connection = Connection::http1(server.addr()).await;
        let answer = connection.post("/object?c=a&name=x", long(LARGE)).await;
        let answer = whole(answer.unwrap()).await.unwrap();
        assert_eq!(answer.json(), json!({"ok": LARGE}));
        let answer = connection.get("/object?c=a&name=x").await.unwrap();
        assert_eq!(answer.headers()["x-size"], LARGE.to_string());
        assert_eq!(count(answer).await.unwrap(), LARGE);
    });
    let more = server.memory_peak_mb() - before;
    assert!(more < 64, "{more} MB for {} MB", LARGE / 1_000_000);
}

#[test]
fn large_objects_pass_in_little_memory_in_a_folder() {
    large_objects_pass(lab("grants.blobs = [\"a\"]\nlimits.memory = \"8 MiB\""));
}

#[test]
fn large_objects_pass_in_little_memory_on_a_server() {
    let app = lab("grants.blobs = [\"a\"]\nlimits.memory = \"8 MiB\"");
    large_objects_pass(app.and(&on_s3(&set("HOLM_TEST_S3"), "large")));
}

#[test]
fn an_upload_that_breaks_off_leaves_what_was_there() {
    let app = lab("grants.blobs = [\"a\"]");
    let server = app.up();
    assert_eq!(put(&server, "c=a&name=x", "old"), json!({"ok": 3}));
    block(async {
        let mut connection = Connection::http1(server.addr()).await;
        let (mut body, pieces) = pieces();
        let request = http::Request::post("/object?c=a&name=x");
        let sending = async {
            for _ in 0..12 {
                assert!(body.send(vec![0; 1 << 20]).await);
            }
            // The client is gone.
            drop(body);
        };
        let request = request.header("content-length", 64 << 20).body(pieces);
        let (answer, ()) = futures::join!(connection.send(request.unwrap()), sending);
        assert!(answer.is_err() || answer.unwrap().status() != 200);
    });
    assert_eq!(server.get("/object?c=a&name=x").text(), "old");
    let folder = app.dir().join(".holm/blobs/a");
    until("nothing is left of it", || {
        (std::fs::read_dir(&folder).unwrap().count() == 1).then_some(())
    });
}

/// Built with wasmCloud's published crate, and served as it stands.
#[test]
fn a_component_of_wasmcloud() {
    let app = App::of(
        "wasmcloud-rust",
        "grants.blobs = [\"uploads\"]\ngrants.keyvalue = [\"default\"]",
    );
    let server = app.up();
    let keep = |name: &str, body: Vec<u8>| {
        let request = http::Request::put(format!("/{name}"));
        server.request(request.body(body).unwrap())
    };
    for times in 1..3 {
        let reply = keep("a.txt", b"hello".to_vec());
        assert_eq!(reply.json(), json!({"kept": "a.txt", "times": times}));
    }
    let large: Vec<u8> = (0..9_000_000_u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    assert_eq!(keep("b/large", large.clone()).status, 200);
    assert!(server.get("/b/large").body == large);
    assert_eq!(server.get("/a.txt").text(), "hello");
    assert_eq!(
        server.get("/").json(),
        json!([
            {"name": "a.txt", "size": 5, "times": "2"},
            {"name": "b/large", "size": 9_000_000, "times": "1"},
        ])
    );
}

/// A server of S3's of the test's own.
struct S3 {
    port: u16,
    child: Child,
}

impl S3 {
    fn start() -> S3 {
        // Free again once it was found.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        S3 {
            port,
            child: Self::run(port),
        }
    }

    /// It forgets all when it ends: the bucket is made anew.
    fn run(port: u16) -> Child {
        let program = PathBuf::from(set("HOLM_TEST_TOOLS")).join("bin/moto_server");
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the server answers", || {
            assert!(child.try_wait().unwrap().is_none(), "moto_server has ended");
            let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            let request = "PUT /holm HTTP/1.0\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.contains(" 200 ").then_some(())
        });
        child
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::run(self.port);
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_dies_is_an_error_in_time_and_comes_back() {
    let mut s3 = S3::start();
    let app = lab("grants.blobs = [\"a\"]");
    let app = app.and(&on_s3(&format!("http://127.0.0.1:{}", s3.port), "dies"));
    let server = app.up_with(&["--admin", "unix:admin.sock"]);
    let failed = || {
        let sample = "holm_connection_failures_total{capability=\"blobs\"}";
        server.metric(app.dir(), sample).unwrap()
    };
    let told = |answer: &Value| {
        let text = answer["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        let of_server = [
            "the server of container \"a\"",
            "the connection to the server of container \"a\"",
        ];
        assert!(
            of_server.iter().any(|words| text.starts_with(words)),
            "{text}"
        );
        assert!(!text.contains("127.0.0.1"), "{text}");
    };
    for round in 0..2 {
        // In the middle of an upload: some parts are there, the next cannot be sent.
        let began = block(async {
            let mut connection = Connection::http1(server.addr()).await;
            let (mut body, pieces) = pieces();
            let answered = Cell::new(false);
            let sending = async {
                for _ in 0..20 {
                    assert!(body.send(vec![0; 1 << 20]).await);
                }
                s3.kill();
                let killed = Instant::now();
                // Slowly, so that the answer is there before the server closes the connection with
                // something unread, which would take it away.
                while !answered.get() {
                    if !body.send(vec![0; 1 << 10]).await {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                killed
            };
            let answer = async {
                let answer = connection.post("/object?c=a&name=large", pieces).await;
                let answer = whole(answer.unwrap()).await;
                answered.set(true);
                answer
            };
            let (answer, killed) = futures::join!(answer, sending);
            // On a machine with other work it was taken away all the same.
            if let Ok(answer) = answer {
                told(&answer.json());
            }
            killed
        });
        // A few times the store's timeout, for a machine that has other work.
        assert!(began.elapsed() < Duration::from_secs(20));
        let before = failed();
        told(&op(&server, "has?c=a&name=large"));
        assert!(failed() > before, "{round}");
        told(&op(&server, "write?c=a&name=small&value=x"));
        s3.restart();
        until("it is there again", || {
            op(&server, "write?c=a&name=small&value=x")["error"]
                .is_null()
                .then_some(())
        });
        assert_eq!(
            op(&server, "has?c=a&name=large"),
            json!({"ok": false}),
            "{round}"
        );
        // And in the middle of a download.
        assert_eq!(
            put(&server, "c=a&name=large", vec![1; 32 << 20])["error"],
            Value::Null
        );
        block(async {
            let mut connection = Connection::http1(server.addr()).await;
            let mut answer = connection.get("/object?c=a&name=large").await.unwrap();
            piece(&mut answer).await.unwrap().unwrap();
            let before = failed();
            s3.kill();
            // What was on its way may still come; the rest cannot.
            let ended = loop {
                match piece(&mut answer).await {
                    Some(Ok(_)) => {}
                    other => break other,
                }
            };
            assert!(
                matches!(ended, Some(Err(_))),
                "it ended as if it were whole"
            );
            assert!(failed() > before, "{round}");
        });
        s3.restart();
        until("it is there again", || {
            op(&server, "write?c=a&name=small&value=x")["error"]
                .is_null()
                .then_some(())
        });
    }
}
