//! Requests that a guest sends: to what it was granted, and nowhere else.

use crate::app::*;
use crate::origin::origin;
use crate::support::*;
use serde_json::Value;
use std::net::TcpListener;

fn fetch(server: &Server, url: &str) -> Value {
    let reply = server.get(&format!(
        "/fetch?url={}",
        url.replace(':', "%3A").replace('/', "%2F")
    ));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// What the log says of the last request: what was asked, and the line that allows it.
fn denial(server: &Server) -> (String, String) {
    let line = server.logged("request", |line| {
        !line["denials"].as_array().is_none_or(Vec::is_empty)
    });
    let denial = &line["denials"][0];
    assert_eq!(denial["grant"], "http", "{line}");
    let text = |key: &str| denial[key].as_str().unwrap().to_owned();
    (text("asked"), text("line"))
}

/// An app whose component has these grants for HTTP.
fn app(name: &str, line: &str) -> App {
    App::of(
        name,
        &format!("[component.lab.grants]\nkeyvalue = [\"default\"]\n{line}"),
    )
}

macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod wasi_0_2 { $(#[test] fn $name() { super::$name("http-lab"); })* }
        mod wasi_0_3 { $(#[test] fn $name() { super::$name("http-lab-p3"); })* }
    };
}

both!(
    denied_then_granted_by_the_line_that_is_named,
    a_name_that_leads_to_a_private_address,
    redirects_come_back,
    other_origins_stay_closed
);

fn denied_then_granted_by_the_line_that_is_named(name: &str) {
    let origin = origin();
    let url = format!("http://{}/", origin.addr);
    let server = app(name, "").up();
    assert_eq!(fetch(&server, &url)["error"], "HttpRequestDenied");
    assert!(origin.seen().is_empty(), "a packet left");
    let (asked, line) = denial(&server);
    assert_eq!(asked, format!("send a request to http://{}", origin.addr));
    assert_eq!(line, format!("http = [\"http://{}\"]", origin.addr));
    let server = app(name, &line).up();
    let got = fetch(&server, &url);
    assert_eq!(
        (&got["status"], &got["body"]),
        (&200.into(), &"local".into()),
        "{got}"
    );
    assert_eq!(got["headers"]["x-origin"], "yes");
    let seen = origin.seen().remove(0).to_lowercase();
    assert!(
        seen.starts_with("get / http/1.1\r\n")
            && seen.contains(&format!("host: {}\r\n", origin.addr)),
        "{seen}"
    );
    let line = server.entry("/fetch");
    assert_eq!(line["denials"], Value::Null);
    assert_eq!(line["receipt"]["bytes"]["http"][0], 5, "{line}");
}

fn a_name_that_leads_to_a_private_address(name: &str) {
    let origin = origin();
    // `localhost` says itself that it is this machine.
    let by_name = format!("http://localhost:{}", origin.addr.port());
    let server = app(name, &format!("http = [\"{by_name}\"]")).up();
    assert_eq!(fetch(&server, &by_name)["status"], 200);
    assert_eq!(origin.seen().len(), 1);
    // Any public origin is not a private one; nor do other spellings of an address help.
    let server = app(name, "http = [\"*\"]").up();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "localhost",
        "a.localhost",
    ] {
        let url = format!("http://{host}:{}/", origin.addr.port());
        let error = fetch(&server, &url)["error"]
            .as_str()
            .unwrap_or("none")
            .to_owned();
        assert!(
            ["DestinationIpProhibited", "HttpRequestDenied"].contains(&error.as_str()),
            "{url}: {error}"
        );
    }
    let metadata = "http://169.254.169.254/latest/meta-data/";
    assert_eq!(fetch(&server, metadata)["error"], "DestinationIpProhibited");
    assert_eq!(origin.seen().len(), 1, "a packet left");
    // The line that the denial names opens it, and no more than it.
    let url = format!("http://{}/", origin.addr);
    fetch(&server, &url);
    let asked = format!("{}, a loopback address", origin.addr);
    let line = server.logged("request", |line| {
        line["denials"][0]["asked"]
            .as_str()
            .is_some_and(|text| text.contains(&asked))
    });
    let line = line["denials"][0]["line"].as_str().unwrap().to_owned();
    let server = app(name, &line).up();
    assert_eq!(fetch(&server, &url)["status"], 200, "granted {line}");
    assert!(fetch(&server, metadata)["error"].is_string());
}

fn redirects_come_back(name: &str) {
    let origin = origin();
    let server = app(name, &format!("http = [\"http://{}\"]", origin.addr)).up();
    let got = fetch(&server, &format!("http://{}/redirect", origin.addr));
    assert_eq!(
        (&got["status"], &got["headers"]["location"]),
        (&302.into(), &"http://127.0.0.1:1/elsewhere".into())
    );
    assert_eq!(origin.seen().len(), 1, "somebody followed it");
}

fn other_origins_stay_closed(name: &str) {
    let (open, closed) = (origin(), origin());
    let server = app(name, &format!("http = [\"http://{}\"]", open.addr)).up();
    assert_eq!(
        fetch(&server, &format!("http://{}/", open.addr))["status"],
        200
    );
    assert_eq!(
        fetch(&server, &format!("http://{}/", closed.addr))["error"],
        "HttpRequestDenied"
    );
    assert_eq!(
        fetch(&server, &format!("https://{}/", open.addr))["error"],
        "HttpRequestDenied"
    );
    let user = format!("http://{}@{}/", open.addr, closed.addr);
    assert!(fetch(&server, &user)["error"].is_string());
    assert!(closed.seen().is_empty());
}

#[test]
fn bodies_and_methods_arrive() {
    let origin = origin();
    let server = app("http-lab", &format!("http = [\"http://{}\"]", origin.addr)).up();
    let path = format!("/fetch?method=PUT&url=http://{}/x%3Fy=1", origin.addr);
    let sent = server.request(http::Request::post(path).body(b"sent on".to_vec()).unwrap());
    assert_eq!(sent.json()["status"], 200, "{}", sent.text());
    let seen = origin.seen().remove(0);
    assert!(
        seen.starts_with("PUT /x?y=1 HTTP/1.1\r\n") && seen.contains("sent on"),
        "{seen}"
    );
}

#[test]
fn nobody_there() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = app("http-lab", &format!("http = [\"http://127.0.0.1:{port}\"]")).up();
    assert_eq!(
        fetch(&server, &format!("http://127.0.0.1:{port}/"))["error"],
        "ConnectionRefused"
    );
}
