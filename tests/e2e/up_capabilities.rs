//! The first capabilities as a guest behind HTTP meets them.

use crate::app::*;
use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[track_caller]
fn kv(server: &Server, operation: &str) -> Value {
    let reply = server.get(&format!("/kv/{operation}"));
    assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
    reply.json()
}

#[test]
fn keyvalue_operations() {
    let server = App::lab("").up();
    for (operation, answer) in [
        ("open", json!({"ok": null})),
        ("get?key=a", json!({"ok": null})),
        ("set?key=a&value=1", json!({"ok": null})),
        ("get?key=a", json!({"ok": "1"})),
        ("exists?key=a", json!({"ok": true})),
        ("exists?key=b", json!({"ok": false})),
        ("incr?key=a", json!({"ok": 2})),
        ("incr?key=a&by=-5", json!({"ok": -3})),
        ("get?key=a", json!({"ok": "-3"})),
        ("incr?key=n&by=41", json!({"ok": 41})),
        (
            "cas?key=a&expect=-3&value=x",
            json!({"ok": {"swapped": true}}),
        ),
        (
            "cas?key=a&expect=-3&value=y",
            json!({"ok": {"swapped": false, "current": "x"}}),
        ),
        (
            "cas?key=a&expect=x&value=y&race=z",
            json!({"ok": {"swapped": false, "current": "z"}}),
        ),
        ("cas?key=new&value=born", json!({"ok": {"swapped": true}})),
        ("set-many?a=1&b=2&c=3", json!({"ok": null})),
        (
            "get-many?keys=a,b,none",
            json!({"ok": {"a": "1", "b": "2"}}),
        ),
        (
            "list",
            json!({"ok": {"keys": ["a", "b", "c", "n", "new"], "pages": 1}}),
        ),
        ("delete-many?keys=a,b,none", json!({"ok": null})),
        ("delete?key=c", json!({"ok": null})),
        ("delete?key=c", json!({"ok": null})),
        ("list", json!({"ok": {"keys": ["n", "new"], "pages": 1}})),
        ("set?key=%C3%A4%20%2F&value=%E2%82%AC", json!({"ok": null})),
        ("get?key=%C3%A4%20%2F", json!({"ok": "€"})),
        ("set?key=empty&value=", json!({"ok": null})),
        ("get?key=empty", json!({"ok": ""})),
    ] {
        assert_eq!(kv(&server, operation), answer, "{operation}");
    }
    // What cannot be: a word, never a trap.
    for (operation, part) in [
        ("set?key=&value=1", "key"),
        (
            "set?key=big&bytes=17000000",
            "a value of 17000000 bytes: the value_size limit of 16 MiB was reached",
        ),
        ("incr?key=new", ""),
    ] {
        let answer = kv(&server, operation);
        assert_eq!(answer["error"], "other", "{operation}: {answer}");
        assert!(
            answer["detail"].as_str().unwrap().contains(part),
            "{operation}: {answer}"
        );
    }
    assert_eq!(
        kv(&server, "set?key=big&bytes=16000000"),
        json!({"ok": null})
    );
    assert_eq!(server.get("/hello").status, 200);
}

#[test]
fn keys_come_in_pages() {
    let server = App::lab("").up();
    for i in 0..5 {
        let pairs: Vec<String> = (0..500).map(|j| format!("k{:05}=v", i * 500 + j)).collect();
        assert_eq!(
            kv(&server, &format!("set-many?{}", pairs.join("&"))),
            json!({"ok": null})
        );
    }
    let all = kv(&server, "list");
    let keys = all["ok"]["keys"].as_array().unwrap();
    assert_eq!(
        (keys.len(), &keys[0], &keys[2499]),
        (2500, &"k00000".into(), &"k02499".into())
    );
    assert!(all["ok"]["pages"].as_u64().unwrap() >= 3);
    let first = kv(&server, "list?page=1");
    let cursor = first["ok"]["cursor"].as_str().unwrap();
    let second = kv(&server, &format!("list?page=1&cursor={cursor}"));
    assert_eq!(second["ok"]["keys"].as_array().unwrap().len(), 1000);
}

