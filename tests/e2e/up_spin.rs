//! Apps of Spin served as they stand, and as what they are imported to. The component is one that the
//! published SDK has made.

use crate::app::*;
use crate::support::*;
use serde_json::json;

const MANIFEST: &str = r#"spin_manifest_version = 2

[application]
name = "Two of them"
version = "1.0.0"

[[trigger.http]]
route = "/base/:user_id/..."
component = "web"

[[trigger.http]]
route = "/old"
static_response = { status_code = 301, headers = { location = "/base/1/" }, body = "moved" }

[[trigger.http]]
id = "direct"
route = "/direct/..."
component = { source = "web.wasm", environment = { NAME = "direct" } }

[[trigger.http]]
route = { private = true }
component = "back"

[component.web]
source = "web.wasm"
environment = { NAME = "web" }
allowed_outbound_hosts = ["http://back.spin.internal", "http://self"]
files = ["assets/**/*", { source = "notes.txt", destination = "/n/notes.txt" }]
exclude_files = ["*.tmp"]

[component.back]
source = "web.wasm"
environment = { NAME = "back" }
"#;

/// The app in a folder with all that it names.
fn app(manifest: &str) -> App {
    let app = App::spin(manifest).guest("web.wasm", "spin-sdk-rust");
    app.dir().dir("assets/css");
    app.dir().write("assets/css/a.css", "body {}");
    app.dir().write("assets/left.tmp", "left out");
    app.dir().write("notes.txt", "noted");
    app
}

#[track_caller]
fn says(server: &Server, path: &str, text: &str) {
    let reply = server.get(path);
    assert_eq!((reply.status, &*reply.text()), (200, text), "{path}");
}

/// All that the app must do, whichever manifest it is served by.
fn works(server: &Server) {
    headers_tell_of_the_request(server);
    says(server, "/base/1/x", "web /x");
    says(server, "/direct/x", "direct /x");
    let moved = server.get("/old");
    assert_eq!((moved.status, &*moved.text()), (301, "moved"));
    assert_eq!(moved.header("location"), "/base/1/");
    says(server, "/.well-known/spin/health", "OK");
    // A private route is nobody's outside.
    assert_eq!(server.get("/back").status, 404);
    chained(server);
    files_are_chosen(server);
}

fn headers_tell_of_the_request(server: &Server) {
    let request = http::Request::get("/base/seven/headers?q=1")
        .header("host", "example.com")
        .header("spin-client-addr", "9.9.9.9:9")
        .header("spin-path-match-other", "forged")
        .body(Vec::new())
        .unwrap();
    let reply = server.request(request);
    let mut told = reply.json();
    let client = told["spin-client-addr"].take();
    assert!(
        client.as_str().unwrap().starts_with("127.0.0.1:"),
        "{client}"
    );
    assert_eq!(
        told,
        json!({
            "spin-base-path": "/",
            "spin-client-addr": null,
            "spin-component-route": "/base/:user_id",
            "spin-full-url": "http://example.com/base/seven/headers?q=1",
            "spin-matched-route": "/base/:user_id/...",
            "spin-path-info": "/headers",
            "spin-path-match-user-id": "seven",
            "spin-raw-component-route": "/base/:user_id/...",
        })
    );
    // Nothing is added to what the guest answers.
    let mut names: Vec<_> = reply.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "date", "transfer-encoding"]);
}

fn chained(server: &Server) {
    let back = "http://back.spin.internal";
    says(
        server,
        &format!("/base/1/fetch?{back}/a/b"),
        "200 back /a/b",
    );
    let told = server.get(&format!("/base/1/fetch?{back}/headers")).text();
    let told: serde_json::Value = serde_json::from_str(&told[4..]).unwrap();
    assert_eq!(told["spin-full-url"], "http://back.spin.internal/headers");
    assert_eq!(told["spin-matched-route"], "/...");
    assert_eq!(told["spin-client-addr"], "0.0.0.0:0");
    // Its own routes: by the host that SDKs write, and without one.
    says(
        server,
        "/base/1/fetch?http://self.alt/direct/y",
        "200 direct /y",
    );
    says(server, "/base/1/fetch?/direct/z", "200 direct /z");
    says(server, "/base/1/fetch?http://self/old", "301 moved");
    // What was not granted.
    let denied = server.get("/base/1/fetch?http://web.spin.internal/").text();
    assert!(denied.contains("HttpRequestDenied"), "{denied}");
    let denied = server
        .get("/direct/fetch?http://back.spin.internal/")
        .text();
    assert!(denied.contains("HttpRequestDenied"), "{denied}");
    let forged = http::Request::get("/base/1/x")
        .header("host", "back.spin.internal")
        .body(Vec::new())
        .unwrap();
    assert_eq!(server.request(forged).status, 400);
}

