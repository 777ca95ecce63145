//! `holm new`: each template is made, built and run as a new user would.

use crate::app::*;
use crate::support::*;
use crate::toolchain;

/// A project made from a template, and the compilers that a user would have installed.
struct Project {
    scratch: Scratch,
    _bin: Scratch,
    path: String,
}

fn project(template: &str, name: &str) -> Project {
    let scratch = Scratch::new();
    let bin = Scratch::new();
    let path = toolchain::path(&bin);
    let new = holm()
        .args(["new", name, "--template", template])
        .env("PATH", &path)
        .dir(scratch.path())
        .run();
    new.is(0);
    assert_eq!(new.stderr, "", "nothing is missing");
    Project {
        scratch,
        _bin: bin,
        path,
    }
}

impl Project {
    fn holm(&self, name: &str, args: &[&str]) -> Command {
        holm()
            .args(args)
            .env("PATH", &self.path)
            .dir(self.scratch.join(name))
    }

    fn build(&self, name: &str) {
        let built = self.holm(name, &["build"]).run();
        built.is(0);
    }

    fn up(&self, name: &str) -> Server {
        Server::start(self.holm(name, &["up", "--listen", "127.0.0.1:0"]))
    }
}

#[test]
fn the_list() {
    let list = holm().args(["new", "--list"]).run();
    list.is(0);
    shot!("new_list", list.stdout);
    let json = holm().args(["new", "--list", "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.is(0).stdout).unwrap();
    let names: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();
    assert_eq!(names.len(), list.stdout.lines().count());
    assert_eq!(json[0]["tools"][0], "cargo");
}

#[test]
fn what_is_made_and_what_is_refused() {
    let scratch = Scratch::new();
    let new = |args: &[&str]| {
        let new = holm().arg("new").args(args).env("PATH", "");
        new.dir(scratch.path()).run()
    };
    // Without a single tool: what is missing is named, with what installs it.
    let made = new(&["apps/shop", "--template", "http-rust"]);
    made.is(0);
    shot!("new_made", format!("{}---\n{}", made.stdout, made.stderr));
    let cargo = scratch.read("apps/shop/Cargo.toml");
    assert!(cargo.contains("name = \"shop\""), "{cargo}");
    assert!(!scratch.read("apps/shop/README.md").contains("my-app"));
    scratch.write("apps/shop/src/lib.rs", "mine");
    let again = new(&["apps/shop", "--template", "http-go-wasip1"]);
    again.is(2).says("apps/shop is there already");
    assert_eq!(scratch.read("apps/shop/src/lib.rs"), "mine");
    scratch.dir("empty");
    new(&["empty", "-t", "cli-c"]).is(0);
    let refused = [
        new(&["Shop!", "--template", "cli-c"]),
        new(&["shop", "--template", "http-rusty"]),
        new(&["shop"]),
    ];
    let said: Vec<String> = refused.iter().map(|out| out.is(2).stderr.clone()).collect();
    shot!("new_refused", said.join("---\n"));
    assert!(!scratch.join("shop").exists() && !scratch.join("Shop!").exists());
}

/// A template's build without any tool says which one is missing, and what installs it.
#[test]
fn tools_that_are_missing() {
    let scratch = Scratch::new();
    let list = holm().args(["new", "--list"]).run().stdout;
    let mut all = String::new();
    for template in list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let new = ["new", template, "--template", template];
        holm().args(new).dir(scratch.path()).run().is(0);
        let build = holm().arg("build").env("PATH", "");
        let out = build.dir(scratch.join(template)).run();
        out.is(2).says("is not installed: ");
        let help = out.stderr.lines().filter(|line| line.starts_with("help"));
        let help: Vec<&str> = help.collect();
        all += &format!("{template}: {}\n", help.join("\n"));
    }
    shot!("new_missing_tools", all);
}

#[test]
fn http_rust() {
    let _alone = alone();
    let project = project("http-rust", "hello-rust");
    toolchain::share_target(&project.scratch.join("hello-rust"));
    project.build("hello-rust");
    let file = "target/wasm32-unknown-unknown/release/app.wasm";
    let inspect = project.holm("hello-rust", &["inspect", file]).run();
    let shown = inspect.is(0).stdout.clone();
    // What makes it start fast: no adapter of 0.1, and nothing that keeps it from having an image.
    assert!(!shown.contains("wasi:filesystem"), "{shown}");
    assert!(shown.contains("start      snapshot"), "{shown}");
    let server = project.up("hello-rust");
    assert_eq!(server.get("/").text(), "Hello from hello-rust!\n");
    let none = server.get("/nothing?x=1");
    assert_eq!(
        (none.status, none.text()),
        (404, "There is nothing here.\n".into())
    );
    server.logged("log", |line| line["line"] == "nothing at /nothing?x=1");
}

/// The way that each README tells: made, and then developed.
#[test]
fn http_rust_by_holm_dev() {
    let _alone = alone();
    let project = project("http-rust", "hello-dev");
    toolchain::share_target(&project.scratch.join("hello-dev"));
    let dev = project.holm("hello-dev", &["dev", "--listen", "127.0.0.1:0"]);
    let server = Server::start(dev);
    assert_eq!(server.get("/").text(), "Hello from hello-dev!\n");
    let source = project.scratch.read("hello-dev/src/lib.rs");
    let changed = source.replace("Hello from", "Greetings from");
    assert_ne!(source, changed);
    project.scratch.write("hello-dev/src/lib.rs", changed);
    until("the change is served", || {
        (server.get("/").text() == "Greetings from hello-dev!\n").then_some(())
    });
    assert_eq!(server.terminate(), 0);
}

#[test]
fn library_rust() {
    let _alone = alone();
    let project = project("library-rust", "hello-library");
    toolchain::share_target(&project.scratch.join("hello-library"));
    project.build("hello-library");
    let call = |args: &[&str]| {
        let args = [&["call", "--app", ".", "app"][..], args].concat();
        project.holm("hello-library", &args).run()
    };
    assert!(call(&[]).is(0).stdout.contains("Greets somebody"));
    call(&["sum", "[1, 2, 3]"]).prints("6\n");
    let ada = "{\"who\": {\"name\": \"Ada\"}}";
    call(&["greet", "--json", ada]).prints("{\"ok\":\"Hello, Ada!\"}\n");
    let nobody = call(&["greet", "{name: \" \"}"]);
    assert!(nobody.is(1).stdout.contains("there is no name"));
    let server = project.up("hello-library");
    let request = http::Request::post("/api/local:library/greetings/sum")
        .header("content-type", "application/json");
    let reply = server.request(request.body(b"{\"numbers\": [4, 5]}".to_vec()).unwrap());
    assert_eq!((reply.status, reply.text().trim()), (200, "9"));
}

#[test]
fn http_js() {
    let _alone = alone();
    let project = project("http-js", "hello-js");
    toolchain::install_packages(&project.scratch.join("hello-js"));
    project.build("hello-js");
    let server = project.up("hello-js");
    assert_eq!(server.get("/").text(), "Hello from hello-js!\n");
    assert_eq!(server.get("/hello?name=Ada").text(), "{\"hello\":\"Ada\"}");
    assert_eq!(server.get("/nothing").status, 404);
    server.logged("log", |line| line["line"] == "nothing at /nothing");
}

#[test]
fn http_python() {
    let _alone = alone();
    let project = project("http-python", "hello-python");
    project.build("hello-python");
    let server = project.up("hello-python");
    assert_eq!(server.get("/").text(), "Hello from hello-python!\n");
    assert_eq!(server.get("/nothing").status, 404);
    server.logged("log", |line| line["line"] == "nothing at /nothing");
}

#[test]
fn http_go() {
    let _alone = alone();
    let project = project("http-go-wasip1", "hello-go");
    project.build("hello-go");
    let server = project.up("hello-go");
    assert_eq!(server.get("/").text(), "Hello from hello-go!\n");
    assert_eq!(server.get("/hello/Ada%20L.").text(), "Hello, Ada L.!\n");
    let none = server.get("/nothing");
    assert_eq!(
        (none.status, none.text()),
        (404, "404 page not found\n".into())
    );
}

#[test]
fn cli_c() {
    let _alone = alone();
    let project = project("cli-c", "words");
    project.build("words");
    let run = |args: &[&str]| project.holm("words", &[&["run"][..], args].concat());
    run(&["app.wasm"])
        .stdin("one two\nthree")
        .run()
        .prints("3\n");
    project.scratch.write("words/a.txt", "a b c d");
    run(&["--dir", ".", "app.wasm", "a.txt"])
        .run()
        .prints("4 a.txt\n");
    let denied = run(&["app.wasm", "a.txt"]).run();
    assert_eq!(denied.code, 1, "{}", denied.stderr);
}
