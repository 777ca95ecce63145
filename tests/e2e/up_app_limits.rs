//! Limits of an app: what its components may use together, while another app on the same host is served
//! without one failure.

use crate::app::*;
use crate::origin::origin;
use crate::tenants::*;

/// An app of two components with these limits of its own, and its neighbour.
fn up(limits: &str) -> Served {
    let app = host_of(&[
        ("one", "http-lab", "limits.queue_time = \"30 s\""),
        ("two", "http-lab", "limits.queue_time = \"50 ms\""),
    ]);
    let own = format!("name = \"limits\"\nlimits = {{ {limits} }}\n");
    app.edit("name = \"limits\"\n", &own);
    let server = app.up();
    // Both are loaded from here on.
    for component in ["one", "two"] {
        assert_eq!(get(&server, component, "/hello").status, 200);
    }
    server
}

#[test]
fn calls_of_all_components_share_the_places_of_the_app() {
    let server = up("concurrency = 1");
    beside_a_neighbour(&server, || {
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
    });
}

#[test]
fn memory_of_all_instances_together() {
    let server = up("memory = \"24 MiB\"");
    beside_a_neighbour(&server, || {
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
    });
}

#[test]
fn connections_and_files_of_all_instances_together() {
    for (limits, path, limit) in [
        ("connections = 7", "/hold/sockets?n=100", "app_connections"),
        (
            "connections = 1",
            "/hold/requests?n=2&to={http}",
            "app_connections",
        ),
        (
            "open_files = 5",
            "/hold/files?n=100&path=/data/file",
            "app_open_files",
        ),
    ] {
        let server = up(limits);
        beside_a_neighbour(&server, || {
            let path = path.replace("{http}", &origin().addr.to_string());
            for component in ["one", "two"] {
                // Each finds all of it: the one before has given it back.
                assert_eq!(get(&server, component, &path).status, 200);
                let line = server.logged("request", |line| {
                    line["component"] == component && line["receipt"]["limit"] == limit
                });
                let value = limits.split(" = ").nth(1).unwrap();
                assert_eq!(line["receipt"]["limit_value"], value, "{line}");
                assert_eq!(get(&server, component, "/hello").status, 200);
            }
        });
    }
}

#[test]
fn what_one_component_holds_another_has_not() {
    let server = up("connections = 1");
    beside_a_neighbour(&server, || {
        let slow = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let fetch = |addr| format!("/fetch?url=http://{addr}/");
        let of_slow = fetch(slow.local_addr().unwrap());
        let of_origin = fetch(origin().addr);
        std::thread::scope(|scope| {
            // Its request to a server that does not answer is all that the app may have.
            let holder = scope.spawn(|| ask(&server, "one", &of_slow));
            let (held, _) = slow.accept().unwrap();
            let refused = get(&server, "two", &of_origin);
            assert_eq!(refused.status, 200, "the guest tells of it");
            server.logged("request", |line| {
                line["component"] == "two" && line["receipt"]["limit"] == "app_connections"
            });
            drop(held);
            assert_eq!(holder.join().unwrap().unwrap().status, 200);
            let reply = get(&server, "two", &of_origin);
            assert_ne!(reply.text(), refused.text(), "it was given back");
        });
    });
}

#[test]
fn lines_of_all_components_together() {
    let server = up("log_rate = \"16 KiB\"");
    beside_a_neighbour(&server, || {
        assert_eq!(get(&server, "one", "/log?n=2000").status, 200);
        // What was lost is told of with the first line that comes a second later.
        std::thread::sleep(std::time::Duration::from_millis(1200));
        assert_eq!(get(&server, "one", "/log?n=1").status, 200);
        let line = server.logged("log", |line| line["limit"] == "app_log_rate");
        assert_eq!(line["limit_value"], "16 KiB", "{line}");
        assert_eq!(line["component"], "limits/one");
    });
}

#[test]
fn a_limit_of_an_app_that_makes_no_sense() {
    let app = App::lab("");
    for (limits, said) in [
        ("memory = \"1 KiB\"", "`memory` must be at least 64 KiB"),
        ("concurrency = 0", "concurrency"),
        ("connections = 0", "connections"),
        ("cpu = \"1 s\"", "cpu"),
    ] {
        app.edit(
            "name = \"lab\"\n",
            &format!("name = \"lab\"\nlimits = {{ {limits} }}\n"),
        );
        let refused = app.refused();
        let refused = refused.is(2);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        app.edit(&format!("limits = {{ {limits} }}\n"), "");
    }
}
