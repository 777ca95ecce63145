//! Bodies stream both ways in constant memory, and no client and no guest takes the host down.

use crate::app::*;
use crate::client::*;
use crate::support::*;
use std::time::{Duration, Instant};

const GIB: u64 = 1 << 30;
const MEMORY_MB: u64 = 150;

/// One body, two doors: a guest of 0.2 and one of 0.3.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod wasi_0_2 { $(#[test] fn $name() { super::$name("http-lab"); })* }
        mod wasi_0_3 { $(#[test] fn $name() { super::$name("http-lab-p3"); })* }
    };
}

both!(
    a_gigabyte_up_and_down,
    an_echo_before_the_request_ends,
    events_come_as_they_are_sent,
    trailers_in_both_versions,
    trailers_of_a_request,
    answers_that_are_not_final,
    answers_that_contradict_themselves,
    a_client_that_leaves_half_way,
    a_client_that_leaves_before_the_answer,
    a_guest_that_never_answers,
    a_trap_and_the_host_goes_on,
    a_trap_in_the_middle_cuts_the_connection,
);

/// Any lab; both are granted the same.
fn lab(name: &str, more: &str) -> App {
    App::of(name, &format!("grants.keyvalue = [\"default\"]\n{more}"))
}

fn a_gigabyte_up_and_down(name: &str) {
    let _alone = alone();
    let bytes = GIB;
    let server = lab(name, "").up();
    let addr = server.addr();
    block(async move {
        let mut connection = Connection::http1(addr).await;
        let sunk = whole(connection.post("/sink", long(bytes)).await.unwrap())
            .await
            .unwrap();
        assert_eq!(sunk.text(), format!("{bytes}\n"));
        let got = connection
            .get(&format!("/big?bytes={bytes}"))
            .await
            .unwrap();
        assert_eq!(count(got).await.unwrap(), bytes);
        // And both at once, over HTTP/2.
        let mut connection = Connection::http2(addr).await;
        let got = connection.post("/echo", long(bytes / 8)).await.unwrap();
        assert_eq!(count(got).await.unwrap(), bytes / 8);
    });
    let peak = server.memory_peak_mb();
    assert!(peak < MEMORY_MB, "the server took {peak} MB");
    let line = server.entry("/sink");
    assert_eq!(line["bytes_in"], bytes, "{line}");
    let line = server.entry("/big");
    assert_eq!(
        (&line["bytes_out"], &line["aborted"]),
        (&bytes.into(), &false.into()),
        "{line}"
    );
}

fn an_echo_before_the_request_ends(name: &str) {
    let server = lab(name, "").up();
    let addr = server.addr();
    block(async move {
        for mut connection in [Connection::http1(addr).await, Connection::http2(addr).await] {
            let (mut pieces, body) = pieces();
            let request = http::Request::post("/echo")
                .header("content-type", "text/x")
                .body(body)
                .unwrap();
            let mut response = None;
            let mut asked = Box::pin(connection.send(request));
            for i in 0..5 {
                let text = format!("piece {i}");
                // The client's own side moves only while the request is polled.
                if response.is_none() {
                    let (sent, got) = tokio::join!(pieces.send(text.clone()), &mut asked);
                    assert!(sent);
                    response = Some(got.unwrap());
                } else {
                    assert!(pieces.send(text.clone()).await);
                }
                let response = response.as_mut().unwrap();
                let mut echoed = Vec::new();
                while echoed.len() < text.len() {
                    echoed.extend_from_slice(&piece(response).await.unwrap().unwrap());
                }
                assert_eq!(echoed, text.as_bytes());
            }
            drop(pieces);
            let mut response = response.unwrap();
            assert_eq!(response.headers()["content-type"], "text/x");
            let end = piece(&mut response).await;
            assert!(end.is_none(), "{end:?}");
        }
    });
}

fn events_come_as_they_are_sent(name: &str) {
    let server = lab(name, "").up();
    let addr = server.addr();
    let event = |i| format!("id: {i}\ndata: event {i}\n\n");
    block(async move {
        for mut connection in [Connection::http1(addr).await, Connection::http2(addr).await] {
            let reply = whole(connection.get("/sse?n=5&ms=1").await.unwrap());
            assert_eq!(
                reply.await.unwrap().text(),
                (1..=5).map(event).collect::<String>()
            );
            // The second is an hour away: whoever gathers them keeps the first back.
            let mut response = connection.get("/sse?n=2&ms=3600000").await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let mut text = String::new();
            while text.len() < event(1).len() {
                let piece = piece(&mut response).await.unwrap().unwrap();
                text.push_str(std::str::from_utf8(&piece).unwrap());
            }
            assert_eq!(text, event(1));
        }
    });
}

