//! `holm up`: which route answers, and what is said of an app that cannot be served.

use crate::app::*;
use crate::client::*;
use crate::support::*;

const ROUTES: &str = r#"
name = "routes"

[component.lab]
source = "lab.wasm"
grants.keyvalue = ["default"]

[component.other]
source = "hello.wasm"

[[http]]
route = "/..."
component = "other"

[[http]]
route = "/api/..."
component = "lab"

[[http]]
route = "/api/exact"
component = "other"

[[http]]
route = "/users/:id"
component = "lab"

[[http]]
route = "/users/me"
component = "other"

[[http]]
route = "/users/:id/posts/..."
component = "lab"

[[http]]
route = "/files/..."
files = "public"

[[http]]
host = "example.com"
route = "/api/..."
component = "other"

[[http]]
host = "*.example.com"
route = "/users/:id"
component = "other"
"#;

fn app() -> App {
    let app = App::new(ROUTES)
        .guest("lab.wasm", "http-lab")
        .guest("hello.wasm", "http-hello");
    app.dir().write("public/a.txt", "a\n");
    app
}

#[test]
fn the_most_specific_route_answers() {
    let server = app().up();
    let mut number = 0;
    for (host, path, route, component) in [
        ("localhost", "/", "/...", "other"),
        ("localhost", "/apis", "/...", "other"),
        ("localhost", "/api", "/api/...", "lab"),
        ("localhost", "/api/", "/api/...", "lab"),
        ("localhost", "/api/a/b/c", "/api/...", "lab"),
        ("localhost", "//api///a", "/api/...", "lab"),
        ("localhost", "/%61pi/a", "/api/...", "lab"),
        ("localhost", "/api/exact", "/api/exact", "other"),
        ("localhost", "/api/exact/", "/api/exact", "other"),
        ("localhost", "/api/exact/more", "/api/...", "lab"),
        ("localhost", "/users/7", "/users/:id", "lab"),
        ("localhost", "/users/a%2Fb", "/users/:id", "lab"),
        ("localhost", "/users/me", "/users/me", "other"),
        ("localhost", "/users", "/...", "other"),
        ("localhost", "/users/7/posts", "/users/:id/posts/...", "lab"),
        (
            "localhost",
            "/users/me/posts/1",
            "/users/:id/posts/...",
            "lab",
        ),
        ("example.com", "/api/exact", "/api/...", "other"),
        ("EXAMPLE.com:8080", "/api/x", "/api/...", "other"),
        ("example.com", "/users/7", "/users/:id", "lab"),
        ("www.example.com", "/users/7", "/users/:id", "other"),
        ("www.example.com", "/api/x", "/api/...", "lab"),
        ("notexample.com", "/api/x", "/api/...", "lab"),
    ] {
        number += 1;
        let request = http::Request::get(path)
            .header("host", host)
            .body(Vec::new())
            .unwrap();
        server.request(request);
        until("a line in the log", || {
            (server.log("request").len() == number).then_some(())
        });
        let line = server.log("request").pop().unwrap();
        let got = (
            line["route"].as_str().unwrap(),
            line["component"].as_str().unwrap(),
        );
        assert!(got.0.ends_with(route), "{host}{path} went to {got:?}");
        assert_eq!(got.1, component, "{host}{path} went to {got:?}");
    }
}

#[test]
fn a_component_gets_the_path_as_it_was_sent() {
    let server = App::lab("").up();
    let got = server.get("/request?a=%20b&c").json();
    assert_eq!(got["path"], "/request?a=%20b&c");
    assert_eq!(
        (&got["method"], &got["scheme"]),
        (&"GET".into(), &"http".into())
    );
    assert_eq!(got["authority"], server.addr().to_string());
}

