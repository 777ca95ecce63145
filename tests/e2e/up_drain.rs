//! The end: requests in flight finish, and nothing is waited for for ever.

use crate::app::*;
use crate::client::*;
use crate::support::*;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// So many requests for a path, which the server has begun to answer when this returns.
fn begun(server: &Server, path: &str, times: usize) -> Vec<std::thread::JoinHandle<String>> {
    let addr = server.addr();
    let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let asked: Vec<_> = (0..times)
        .map(|_| {
            let head = head.clone();
            std::thread::spawn(move || raw(addr, head))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    asked
}

#[test]
fn requests_in_flight_finish() {
    for number in [libc::SIGTERM, libc::SIGINT] {
        let mut server = App::lab("").up();
        let asked = begun(&server, "/sleep?ms=1500", 3);
        let streaming = begun(&server, "/sse?n=5&ms=300", 1);
        let idle = TcpStream::connect(server.addr()).unwrap();
        server.signal(number);
        let refused = until("new connections are refused", || {
            TcpStream::connect(server.addr())
                .err()
                .map(|error| error.kind())
        });
        assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
        for answer in asked {
            let answer = answer.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert_eq!(dechunked(&answer).expect("a whole answer"), "awake\n");
        }
        for answer in streaming {
            let answer = answer.join().unwrap();
            let events = dechunked(&answer).expect("a whole answer");
            assert!(events.ends_with("data: event 5\n\n"), "{events}");
        }
        assert_eq!(server.ends_within(Duration::from_secs(5)), 0);
        assert_eq!(
            server.log("request").len(),
            4,
            "the log is whole: {:?}",
            server.stderr()
        );
        drop(idle);
    }
}

#[test]
fn http2_is_told_to_come_no_more() {
    let mut server = App::lab("").up();
    let addr = server.addr();
    block(async {
        let mut connection = Connection::http2(addr).await;
        let Connection::Http2(sender) = &connection else {
            unreachable!()
        };
        let mut second = Connection::Http2(sender.clone());
        let slow = tokio::spawn(async move {
            connection
                .get("/sleep?ms=1000")
                .await
                .unwrap()
                .status()
                .as_u16()
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.signal(libc::SIGTERM);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(
            second.get("/hello").await.is_err(),
            "a new stream was taken"
        );
        assert_eq!(slow.await.unwrap(), 200);
    });
    assert_eq!(server.ends_within(Duration::from_secs(5)), 0);
}

#[test]
fn with_nothing_to_do_it_ends_at_once() {
    let mut server = App::lab("").up();
    let kept: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(server.addr()).unwrap())
        .collect();
    assert_eq!(server.get("/hello").status, 200);
    let began = Instant::now();
    server.signal(libc::SIGTERM);
    assert_eq!(server.ends_within(Duration::from_secs(5)), 0);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    drop(kept);
}

#[test]
fn a_second_signal_stops_at_once() {
    for path in ["/hang", "/spin"] {
        let mut server = App::lab("").up();
        let asked = begun(&server, path, 2);
        server.signal(libc::SIGTERM);
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        server.signal(libc::SIGTERM);
        assert_eq!(server.ends_within(Duration::from_secs(10)), 1);
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{path}: {:?}",
            began.elapsed()
        );
        assert!(
            server
                .stderr()
                .iter()
                .any(|line| line
                    == "2 requests did not finish before the second signal and were cut"),
            "{:?}",
            server.stderr()
        );
        for answer in asked {
            assert_eq!(answer.join().unwrap(), "", "{path}");
        }
    }
}

#[test]
fn grace_is_not_for_ever() {
    let mut server = App::lab("").up_with(&["--grace", "700 ms"]);
    let asked = begun(&server, "/hang", 1);
    let began = Instant::now();
    server.signal(libc::SIGTERM);
    assert_eq!(server.ends_within(Duration::from_secs(10)), 1);
    let took = began.elapsed();
    assert!(
        took > Duration::from_millis(500) && took < Duration::from_secs(5),
        "{took:?}"
    );
    let told = "1 request did not finish within 700 ms and was cut";
    assert!(
        server.stderr().iter().any(|line| line == told),
        "{:?}",
        server.stderr()
    );
    for answer in asked {
        assert_eq!(answer.join().unwrap(), "");
    }
}
