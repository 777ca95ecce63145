//! Clients that take their time: each is cut after the time that `[serve]` gives, and hurts nobody.
//!
//! What bounds these tests is how often something is sent, not a clock: a client that is not cut
//! has sent it all before the default of the setting would have cut it.

use crate::app::*;
use crate::client::dechunked;
use crate::support::*;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How far apart the pieces of a slow client are.
const APART: Duration = Duration::from_millis(50);

/// Times that are never over in a test, but for the one that is its matter.
fn serving(setting: &str) -> String {
    let others = ["header_timeout", "idle_timeout", "body_timeout"]
        .into_iter()
        .filter(|name| !setting.starts_with(name));
    let others: String = others.map(|name| format!("{name} = \"1 h\"\n")).collect();
    format!("[serve]\n{setting}\n{others}")
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends this, then the piece again and again; what the server has answered when it hangs up.
/// Panics if it takes all the pieces.
fn dribble(addr: SocketAddr, first: &str, piece: &[u8], pieces: usize) -> String {
    let mut stream = connect(addr);
    stream.write_all(first.as_bytes()).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || {
        let mut answer = Vec::new();
        let _ = answers.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    for _ in 0..pieces {
        if answer.is_finished() || stream.write_all(piece).is_err() {
            return answer.join().unwrap();
        }
        std::thread::sleep(APART);
    }
    panic!("it was not cut: {first:?}");
}

#[test]
fn a_header_that_does_not_end() {
    let server = App::lab("")
        .and(&serving("header_timeout = \"300 ms\""))
        .up();
    let addr = server.addr();
    // 8 s of them, where 10 s are the default.
    for first in ["", "GET /hello HTTP/1.1\r\nhost: a\r\nx: ", "PRI * HTTP/2"] {
        let cut = std::thread::spawn(move || dribble(addr, first, b"x", 160));
        assert_eq!(server.get("/hello").status, 200);
        let answer = cut.join().unwrap();
        assert!(!answer.contains("200 OK"), "{first:?}: {answer}");
    }
    // Nothing at all, either.
    assert_eq!(connect(addr).read(&mut [0]).unwrap(), 0);
    assert_eq!(server.get("/hello").status, 200);
}

#[test]
fn a_connection_that_is_kept_for_nothing() {
    let server = App::lab("").and(&serving("idle_timeout = \"300 ms\"")).up();
    let mut stream = connect(server.addr());
    let mut answer = String::new();
    for _ in 0..3 {
        stream
            .write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
            .unwrap();
        std::thread::sleep(APART);
    }
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{answer}");
}

/// A body that the guest reads: it is told, and what it answers is its own business.
#[test]
fn a_body_that_comes_too_slowly() {
    for guest in ["http-lab", "http-lab-p3"] {
        let grants =
            "grants.keyvalue = [\"default\"]\nlimits = { concurrency = 1, timeout = \"1 h\" }";
        let server = App::of(guest, grants)
            .and(&serving("body_timeout = \"400 ms\""))
            .up();
        let addr = server.addr();
        let head = "POST /sink HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        // 20 bytes a second, where 1 KiB is the least.
        for body in ["content-length: 1000000", "transfer-encoding: chunked"] {
            let first = format!("{head}{body}\r\n\r\n");
            let answer = dribble(addr, &first, b"1\r\nx\r\n", 160);
            assert!(!answer.contains("200 OK"), "{guest}: {answer}");
        }
        // Its place is free again.
        until("the component has room", || {
            (server.get("/hello").status == 200).then_some(())
        });
    }
}

/// 10 KiB a second, for longer than the setting.
#[test]
fn a_body_that_comes_steadily() {
    let server = App::lab("").and(&serving("body_timeout = \"400 ms\"")).up();
    let mut stream = connect(server.addr());
    stream
        .write_all(
            b"POST /sink HTTP/1.1\r\nhost: a\r\ncontent-length: 20480\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    for _ in 0..40 {
        stream.write_all(&[b'x'; 512]).unwrap();
        std::thread::sleep(APART);
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(dechunked(&answer).as_deref(), Some("20480\n"), "{answer}");
}

#[test]
fn an_answer_that_nobody_takes() {
    const BYTES: usize = 100_000_000;
    let server = App::lab("").and(&serving("body_timeout = \"400 ms\"")).up();
    let mut stream = connect(server.addr());
    let head = format!("GET /big?bytes={BYTES} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let line = server.entry("/big");
    assert_eq!(line["aborted"], true, "{line}");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(answer.len() < BYTES, "{}", answer.len());
}

#[test]
fn no_time_at_all_is_refused() {
    let serve = "[serve]\nheader_timeout = \"0 s\"\nidle_timeout = \"10\"\nbody_timeout = \"-1 s\"";
    let out = App::lab("").and(serve).check();
    out.is(2);
    shot!(out.stdout + &out.stderr);
}

/// A body that nobody reads, to its end, and only then the answer that was there before.
#[test]
fn who_reads_the_answer_last_gets_it() {
    const BODY: usize = 32 << 20;
    for (limit, status) in [("", "200"), ("limits.request_body = \"1 MiB\"\n", "413")] {
        let server = App::lab(limit).up();
        let mut stream = connect(server.addr());
        let head = format!("POST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'x'; BODY]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("content-length") || answer.contains("chunked"),
            "{answer}"
        );
    }
}
