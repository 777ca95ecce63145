//! `--build` and `--watch`: a change is served without a stop, and what is broken changes nothing.

use crate::app::*;
use crate::support::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// `src/version` names the guest that the build command copies to `lab.wasm`; its first word may
/// also be that the build is broken.
fn app() -> App {
    let app = App::lab(
        "[component.lab.build]\ncommand = \"sh build.sh\"\n[component.lab.limits]\ntimeout = \"20 s\"\n",
    );
    std::fs::remove_file(app.dir().join("lab.wasm")).unwrap();
    app.dir().write(
        "build.sh",
        "read version < src/version\n\
         if [ \"$version\" = broken ]; then echo 'error[E0425]: cannot find value `x`' >&2; exit 101; fi\n\
         cp \"versions/$version.wasm\" new.wasm && mv new.wasm lab.wasm\n",
    );
    app.dir().dir("versions");
    for name in ["http-lab", "http-hello"] {
        std::os::unix::fs::symlink(guest(name), app.dir().join(format!("versions/{name}.wasm")))
            .unwrap();
    }
    app.dir()
        .write("versions/text.wasm", "this is no component\n");
    app.dir().write("src/version", "http-lab\n");
    app
}

fn version(server: &Server) -> &'static str {
    match server.get("/time").text().as_str() {
        "hello\n" => "http-hello",
        _ => "http-lab",
    }
}

#[track_caller]
fn becomes(server: &Server, name: &str) {
    until(name, || (version(server) == name).then_some(()));
}

/// Counts while the body changes things: none may fail.
fn under_load<T>(server: &Server, path: &str, change: impl FnOnce() -> T) -> (usize, T) {
    let (stop, good) = (AtomicBool::new(false), AtomicUsize::new(0));
    let bad = Mutex::new(Vec::new());
    let result = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let request = http::Request::get(path).body(Vec::new()).unwrap();
                    match server.try_request(request) {
                        Ok(reply) if reply.status == 200 => {
                            _ = good.fetch_add(1, Ordering::Relaxed)
                        }
                        other => bad.lock().unwrap().push(format!("{other:?}")),
                    }
                }
            });
        }
        /// The load ends also when the change panics.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        change()
    });
    let bad = bad.into_inner().unwrap();
    assert!(
        bad.is_empty(),
        "{} failed, {} did not: {:?}",
        bad.len(),
        good.load(Ordering::Relaxed),
        bad.first()
    );
    (good.into_inner(), result)
}

#[test]
fn a_build_before_the_start() {
    let app = app();
    app.refused().is(2).says("holm up --build");
    let server = app.up_with(&["--build"]);
    assert_eq!(version(&server), "http-lab");
    assert!(
        server
            .stderr()
            .iter()
            .any(|line| line.contains("building lab: sh build.sh")),
        "{:?}",
        server.stderr()
    );
}

#[test]
fn a_broken_build_before_the_start() {
    let app = app();
    app.dir().write("src/version", "broken\n");
    let out = holm()
        .args(["up", "--listen", "127.0.0.1:0", "--build"])
        .dir(app.dir().path())
        .run();
    out.is(2);
    assert_eq!(out.stdout, "");
    shot!(out.stderr);
}

