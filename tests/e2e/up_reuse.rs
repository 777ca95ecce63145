//! A fresh instance for each request, or one for several where the manifest says so.

use crate::app::*;
use crate::client::*;
use crate::support::*;

fn counts(server: &Server, times: usize) -> Vec<String> {
    (0..times)
        .map(|_| server.get("/count").text().trim().to_owned())
        .collect()
}

/// The log's line is written when the instance has been given back.
fn settle(server: &Server, requests: usize) {
    until("the lines of the log", || {
        (server.log("request").len() >= requests).then_some(())
    });
}

fn one_by_one(server: &Server, times: usize) -> Vec<String> {
    let before = server.log("request").len();
    (1..=times)
        .map(|i| {
            let count = counts(server, 1).remove(0);
            settle(server, before + i);
            count
        })
        .collect()
}

#[test]
fn a_fresh_instance_for_each_request() {
    for name in ["http-lab", "http-lab-p3"] {
        let server = App::of(name, "grants.keyvalue = [\"default\"]").up();
        assert_eq!(one_by_one(&server, 4), ["1", "1", "1", "1"], "{name}");
    }
}

#[test]
fn one_instance_for_several() {
    for name in ["http-lab", "http-lab-p3"] {
        let server = App::of(name, "grants.keyvalue = [\"default\"]\nreuse = 3").up();
        assert_eq!(
            one_by_one(&server, 7),
            ["1", "2", "3", "1", "2", "3", "1"],
            "{name}"
        );
    }
}

#[test]
fn an_instance_that_failed_is_never_reused() {
    let server = App::lab("reuse = 10").up();
    assert_eq!(one_by_one(&server, 2), ["1", "2"]);
    for (i, path) in ["/trap", "/nothing", "/exit?code=0", "/exit?code=1"]
        .iter()
        .enumerate()
    {
        server.get(path);
        settle(&server, 3 * (i + 1));
        assert_eq!(one_by_one(&server, 2), ["1", "2"], "after {path}");
    }
}

#[test]
fn limits_count_for_each_request_anew() {
    let server = App::lab("reuse = 100\nlimits.cpu = \"100 ms\"\nlimits.timeout = \"2 s\"").up();
    let slow: Vec<u16> = (0..5).map(|_| server.get("/sleep?ms=600").status).collect();
    assert_eq!(slow, [200; 5]);
    for _ in 0..200 {
        assert_eq!(server.get("/random?n=20000").status, 200);
    }
    let lines = server.log("request");
    let costly = lines
        .iter()
        .filter(|l| l["receipt"]["cpu_us"].as_u64() > Some(100_000))
        .count();
    assert_eq!(costly, 0);
    let all: u64 = lines
        .iter()
        .filter_map(|l| l["receipt"]["cpu_us"].as_u64())
        .sum();
    assert!(
        all > 100_000,
        "{all} µs in all: no limit was in the way of any"
    );
}

#[test]
fn a_receipt_s_bytes_are_its_own_request_s() {
    for name in ["http-lab", "http-lab-p3"] {
        let grant = "grants.keyvalue = [\"default\"]\nreuse = 1000";
        let server = App::of(name, grant).up();
        // The instance is free, and perhaps at the next request, before the answer's last byte.
        for size in 1..=40 {
            let request = http::Request::post("/echo").body(vec![b'x'; size]);
            let reply = server.request(request.unwrap());
            assert_eq!(reply.body.len(), size, "{name}");
        }
        settle(&server, 40);
        let lines = server.log("request");
        let bytes = |line: &serde_json::Value| line["receipt"]["bytes"]["http-server"].clone();
        let mut bytes: Vec<_> = lines.iter().map(bytes).collect();
        bytes.sort_by_key(|pair| pair[0].as_u64());
        let expected: Vec<_> = (1..=40)
            .map(|size| serde_json::json!([size, size]))
            .collect();
        assert_eq!(bytes, expected, "{name}");
    }
}

#[test]
fn each_of_many_at_once_has_an_instance_of_its_own() {
    let server = App::lab("").up();
    let counts: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| counts(&server, 5)))
            .collect();
        all.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        counts.len() == 100 && counts.iter().all(|count| count == "1"),
        "{counts:?}"
    );
}

#[test]
fn more_than_may_run_at_once_are_sent_away() {
    let server = App::lab("limits = { concurrency = 2, queue = 0 }").up();
    let addr = server.addr();
    block(async {
        let mut taken = Vec::new();
        for _ in 0..2 {
            let mut connection = Connection::http1(addr).await;
            let mut events = connection.get("/sse?n=1000&ms=100").await.unwrap();
            piece(&mut events).await.unwrap().unwrap();
            taken.push((connection, events));
        }
        let busy = server.get("/hello");
        assert_eq!((busy.status, busy.header("retry-after")), (503, "1"));
        let id = busy.header("x-request-id");
        let line = server.logged("request", |line| line["request_id"] == id);
        assert_eq!(line["fault"]["limit"], "queue", "{line}");
    });
    until("a free instance", || {
        (server.get("/hello").status == 200).then_some(())
    });
}
