//! Components that were built with what wasmCloud has published, as they stand.

use crate::app::*;
use crate::origin::origin;
use crate::support::*;

#[track_caller]
fn says(server: &Server, path: &str, text: &str) {
    let reply = server.get(path);
    assert_eq!((reply.status, &*reply.text()), (200, text), "{path}");
}

#[test]
fn the_crate_of_today() {
    let origin = origin();
    let grants = format!(
        "grants = {{ keyvalue = [\"default\"], http = [\"http://{}\"], config = {{ name = \"x\" }} }}\n",
        origin.addr
    );
    let app = App::of("wasmcloud-counter", &grants);
    let server = app.up();
    says(&server, "/a", "hello /a 1, 1 found, 1 values");
    says(&server, "/a", "hello /a 2, 1 found, 1 values");
    let line = server.logged("log", |line| line["level"] == "warn");
    assert_eq!(
        (&line["context"], &line["line"]),
        (&"config".into(), &"there is no greeting".into())
    );
    server.logged("log", |line| {
        line["level"] == "debug" && line["line"] == "handling /a"
    });
    let fetched = server.get(&format!("/fetch?http://{}/", origin.addr));
    assert!(fetched.text().starts_with("200 "), "{}", fetched.text());
    drop(server);
    app.edit("name = \"x\"", "greeting = \"hi\"");
    says(&app.up(), "/a", "hi /a 3, 1 found, 1 values");
}

#[test]
fn the_crate_of_2024() {
    let manifest = "name = \"older\"\n\n[variables]\ntoken = { default = \"hunter2\", secret = true }\n\n\
        [component.web]\nsource = \"web.wasm\"\n\
        grants = { keyvalue = [\"default\"], config = { greeting = \"hi\" }, secrets = { token = \"{{ token }}\" } }\n\n\
        [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n";
    let server = App::new(manifest).guest("web.wasm", "wasmcloud-older").up();
    says(&server, "/config?greeting", "Some(\"hi\")");
    // A secret is no configuration.
    says(&server, "/config?token", "None");
    says(&server, "/secret?token", "hunter2");
    says(&server, "/set?key", "key");
    let failed = server.get("/secret?other");
    assert_eq!(failed.status, 500);
    let line = server.logged("log", |line| line["level"] == "error");
    assert!(
        line["line"].as_str().unwrap().contains("NotFound"),
        "{line}"
    );
}
