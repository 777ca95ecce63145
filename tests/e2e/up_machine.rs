//! The machine's own limits, reached on purpose: who finds no room gets 503, the log names the setting
//! to raise, and the host goes on.

use crate::app::*;
use crate::apps::*;
use crate::client::*;
use crate::support::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// Asks for a path so often at once, each time on a connection of its own.
fn crowd(server: &Server, host: &str, path: &str, n: usize) -> Vec<Reply> {
    block(async {
        let calls = (0..n).map(|_| async {
            let mut connection = Connection::http1(server.addr()).await;
            let request = http::Request::get(path).header("host", host);
            let request = request.body(full("")).unwrap();
            whole(connection.send(request).await.unwrap())
                .await
                .unwrap()
        });
        futures::future::join_all(calls).await
    })
}

fn statuses(replies: &[Reply]) -> BTreeSet<u16> {
    replies.iter().map(|reply| reply.status).collect()
}

/// The message and the help of the first request that was refused.
#[track_caller]
fn refused(server: &Server) -> Value {
    server.logged("request", |line| line["status"] == 503)["fault"].clone()
}

#[test]
fn address_space_that_is_short() {
    let lab = App::lab("");
    let up = |gib| {
        let command = holm().args(["up", "--listen", "127.0.0.1:0"]);
        command.dir(lab.dir().path()).space(gib)
    };
    // Room for a few instances.
    let server = Server::start(up(60));
    server.wait_for("a pool is smaller than wanted");
    let replies = crowd(&server, "lab.test", "/sleep?ms=1500", 12);
    assert_eq!(statuses(&replies), [200, 503].into());
    let busy = replies.iter().find(|reply| reply.status == 503).unwrap();
    assert_eq!(busy.header("retry-after"), "1");
    let fault = refused(&server);
    let message = fault["message"].as_str().unwrap();
    assert!(message.contains("RLIMIT_AS (ulimit -v)"), "{message}");
    let replies = crowd(&server, "lab.test", "/hello", 50);
    assert_eq!(statuses(&replies), [200].into());
    assert_eq!(server.terminate(), 0);
    // Room for none.
    up(10).run().is(2).says("RLIMIT_AS: ulimit -v");
}

/// What the pools are cut by is what instances take.
#[test]
fn mappings_of_instances_are_as_many_as_counted() {
    const LIVE: usize = 200;
    for guest in ["http-lab", "http-lab-p3"] {
        let app = App::of(guest, "grants.keyvalue = [\"default\"]");
        let server = app.up_with(&["--instances", &LIVE.to_string()]);
        let mappings = || {
            let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
            maps.lines().count()
        };
        let before = mappings();
        std::thread::scope(|scope| {
            let asleep = scope.spawn(|| crowd(&server, "lab.test", "/sleep?ms=4000", LIVE));
            let mut most = 0;
            while !asleep.is_finished() {
                most = most.max(mappings());
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            assert_eq!(statuses(&asleep.join().unwrap()), [200].into());
            // Those of the stacks are there before.
            let all = most - before + 2 * LIVE;
            assert!(most > before + LIVE, "{guest}: {before}, {most}");
            assert!(all <= 5 * LIVE + 50, "{guest}: {before}, {most}");
        });
    }
}

#[test]
fn memory_that_is_short() {
    let more = |name: &str| {
        manifest(name, "/...", "1").replace("source = ", "limits.memory = \"1 GiB\"\nsource = ")
    };
    let apps = [("greedy", more("greedy")), ("good", more("good"))];
    let host = Host::with(&apps, &["--memory", "100 MiB"]);
    assert_eq!(host.ask("good", "/hello").status, 200);
    std::thread::scope(|scope| {
        let greedy = scope.spawn(|| {
            let mut all = Vec::new();
            for _ in 0..20 {
                all.append(&mut crowd(&host, "greedy.test", "/grow", 8));
            }
            all
        });
        // One app takes no more than it leaves to others: each request of another finds some.
        let mut served = 0;
        while !greedy.is_finished() || served < 10 {
            let reply = host.ask("good", "/hello");
            assert_eq!(reply.status, 200, "{}", reply.text());
            served += 1;
        }
        let greedy = greedy.join().unwrap();
        assert_eq!(statuses(&greedy), [503].into());
        assert_eq!(greedy[0].header("retry-after"), "1");
    });
    let fault = refused(&host);
    assert_eq!(fault["limit"], "host_memory", "{fault}");
    let message = fault["message"].as_str().unwrap();
    assert_eq!(
        message,
        "web wanted more memory than the host has left for its app (100 MiB)"
    );
    assert!(
        fault["help"][0]
            .as_str()
            .unwrap()
            .contains("holm up --memory"),
        "{fault}"
    );
    // All of it was given back.
    assert_eq!(host.ask("greedy", "/hello").status, 200);
    assert!(host.memory_peak_mb() < 400);
}

#[test]
fn memory_for_not_one_instance() {
    let lab = App::lab("");
    let server = lab.up_with(&["--memory", "64 KiB"]);
    for _ in 0..3 {
        assert_eq!(server.get("/hello").status, 503);
    }
    assert_eq!(refused(&server)["limit"], "host_memory");
    assert_eq!(server.terminate(), 0);
}
