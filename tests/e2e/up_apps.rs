//! A host of many apps: each is loaded when it is first called, let go when it is idle, and fails
//! alone.

use crate::app::until;
use crate::client::*;
use crate::support::*;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A folder of apps, one for each name, of the lab guest, at `NAME.test`.
fn apps(names: &[&str], more: &str) -> Scratch {
    let scratch = Scratch::new();
    for name in names {
        add(scratch.path(), name, more);
    }
    scratch
}

fn add(dir: &Path, name: &str, more: &str) {
    let folder = dir.join(name);
    std::fs::create_dir(&folder).unwrap();
    symlink(guest("http-lab"), folder.join("lab.wasm")).unwrap();
    let manifest = format!(
        "name = \"{name}\"\n[component.lab]\nsource = \"lab.wasm\"\n{more}\n\
         grants = {{ keyvalue = [\"default\"], env = {{ WHO = \"{name}\" }} }}\n\
         [[http]]\nroute = \"/...\"\nhost = \"{name}.test\"\ncomponent = \"lab\"\n"
    );
    std::fs::write(folder.join("holm.toml"), manifest).unwrap();
}

fn up(apps: &Scratch, args: &[&str]) -> Server {
    let dir = apps.path().to_str().unwrap();
    Server::up([&["--apps", dir], args].concat(), apps.path())
}

fn ask(server: &Server, app: &str, path: &str) -> Reply {
    server.request(request(app, path))
}

/// The name that an app was granted.
fn who(server: &Server, app: &str) -> String {
    let vars = ask(server, app, "/env").json();
    vars["WHO"].as_str().unwrap().to_owned()
}

fn request(app: &str, path: &str) -> http::Request<Vec<u8>> {
    http::Request::get(path)
        .header("host", format!("{app}.test"))
        .body(Vec::new())
        .unwrap()
}

#[test]
fn each_has_its_own_grants_and_its_own_line_in_the_log() {
    let apps = apps(&["one", "two"], "");
    let server = up(&apps, &[]);
    for name in ["one", "two", "one"] {
        assert_eq!(who(&server, name), name);
    }
    assert_eq!(ask(&server, "three", "/").status, 404);
    let line = server.logged("request", |line| line["app"] == "two");
    assert_eq!(line["component"], "lab");
    // Stores of one name are two stores.
    assert_eq!(ask(&server, "one", "/kv/set?key=a&value=mine").status, 200);
    assert_eq!(ask(&server, "one", "/kv/get?key=a").json()["ok"], "mine");
    assert!(ask(&server, "two", "/kv/get?key=a").json()["ok"].is_null());
    assert_eq!(server.terminate(), 0);
}

/// Mappings of machine code in the server.
fn mapped(server: &Server) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    maps.lines().filter(|line| line.ends_with(".cwasm")).count()
}

#[test]
fn what_is_let_go_is_taken_up_again() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let apps = apps(&names, "");
    // Room for the code of one of them at most.
    let server = up(&apps, &["--code-memory", "1 MiB"]);
    assert_eq!(mapped(&server), 0, "nothing was called yet");
    for _ in 0..4 {
        for name in names {
            assert_eq!(who(&server, name), name);
        }
    }
    // All six have the same code, each loaded by itself: several mappings for each.
    let codes = mapped(&server);
    assert!((1..=12).contains(&codes), "{codes} mappings");
    // Who is called while it is let go is not harmed.
    let slow = std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&server, "a", "/sleep?ms=700").text());
        for name in names.iter().cycle().take(24) {
            assert_eq!(who(&server, name), **name);
        }
        slow.join().unwrap()
    });
    assert_eq!(slow, "awake\n");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_broken_app_fails_alone() {
    let apps = apps(&["good", "bad", "worse"], "");
    std::fs::write(apps.join("bad/holm.toml"), "name = \"bad\"\nrout = 1\n").unwrap();
    std::fs::remove_file(apps.join("worse/lab.wasm")).unwrap();
    apps.write("worse/lab.wasm", "\0asm of a kind");
    let server = up(&apps, &[]);
    server.wait_for("unknown key `rout`");
    assert_eq!(ask(&server, "good", "/").status, 200);
    // What is only found when it is loaded is found when it is called; and not tried each time.
    for _ in 0..3 {
        assert_eq!(ask(&server, "worse", "/").status, 500);
    }
    let line = server.logged("request", |line| line["app"] == "worse");
    assert_eq!(line["fault"]["kind"], "yours");
    assert_eq!(
        line["fault"]["message"],
        "component `worse/lab` does not load"
    );
    assert_eq!(ask(&server, "good", "/").status, 200);
}

#[test]
fn a_full_pool_says_what_to_raise() {
    let apps = apps(&["one", "two"], "");
    let server = up(&apps, &["--instances", "3"]);
    let full = std::thread::scope(|scope| {
        let asleep: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| ask(&server, "one", "/sleep?ms=20000").status))
            .collect();
        let full = until("a full pool", || {
            let reply = ask(&server, "two", "/");
            (reply.status == 503).then_some(reply)
        });
        // What sleeps is not waited for.
        server.signal(15);
        server.signal(15);
        for sleeper in asleep {
            let _ = sleeper.join();
        }
        full
    });
    assert_eq!(full.header("retry-after"), "1");
    let line = server.logged("request", |line| line["status"] == 503);
    let message = line["fault"]["message"].as_str().unwrap();
    assert!(message.contains("--instances"), "{message}");
    assert!(message.contains("vm.max_map_count"), "{message}");
}

#[test]
fn more_instances_than_the_machine_can_map() {
    let apps = apps(&["one"], "");
    let server = up(&apps, &["--instances", "1000000"]);
    assert_eq!(ask(&server, "one", "/").status, 200);
    server.wait_for("vm.max_map_count");
    assert_eq!(server.terminate(), 0);
}

/// Out of descriptors, connections wait; those that there are go on, and all goes on afterwards.
#[test]
fn no_descriptor_is_left() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let apps = apps(&["one"], "");
    let server = up(&apps, &[]);
    assert_eq!(ask(&server, "one", "/").status, 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count() as u64;
    let limit = Rlimit {
        current: Some(open + 20),
        maximum: Some(open + 20),
    };
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    prlimit(pid, Resource::Nofile, limit).unwrap();
    block(async {
        // One that is there already goes on while there are no more.
        let mut kept = Connection::http1(server.addr()).await;
        assert_eq!(
            whole(kept.get("/").await.unwrap()).await.unwrap().status,
            404
        );
        let mut held = Vec::new();
        for _ in 0..60 {
            held.push(tokio::net::TcpStream::connect(server.addr()).await.unwrap());
        }
        server.wait_for("no connection can be accepted");
        server.wait_for("RLIMIT_NOFILE");
        assert_eq!(
            whole(kept.get("/").await.unwrap()).await.unwrap().status,
            404
        );
    });
    for _ in 0..5 {
        assert_eq!(ask(&server, "one", "/").status, 200);
    }
    assert_eq!(server.terminate(), 0);
}
