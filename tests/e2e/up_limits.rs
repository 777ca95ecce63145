//! Limits of `holm up` one by one, reached by a guest on purpose, while another app on the same host is
//! served without one failure. `limits_each.rs` goes through all of them.

use crate::app::*;
use crate::client::*;
use crate::origin::origin;
use crate::support::*;
use crate::tenants::*;
use serde_json::Value;

/// [`host_of`] this guest alone, for each of these lines of limits.
fn host(guest: &str, components: &[(&str, &str)]) -> Tenants {
    let of = components
        .iter()
        .map(|(name, lines)| (*name, guest, *lines));
    host_of(&of.collect::<Vec<_>>())
}

/// The log's line of the first request of a component for a path.
#[track_caller]
fn line(server: &Server, component: &str, path: &str) -> Value {
    server.logged("request", |line| {
        line["component"] == component && line["path"] == path
    })
}

/// Exactly as much as is allowed is allowed.
#[test]
fn up_to_a_limit_all_is_well() {
    let server = host(
        "http-lab",
        &[
            ("fields", "limits.header_count = 10"),
            ("big", "limits.response_body = \"1 KiB\""),
            ("sink", "limits.request_body = \"1 KiB\""),
            ("written", "limits.bytes_written = \"1 KiB\""),
        ],
    )
    .up();
    assert_eq!(get(&server, "fields", "/hold/fields?n=10").status, 200);
    assert_eq!(get(&server, "big", "/big?bytes=1024").body.len(), 1024);
    let post = |component: &str, method: &str, path: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("{component}.test"));
        server.request(request.body(vec![b'x'; 1024]).unwrap())
    };
    assert_eq!(post("sink", "POST", "/sink").text(), "1024\n");
    assert_eq!(post("written", "PUT", "/file?path=/data/a").status, 200);
}

#[test]
fn a_body_that_says_it_is_too_large_never_reaches_the_guest() {
    let server = host("http-lab", &[("lab", "limits.request_body = \"1 KiB\"")]).up();
    beside_a_neighbour(&server, || {
        let request = http::Request::post("/sink")
            .header("host", "lab.test")
            .header("accept", "application/json");
        let reply = server.request(request.body(vec![b'x'; 1025]).unwrap());
        assert_eq!(reply.status, 413);
        assert_eq!(reply.json()["code"], "too_large");
        let line = line(&server, "lab", "/sink");
        assert_eq!(line["fault"]["limit"], "request_body");
        assert_eq!(line["receipt"], Value::Null, "no guest has run: {line}");
    });
}

/// Its length is not known beforehand: the guest reads an error, never a silent end, and whatever it
/// makes of that, the client is told.
#[tokio::test]
async fn a_body_that_turns_out_too_large() {
    for (guest, http2) in [
        ("http-lab", false),
        ("http-lab", true),
        ("http-lab-p3", false),
        ("http-lab-p3", true),
    ] {
        let server = host(guest, &[("lab", "limits.request_body = \"100 KiB\"")]).up();
        let (mut connection, uri) = match http2 {
            false => (Connection::http1(server.addr()).await, "/sink"),
            true => (
                Connection::http2(server.addr()).await,
                "http://lab.test/sink",
            ),
        };
        let request = http::Request::post(uri).header("host", "lab.test");
        let (mut body, sent) = pieces();
        let sender = tokio::spawn(async move {
            for _ in 0..101 {
                body.send(vec![b'x'; 1024]).await;
            }
            // It says nothing more, and does not end.
            body
        });
        let answer = connection.send(request.body(sent).unwrap()).await.unwrap();
        let answer = whole(answer).await.unwrap();
        assert_eq!(answer.status, 413, "{guest}, {http2}");
        drop(connection);
        drop(sender.await.unwrap());
        let line = line(&server, "lab", "/sink");
        assert_eq!(line["receipt"]["limit"], "request_body", "{guest}: {line}");
        assert_eq!(line["fault"]["limit"], "request_body", "{guest}: {line}");
        let read = line["bytes_in"].as_u64().unwrap();
        assert!(read <= 100 * 1024, "{guest}: {read}");
    }
}

#[test]
fn an_answer_that_turns_out_too_large_ends_with_an_error() {
    for guest in ["http-lab", "http-lab-p3"] {
        let app = host(
            guest,
            &[
                ("lab", "limits.response_body = \"100 KiB\""),
                ("long", "limits.duration = \"500 ms\""),
            ],
        );
        let server = app.up();
        beside_a_neighbour(&server, || {
            assert!(ask(&server, "lab", "/big?bytes=200000").is_err(), "{guest}");
            let said = line(&server, "lab", "/big");
            assert_eq!(said["receipt"]["limit"], "response_body", "{said}");
            assert_eq!(said["fault"]["limit"], "response_body", "{said}");
            assert!(said["bytes_out"].as_u64().unwrap() <= 100 * 1024, "{said}");
            // It moves bytes all the time, so only the clock for all of it ends it.
            assert!(
                ask(&server, "long", "/sse?n=100000&ms=10").is_err(),
                "{guest}"
            );
            let said = line(&server, "long", "/sse");
            assert_eq!(said["fault"]["limit"], "duration", "{said}");
        });
    }
}