fn trailers_in_both_versions(name: &str) {
    let server = lab(name, "").up();
    let addr = server.addr();
    block(async move {
        for mut connection in [Connection::http1(addr).await, Connection::http2(addr).await] {
            let request = http::Request::get("/trailers")
                .header("te", "trailers")
                .body(full(""))
                .unwrap();
            let reply = whole(connection.send(request).await.unwrap())
                .await
                .unwrap();
            assert_eq!(
                (reply.text().as_str(), reply.header("trailer")),
                ("hello\n", "x-lab-trailer")
            );
            assert_eq!(reply.trailers.expect("trailers")["x-lab-trailer"], "done");
        }
        // A client of HTTP/1.1 that asks for none gets none.
        let mut connection = Connection::http1(addr).await;
        let reply = whole(connection.get("/trailers").await.unwrap())
            .await
            .unwrap();
        assert_eq!((reply.text().as_str(), reply.trailers), ("hello\n", None));
    });
}

fn trailers_of_a_request(name: &str) {
    let server = lab(name, "").up();
    let addr = server.addr();
    block(async move {
        for mut connection in [Connection::http1(addr).await, Connection::http2(addr).await] {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("x-checksum", "12345".parse().unwrap());
            let request = http::Request::post("/request-trailers")
                .header("trailer", "x-checksum")
                .body(with_trailers("hello", trailers))
                .unwrap();
            let reply = whole(connection.send(request).await.unwrap()).await;
            assert_eq!(reply.unwrap().text(), r#"{"x-checksum":"12345"}"#);
            let none = connection.post("/request-trailers", full("hello")).await;
            let reply = whole(none.unwrap()).await.unwrap();
            assert_eq!((reply.status, reply.text().as_str()), (200, "null"));
        }
    });
}

/// An informational status is not an answer: the client would wait for the one behind it.
fn answers_that_are_not_final(name: &str) {
    let server = lab(name, "limits.concurrency = 1").up();
    let addr = server.addr();
    for code in [100, 101, 103, 199] {
        let path = format!("/status?code={code}");
        let (status, word, line) = server.fault(&path);
        assert_eq!((status, word.as_str()), (502, "no_answer"), "{line}");
        let what = format!("lab answered with status {code}, which is not a final answer");
        assert_eq!(line["fault"]["message"], what, "{line}");
        block(async {
            let mut connection = Connection::http2(addr).await;
            let reply = whole(connection.get(&path).await.unwrap()).await.unwrap();
            assert_eq!(reply.status, 502);
            assert!(!reply.header("x-request-id").is_empty());
            // The connection is as good as before.
            let next = whole(connection.get("/hello").await.unwrap()).await;
            assert_eq!(next.unwrap().text(), "hello\n");
        });
        place_is_free(&server);
    }
}

/// A length that is not that of the body: whatever the client gets, it is never taken for whole.
fn answers_that_contradict_themselves(name: &str) {
    let server = lab(name, "limits.concurrency = 1").up();
    let addr = server.addr();
    for (says, bytes) in [(5, 10), (10, 5)] {
        for http2 in [false, true] {
            let got = block(async {
                let mut connection = match http2 {
                    false => Connection::http1(addr).await,
                    true => Connection::http2(addr).await,
                };
                let path = format!("/lie?says={says}&bytes={bytes}");
                match connection.get(&path).await {
                    Ok(response) => whole(response).await.ok(),
                    Err(_) => None,
                }
            });
            if let Some(reply) = got {
                let cut = reply.status == 200 && reply.body.len() == says && says < bytes;
                assert!(
                    cut || matches!(reply.status, 500 | 502),
                    "{says} {bytes} {http2}: {reply:?}"
                );
            }
            place_is_free(&server);
        }
    }
}

/// There is one place, and it is free again, also of the request that tried it.
fn place_is_free(server: &Server) {
    let answered = || {
        let lines = server.log("request").into_iter();
        lines
            .filter(|line| line["path"] == "/hello" && line["status"] == 200)
            .count()
    };
    let (began, before) = (Instant::now(), answered());
    until("the instance is freed", || {
        (server.get("/hello").status == 200).then_some(())
    });
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "the instance lived for {:?}",
        began.elapsed()
    );
    until("its line", || (answered() > before).then_some(()));
}

