//! The server from outside: protocols, exchange of the handler, limits, streaming.

mod support;

use bytes::Bytes;
use futures::StreamExt as _;
use holm_host::patience::Patience;
use holm_host::server::{Limits, Server};
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};
use support::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn one_port_speaks_both_versions() {
    let running = start(Paths::default(), None, Limits::default());
    let mut old = http1(running.addr).await;
    assert_eq!(
        text(old.send_request(get("/")).await.unwrap()).await,
        "1 HTTP/1.1 tls=false sni=-"
    );
    let mut new = http2(TcpStream::connect(running.addr).await.unwrap()).await;
    assert_eq!(
        text(new.send_request(get("/")).await.unwrap()).await,
        "1 HTTP/2.0 tls=false sni=-"
    );
}

#[tokio::test]
async fn a_new_version_answers_the_next_request_and_the_old_one_finishes() {
    let old = Paths::default();
    let arrived = old.arrived.clone();
    let running = start(old, None, Limits::default());
    let mut kept_alive = http1(running.addr).await;
    text(kept_alive.send_request(get("/")).await.unwrap()).await;
    let mut other = http1(running.addr).await;
    let slow =
        tokio::spawn(async move { text(other.send_request(get("/slow")).await.unwrap()).await });
    arrived.notified().await;
    let before = running.slot.swap(Paths {
        version: "2",
        ..Paths::default()
    });
    let answer = text(kept_alive.send_request(get("/")).await.unwrap()).await;
    assert!(answer.starts_with("2 "), "{answer}");
    assert_eq!(slow.await.unwrap(), "slow");
    assert_eq!(
        std::sync::Arc::strong_count(&before),
        1,
        "nobody holds the old version"
    );
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = Server::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let addr = first.local_addr();
    let error = Server::bind(addr, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{addr} is in use; try --listen 127.0.0.1:0")
    );
    let error = Server::bind("192.0.2.1:3000".parse().unwrap(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "192.0.2.1:3000 is not an address of this machine; try --listen 127.0.0.1:3000"
    );
}

fn impatient() -> Limits {
    let patience = Patience {
        header: Duration::from_millis(300),
        idle: Duration::from_millis(900),
        ..Patience::default()
    };
    Limits {
        patience,
        ..Limits::default()
    }
}

/// Sends this and then a byte at a time; how long until the server hangs up?
async fn cut_after(running: &Running, first: &[u8], rest: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let began = Instant::now();
    stream.write_all(first).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dribble = tokio::spawn({
        let rest = rest.to_vec();
        async move {
            for byte in rest.iter().cycle().take(200) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if write.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await
        }
    });
    let mut seen = Vec::new();
    let _ = read.read_to_end(&mut seen).await;
    dribble.abort();
    began.elapsed()
}

#[tokio::test]
async fn a_slow_header_is_cut_and_others_are_served_meanwhile() {
    let running = start(Paths::default(), None, impatient());
    let slow = [
        cut_after(&running, b"", b"").await,
        cut_after(&running, b"", b"GET / HTTP/1.1\r\n").await,
        cut_after(&running, b"GET / HTTP/1.1\r\nhost: a\r\n", b"x").await,
        cut_after(&running, b"PRI * HTTP/2.0\r\n", b"").await,
    ];
    for took in slow {
        assert!(
            (Duration::from_millis(290)..Duration::from_secs(5)).contains(&took),
            "{took:?}"
        );
    }
    // A connection that has served a request is kept for longer, and not for ever.
    let idle = cut_after(&running, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"").await;
    assert!(
        (Duration::from_millis(890)..Duration::from_secs(5)).contains(&idle),
        "{idle:?}"
    );
    let idle = cut_after(
        &running,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"",
    )
    .await;
    assert!(
        (Duration::from_millis(890)..Duration::from_secs(5)).contains(&idle),
        "{idle:?}"
    );
    let slots: Vec<_> = futures::stream::iter(0..200)
        .map(async |_| TcpStream::connect(running.addr).await.unwrap())
        .buffer_unordered(50)
        .collect()
        .await;
    let began = Instant::now();
    let mut sender = http1(running.addr).await;
    text(sender.send_request(get("/")).await.unwrap()).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(slots);
}

#[tokio::test]
async fn heads_have_limits() {
    let running = start(Paths::default(), None, Limits::default());
    let ask = async |head: String| {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = vec![0; 12];
        stream
            .read_exact(&mut answer)
            .await
            .map(|_| String::from_utf8(answer).unwrap())
    };
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    assert_eq!(ask(head("")).await.unwrap(), "HTTP/1.1 200");
    assert_eq!(
        ask(head(&"x: y\r\n".repeat(200))).await.unwrap(),
        "HTTP/1.1 431"
    );
    let long = format!("x: {}\r\n", "y".repeat(30_000));
    assert_eq!(ask(head(&long)).await.unwrap(), "HTTP/1.1 200");
    // So long that what is still on its way may turn the answer into a reset.
    let answer = ask(head(&long.repeat(4))).await;
    assert!(
        answer.as_deref().unwrap_or("HTTP/1.1 431") == "HTTP/1.1 431",
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_hundred_megabytes_pass_through_constant_memory() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 1600;
    let running = start(Paths::default(), None, Limits::default());
    for is_http2 in [false, true] {
        let before = peak_memory_kib();
        let chunks = futures::stream::iter((0..CHUNKS).map(|_| {
            Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![7_u8; CHUNK])))
        }));
        let request = http::Request::post("http://localhost/echo").header("host", "localhost");
        let request = request.body(StreamBody::new(chunks)).unwrap();
        let stream = TcpStream::connect(running.addr).await.unwrap();
        let io = TokioIo::new(stream);
        let response = if is_http2 {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
                .await
                .unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        let mut body = response.into_body();
        // Give the sender every chance to run ahead of us.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
        }
        assert_eq!(bytes, CHUNK * CHUNKS);
        let grown = peak_memory_kib() - before;
        assert!(grown < 32 * 1024, "grew by {grown} KiB");
    }
}

/// The most memory that this process has held at once.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_ends_an_endless_response() {
    let running = start(Paths::default(), None, Limits::default());
    let mut sender = http1(running.addr).await;
    let mut body = sender
        .send_request(get("/zeros"))
        .await
        .unwrap()
        .into_body();
    for _ in 0..100 {
        body.frame().await.unwrap().unwrap();
    }
    drop((body, sender));
    running.shutdown.ask();
    let cut = tokio::time::timeout(Duration::from_secs(10), running.ended).await;
    assert_eq!(cut.unwrap().unwrap(), 0);
}