#[test]
fn trailers_have_the_limits_of_headers() {
    let server = host("http-lab", &[("lab", "limits.header_count = 10")]).up();
    assert!(get(&server, "lab", "/hold/trailers?n=10").status == 200);
    assert!(ask(&server, "lab", "/hold/trailers?n=11").is_err());
    let line = server.logged("request", |line| line["receipt"]["limit"].is_string());
    assert_eq!(line["receipt"]["limit"], "header_count", "{line}");
    assert_eq!(line["fault"]["limit"], "header_count", "{line}");
}

#[test]
fn calls_wait_for_their_turn() {
    let server = host(
        "http-lab",
        &[
            (
                "patient",
                "limits = { concurrency = 1, queue = 1, queue_time = \"60 s\" }",
            ),
            (
                "hasty",
                "limits = { concurrency = 1, queue = 1, queue_time = \"50 ms\" }",
            ),
        ],
    )
    .up();
    beside_a_neighbour(&server, || {
        std::thread::scope(|scope| {
            // The first works, the second waits for it, the third is one too many.
            let calls: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| get(&server, "patient", "/sleep?ms=1500")))
                .collect();
            let mut statuses: Vec<u16> = calls
                .into_iter()
                .map(|c| c.join().unwrap().status)
                .collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 200, 503]);
            let calls: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| get(&server, "hasty", "/sleep?ms=1500")))
                .collect();
            let mut replies: Vec<Reply> = calls.into_iter().map(|c| c.join().unwrap()).collect();
            replies.sort_by_key(|reply| reply.status);
            assert_eq!(replies[0].status, 200);
            assert_eq!(replies[1].status, 503);
            assert_eq!(replies[1].header("retry-after"), "1");
            assert_eq!(replies[1].json()["code"], "busy");
        });
    });
    let said = |component: &str| {
        let line = server.logged("request", |line| {
            line["component"] == component && line["status"] == 503
        });
        let fault = &line["fault"];
        assert_eq!(fault["kind"], "yours");
        format!(
            "{}: {}\n  {}\n  {}\n",
            fault["limit"].as_str().unwrap(),
            fault["message"].as_str().unwrap(),
            fault["help"][0].as_str().unwrap(),
            fault["help"][1].as_str().unwrap()
        )
    };
    shot!("limits_of_the_queue", said("patient") + &said("hasty"));
}

/// A pool of instances that is full is waited for in the same way.
#[test]
fn calls_wait_for_a_place_in_the_pool() {
    let server = App::lab("limits.queue_time = \"60 s\"").up_with(&["--instances", "1"]);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| server.get("/sleep?ms=200")))
            .collect();
        for call in calls {
            assert_eq!(call.join().unwrap().status, 200);
        }
    });
}

#[test]
fn what_a_guest_may_hold_open() {
    let origin = origin();
    let server = host(
        "http-lab",
        &[(
            "lab",
            "limits = { open_files = 5, sockets = 7, handles = 1000 }",
        )],
    )
    .up();
    let held = |path: &str| {
        let reply = get(&server, "lab", path);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let held = reply.json();
        (held["held"].as_u64().unwrap(), held["error"].clone())
    };
    beside_a_neighbour(&server, || {
        let (files, error) = held("/hold/files?n=100&path=/data/file");
        assert_eq!(files, 5, "{error}");
        assert_eq!(
            line(&server, "lab", "/hold/files")["receipt"]["limit"],
            "open_files"
        );
        let (sockets, error) = held("/hold/sockets?n=100");
        assert_eq!(sockets, 7, "{error}");
        assert_eq!(
            line(&server, "lab", "/hold/sockets")["receipt"]["limit_value"],
            "7"
        );
        // One after the other there is no limit.
        for _ in 0..10 {
            assert_eq!(
                get(&server, "lab", "/file?path=/data/file").text(),
                "content"
            );
        }
    });
    drop(server);
    let server = host("http-lab-p3", &[("lab", "limits.open_files = 5")]).up();
    let held = get(&server, "lab", "/hold/files?n=100&path=/data/file").json();
    assert_eq!(held["held"], 5, "{held}");
    assert_eq!(
        line(&server, "lab", "/hold/files")["receipt"]["limit"],
        "open_files"
    );
    drop(server);
    let server = host("http-lab", &[("lab", "limits.outbound = 1")]).up();
    let path = format!("/hold/requests?n=2&to={}", origin.addr);
    let held = get(&server, "lab", &path).json();
    assert_eq!(held["held"], 1, "{held}");
    assert!(
        held["error"]
            .as_str()
            .unwrap()
            .contains("ConnectionLimitReached"),
        "{held}"
    );
    let line = line(&server, "lab", "/hold/requests");
    assert_eq!(line["receipt"]["limit"], "outbound", "{line}");
}