#[test]
fn nothing_there_and_not_that_way() {
    let app = App::new(
        "name = \"app\"\n[component.hello]\nsource = \"hello.wasm\"\n\
         [[http]]\nroute = \"/hello\"\ncomponent = \"hello\"\n[[http]]\nroute = \"/files/...\"\nfiles = \"public\"\n",
    )
    .guest("hello.wasm", "http-hello");
    app.dir().write("public/a.txt", "a\n");
    let server = app.up();
    assert_eq!(server.get("/hello").text(), "hello\n");
    assert_eq!(server.fault("/").1, "no_route");
    assert_eq!(server.fault("/hello/more").1, "no_route");
    let (status, code, line) = server.fault("/files/none.txt");
    assert_eq!(
        (status, code.as_str(), &line["route"]),
        (404, "no_file", &"/files/...".into())
    );
    let posted = server.request(
        http::Request::post("/files/a.txt")
            .body(b"x".to_vec())
            .unwrap(),
    );
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
    // For people: a sentence and the id.
    let plain = server.get("/nowhere");
    assert_eq!(plain.status, 404);
    assert_eq!(
        plain.text(),
        format!(
            "Nothing is served at this address.\n{}\n",
            plain.header("x-request-id")
        )
    );
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let server = App::lab("").up();
    let ask = |head: &str| {
        let answer = raw(
            server.addr(),
            format!("{head}\r\nconnection: close\r\n\r\n"),
        );
        answer.split(' ').nth(1).unwrap_or("nothing").to_owned()
    };
    assert_eq!(ask("GET /hello HTTP/1.1\r\nhost: a"), "200");
    assert_eq!(ask("GET /hello HTTP/1.1"), "400");
    assert_eq!(ask("GET /hello HTTP/1.1\r\nhost: a\r\nhost: b"), "400");
    assert_eq!(ask("GET /hello HTTP/1.1\r\nhost: a\r\nhost: a"), "400");
    for path in [
        "/../hello",
        "/./hello",
        "/a/%2e%2e/hello",
        "/%2E/hello",
        "/hello%00",
        "/hello%",
        "/hello%zz",
    ] {
        assert_eq!(
            ask(&format!("GET {path} HTTP/1.1\r\nhost: a")),
            "400",
            "{path}"
        );
    }
    // Two lengths, or a length and chunks: where the next request begins must not be a matter of opinion.
    assert_eq!(
        ask("POST /sink HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2"),
        "400"
    );
    assert_eq!(ask("nonsense"), "400");
    assert_eq!(
        ask(&format!(
            "GET /hello HTTP/1.1\r\nhost: a\r\nx: {}",
            "x".repeat(70_000)
        )),
        "431"
    );
    assert_eq!(server.get("/hello").status, 200);
}

#[test]
fn a_host_that_differs_from_the_authority_is_refused() {
    let server = App::lab("").up();
    let status = |host: &'static str| {
        let addr = server.addr();
        block(async move {
            let mut connection = Connection::http2(addr).await;
            let request = http::Request::get("http://a.example/hello").header("host", host);
            connection
                .send(request.body(full("")).unwrap())
                .await
                .unwrap()
                .status()
                .as_u16()
        })
    };
    assert_eq!(status("a.example"), 200);
    assert_eq!(status("b.example"), 400);
}

#[test]
fn two_equal_routes_are_refused() {
    let app = App::of("http-hello", "").and("[[http]]\nroute = \"/a/:x\"\ncomponent = \"lab\"\n\n[[http]]\nroute = \"/a/:y/\"\ncomponent = \"lab\"");
    let out = app.refused();
    out.is(2);
    assert_eq!(out.stdout, "");
    shot!(out.stderr);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let app = App::new(
        r#"nmae = "broken"

[component.Lab]
source = "lab.wasm"

[component.api]
source = "none.wasm"
reuse = 0
limits = { memory = "64 MB/s", cpu = 5 }

[component.api.grants]
keyvalu = ["default"]
http = ["example.com"]

[component.api.build]
command = "make"

[[http]]
route = "api"
component = "apo"

[[http]]
route = "/x"

[[htp]]
route = "/"
"#,
    );
    let out = app.check();
    out.is(2);
    assert_eq!(out.stdout, "");
    shot!(out.stderr);
    let json = holm().args(["check", "--json"]).dir(app.dir().path()).run();
    json.is(2);
    let list: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).unwrap();
    assert!(list.len() >= 8, "{}", json.stdout);
    assert!(
        list.iter()
            .any(|p| p["severity"] == "error" && p["line"] == 1),
        "{}",
        json.stdout
    );
    assert_eq!(app.refused().stderr, out.stderr, "up says what check says");
}

