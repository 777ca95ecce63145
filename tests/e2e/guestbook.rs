//! The guestbook: one behaviour, in Rust as it is committed, in Rust as it is built, in JavaScript
//! and in Python.

use crate::app::*;
use crate::support::*;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// One body, four doors.
macro_rules! doors {
    ($($name:ident),* $(,)?) => {
        mod committed { $(#[test] fn $name() { super::$name(super::committed_app()); })* }
        mod built { $(#[test] fn $name() { super::$name(super::app_of("guestbook")); })* }
        mod javascript { $(#[test] fn $name() { super::$name(super::app_of("guestbook-js")); })* }
        mod python { $(#[test] fn $name() { super::$name(super::app_of("guestbook-py")); })* }
    };
}

doors!(
    a_visitor_signs,
    what_is_not_an_entry,
    entries_stay,
    the_newest_hundred
);

/// The app of `examples/guestbook` with this component.
fn example(component: PathBuf) -> App {
    let folder = repo().join("examples/guestbook");
    let app = App::new(&std::fs::read_to_string(folder.join("holm.toml")).unwrap());
    symlink(folder.join("public"), app.dir().join("public")).unwrap();
    symlink(component, app.dir().join("guestbook.wasm")).unwrap();
    app
}

fn committed_app() -> App {
    example(repo().join("examples/guestbook/guestbook.wasm"))
}

/// Compiling the large ones takes a core for a while; one at a time.
fn app_of(name: &str) -> App {
    let _alone = alone();
    let app = example(guest(name));
    app.check().is(0);
    app
}

fn post(server: &Server, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let request = http::Request::post("/api/entries").header("content-type", content_type);
    server.request(request.body(body.into()).unwrap())
}

fn sign(server: &Server, name: &str, message: &str) -> Value {
    let reply = post(
        server,
        "application/json",
        json!({"name": name, "message": message}).to_string(),
    );
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

fn entries(server: &Server) -> Vec<Value> {
    let reply = server.get("/api/entries");
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/json"),
        "{}",
        reply.text()
    );
    reply.json().as_array().unwrap().clone()
}

fn a_visitor_signs(app: App) {
    let server = app.up();
    assert_eq!(server.get("/api/entries").text(), "[]");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let first = sign(&server, "Ada", "Hello!");
    assert!(first["at"].as_u64().unwrap().abs_diff(now) < 60, "{first}");
    // Byte for byte: the order of the keys, no spaces.
    let again = post(
        &server,
        "application/json; charset=utf-8",
        "{\"message\":\" \\u00e4€😀\\n\\\"<b>\\\" \",\"name\":\"  Bob \"}",
    );
    assert_eq!(
        (again.status, again.header("content-type")),
        (201, "application/json")
    );
    let at = again.json()["at"].as_u64().unwrap();
    assert_eq!(
        again.text(),
        format!("{{\"name\":\"Bob\",\"message\":\"ä€😀\\n\\\"<b>\\\"\",\"at\":{at}}}")
    );
    // A form: the browser is sent back.
    let form = post(
        &server,
        "application/x-www-form-urlencoded",
        "name=Eve+%C3%A4&message=a%26b%3Dc%0D%0Ad&more=x",
    );
    assert_eq!(
        (form.status, form.header("location"), form.text().as_str()),
        (303, "/", "")
    );
    let all = entries(&server);
    let names: Vec<_> = all
        .iter()
        .map(|e| (e["name"].as_str().unwrap(), e["message"].as_str().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("Eve ä", "a&b=c\r\nd"),
            ("Bob", "ä€😀\n\"<b>\""),
            ("Ada", "Hello!")
        ]
    );
    let listed = server.get("/api/entries").text();
    assert!(listed.ends_with(&format!(",{}]", first)), "{listed}");
}

fn what_is_not_an_entry(app: App) {
    let server = app.up();
    let long = |n: usize| "ä".repeat(n);
    let refused = |name: &str, message: &str| {
        let reply = post(
            &server,
            "application/json",
            json!({"name": name, "message": message}).to_string(),
        );
        (reply.status, reply.text())
    };
    let error = |text: &str| (400, format!("{{\"error\":\"{text}\"}}"));
    assert_eq!(refused("", "x"), error("name is empty"));
    assert_eq!(refused(" \n\t", "x"), error("name is empty"));
    assert_eq!(refused("x", ""), error("message is empty"));
    assert_eq!(
        refused(&long(81), "x"),
        error("name is longer than 80 characters")
    );
    assert_eq!(
        refused("x", &long(1001)),
        error("message is longer than 1000 characters")
    );
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"name\":\"x\"}",
        "{\"name\":1,\"message\":\"x\"}",
        "name=x&message=y",
    ] {
        let reply = post(&server, "application/json", body);
        assert_eq!(
            (reply.status, reply.text()),
            error("expected a JSON object with name and message"),
            "{body}"
        );
    }
    for body in [
        "",
        "name=x",
        "message=x",
        "name=%zz&message=x",
        "name=%ff&message=x",
        "name=x&message=%",
    ] {
        let reply = post(&server, "application/x-www-form-urlencoded", body);
        assert_eq!(
            (reply.status, reply.text()),
            error("expected a form with name and message"),
            "{body}"
        );
    }
    let huge = post(&server, "application/json", vec![b' '; 300_000]);
    assert_eq!(
        (huge.status, huge.text().as_str()),
        (413, "{\"error\":\"the request is too long\"}")
    );
    let deleted = server.request(
        http::Request::delete("/api/entries")
            .body(Vec::new())
            .unwrap(),
    );
    assert_eq!(
        (deleted.status, deleted.header("allow")),
        (405, "GET, POST")
    );
    assert_eq!(deleted.text(), "{\"error\":\"use GET or POST\"}");
    let other = server.get("/api/nothing");
    assert_eq!(
        (other.status, other.text().as_str()),
        (404, "{\"error\":\"no such page\"}")
    );
    assert_eq!(
        server.get("/api/entries").text(),
        "[]",
        "nothing of it was kept"
    );
    // The longest that may be.
    sign(&server, &long(80), &long(1000));
    assert_eq!(entries(&server)[0]["message"], long(1000));
}

fn entries_stay(app: App) {
    let server = app.up();
    sign(&server, "Ada", "before");
    assert_eq!(server.terminate(), 0);
    let server = app.up();
    sign(&server, "Bob", "between");
    server.kill();
    let server = app.up();
    let messages: Vec<_> = entries(&server)
        .iter()
        .map(|e| e["message"].clone())
        .collect();
    assert_eq!(messages, ["between", "before"]);
    // The page is served beside it.
    assert!(server.get("/").text().contains("<h1>Guestbook</h1>"));
}

fn the_newest_hundred(app: App) {
    let server = app.up();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let server = &server;
            scope.spawn(move || {
                (0..28).for_each(|i| _ = sign(server, "Ada", &format!("{writer}-{i}")))
            });
        }
    });
    sign(&server, "Bob", "last");
    let all = entries(&server);
    assert_eq!((all.len(), &all[0]["message"]), (100, &"last".into()));
    let mut messages: Vec<_> = all.iter().map(|e| e["message"].as_str().unwrap()).collect();
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(messages.len(), 100, "entries overwrote each other");
}
