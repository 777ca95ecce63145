//! Components as they come out of Spin's published SDKs, in three languages, against the real servers
//! that `scripts/servers` starts. All answer with the same words.

use crate::app::*;
use crate::support::*;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Where a server is that `scripts/servers` has started.
fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/servers start)\""))
}

/// The origin of an address, as a manifest of Spin's names it.
fn origin(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{}", rest.split('/').next().unwrap())
}

/// An app of a guest that was granted everything, and of the same one that was granted nothing.
fn app(guest: &str) -> App {
    let redis = server("HOLM_TEST_REDIS");
    let postgres = server("HOLM_TEST_POSTGRES");
    let mysql = server("HOLM_TEST_MYSQL");
    // Spin's connections name themselves.
    let mqtt = format!("{}?client_id={guest}", server("HOLM_TEST_MQTT"));
    let hosts: Vec<String> = [&redis, &postgres, &mysql]
        .iter()
        .map(|address| origin(address))
        .chain([
            server("HOLM_TEST_MQTT"),
            "http://plain.spin.internal".into(),
        ])
        .collect();
    App::spin(&format!(
        r#"spin_manifest_version = 2

[application]
name = "sdks"

[variables]
redis = {{ default = "{redis}" }}
password = {{ default = "hunter2", secret = true }}

[[trigger.http]]
route = "/..."
component = "sdk"

[[trigger.http]]
route = {{ private = true }}
component = "plain"

[component.sdk]
source = "sdk.wasm"
key_value_stores = ["default"]
sqlite_databases = ["default"]
allowed_outbound_hosts = {hosts:?}

[component.sdk.variables]
redis = "{{{{ redis }}}}"
mqtt = "{mqtt}"
postgres = "{postgres}"
mysql = "{mysql}"
said = "known only to {{{{ password }}}}"

[component.plain]
source = "plain.wasm"
environment = {{ NAME = "plain" }}
"#
    ))
    .guest("sdk.wasm", guest)
    .guest("plain.wasm", "spin-sdk-rust")
}

#[track_caller]
fn says(server: &Server, path: &str, text: &str) {
    let reply = server.get(path);
    assert_eq!((reply.status, &*reply.text()), (200, text), "{path}");
}

/// What all of them do with the interfaces that all SDKs have.
fn all(server: &Server) {
    says(server, "/sdk/kv?default", "hello greeting false");
    says(server, "/sdk/kv?other", "AccessDenied");
    says(server, "/sdk/variable?said", "known only to hunter2");
    says(server, "/sdk/variable?none", "Undefined");
    says(server, "/sdk/sqlite", "7 seven 1.5 a,b,c,d");
    says(server, "/sdk/redis", "hello 2 2 PONG");
    says(server, "/sdk/postgres", "hello 42 true");
    says(server, "/sdk/mysql", "hello 42");
    says(server, "/sdk/llm", "ModelNotSupported");
}

fn fetches(server: &Server) {
    let url = "/sdk/fetch?http://plain.spin.internal/x";
    says(server, url, "200 plain /x");
}

/// Publishes through the guest, and hears of it from the broker.
fn publishes(app: &Server, topic: &str) {
    let mut listener = Listener::to(topic);
    says(app, &format!("/sdk/mqtt?{topic}"), "published");
    assert_eq!(listener.message(), b"hello");
}

#[test]
fn rust() {
    let server = app("spin-sdk-rust").up();
    all(&server);
    // The versions before, which the SDK keeps.
    says(&server, "/sdk/sqlite-2", "7 seven 1.5 a,b,c,d");
    says(&server, "/sdk/postgres-3", "hello 42 true");
    says(&server, "/sdk/postgres-2", "hello 42 true");
    publishes(&server, "sdks/rust");
}

/// Over WASI 0.3: all that it calls is async.
#[test]
fn rust_of_wasi_0_3() {
    let server = app("spin-sdk-rust-7").up();
    all(&server);
    fetches(&server);
    publishes(&server, "sdks/rust-7");
}

/// The same, and over a release candidate of it besides.
#[test]
fn python() {
    let server = app("spin-sdk-py").up();
    all(&server);
    fetches(&server);
    publishes(&server, "sdks/python");
}