#[test]
fn what_is_found_while_loading_is_said_at_once() {
    let app = App::new(
        "name = \"app\"\n\n[component.one]\nsource = \"none.wasm\"\n\n[component.one.build]\ncommand = \"make one\"\n\n\
         [component.two]\nsource = \"lab.wasm\"\n\n[component.three]\nsource = \"text.wasm\"\n\n\
         [component.four]\nsource = \"hello.wasm\"\ngrants.dirs = { \"/data\" = \"nowhere\" }\n\n\
         [[http]]\nroute = \"/1\"\ncomponent = \"one\"\n\n[[http]]\nroute = \"/2\"\ncomponent = \"two\"\n\n\
         [[http]]\nroute = \"/3\"\ncomponent = \"three\"\n\n[[http]]\nroute = \"/4\"\ncomponent = \"four\"\n\n\
         [[http]]\nroute = \"/5\"\nfiles = \"public\"\n",
    )
    .guest("lab.wasm", "http-lab")
    .guest("hello.wasm", "http-hello");
    app.dir().write("text.wasm", "this is no module\n");
    let out = app.check();
    out.is(2);
    for part in [
        "none.wasm",
        "holm up --build",
        "make one",
        "keyvalue = [\"default\"]",
        "text.wasm",
        "nowhere",
        "public",
    ] {
        out.says(part);
    }
    shot!(out.stderr);
}

#[test]
fn a_port_in_use() {
    let app = App::of("http-hello", "");
    let server = app.up();
    let addr = server.addr().to_string();
    let out = holm()
        .args(["up", "--listen", &addr])
        .dir(app.dir().path())
        .run();
    out.is(2);
    assert_eq!(out.stdout, "");
    assert_eq!(
        out.stderr,
        format!("error: {addr} is in use\nhelp: try --listen 127.0.0.1:0\n")
    );
    assert_eq!(server.get("/").text(), "hello\n");
}

#[test]
fn an_address_that_is_none() {
    let app = App::of("http-hello", "");
    for addr in ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":::"] {
        let out = holm()
            .args(["up", "--listen", addr])
            .dir(app.dir().path())
            .run();
        out.is(2)
            .says(&format!("`{addr}` is not an address to listen on"))
            .says("--listen 127.0.0.1:3000");
    }
}

#[test]
fn a_manifest_that_is_not_there() {
    let scratch = Scratch::new();
    let up = |what: &str| {
        let out = holm()
            .args(["up", "--listen", "127.0.0.1:0", what])
            .dir(scratch.path())
            .run();
        out.is(2);
        assert_eq!(out.stdout, "");
        out.stderr
    };
    shot!("no_manifest", up("."));
    shot!("no_folder", up("none"));
    shot!("no_file", up("none.wasm"));
    scratch.write("holm.toml", "");
    shot!("empty_manifest", up("."));
    scratch.write("holm.toml", b"name = \"\xff\"\n");
    shot!("not_utf8", up("."));
}

#[test]
fn a_component_that_is_not_there() {
    let app = App::of("http-hello", "build.command = \"make\"");
    app.edit("lab.wasm", "none.wasm");
    let out = app.refused();
    out.is(2).says("holm up --build");
    shot!(out.stderr);
}

/// A denial names the line to add; with exactly that line it serves.
#[test]
fn an_import_without_its_grant() {
    let app = App::of("http-lab", "");
    let out = app.refused();
    out.is(2);
    assert_eq!(out.stdout, "");
    shot!(out.stderr);
    let line = out
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("help: grant it: "))
        .unwrap()
        .to_owned();
    let app = app.and(&format!("[component.lab.grants]\n{line}"));
    assert_eq!(app.up().get("/kv/incr?key=a").text(), "{\"ok\":1}");
}

#[test]
fn a_single_file_takes_its_grants_from_flags() {
    let scratch = Scratch::new();
    let up = |args: &[&str]| {
        holm()
            .args(["up", "--listen", "127.0.0.1:0"])
            .args(args)
            .dir(scratch.path())
    };
    let lab = guest("http-lab");
    let lab = lab.to_str().unwrap();
    up(&[lab]).run().is(2).says("keyvalue = [\"default\"]");
    let server = Server::start(up(&[
        lab,
        "--keyvalue",
        "default",
        "--env",
        "A=b",
        "--config",
        "c=d",
    ]));
    assert_eq!(server.get("/env").text(), "{\"A\":\"b\"}");
    assert_eq!(server.get("/config").text(), "{\"ok\":{\"c\":\"d\"}}");
    assert_eq!(server.get("/kv/incr?key=a").text(), "{\"ok\":1}");
    assert!(scratch.join(".holm").is_dir());
    let app = App::of("http-hello", "");
    let out = holm()
        .args(["up", "--env", "A=b"])
        .dir(app.dir().path())
        .run();
    out.is(2).says("an app's grants are in its manifest");
}

#[test]
fn what_does_not_handle_http_is_refused() {
    let app = App::of("greet", "");
    let out = app.refused();
    out.is(2);
    shot!(out.stderr);
    App::of("hello-p1", "")
        .refused()
        .is(2)
        .says("does not handle HTTP");
}