#[test]
fn a_store_that_was_not_granted() {
    let app = App::lab("");
    let server = app.up();
    assert_eq!(
        kv(&server, "get?store=sessions&key=a"),
        json!({"error": "access-denied"})
    );
    let line = server.logged("request", |line| line["denials"].is_array());
    assert_eq!(line["status"], 200);
    assert_eq!(
        line["denials"],
        json!([{"asked": "open store \"sessions\"", "grant": "keyvalue", "line": "keyvalue = [\"sessions\"]"}])
    );
    drop(server);
    app.edit("[\"default\"]", "[\"default\", \"sessions\"]");
    let server = app.up();
    assert_eq!(
        kv(&server, "set?store=sessions&key=a&value=1"),
        json!({"ok": null})
    );
    assert_eq!(
        kv(&server, "get?key=a"),
        json!({"ok": null}),
        "two stores are two"
    );
}

#[test]
fn values_outlive_the_server() {
    let app = App::lab("");
    let server = app.up();
    kv(&server, "set?key=a&value=kept");
    assert_eq!(server.terminate(), 0);
    assert!(app.dir().join(".holm").is_dir());
    let server = app.up();
    assert_eq!(kv(&server, "get?key=a"), json!({"ok": "kept"}));
    server.kill();
    let server = app.up();
    assert_eq!(kv(&server, "get?key=a"), json!({"ok": "kept"}));
    drop(server);
    let elsewhere = app.dir().join("elsewhere");
    let server = app.up_with(&["--state", elsewhere.to_str().unwrap()]);
    assert_eq!(kv(&server, "get?key=a"), json!({"ok": null}));
    assert!(elsewhere.is_dir());
}

#[test]
fn a_store_in_memory_is_gone_with_the_server() {
    let app = App::lab("").and("[store.default]\ntype = \"keyvalue\"\nprovider = \"memory\"");
    let server = app.up();
    assert_eq!(kv(&server, "incr?key=a"), json!({"ok": 1}));
    assert_eq!(kv(&server, "incr?key=a"), json!({"ok": 2}));
    drop(server);
    assert_eq!(kv(&app.up(), "incr?key=a"), json!({"ok": 1}));
}

/// The guestbook is killed with SIGKILL while many sign it: each entry that it acknowledged is
/// there afterwards, whole.
#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let _alone = alone();
    let app = App::of("guestbook", "grants.keyvalue = [\"default\"]");
    let mut kept = BTreeSet::new();
    for round in 0..3 {
        let server = app.up();
        let signed = Mutex::new(Vec::new());
        let (number, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let message = format!("{round}-{}", number.fetch_add(1, Ordering::Relaxed));
                        let request = http::Request::post("/api/entries")
                            .header("content-type", "application/json")
                            .body(
                                json!({"name": "Ada", "message": message})
                                    .to_string()
                                    .into_bytes(),
                            )
                            .unwrap();
                        match server.try_request(request) {
                            Ok(reply) if reply.status == 201 => {
                                signed.lock().unwrap().push(message)
                            }
                            // Its last moments.
                            Ok(_) | Err(_) => return,
                        }
                    }
                });
            }
            until("some entries", || {
                (signed.lock().unwrap().len() >= 100).then_some(())
            });
            let killed = unsafe {
                // SAFETY: it takes two numbers; the server is our child and not yet waited for.
                libc::kill(server.pid() as i32, libc::SIGKILL)
            };
            assert_eq!(killed, 0);
            std::thread::sleep(Duration::from_millis(100));
            stop.store(true, Ordering::Relaxed);
        });
        drop(server);
        kept.extend(signed.into_inner().unwrap());
        // Another program of the same app reads the store as it lies there.
        let reader = App::lab("");
        let state = app.dir().join(".holm");
        let reader = reader.up_with(&["--state", state.to_str().unwrap()]);
        let keys = kv(&reader, "list")["ok"]["keys"]
            .as_array()
            .unwrap()
            .clone();
        let entries: Vec<&str> = keys
            .iter()
            .filter_map(Value::as_str)
            .filter(|k| k.starts_with("entry/"))
            .collect();
        let mut there = BTreeSet::new();
        for some in entries.chunks(100) {
            let answer = kv(
                &reader,
                &format!("get-many?keys={}", some.join(",").replace('/', "%2F")),
            );
            for value in answer["ok"].as_object().unwrap().values() {
                let entry: Value =
                    serde_json::from_str(value.as_str().unwrap()).expect("a whole entry");
                there.insert(entry["message"].as_str().unwrap().to_owned());
            }
        }
        let lost: Vec<_> = kept.difference(&there).collect();
        assert!(lost.is_empty(), "lost after round {round}: {lost:?}");
    }
    assert!(kept.len() >= 300);
}