fn files_are_chosen(server: &Server) {
    says(server, "/base/1/file?/assets/css/a.css", "body {}");
    says(server, "/base/1/file?/n/notes.txt", "noted");
    for none in ["/assets/left.tmp", "/notes.txt", "/web.wasm"] {
        let reply = server.get(&format!("/base/1/file?{none}")).text();
        assert!(reply.contains("No such file"), "{none}: {reply}");
    }
    // To be read, and by whom they were granted.
    let written = server.get("/base/1/write?/n/notes.txt").text();
    assert_ne!(written, "written");
    let reply = server.get("/direct/file?/n/notes.txt").text();
    assert_ne!(reply, "noted");
}

#[test]
fn an_app_is_served_as_it_stands() {
    let app = app(MANIFEST);
    let checked = app.check();
    checked.is(0);
    works(&app.up());
    // What the folder was made of is still there.
    assert_eq!(app.dir().read("notes.txt"), "noted");
}

#[test]
fn what_is_imported_behaves_the_same() {
    let app = app(MANIFEST);
    let import = |to: &str| {
        holm()
            .args(["import", "spin.toml", "-o", to])
            .dir(app.dir().path())
            .run()
    };
    import("holm.toml").is(0);
    shot!(app.dir().read("holm.toml"));
    // Where there are both, ours is served.
    std::fs::write(app.dir().join("spin.toml"), "nonsense").unwrap();
    works(&app.up());
    std::fs::write(app.dir().join("spin.toml"), MANIFEST).unwrap();
    import("holm.toml").is(2).says("is there already");
    app.dir().dir("elsewhere");
    import("elsewhere/holm.toml")
        .is(2)
        .says("in another folder");
    let printed = holm().arg("import").dir(app.dir().path()).run();
    printed.is(0).prints(&app.dir().read("holm.toml"));
}

#[test]
fn version_one_is_served_too() {
    let app = app("spin_version = \"1\"\nname = \"old\"\n\
                   trigger = { type = \"http\", base = \"/\" }\n\
                   [[component]]\nid = \"web_one\"\nsource = \"web.wasm\"\n\
                   environment = { NAME = \"old\" }\nallowed_outbound_hosts = []\n\
                   [component.trigger]\nroute = \"/...\"\n");
    says(&app.up(), "/x", "old /x");
}

#[test]
fn what_is_wrong_is_shown_in_spin_toml() {
    let broken = MANIFEST
        .replace("component = \"back\"", "component = \"bak\"")
        .replace("files = [\"assets/**/*\"", "files = [\"asets/a.css\"")
        .replace("exclude_files", "exclude_file");
    let app = app(&broken);
    let refused = app.refused();
    refused.is(2);
    let mut shown = refused.stderr.clone();
    let mended = broken.replace("exclude_file ", "exclude_files ");
    app.dir().write("spin.toml", &mended);
    let checked = app.check();
    checked.is(2);
    shown += &checked.stderr;
    shot!(shown);
}

#[test]
fn other_triggers_are_named() {
    let manifest =
        format!("{MANIFEST}\n[[trigger.sqs]]\ncomponent = \"web\"\nqueue_url = \"queue\"\n");
    let refused = app(&manifest).refused();
    refused.is(2).says("the trigger `sqs` is not supported yet");
    refused.says("spin.toml:35");
}