/// Begins an upload and leaves; false if it did not get the place, or not yet.
async fn half_an_upload(addr: std::net::SocketAddr, http2: bool) -> bool {
    let mut connection = match http2 {
        false => Connection::http1(addr).await,
        true => Connection::http2(addr).await,
    };
    let (mut pieces, body) = pieces();
    let request = http::Request::post("/sink").header("content-length", "1000000");
    let asked = connection.send(request.body(body).unwrap());
    let leave = async {
        assert!(pieces.send("begun").await);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let other = "GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = tokio::task::spawn_blocking(move || raw(addr, other)).await;
        answer.unwrap().contains(" 503 ")
    };
    tokio::select! {
        got = asked => {
            assert_eq!(got.unwrap().status(), 503, "an answer to half a request");
            false
        }
        runs = leave => runs,
    }
}

fn a_client_that_leaves_half_way(name: &str) {
    let server = lab(name, "limits = { concurrency = 1, queue = 0 }").up();
    let addr = server.addr();
    for http2 in [false, true] {
        let connect = || async move {
            match http2 {
                false => Connection::http1(addr).await,
                true => Connection::http2(addr).await,
            }
        };
        until("an upload runs", || {
            block(half_an_upload(addr, http2)).then_some(())
        });
        place_is_free(&server);
        // Half a download.
        block(async {
            let mut connection = connect().await;
            let mut response = connection.get("/big?bytes=100000000000").await.unwrap();
            for _ in 0..10 {
                piece(&mut response).await.unwrap().unwrap();
            }
        });
        place_is_free(&server);
        // Half a stream of events.
        block(async {
            let mut connection = connect().await;
            let mut response = connection.get("/sse?n=100000&ms=200").await.unwrap();
            piece(&mut response).await.unwrap().unwrap();
        });
        place_is_free(&server);
    }
    let line = server.logged("request", |line| line["path"] == "/big");
    assert_eq!(
        (&line["status"], &line["aborted"]),
        (&200.into(), &true.into()),
        "{line}"
    );
}

/// Nobody waits for the answer any more: the guest is stopped, long before its timeout.
fn a_client_that_leaves_before_the_answer(name: &str) {
    let server = lab(name, "limits.concurrency = 1").up();
    let addr = server.addr();
    for http2 in [false, true] {
        block(async {
            let mut connection = match http2 {
                false => Connection::http1(addr).await,
                true => Connection::http2(addr).await,
            };
            let asked = connection.get("/hang");
            let left = tokio::time::timeout(Duration::from_millis(300), asked).await;
            assert!(left.is_err(), "an answer to /hang");
        });
        place_is_free(&server);
    }
    let line = server.entry("/hang");
    assert_eq!(
        (&line["status"], &line["aborted"]),
        (&serde_json::Value::Null, &true.into()),
        "{line}"
    );
}

fn a_guest_that_never_answers(name: &str) {
    let server = lab(name, "limits.concurrency = 1\nlimits.timeout = \"500 ms\"").up();
    for _ in 0..2 {
        let began = Instant::now();
        let (status, code, line) = server.fault("/hang");
        assert_eq!((status, code.as_str()), (504, "too_slow"));
        assert!(
            began.elapsed() > Duration::from_millis(400)
                && began.elapsed() < Duration::from_secs(5)
        );
        assert_eq!(
            (&line["fault"]["kind"], &line["fault"]["limit"]),
            (&"guest".into(), &"timeout".into()),
            "{line}"
        );
        assert_eq!(line["receipt"]["limit"], "timeout", "{line}");
        assert!(
            line["fault"]["message"]
                .as_str()
                .unwrap()
                .contains("500 ms"),
            "{line}"
        );
        assert!(
            line["fault"]["help"][0]
                .as_str()
                .unwrap()
                .contains("limits = { timeout"),
            "{line}"
        );
        place_is_free(&server);
    }
}

fn a_trap_and_the_host_goes_on(name: &str) {
    let server = lab(name, "limits.concurrency = 1").up();
    let (status, code, line) = server.fault("/trap");
    assert_eq!((status, code.as_str()), (500, "failed"));
    assert_eq!(line["fault"]["kind"], "guest");
    assert!(
        line["fault"]["message"]
            .as_str()
            .unwrap()
            .starts_with("lab trapped: wasm `unreachable`"),
        "{line}"
    );
    assert!(
        line["fault"]["backtrace"].as_array().unwrap().len() > 2,
        "{line}"
    );
    // What it said on its way out is in the log, and not in the answer.
    server.logged("log", |line| {
        line["line"] == "asked to trap" && line["component"] == "lab"
    });
    place_is_free(&server);
}