#[test]
fn two_processes_do_not_share_a_store() {
    let app = App::lab("");
    let (first, second) = (app.up(), app.up());
    kv(&first, "set?key=a&value=first");
    let answer = kv(&second, "get?key=a");
    let told = format!("store \"default\" is in use by process {}", first.pid());
    assert_eq!(answer, json!({"error": "other", "detail": told}));
    kv(&second, "get?key=a");
    // And so is whoever reads the log, once.
    second.wait_for(&format!("in use by process {}", first.pid()));
    let lines = second.stderr();
    let warnings = lines
        .iter()
        .filter(|line| line.starts_with("warning: ") && line.contains("in use by"));
    assert_eq!(warnings.count(), 1, "{lines:#?}");
    assert_eq!(kv(&first, "get?key=a"), json!({"ok": "first"}));
    // And when the first is gone, the second may.
    first.kill();
    assert_eq!(kv(&second, "get?key=a"), json!({"ok": "first"}));
}

#[test]
fn a_store_that_is_damaged_is_left_alone() {
    let app = App::lab("");
    app.dir()
        .write(".holm/keyvalue/default.redb", vec![b'?'; 10_000]);
    let server = app.up();
    assert_eq!(kv(&server, "get?key=a")["error"], "other");
    assert_eq!(server.get("/hello").status, 200);
    assert_eq!(
        app.dir().read(".holm/keyvalue/default.redb"),
        "?".repeat(10_000)
    );
    server.wait_for("default.redb");
}

#[test]
fn configuration() {
    let server = App::lab("grants.config = { greeting = \"hi\", empty = \"\" }").up();
    assert_eq!(
        server.get("/config?key=greeting").json(),
        json!({"ok": "hi"})
    );
    assert_eq!(server.get("/config?key=empty").json(), json!({"ok": ""}));
    assert_eq!(server.get("/config?key=none").json(), json!({"ok": null}));
    assert_eq!(
        server.get("/config").json(),
        json!({"ok": {"greeting": "hi", "empty": ""}})
    );
    assert_eq!(App::lab("").up().get("/config").json(), json!({"ok": {}}));
}

#[test]
fn environment() {
    let app = App::lab(
        "grants.env = { MODE = \"fast\", LANGUAGE = { inherit = true }, NOT_SET = { inherit = true } }",
    );
    let none = App::lab("");
    let up = |app: &App| {
        let up = holm()
            .args(["up", "--listen", "127.0.0.1:0"])
            .dir(app.dir().path());
        Server::start(up.env("LANGUAGE", "de").env("SECRET", "s3cret"))
    };
    assert_eq!(
        up(&app).get("/env").json(),
        json!({"MODE": "fast", "LANGUAGE": "de"})
    );
    assert_eq!(up(&none).get("/env").json(), json!({}));
}

#[test]
fn folders() {
    let app = App::lab(
        "grants.dirs = { \"/site\" = \"site\", \"/data\" = { path = \"data\", access = \"write\" } }",
    );
    app.dir().write("site/a.txt", "from the host\n");
    app.dir().write("secret.txt", "secret\n");
    app.dir().dir("data");
    std::os::unix::fs::symlink("../secret.txt", app.dir().join("site/out.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", app.dir().join("site/passwd")).unwrap();
    let server = app.up();
    let put = |path: &str| {
        let request = http::Request::put(format!("/file?path={path}"))
            .body(b"by the guest\n".to_vec())
            .unwrap();
        server.request(request).status
    };
    assert_eq!(
        server.get("/file?path=/site/a.txt").text(),
        "from the host\n"
    );
    assert_eq!(put("/data/new.txt"), 200);
    assert_eq!(app.dir().read("data/new.txt"), "by the guest\n");
    assert_eq!(put("/site/a.txt"), 404);
    assert_eq!(app.dir().read("site/a.txt"), "from the host\n");
    for path in [
        "/site/../secret.txt",
        "/site/out.txt",
        "/site/passwd",
        "/data/../secret.txt",
        "/secret.txt",
        "/etc/passwd",
        "secret.txt",
        "../secret.txt",
        "/site/none.txt",
        "/proc/self/environ",
        "",
    ] {
        let reply = server.get(&format!("/file?path={path}"));
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
    }
}

#[test]
fn clocks_and_random_numbers() {
    let server = App::lab("").up();
    let time = server.get("/time").json();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!(
        time["seconds"].as_u64().unwrap().abs_diff(now) < 60,
        "{time}"
    );
    // It begins with the instance: how long the machine runs is nobody's business.
    assert!(
        time["monotonic"].as_u64().unwrap() < 10_000_000_000,
        "{time}"
    );
    let random = || server.get("/random?n=32").text();
    let (a, b) = (random(), random());
    assert!(a.len() == 65 && a != b, "{a} {b}");
}