#[test]
fn a_change_is_served_and_nothing_is_lost() {
    let _alone = alone();
    let app = app();
    let server = app.up_with(&["--build", "--watch"]);
    server.get("/kv/set?key=kept&value=yes");
    let long = std::thread::spawn({
        let addr = server.addr();
        move || {
            crate::client::raw(
                addr,
                "GET /sse?n=20&ms=200 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            )
        }
    });
    let (good, ()) = under_load(&server, "/hello", || {
        // Changed.
        app.dir().write("src/version", "http-hello\n");
        becomes(&server, "http-hello");
        // Broken: the old version goes on, and the tool's own words are shown.
        app.dir().write("src/version", "broken\n");
        server.wait_for("error[E0425]: cannot find value `x`");
        server.wait_for("the build of `lab` failed with exit code 101 (`sh build.sh`)");
        server.wait_for("the old version goes on serving");
        assert_eq!(version(&server), "http-hello");
        // Built, and not a component.
        app.dir().write("src/version", "text\n");
        server.wait_for("lab.wasm");
        until("a second refusal", || {
            let times = server
                .stderr()
                .iter()
                .filter(|l| l.contains("the old version goes on serving"))
                .count();
            (times == 2).then_some(())
        });
        assert_eq!(version(&server), "http-hello");
        // Mended.
        app.dir().write("src/version", "http-lab\n");
        becomes(&server, "http-lab");
    });
    assert!(good > 20, "{good} requests are no load");
    assert_eq!(server.get("/kv/get?key=kept").text(), "{\"ok\":\"yes\"}");
    // What began on an old version ended on it.
    let events = long.join().unwrap();
    let events = crate::client::dechunked(&events).expect("a whole answer");
    assert!(events.ends_with("data: event 20\n\n"), "{events}");
}

#[test]
fn a_manifest_that_changes() {
    let _alone = alone();
    let app = App::lab("grants.env = { MODE = \"one\" }");
    let server = app.up_with(&["--watch"]);
    let mode = || {
        server.get("/env").json()["MODE"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(mode(), "one");
    let (good, ()) = under_load(&server, "/kv/incr?key=n", || {
        app.edit("\"one\"", "\"two\"");
        until("two", || (mode() == "two").then_some(()));
        // Broken in its text.
        app.edit("[[http]]", "[[http]");
        server.wait_for("the old version goes on serving");
        assert_eq!(mode(), "two");
        app.edit("[[http]", "[[http]]");
        app.edit("\"two\"", "\"three\"");
        until("three", || (mode() == "three").then_some(()));
        // Broken in what it says: the help is that of `holm check`.
        app.edit("grants.env", "grants.emv");
        server.wait_for("did you mean `env`?");
        assert_eq!(mode(), "three");
        app.edit("grants.emv", "grants.env");
        app.edit("\"three\"", "\"four\"");
        until("four", || (mode() == "four").then_some(()));
    });
    assert!(good > 20, "{good} requests are no load");
    let counted = server.get("/kv/get?key=n").json()["ok"]
        .as_str()
        .unwrap()
        .parse::<usize>()
        .unwrap();
    assert_eq!(counted, good, "each request counted once");
}

#[test]
fn a_component_that_is_replaced() {
    let app = App::of("http-hello", "grants.keyvalue = [\"default\"]");
    let file = app.dir().join("lab.wasm");
    std::fs::remove_file(&file).unwrap();
    std::fs::copy(guest("http-hello"), &file).unwrap();
    let server = app.up_with(&["--watch"]);
    assert_eq!(version(&server), "http-hello");
    // Overwritten in place, as many tools do.
    std::fs::copy(guest("http-lab"), &file).unwrap();
    becomes(&server, "http-lab");
    // Gone, and back.
    std::fs::remove_file(&file).unwrap();
    server.wait_for("the old version goes on serving");
    assert_eq!(version(&server), "http-lab");
    std::fs::copy(guest("http-hello"), &file).unwrap();
    becomes(&server, "http-hello");
}

/// Saving twice in a row ends on what was saved last, also when it comes during a build.
#[test]
fn a_change_during_a_build() {
    let app = app();
    let slow = app.dir().read("build.sh").replace("cp ", "sleep 1; cp ");
    app.dir().write("build.sh", slow);
    let server = app.up_with(&["--build", "--watch"]);
    app.dir().write("src/version", "http-hello\n");
    std::thread::sleep(Duration::from_millis(500));
    app.dir().write("src/version", "http-lab\n");
    std::thread::sleep(Duration::from_millis(200));
    app.dir().write("src/version", "http-hello\n");
    becomes(&server, "http-hello");
    app.dir().write("src/version", "http-lab\n");
    std::thread::sleep(Duration::from_millis(600));
    app.dir().write("src/version", "http-hello\n");
    std::thread::sleep(Duration::from_millis(3000));
    assert_eq!(version(&server), "http-hello", "the last change was lost");
}

#[test]
fn a_build_ends_with_the_server() {
    let app = app();
    let server = app.up_with(&["--build", "--watch"]);
    app.dir().write("build.sh", "echo $$ > pid; sleep 600\n");
    app.dir().write("src/version", "http-hello\n");
    let pid = until("the build runs", || {
        std::fs::read_to_string(app.dir().join("pid"))
            .ok()
            .filter(|p| p.ends_with('\n'))
    });
    assert_eq!(server.terminate(), 0);
    let line = format!("/proc/{}/cmdline", pid.trim());
    until("the build is gone", || {
        std::fs::read(&line)
            .map_or(true, |line| line.is_empty())
            .then_some(())
    });
}

#[test]
fn a_build_before_the_start_ends_with_the_command() {
    let app = app();
    app.dir().write("build.sh", "echo $$ > pid; sleep 600\n");
    let mut child = holm()
        .args(["up", "--listen", "127.0.0.1:0", "--build"])
        .dir(app.dir().path())
        .spawn();
    let pid = until("the build runs", || {
        std::fs::read_to_string(app.dir().join("pid"))
            .ok()
            .filter(|p| p.ends_with('\n'))
    });
    signal(&child, libc::SIGINT);
    let status = wait(&mut child, PATIENCE).expect("the signal did not end it");
    assert_eq!(code(status), 1);
    let line = format!("/proc/{}/cmdline", pid.trim());
    until("the build is gone", || {
        std::fs::read(&line)
            .map_or(true, |line| line.is_empty())
            .then_some(())
    });
}

#[test]
fn a_build_that_makes_nothing() {
    let app = app();
    app.dir().write("build.sh", "true\n");
    let out = holm()
        .args(["up", "--listen", "127.0.0.1:0", "--build"])
        .dir(app.dir().path())
        .run();
    out.is(2);
    shot!(out.stderr);
}

/// The port is asked for before anything is built.
#[test]
fn a_port_in_use_is_told_before_the_build() {
    let app = app();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let out = holm()
        .args(["up", "--listen", &addr, "--build"])
        .dir(app.dir().path())
        .run();
    out.is(2).says("in use");
    assert!(!out.stderr.contains("building"), "{}", out.stderr);
}

/// The app by another name is the same app: its routes and its data are not in its own way.
#[test]
fn an_app_is_renamed() {
    let app = app();
    let server = app.up_with(&["--build", "--watch"]);
    server.get("/kv/set?key=kept&value=yes");
    app.edit("name = \"lab\"", "name = \"other\"");
    until("reloaded", || {
        let lines = server.stderr();
        lines
            .iter()
            .any(|l| l.starts_with("reloaded"))
            .then_some(())
    });
    assert_eq!(server.get("/kv/get?key=kept").text(), r#"{"ok":"yes"}"#);
    let said = server.stderr().join("\n");
    assert!(!said.contains("both have the route"), "{said}");
}
