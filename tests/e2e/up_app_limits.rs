//! Limits of an app: what its components may use together.

use crate::app::*;
use crate::up_limits::{ask, get, host_of};

/// An app of two components with these limits of its own.
fn up(limits: &str) -> (App, Served) {
    let app = host_of(&[
        ("one", "http-lab", "limits.queue_time = \"30 s\""),
        ("two", "http-lab", "limits.queue_time = \"50 ms\""),
    ]);
    let own = format!("name = \"limits\"\nlimits = {{ {limits} }}\n");
    app.edit("name = \"limits\"\n", &own);
    let server = app.up();
    (app, server)
}

#[test]
fn calls_of_all_components_share_the_places_of_the_app() {
    let (_app, server) = up("concurrency = 1");
    let refused = std::thread::scope(|scope| {
        let asleep = scope.spawn(|| ask(&server, "one", "/sleep?ms=2000"));
        let refused = until("a call that finds no place", || {
            let reply = get(&server, "two", "/hello");
            (reply.status == 503).then_some(reply)
        });
        assert_eq!(asleep.join().unwrap().unwrap().status, 200);
        refused
    });
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(get(&server, "two", "/hello").status, 200);
    let line = server.logged("request", |line| line["status"] == 503);
    assert_eq!(line["fault"]["limit"], "queue_time", "{line}");
    let help = line["fault"]["help"][0].as_str().unwrap();
    assert!(help.starts_with("let more calls of the app work"), "{line}");
}

#[test]
fn memory_of_all_instances_together() {
    let (_app, server) = up("memory = \"24 MiB\"");
    // One alone has all of it; and gives it back.
    for component in ["one", "two"] {
        let reply = get(&server, component, "/grow");
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(get(&server, component, "/hello").status, 200);
    }
    let line = server.logged("request", |line| line["status"] == 503);
    let fault = &line["fault"];
    assert_eq!(fault["limit"], "app_memory", "{line}");
    assert_eq!(
        fault["message"],
        "one wanted more memory than its app may have (24 MiB)"
    );
}

#[test]
fn a_limit_of_an_app_that_makes_no_sense() {
    let app = host_of(&[]);
    for (limits, said) in [
        ("memory = \"1 KiB\"", "`memory` must be at least 64 KiB"),
        ("concurrency = 0", "concurrency"),
        ("cpu = \"1 s\"", "cpu"),
    ] {
        app.edit(
            "name = \"limits\"\n",
            &format!("name = \"limits\"\nlimits = {{ {limits} }}\n"),
        );
        let refused = app.refused();
        let refused = refused.is(2);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        app.edit(&format!("limits = {{ {limits} }}\n"), "");
    }
}