#[test]
fn javascript_of_2024() {
    let server = app("spin-sdk-js-2").up();
    all(&server);
    fetches(&server);
    publishes(&server, "sdks/js-2");
}

/// What of `@spinframework/*` a registry has.
#[test]
fn javascript() {
    let server = app("spin-sdk-js").up();
    says(&server, "/sdk/hello", "hello");
    let address = crate::up_spin_sdks::server("HOLM_TEST_MYSQL");
    let address = address.replace(':', "%3A").replace('/', "%2F");
    says(&server, &format!("/sdk/mysql?{address}"), "hello 42");
    says(&server, "/sdk/llm", "model-not-supported");
    fetches(&server);
}

/// In a folder of apps, beside one with a `holm.toml`.
#[test]
fn apps_of_spins_in_a_folder_of_apps() {
    let scratch = Scratch::new();
    let spin = |name: &str, host: &str| {
        scratch.dir(name);
        scratch.write(
            &format!("{name}/spin.toml"),
            &format!(
                "spin_manifest_version = 2\n[application]\nname = \"{name}\"\n\
                 [variables]\nkind = {{ default = \"{host}\" }}\n\
                 [[trigger.http]]\nroute = \"/{name}/...\"\ncomponent = \"web\"\n\
                 [component.web]\nsource = \"web.wasm\"\nenvironment = {{ NAME = \"{name}\" }}\n\
                 variables = {{ kind = \"{{{{ kind }}}}\" }}\nkey_value_stores = [\"default\"]\n"
            ),
        );
        let to = scratch.join(&format!("{name}/web.wasm"));
        std::os::unix::fs::symlink(guest("spin-sdk-rust"), to).unwrap();
    };
    spin("one", "first");
    spin("two", "second");
    scratch.dir("ours");
    scratch.write(
        "ours/holm.toml",
        "name = \"ours\"\n[[http]]\nroute = \"/ours\"\nrespond = { status = 200, body = \"ours\" }\n",
    );
    let server = Server::up(&["--apps", "."], scratch.path());
    for (name, kind) in [("one", "first"), ("two", "second")] {
        says(&server, &format!("/{name}/x"), &format!("{name} /x"));
        says(&server, &format!("/{name}/sdk/variable?kind"), kind);
        says(
            &server,
            &format!("/{name}/sdk/kv?default"),
            "hello greeting false",
        );
    }
    says(&server, "/ours", "ours");
    says(&server, "/.well-known/spin/health", "OK");
    // One that comes later.
    spin("three", "third");
    until("the third app answers", || {
        (server.get("/three/sdk/variable?kind").text() == "third").then_some(())
    });
}

/// Sources that are not files, or not there yet: each error names the line and what to do instead.
#[test]
fn sources_that_are_no_files_beside_it_are_told_by_name() {
    let of = |source: &str| {
        format!(
            "spin_manifest_version = 2\n[application]\nname = \"far\"\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"web\"\n\
             [component.web]\nsource = {source}\n"
        )
    };
    let digest = format!("sha256:{}", "0".repeat(64));
    for source in [
        format!("{{ url = \"https://example.com/web.wasm\", digest = \"{digest}\" }}"),
        "{ package = \"acme:web\", version = \"1.2.3\" }".to_owned(),
        "{ registry = \"registry.example.com\", package = \"acme:web\", version = \"1.2.3\" }"
            .to_owned(),
        "{ url = \"https://example.com/web.wasm\" }".to_owned(),
        "{ path = \"web.wasm\" }".to_owned(),
    ] {
        let refused = App::spin(&of(&source)).check();
        refused.is(2);
        refused.says("spin.toml:8");
        refused.says(match (source.contains("url"), source.contains("digest")) {
            (true, true) => "fetch it: holm build",
            (true, false) => "a URL without a digest",
            (false, _) if source.contains("path") => "known keys: url",
            (false, _) => "download the file",
        });
    }
    for dependency in [
        "\"acme:calc\" = \">=1.0\"",
        "\"acme:calc/add@1.0.0\" = { version = \"1.0.0\", registry = \"registry.example.com\" }",
        "\"acme:calc/add@1.0.0\" = { url = \"https://example.com/calc.wasm\", digest = \"sha256:00\" }",
    ] {
        let manifest = of("\"web.wasm\"") + "[component.web.dependencies]\n" + dependency + "\n";
        let refused = App::spin(&manifest)
            .guest("web.wasm", "spin-sdk-rust")
            .check();
        refused.is(2);
        refused.says("spin.toml:10");
        refused.says(
            match (dependency.contains(">="), dependency.contains("url")) {
                (true, _) => "a line for each interface",
                (_, true) => "`sha256:` and 64 hex digits",
                _ => "download the file",
            },
        );
    }
}

