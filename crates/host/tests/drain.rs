//! How the server ends: what is in flight is finished, nothing is waited for without need.

mod support;

use holm_host::server::Limits;
use std::time::{Duration, Instant};
use support::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let handler = Paths::default();
    let arrived = handler.arrived.clone();
    let running = start(handler, None, Limits::default());
    let addr = running.addr;
    let mut idle = http1(addr).await;
    text(idle.send_request(get("/")).await.unwrap()).await;
    let old = tokio::spawn(async move { http1(addr).await.send_request(get("/slow")).await });
    arrived.notified().await;
    let new = tokio::spawn(async move {
        let mut sender = http2(TcpStream::connect(addr).await.unwrap()).await;
        let answer = text(sender.send_request(get("/slow")).await.unwrap()).await;
        // After GOAWAY the connection takes no more.
        (answer, sender.send_request(get("/")).await.is_err())
    });
    arrived.notified().await;
    let began = Instant::now();
    running.shutdown.ask();
    let old = old.await.unwrap().unwrap();
    assert_eq!(old.headers()["connection"], "close");
    assert_eq!(text(old).await, "slow");
    assert_eq!(new.await.unwrap(), ("slow".to_owned(), true));
    assert_eq!(running.ended.await.unwrap(), 0);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(
        idle.send_request(get("/")).await.is_err(),
        "an idle connection is closed"
    );
    assert!(TcpStream::connect(addr).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_request_that_has_just_connected_is_answered() {
    let running = start(Paths::default(), None, Limits::default());
    // All of it lies in the kernel's queue before the server is asked to end.
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = std::net::TcpStream::connect(running.addr).unwrap();
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        stream.set_nonblocking(true).unwrap();
        streams.push(TcpStream::from_std(stream).unwrap());
    }
    running.shutdown.ask();
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(running.ended.await.unwrap(), 0);
}

#[tokio::test]
async fn connections_that_say_nothing_hold_nobody_up() {
    let running = start(Paths::default(), None, Limits::default());
    let silent = TcpStream::connect(running.addr).await.unwrap();
    let mut half = TcpStream::connect(running.addr).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    let mut http2 = TcpStream::connect(running.addr).await.unwrap();
    http2
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    running.shutdown.ask();
    assert_eq!(running.ended.await.unwrap(), 0);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    drop((silent, half, http2));
}

#[tokio::test]
async fn what_does_not_end_is_cut_after_the_grace_and_counted() {
    let handler = Paths::default();
    let arrived = handler.arrived.clone();
    let limits = Limits {
        grace: Duration::from_millis(400),
        ..Limits::default()
    };
    let running = start(handler, None, limits);
    let addr = running.addr;
    let old = tokio::spawn(async move { http1(addr).await.send_request(get("/stuck")).await });
    arrived.notified().await;
    let new = tokio::spawn(async move {
        http2(TcpStream::connect(addr).await.unwrap())
            .await
            .send_request(get("/stuck"))
            .await
    });
    arrived.notified().await;
    let began = Instant::now();
    running.shutdown.ask();
    assert_eq!(running.ended.await.unwrap(), 2);
    assert!((Duration::from_millis(390)..Duration::from_secs(3)).contains(&began.elapsed()));
    assert!(old.await.unwrap().is_err() && new.await.unwrap().is_err());
}

#[tokio::test]
async fn the_second_time_of_asking_stops_at_once() {
    let handler = Paths::default();
    let arrived = handler.arrived.clone();
    let running = start(handler, None, Limits::default());
    let addr = running.addr;
    let stuck = tokio::spawn(async move { http1(addr).await.send_request(get("/stuck")).await });
    arrived.notified().await;
    let began = Instant::now();
    running.shutdown.ask();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!running.ended.is_finished());
    running.shutdown.ask();
    assert_eq!(running.ended.await.unwrap(), 1);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(stuck.await.unwrap().is_err());
}