fn a_trap_in_the_middle_cuts_the_connection(name: &str) {
    let server = lab(name, "limits.concurrency = 1").up();
    let addr = server.addr();
    for http2 in [false, true] {
        block(async {
            let mut connection = match http2 {
                false => Connection::http1(addr).await,
                true => Connection::http2(addr).await,
            };
            // The head waits for the first piece, and may be cut with it.
            let Ok(mut response) = connection.get("/trap?after=1").await else {
                return;
            };
            assert_eq!(response.status(), 200);
            let mut got = Vec::new();
            let end = loop {
                match piece(&mut response).await {
                    Some(Ok(piece)) => got.extend_from_slice(&piece),
                    end => break end,
                }
            };
            assert!(got.is_empty() || got == b"a part\n", "{got:?}");
            assert!(
                matches!(end, Some(Err(_))),
                "half an answer looks like a whole one"
            );
        });
        place_is_free(&server);
    }
    let line = server.entry("/trap");
    assert_eq!(line["status"], 200, "{line}");
    assert!(
        line["fault"]["message"]
            .as_str()
            .unwrap()
            .contains("trapped"),
        "{line}"
    );
}

#[test]
fn ways_to_fail_and_what_the_client_sees() {
    let server =
        App::lab("limits.concurrency = 1\nlimits.cpu = \"200 ms\"\nlimits.memory = \"32 MiB\"")
            .up();
    for (path, status, code, limit, message) in [
        (
            "/spin",
            504,
            "too_slow",
            "cpu",
            "lab used up its CPU time (200 ms)",
        ),
        (
            "/grow",
            500,
            "failed",
            "memory",
            "lab wanted more memory than its limit (32 MiB)",
        ),
        ("/exit?code=1", 500, "failed", "", "lab exited with code 1"),
        (
            "/exit?code=0",
            502,
            "no_answer",
            "",
            "lab returned without an answer",
        ),
        (
            "/nothing",
            502,
            "no_answer",
            "",
            "lab returned without an answer",
        ),
    ] {
        let (got, word, line) = server.fault(path);
        assert_eq!((got, word.as_str()), (status, code), "{path}: {line}");
        assert_eq!(line["fault"]["kind"], "guest", "{line}");
        assert_eq!(line["fault"]["message"], message, "{line}");
        assert_eq!(
            line["fault"]["limit"].as_str().unwrap_or_default(),
            limit,
            "{line}"
        );
        place_is_free(&server);
    }
    let spin = server.entry("/spin");
    assert!(
        !spin["fault"]["backtrace"].as_array().unwrap().is_empty(),
        "where it was is told: {spin}"
    );
}

/// A guest in a loop on each thread: others are answered, and soon.
#[test]
fn guests_in_a_loop_do_not_hold_others_up() {
    let _alone = alone();
    let server = App::lab("limits.cpu = \"3 s\"").up();
    let threads = std::thread::available_parallelism().map_or(4, |n| n.get() + 2);
    std::thread::scope(|scope| {
        let loops: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| server.get("/spin").status))
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..5 {
            let began = Instant::now();
            assert_eq!(server.get("/hello").status, 200);
            assert!(
                began.elapsed() < Duration::from_millis(1500),
                "{:?}",
                began.elapsed()
            );
        }
        for each in loops {
            assert_eq!(each.join().unwrap(), 504);
        }
    });
}

#[test]
fn an_error_code_for_an_answer() {
    let server = App::of("http-lab-p3", "").up();
    let (status, code, line) = server.fault("/error");
    assert_eq!((status, code.as_str()), (502, "no_answer"));
    assert!(
        line["fault"]["message"]
            .as_str()
            .unwrap()
            .contains("InternalError"),
        "{line}"
    );
}

#[test]
fn answers_that_are_not_http() {
    let server = App::lab("").up();
    for code in ["99", "1000", "0"] {
        let reply = server.get(&format!("/status?code={code}"));
        assert!(
            matches!(reply.status, 500 | 502),
            "{code}: {}",
            reply.status
        );
    }
    for code in [200, 204, 304, 404, 418, 500, 599] {
        assert_eq!(server.get(&format!("/status?code={code}")).status, code);
    }
    assert_eq!(server.get("/hello").text(), "hello\n");
}

