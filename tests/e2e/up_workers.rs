//! Scripts with a `fetch` handler: built and served as they stand.

use crate::app::*;
use crate::support::*;
use crate::toolchain;
use serde_json::json;

/// A folder with a script, and the packages that its build takes.
fn worker(manifest: Option<&str>, script: &str, text: &str) -> App {
    let app = App::new(manifest.unwrap_or_default());
    if manifest.is_none() {
        std::fs::remove_file(app.dir().join("holm.toml")).unwrap();
    }
    app.dir().write(script, text);
    toolchain::install_packages(app.dir().path());
    app
}

/// `holm` where Node is.
fn command(app: &App, args: &[&str]) -> Command {
    let command = holm().args(args).env("PATH", toolchain::with_node());
    command.dir(app.dir().path())
}

fn up(app: &App) -> Server {
    Server::start(command(app, &["up", "--listen", "127.0.0.1:0"]))
}

fn refused(app: &App) -> Output {
    command(app, &["up", "--listen", "127.0.0.1:0"]).run()
}

fn post(server: &Server, path: &str, body: &str) -> Reply {
    server.request(http::Request::post(path).body(body.into()).unwrap())
}

/// `guests/js/worker-lab`: a route for each thing that a handler may use.
#[test]
fn what_a_handler_has() {
    let _alone = alone();
    let manifest = "name = \"lab\"\n\n[component.lab]\nsource = \"src/index.ts\"\n\n\
        [component.lab.grants]\nkeyvalue = [\"default\"]\nconfig = { GREETING = \"hi\" }\n\
        http = [\"http://self\"]\n\n[[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n";
    let lab = repo().join("guests/js/worker-lab/index.ts");
    let lab = std::fs::read_to_string(lab).unwrap();
    let app = worker(Some(manifest), "src/index.ts", &lab);
    let built = command(&app, &["build"]).run();
    built.is(0).says("building lab: src/index.ts");
    let server = up(&app);
    let get = |path: &str| server.get(path).json();
    assert_eq!(
        get("/started"),
        json!({ "at": "build", "table": [0, 1, 4, 9] })
    );
    let reply = post(&server, "/request?a=1&b=2", "body").json();
    assert_eq!(reply["query"], json!({ "a": "1", "b": "2" }));
    assert_eq!(
        (&reply["method"], &reply["body"]),
        (&json!("POST"), &json!("body"))
    );
    let headers = server.get("/headers");
    assert_eq!((headers.status, headers.header("x-two")), (204, "a, b"));
    assert_eq!(server.get("/stream").text(), "one\ntwo\nthree\n");
    assert_eq!(post(&server, "/upper", "louder").text(), "LOUDER");
    assert_eq!(post(&server, "/lines", "zażółć").text(), "<zażółć>");
    let crypto = get("/crypto");
    // SHA-256 of `abc`, and HMAC-SHA-256 of `message` under `key`, as OpenSSL has them.
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let signature = "6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a";
    assert_eq!(crypto["digest"], digest);
    assert_eq!(crypto["signature"], signature);
    for what in ["verified", "uuids", "random"] {
        assert_eq!(crypto[what], true, "{what}");
    }
    assert_eq!(get("/timers"), json!(["microtask", "first"]));
    let text = json!({
        "bytes": [195, 169, 226, 130, 172], "text": "€", "url": "https://a.example/c/b?x=1#y",
        "base64": "holm", "clone": { "a": [1, { "b": 2 }] },
    });
    assert_eq!(get("/text"), text);
    let names = json!({ "greeting": "hi", "names": ["GREETING", "default"] });
    assert_eq!(get("/env"), names);
    let kv = get("/kv");
    assert_eq!(kv["text"], "hello");
    assert_eq!(kv["bytes"], json!([1, 2, 3]));
    assert_eq!(kv["json"], json!({ "a": 1 }));
    assert_eq!(kv["stream"], "streamed");
    assert_eq!(kv["none"], json!(null));
    let all = ["bytes", "json", "stream", "text"].map(|name| json!({ "name": name }));
    assert_eq!(kv["all"]["keys"], json!(all));
    assert_eq!(kv["some"]["keys"], json!([{ "name": "stream" }]));
    assert_eq!(kv["refused"], "put() has no option expirationTtl here");
    assert_eq!(server.get("/later").text(), "now\n");
    until("what waitUntil kept", || {
        (server.get("/later/done").text() == "done").then_some(())
    });
    // Itself, by the name that leads back into the app; and what was not granted.
    let own = server.get("/fetch?to=http://self/started");
    let denied = server.get("/fetch?to=http://127.0.0.1:1/");
    assert_eq!(denied.status, 502, "{}", denied.text());
    let own = own.json();
    assert_eq!(own["at"], "build");
    // What it throws is in the log, and nobody else is told.
    let thrown = server.get("/throw");
    assert_eq!(
        (thrown.status, thrown.text()),
        (500, "Internal Server Error\n".into())
    );
    server.logged("log", |line| line["line"] == "TypeError: on purpose");
    assert_eq!(server.get("/nothing").status, 500);
    server.get("/log");
    server.logged("log", |line| line["line"] == "a line of the log { n: 1 }");
    assert_eq!(server.terminate(), 0);
    // It is built again only when something has changed.
    let server = up(&app);
    assert!(!server.stderr().join("\n").contains("building"));
    drop(server);
    let now = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    app.dir()
        .write("src/index.ts", "export default { fetch: 1 };\n");
    std::fs::File::open(app.dir().join("src/index.ts"))
        .unwrap()
        .set_modified(now)
        .unwrap();
    refused(&app)
        .is(2)
        .says("the default export has no function `fetch`");
}