/// A program that imports what nobody has, as an SDK would make it do.
const UNKNOWN: &str = r#"(component
  (import "spin:frobnicate/it@9.0.0" (instance $it (export "go" (func))))
  (core func $go (canon lower (func $it "go")))
  (core module $m
    (import "it" "go" (func $go))
    (func (export "run") (result i32) CALL i32.const 0))
  (core instance $i (instantiate $m (with "it" (instance (export "go" (func $go))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r)))"#;

#[test]
fn what_an_sdk_imports_and_nobody_has_traps_when_it_is_called() {
    let scratch = Scratch::new();
    scratch.write("calls.wat", UNKNOWN.replace("CALL", "call $go"));
    scratch.write("imports.wat", UNKNOWN.replace("CALL", ""));
    let run = |file: &str| run().arg(file).dir(scratch.path()).run();
    let imported = run("imports.wat");
    imported.is(0).says("spin:frobnicate/it@9.0.0");
    let called = run("calls.wat");
    assert_ne!(called.code, 0);
    called.says("spin:frobnicate/it@9.0.0#go");
    // Of anybody else it is refused before it runs.
    scratch.write(
        "other.wat",
        UNKNOWN.replace("CALL", "").replace("spin:", "acme:"),
    );
    run("other.wat").is(2).says("acme:frobnicate/it@9.0.0");
}

#[test]
fn candidates_of_2023_are_refused_with_what_to_do() {
    let app = App::spin(
        "spin_manifest_version = 2\n[application]\nname = \"old\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"web\"\n\
         [component.web]\nsource = \"old.wat\"\n",
    );
    app.dir().write(
        "old.wat",
        "(component (import \"wasi:http/types@0.2.0-rc-2023-10-18\" (instance (export \"f\" (func)))))",
    );
    let refused = app.refused();
    refused.is(2).says("wasi:http/types@0.2.0-rc-2023-10-18");
    refused.says("candidates of 2023");
}

/// Hears what is published to a topic, by the protocol's own bytes.
struct Listener(TcpStream);

impl Listener {
    fn to(topic: &str) -> Listener {
        let address = server("HOLM_TEST_MQTT");
        let stream = TcpStream::connect(address.strip_prefix("mqtt://").unwrap()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut listener = Listener(stream);
        let name = topic.replace('/', "-");
        // CONNECT: version 4, a clean session, kept alive for ever.
        let mut connect = b"\0\x04MQTT\x04\x02\0\0".to_vec();
        connect.extend([0, name.len() as u8]);
        connect.extend(name.as_bytes());
        listener.send(0x10, &connect);
        assert_eq!(listener.next(), (0x20, vec![0, 0]), "CONNACK");
        let mut subscribe = vec![0, 1, 0, topic.len() as u8];
        subscribe.extend(topic.as_bytes());
        subscribe.push(0);
        listener.send(0x82, &subscribe);
        assert_eq!(listener.next().0, 0x90, "SUBACK");
        listener
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        self.0.write_all(&[kind, body.len() as u8]).unwrap();
        self.0.write_all(body).unwrap();
    }

    /// Packets here are shorter than 128 bytes.
    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut body = vec![0; head[1].into()];
        self.0.read_exact(&mut body).unwrap();
        (head[0], body)
    }

    /// The next message: what stands behind the topic.
    fn message(&mut self) -> Vec<u8> {
        let (kind, body) = self.next();
        assert_eq!(kind & 0xf0, 0x30, "PUBLISH");
        body[2 + usize::from(body[1])..].to_vec()
    }
}