#[test]
fn what_a_call_may_write_and_fetch() {
    let origin = origin();
    for guest in ["http-lab", "http-lab-p3"] {
        let app = host(
            guest,
            &[
                ("write", "limits.bytes_written = \"100 KiB\""),
                ("fetch", "limits.outbound_bytes = 3"),
            ],
        );
        let server = app.up();
        beside_a_neighbour(&server, || {
            let request = http::Request::put("/file?path=/data/big").header("host", "write.test");
            let reply = server.request(request.body(vec![b'x'; 200 * 1024]).unwrap());
            assert_eq!(reply.status, 404, "{guest}: {}", reply.text());
            let size = std::fs::metadata(app.dir().join("data/big")).unwrap().len();
            assert!(size <= 100 * 1024, "{guest}: {size}");
            let said = line(&server, "write", "/file");
            assert_eq!(said["receipt"]["limit"], "bytes_written", "{guest}: {said}");

            let path = format!("/fetch?url=http://{}/", origin.addr);
            let reply = get(&server, "fetch", &path);
            assert!(reply.text().contains("error"), "{guest}: {}", reply.text());
            let said = line(&server, "fetch", "/fetch");
            assert_eq!(
                said["receipt"]["limit"], "outbound_bytes",
                "{guest}: {said}"
            );
        });
    }
}

#[test]
fn what_a_store_may_keep() {
    let server = host("http-lab", &[("lab", "limits.value_size = \"1 KiB\"")]).up();
    let answer = get(&server, "lab", "/kv/set?key=a&bytes=1025").json();
    let told = "a value of 1025 bytes: the value_size limit of 1 KiB was reached";
    assert_eq!(answer["detail"], told);
    let line = line(&server, "lab", "/kv/set");
    assert_eq!(line["receipt"]["limit"], "value_size");
    let answer = get(&server, "lab", "/kv/set?key=a&bytes=1024").json();
    assert_eq!(answer["error"], Value::Null);
}

/// Trusted code is not asked whether it is over a limit of CPU time, and all else holds.
#[test]
fn without_a_deadline() {
    let server = host(
        "http-lab",
        &[(
            "lab",
            "limits = { cpu = \"none\", memory = \"4 MiB\", timeout = \"300 ms\" }",
        )],
    )
    .up();
    assert_eq!(get(&server, "lab", "/burn?n=10000000").status, 200);
    assert_eq!(get(&server, "lab", "/grow").status, 500);
    assert_eq!(get(&server, "lab", "/hang").status, 504);
    assert_eq!(line(&server, "lab", "/grow")["fault"]["limit"], "memory");
    assert_eq!(line(&server, "lab", "/hang")["fault"]["limit"], "timeout");
}

/// And its code is another than that of others: one that is not asked at each tick.
#[test]
fn without_a_deadline_the_code_is_another() {
    let cache = Scratch::new();
    let codes = |limits: &str| {
        let app = App::of("http-hello", limits);
        let command = holm().args(["up", "--listen", "127.0.0.1:0"]);
        let command = command.env("HOLM_CACHE_DIR", cache.path());
        let server = Server::start(command.dir(app.dir().path()));
        assert_eq!(server.get("/").text(), "hello\n");
        let folders = std::fs::read_dir(cache.join("code")).unwrap().flatten();
        let files =
            folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
        let names = files.flatten().map(|file| file.file_name());
        let codes = names.filter(|name| name.to_string_lossy().ends_with(".cwasm"));
        codes.count()
    };
    assert_eq!(codes(""), 1);
    assert_eq!(
        codes("limits.cpu = \"1 min\""),
        1,
        "one deadline is as another"
    );
    assert_eq!(codes("limits.cpu = \"none\""), 2);
}

/// Fuel counts the same work the same, and a reused instance begins each call with all of it.
#[test]
fn fuel_is_exact() {
    let app = host(
        "http-lab",
        &[
            ("fresh", "limits.fuel = 100_000_000"),
            (
                "reused",
                "reuse = 10\nlimits = { fuel = 100_000_000, cpu = \"none\" }",
            ),
        ],
    );
    let server = app.up();
    let burnt = |component: &str| -> Vec<u64> {
        for _ in 0..3 {
            assert_eq!(get(&server, component, "/burn?n=100000").status, 200);
        }
        until("three receipts", || {
            let lines = server.log("request");
            let of = lines.iter().filter(|line| line["component"] == component);
            let fuel: Vec<u64> = of.filter_map(|l| l["receipt"]["fuel"].as_u64()).collect();
            (fuel.len() == 3).then_some(fuel)
        })
    };
    let fresh = burnt("fresh");
    assert!(fresh[0] > 100_000, "{fresh:?}");
    assert!(fresh.iter().all(|fuel| *fuel == fresh[0]), "{fresh:?}");
    let reused = burnt("reused");
    assert!(reused[1] < reused[0], "it starts but once: {reused:?}");
    assert_eq!(reused[1], reused[2]);
    assert_eq!(get(&server, "good", "/").status, 200);
    let plain = line(&server, "good", "/");
    assert_eq!(plain["receipt"]["fuel"], Value::Null, "{plain}");
}