/// The example of docs/workers.md, to the letter: a Hono app from npm, in TypeScript.
#[test]
fn the_page_of_workers() {
    let _alone = alone();
    let page = std::fs::read_to_string(repo().join("docs/workers.md")).unwrap();
    let block = |opening: &str| {
        let (_, rest) = page.split_once(opening).unwrap();
        rest.split_once("\n```").unwrap().0.to_owned() + "\n"
    };
    let manifest = block("```toml\n# holm.toml\n");
    let app = worker(Some(&manifest), "src/index.ts", &block("```ts\n"));
    let server = up(&app);
    assert_eq!(server.get("/").text(), "Hello from Hono!");
    assert_eq!(
        server.get("/visits/ada").json(),
        json!({ "name": "ada", "visits": 1 })
    );
    assert_eq!(server.get("/visits/ada").json()["visits"], 2);
    assert_eq!(server.get("/visits/bob").json()["visits"], 1);
    let made = post(&server, "/notes", "{\"text\": \"tea\"}");
    assert_eq!((made.status, made.json()), (201, json!({ "text": "tea" })));
    assert_eq!(server.get("/nowhere").status, 404);
    // Without a manifest nothing is granted, and flags grant.
    let script = app.dir().join("src/index.ts");
    drop(server);
    let flags = [
        "up",
        "--listen",
        "127.0.0.1:0",
        "--keyvalue",
        "default",
        "--config",
        "GREETING=Hi",
    ];
    let server = Server::start(command(&app, &flags).arg(script));
    assert_eq!(server.get("/").text(), "Hi from Hono!");
}

/// A folder with a script and nothing else, served as it stands.
#[test]
fn a_folder_without_a_manifest() {
    let _alone = alone();
    let script = "const hello: string = \"hello from a folder\";\n\
        export default { fetch: (request: Request) => new Response(`${hello}: ${new URL(request.url).pathname}`) };\n";
    let app = worker(None, "src/index.ts", script);
    let server = up(&app);
    assert_eq!(server.get("/a/b").text(), "hello from a folder: /a/b");
    // What it builds and keeps lies in its own corner.
    let mut names: Vec<_> = std::fs::read_dir(app.dir().path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".holm", "node_modules", "src"]);
}

/// What is missing or wrong is said before anything is served.
#[test]
fn what_cannot_be_built() {
    let bare = worker(
        None,
        "index.ts",
        "export default { fetch: (): Response => {} }\n",
    );
    std::fs::remove_file(bare.dir().join("node_modules")).unwrap();
    let packages = "esbuild is not installed: npm install --save-dev esbuild";
    refused(&bare).is(2).says(packages);
    let wrong = worker(
        None,
        "index.ts",
        "export default { fetch() { let let = 1 } }\n",
    );
    refused(&wrong).is(2).says("index.ts:1:");
    let none = worker(
        None,
        "index.js",
        "import \"not-a-package\";\nexport default {};\n",
    );
    refused(&none)
        .is(2)
        .says("Could not resolve \"not-a-package\"");
    // A folder without anything is not one of scripts.
    let empty = App::new("");
    std::fs::remove_file(empty.dir().join("holm.toml")).unwrap();
    refused(&empty).is(2).says("there is no holm.toml");
}