/// The answer comes while the request still does, and what nobody reads is not kept.
#[test]
fn a_body_that_never_ends_and_a_guest_that_does_not_read() {
    let server = App::lab("limits.concurrency = 1").up();
    let addr = server.addr();
    let sent = std::sync::atomic::AtomicU64::new(0);
    block(async {
        for mut connection in [Connection::http1(addr).await, Connection::http2(addr).await] {
            let (mut pieces, body) = pieces();
            let endless = async {
                while pieces.send(vec![b'x'; 64 * 1024]).await {
                    sent.fetch_add(64 * 1024, std::sync::atomic::Ordering::Relaxed);
                }
                std::future::pending::<()>().await;
            };
            let asked = async {
                let response = connection.post("/sleep?ms=700", body).await?;
                whole(response).await.map_err(|_| ()).ok();
                Ok::<_, hyper::Error>(())
            };
            tokio::select! {
                got = asked => got.expect("an answer, though the request goes on"),
                () = endless => {}
            }
        }
    });
    place_is_free(&server);
    let sent = sent.into_inner();
    assert!(sent < 100_000_000, "{sent} bytes were taken for nobody");
    assert!(server.memory_peak_mb() < MEMORY_MB);
}

#[test]
fn a_body_that_never_ends_and_a_guest_that_reads() {
    let limits = "limits = { concurrency = 1, cpu = \"300 ms\", request_body = \"none\" }";
    let server = App::lab(limits).up();
    let addr = server.addr();
    block(async {
        let mut connection = Connection::http2(addr).await;
        let (mut pieces, body) = pieces();
        let endless = async {
            while pieces.send(vec![b'x'; 64 * 1024]).await {}
            std::future::pending::<()>().await;
        };
        let asked = async {
            connection
                .post("/sink", body)
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        tokio::select! {
            status = asked => assert_eq!(status, 504),
            () = endless => {}
        }
    });
    place_is_free(&server);
    assert_eq!(server.entry("/sink")["fault"]["limit"], "cpu");
    assert!(server.memory_peak_mb() < MEMORY_MB);
}

/// A client that sends nothing more keeps its instance no longer than the timeout says.
#[test]
fn a_body_that_stops_half_way() {
    let server = App::lab("limits.concurrency = 1\nlimits.timeout = \"1 s\"").up();
    let addr = server.addr();
    block(async {
        let mut connection = Connection::http1(addr).await;
        let (mut pieces, body) = pieces();
        let asked = connection.post("/sink", body);
        let begun = async {
            assert!(pieces.send("begun").await);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            got = asked => assert_eq!(got.unwrap().status(), 504),
            () = begun => {}
        }
    });
    place_is_free(&server);
}

/// Each byte that moves begins the timeout anew: what is long may take long.
#[test]
fn the_timeout_is_of_silence() {
    let server = App::lab("limits.timeout = \"700 ms\"").up();
    let reply = server.get("/sse?n=8&ms=200");
    assert_eq!(
        (reply.status, reply.text().matches("data:").count()),
        (200, 8)
    );
}

/// A client that does not read what it asked for costs nothing but its place.
#[test]
fn a_client_that_does_not_read() {
    let server = App::lab("").up();
    let addr = server.addr();
    let lazy: Vec<_> = (0..10)
        .map(|_| {
            use std::io::Write as _;
            let mut stream = std::net::TcpStream::connect(addr).unwrap();
            stream
                .write_all(b"GET /big?bytes=10000000000 HTTP/1.1\r\nhost: a\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.get("/hello").status, 200);
    assert!(server.memory_peak_mb() < MEMORY_MB);
    drop(lazy);
    until("their lines", || {
        (server
            .log("request")
            .iter()
            .filter(|l| l["path"] == "/big")
            .count()
            == 10)
            .then_some(())
    });
}

#[test]
fn pipelined_and_kept_connections() {
    let server = App::lab("").up();
    let two = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\nGET /status?code=201 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = raw(server.addr(), two);
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|a| &a[..3])
        .collect();
    assert_eq!(statuses, ["200", "201"]);
    let old = raw(server.addr(), "GET /hello HTTP/1.0\r\nhost: a\r\n\r\n");
    assert!(
        old.contains(" 200 ") && old.ends_with("hello\n") && !old.contains("chunked"),
        "{old}"
    );
    let head = server.request(http::Request::head("/hello").body(Vec::new()).unwrap());
    assert_eq!((head.status, head.text().as_str()), (200, ""));
    let expecting = "POST /sink HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
    let answer = raw(server.addr(), expecting);
    assert!(
        answer.contains("100 Continue") && answer.ends_with("3\n\r\n0\r\n\r\n")
            || answer.ends_with("3\n"),
        "{answer}"
    );
}
