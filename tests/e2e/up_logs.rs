//! The log: a line for each request with its receipt, and the guests' own lines.

use crate::app::*;
use crate::client::*;
use crate::support::*;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_request_and_what_it_cost() {
    let server = App::lab("").up();
    server.get("/kv/incr?key=a");
    let echoed = server.request(
        http::Request::post("/echo?token=secret")
            .body(vec![b'x'; 100_000])
            .unwrap(),
    );
    assert_eq!(echoed.body.len(), 100_000);
    let line = server.entry("/echo");
    let id = line["request_id"].as_str().unwrap();
    assert!(id.len() == 36 && id.starts_with("req_"), "{line}");
    for (key, value) in [
        ("http", "1.1"),
        ("method", "POST"),
        ("route", "/..."),
        ("component", "lab"),
        ("path", "/echo"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(line["host"], server.addr().to_string());
    assert!(
        line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{line}"
    );
    for (key, value) in [
        ("status", 200),
        ("bytes_in", 100_000),
        ("bytes_out", 100_000),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert_eq!(
        (&line["tls"], &line["aborted"]),
        (&false.into(), &false.into())
    );
    let receipt = &line["receipt"];
    let number = |key: &str| {
        receipt[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {line}"))
    };
    assert!(
        number("cpu_us") > 0 && number("wall_us") > 0 && number("memory_peak") > 65_536,
        "{line}"
    );
    assert_eq!(
        receipt["bytes"]["http-server"],
        serde_json::json!([100_000, 100_000]),
        "{line}"
    );
    let calls = &receipt["calls"]["wasi:http/types"];
    assert_eq!(calls["[static]response-outparam.set"]["count"], 1, "{line}");
    assert!(
        !line.to_string().contains("secret"),
        "queries hold secrets: {line}"
    );
    let stored = server.entry("/kv/incr");
    assert_eq!(
        stored["receipt"]["calls"]["wasi:keyvalue/atomics"]["increment"]["count"], 1,
        "{stored}"
    );
    assert!(
        line["duration_us"].as_u64() >= line["head_us"].as_u64(),
        "{line}"
    );
    let time = line["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
}

#[test]
fn ids_are_of_one_request_each() {
    let server = App::lab("").up();
    for _ in 0..20 {
        let claimed = http::Request::get("/hello")
            .header("x-request-id", "mine")
            .body(Vec::new())
            .unwrap();
        server.request(claimed);
    }
    let lines = until("the lines", || {
        Some(server.log("request")).filter(|lines| lines.len() == 20)
    });
    let ids: Vec<&str> = lines
        .iter()
        .map(|line| line["request_id"].as_str().unwrap())
        .collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 20, "{ids:?}");
    // They sort by the time of arrival; the lines themselves come when each request is done.
    let mut lines = lines;
    lines.sort_by_key(|line| line["request_id"].as_str().unwrap().to_owned());
    let times: Vec<&str> = lines
        .iter()
        .map(|line| line["time"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn what_a_guest_prints() {
    let server = App::lab("").up();
    server.get("/log?n=3");
    server.entry("/log");
    let of = |stream: &str| -> Vec<String> {
        let lines = server
            .log("log")
            .into_iter()
            .filter(|line| line["stream"] == stream);
        lines
            .map(|line| {
                assert_eq!(line["component"], "lab");
                line["line"].as_str().unwrap().to_owned()
            })
            .collect()
    };
    until("all lines", || (server.log("log").len() == 6).then_some(()));
    assert_eq!(of("stdout"), ["out 1", "out 2", "out 3"]);
    assert_eq!(of("stderr"), ["err 1", "err 2", "err 3"]);
    assert_eq!(
        server.stdout().len(),
        1,
        "standard output is for the address alone: {:?}",
        server.stdout()
    );
}

#[test]
fn too_many_lines_are_dropped_and_counted() {
    let server = App::lab("limits.log_rate = \"1 KiB\"").up();
    let reply = server.get("/log?n=5000");
    assert_eq!(reply.status, 200, "the guest sees no error for it");
    std::thread::sleep(Duration::from_millis(1100));
    server.get("/hello");
    let dropped = server.logged("log", |line| line["dropped_lines"].as_u64() > Some(100));
    assert_eq!(dropped["component"], "lab");

    let kept: usize = server
        .log("log")
        .iter()
        .filter_map(|line| Some(line["line"].as_str()?.len()))
        .sum();
    // Any one line must fit, so the least rate is that of the longest line.
    assert!(kept < 3 * 8 * 1024, "{kept} bytes were kept");
    // A second later it may speak again.
    server.get("/log?n=1&text=again");
    server.logged("log", |line| line["line"] == "again");
}

/// Control characters and marks of direction, in the raw bytes of the log.
fn is_clean(line: &str) -> bool {
    line.chars().all(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}'))
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_it_is() {
    let server = App::lab("").up();
    server.get(
        "/log?n=0&text=%1b[2Jwiped%1b]0;title%07%0d%e2%80%ae%c2%9b31m%0a%7b%22type%22:%22request%22%7d",
    );
    server.logged("log", |line| {
        line["line"]
            .as_str()
            .is_some_and(|text| text.contains("wiped"))
    });
    server.logged("log", |line| line["line"] == "{\"type\":\"request\"}");
    for path in ["/\u{202e}evil", "/\u{9b}31m", "/a%1b[2J"] {
        let mut request =
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").into_bytes();
        raw(server.addr(), &request);
        request.truncate(4);
    }
    raw(
        server.addr(),
        "GET /ok HTTP/1.1\r\nhost: \u{202e}a\u{9b}\r\nconnection: close\r\n\r\n",
    );
    server.get("/end");
    server.entry("/end");
    for line in server.stderr() {
        assert!(is_clean(&line), "{line:?}");
        let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(["request", "log"].contains(&parsed["type"].as_str().unwrap()));
    }
}

#[test]
fn a_path_is_cut() {
    let server = App::lab("").up();
    server.get(&format!("/{}", "a".repeat(10_000)));
    let line = server.logged("request", |line| {
        line["path"].as_str().unwrap().starts_with("/aaa")
    });
    assert!(line["path"].as_str().unwrap().len() < 2100);
}

#[test]
fn quiet_is_quiet() {
    let server = App::lab("").up_with(&["--quiet"]);
    assert_eq!(server.get("/hello").status, 200);
    server.get("/log?n=1");
    server.logged("log", |line| line["line"] == "out 1");
    assert!(server.log("request").is_empty());
}

#[test]
fn the_client_is_told_what_it_cost_only_where_the_manifest_asks() {
    let server = App::lab("").up();
    assert_eq!(server.get("/hello").header("server-timing"), "");
    for name in ["http-lab", "http-lab-p3"] {
        let app =
            App::of(name, "grants.keyvalue = [\"default\"]").and("[serve]\nserver_timing = true");
        let server = app.up();
        let is_timing = |text: &str| text.starts_with("cpu;dur=") && text.contains(", wall;dur=");
        let reply = server.get("/hello");
        let in_trailers = |trailers: &Option<http::HeaderMap>| {
            trailers
                .as_ref()
                .and_then(|t| t.get("server-timing"))
                .is_some_and(|v| is_timing(v.to_str().unwrap()))
        };
        assert!(
            is_timing(reply.header("server-timing")) || reply.header("trailer") == "server-timing",
            "{name}: {reply:?}"
        );
        // Where the body streams, as a trailer; what the guest's own trailers say stays.
        let addr = server.addr();
        block(async move {
            for mut connection in [Connection::http1(addr).await, Connection::http2(addr).await] {
                let request = http::Request::get("/sse?n=3&ms=30")
                    .header("te", "trailers")
                    .body(full(""))
                    .unwrap();
                let reply = whole(connection.send(request).await.unwrap())
                    .await
                    .unwrap();
                assert_eq!(reply.header("server-timing"), "");
                assert_eq!(reply.header("trailer"), "server-timing");
                assert!(in_trailers(&reply.trailers), "{reply:?}");
                let request = http::Request::get("/trailers")
                    .header("te", "trailers")
                    .body(full(""))
                    .unwrap();
                let reply = whole(connection.send(request).await.unwrap())
                    .await
                    .unwrap();
                assert_eq!(reply.trailers.unwrap()["x-lab-trailer"], "done");
            }
        });
        let line = server.entry("/sse");
        assert_eq!(line["aborted"], false, "{line}");
    }
}

/// `holm up` with a terminal for standard error, and all that it shows there.
fn on_a_terminal(app: &App, ask: impl FnOnce(std::net::SocketAddr)) -> String {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: both numbers are written before the call returns; nothing else is passed.
    let made = unsafe {
        libc::openpty(
            &mut ours,
            &mut theirs,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(made, 0);
    // SAFETY: both are open and nobody else's.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let mut child = holm()
        .args(["up", "--listen", "127.0.0.1:0"])
        .dir(app.dir().path())
        .process()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(theirs))
        .spawn()
        .unwrap();
    let reader = std::thread::spawn(move || {
        let (mut terminal, mut shown, mut some) =
            (std::fs::File::from(ours), Vec::new(), [0; 4096]);
        // The terminal's end is an error: nobody writes any more.
        while let Ok(n @ 1..) = terminal.read(&mut some) {
            shown.extend_from_slice(&some[..n]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    });
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let addr = line
        .trim()
        .strip_prefix("Serving http://")
        .unwrap()
        .parse()
        .unwrap();
    ask(addr);
    signal(&child, libc::SIGTERM);
    assert!(wait(&mut child, Duration::from_secs(30)).unwrap().success());
    reader.join().unwrap()
}

#[test]
fn on_a_terminal_the_log_is_for_people() {
    let app = App::lab("");
    let shown = on_a_terminal(&app, |addr| {
        let ask = |target: &str| {
            raw(
                addr,
                format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
            )
        };
        ask("/hello?token=secret");
        ask("/log?n=1&text=%1b[2Jwiped");
        ask("/trap");
        ask("/kv/get?store=sessions");
        ask("/\u{202e}evil");
        std::thread::sleep(Duration::from_millis(300));
    });
    for part in [
        "/...  →  lab",
        "GET /hello 200 ",
        "lab | \\x1b[2Jwiped",
        "lab | out 1",
        "lab ! err 1",
        "GET /trap 500 ",
        "guest: lab trapped: wasm `unreachable` instruction executed",
        "      at ",
        "denied: open store \"sessions\"; grant it: keyvalue = [\"sessions\"]",
        "  cpu ",
        "  req_",
    ] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    assert!(!shown.contains("secret"), "{shown}");
    assert!(
        !shown.contains("\u{1b}[2J") && !shown.contains('\u{202e}'),
        "{shown:?}"
    );
}

/// Nobody reads the log: requests are answered all the same.
#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let app = App::lab("limits.log_rate = \"100 MiB\"");
    let mut child = holm()
        .args(["up", "--listen", "127.0.0.1:0"])
        .dir(app.dir().path())
        .spawn();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    let addr: std::net::SocketAddr = line
        .trim()
        .strip_prefix("Serving http://")
        .unwrap()
        .parse()
        .unwrap();
    for _ in 0..20 {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
            .write_all(b"GET /log?n=2000 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child, Duration::from_secs(30)).map(code), Some(0));
}