/// A component as Spin's cron plugin wants it; it traps unless it is told the time.
const TICK: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "handle") (param i64) (result i32)
      (if (i64.lt_u (local.get 0) (i64.const 1700000000)) (then unreachable))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (type $metadata' (record (field "timestamp" u64)))
  (export $metadata "metadata" (type $metadata'))
  (type $error' (variant (case "other" string)))
  (export $error "error" (type $error'))
  (func $handle (param "metadata" $metadata) (result (result (error $error)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory"))))
  (export "handle-cron-event" (func $handle)))"#;

#[test]
fn an_app_by_the_clock() {
    let app = app(
        "spin_manifest_version = 2\n\n[application]\nname = \"clock\"\n\n\
         [[trigger.cron]]\ncomponent = \"tick\"\ncron_expression = \"* * * * * *\"\n\n\
         [component.tick]\nsource = \"tick.wat\"\n",
    );
    app.dir().write("tick.wat", TICK);
    let server = app.up();
    let line = server.logged("job", |line| line["outcome"] == "ok");
    assert_eq!(line["trigger"], "tick-cron1");
}

/// `NAME.internal` in a holm.toml, for components of 0.2 and of 0.3.
#[test]
fn components_call_each_other_by_name() {
    for name in ["http-lab", "http-lab-p3"] {
        let manifest = "name = \"by-name\"\n\n\
            [component.lab]\nsource = \"lab.wasm\"\n\
            grants = { keyvalue = [\"default\"], http = [\"http://lab.internal\", \"http://none.internal\", \"http://other.internal\"] }\n\n\
            [component.other]\nsource = \"lab.wasm\"\n\
            grants = { keyvalue = [\"default\"], env = { NAME = \"other\" } }\n\n\
            [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n\n\
            [[http]]\nprivate = true\ncomponent = \"other\"\n";
        let app = App::new(manifest).guest("lab.wasm", name);
        let server = app.up();
        let fetch = |url: &str| {
            let url = url
                .replace(':', "%3A")
                .replace('/', "%2F")
                .replace('?', "%3F")
                .replace('=', "%3D");
            server.get(&format!("/fetch?url={url}")).json()
        };
        let answer = fetch("http://other.internal/hello");
        assert_eq!(answer["status"], 200, "{name}: {answer}");
        assert_eq!(answer["body"], "hello\n", "{name}: {answer}");
        let line = server.logged("request", |line| line["component"] == "other");
        assert_eq!(line["path"], "/hello", "{line}");
        // No header of the host's is there that nobody asked for.
        let answer = fetch("http://other.internal/headers");
        assert!(!answer.to_string().contains("spin-"), "{answer}");
        // What it wrote and what it failed with is its own, and in the log.
        let answer = fetch("http://other.internal/trap");
        assert_eq!(answer["status"], 500, "{answer}");
        let line = server.logged("request", |line| {
            line["component"] == "other" && line["status"] == 500
        });
        assert_eq!(line["fault"]["kind"], "guest", "{line}");
        assert_eq!(line["host"], "other.internal", "{line}");
        // A name that is nobody's is looked up as ever.
        let answer = fetch("http://none.internal/");
        assert!(answer["error"].is_string(), "{answer}");
        let calls = fetch("http://lab.internal/fetch?url=http%3A%2F%2Fother.internal%2Fhello");
        assert_eq!(calls["status"], 200, "{calls}");
    }
}

#[test]
fn a_component_that_calls_itself_without_end_is_told() {
    let app = App::spin(
        "spin_manifest_version = 2\n[application]\nname = \"loop\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"web\"\n\
         [component.web]\nsource = \"web.wasm\"\nallowed_outbound_hosts = [\"http://self\"]\n",
    )
    .guest("web.wasm", "spin-sdk-rust");
    let server = app.up();
    let mut url = "/x".to_owned();
    for _ in 0..20 {
        url = format!("/fetch?{url}");
    }
    let reply = server.get(&url).text();
    assert!(reply.contains("LoopDetected"), "{reply}");
    assert_eq!(reply.matches("200 ").count(), 16, "{reply}");
    // All that they held is free again.
    says(&server, "/fetch?/y", "200  /y");
}

#[test]
fn what_goes_between_components_is_bounded() {
    let manifest = "name = \"bounded\"\n\n\
        [component.lab]\nsource = \"lab.wasm\"\nlimits = { outbound_bytes = \"10 kB\" }\n\
        grants = { keyvalue = [\"default\"], http = [\"http://other.internal\"] }\n\n\
        [component.other]\nsource = \"lab.wasm\"\ngrants = { keyvalue = [\"default\"] }\n\n\
        [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n\n\
        [[http]]\nprivate = true\ncomponent = \"other\"\n";
    let server = App::new(manifest).guest("lab.wasm", "http-lab").up();
    let get = |bytes: u32| {
        let url = format!("http%3A%2F%2Fother.internal%2Fbig%3Fbytes%3D{bytes}");
        server.get(&format!("/fetch?url={url}")).json()
    };
    assert_eq!(get(5_000)["status"], 200);
    let over = get(50_000);
    assert!(over["error"].is_string(), "{over}");
    let line = server.entry("/fetch");
    assert_eq!(line["receipt"]["bytes"]["http"][0], 5_000, "{line}");
}
