//! Origins that are dead, slow, rude or not who they say.

use super::support::{Component, Script, Server, request, say};
use super::{HERE, origin, private};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions};

const SOON: Option<Duration> = Some(Duration::from_millis(50));

async fn hang(_open: TcpStream) {
    std::future::pending().await
}

/// Answers with `head_and_part`, then hands the connection over.
async fn partly(mut stream: TcpStream, part: &[u8]) -> TcpStream {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        .await
        .unwrap();
    stream.write_all(part).await.unwrap();
    stream
}

async fn body_of(server: &Server, options: RequestOptions) -> Result<Vec<u8>, Error> {
    let component = Component::new(&[origin(server), private()], Script::new(HERE));
    let sent = component
        .guest()
        .send(request("GET", &origin(server), ""), Some(options))
        .await;
    let collected = tokio::time::timeout(Duration::from_secs(20), sent?.into_body().collect());
    collected
        .await
        .expect("the host hangs")
        .map(|body| body.to_bytes().to_vec())
}

#[tokio::test]
async fn nobody_listens() {
    let server = Server::raw("127.0.0.1", hang).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server {
        address: closed,
        ..server
    };
    assert!(matches!(
        body_of(&server, RequestOptions::default()).await,
        Err(Error::ConnectionRefused)
    ));
}

#[tokio::test]
async fn the_name_is_unknown_or_never_answered() {
    let nowhere = Component::new(&["http://service.test".into()], Script::new(&[&[]]));
    assert!(matches!(
        nowhere.guest().get("http://service.test/").await,
        Err(Error::DestinationNotFound)
    ));
    let silent = Component::new(&["http://service.test".into()], Script::silent());
    let options = RequestOptions {
        connect_timeout: SOON,
        ..Default::default()
    };
    let sent = silent
        .guest()
        .send(request("GET", "http://service.test/", ""), Some(options))
        .await;
    assert!(matches!(sent, Err(Error::DnsTimeout)));
}

#[tokio::test]
async fn it_accepts_and_hangs() {
    let server = Server::raw("127.0.0.1", hang).await;
    let options = RequestOptions {
        first_byte_timeout: SOON,
        ..Default::default()
    };
    assert!(matches!(
        body_of(&server, options).await,
        Err(Error::ConnectionReadTimeout)
    ));
}

#[tokio::test]
async fn the_handshake_hangs() {
    let server = Server::raw("127.0.0.1", hang).await;
    let origin = format!("https://service.test:{}", server.port());
    let component = Component::new(&[origin.clone(), private()], Script::new(HERE));
    let options = RequestOptions {
        connect_timeout: SOON,
        ..Default::default()
    };
    let sent = component
        .guest()
        .send(request("GET", &origin, ""), Some(options))
        .await;
    assert!(matches!(sent, Err(Error::ConnectionTimeout)));
}

#[tokio::test]
async fn it_hangs_within_the_body() {
    let server = Server::raw("127.0.0.1", |stream| async {
        let _open = partly(stream, b"some").await;
        std::future::pending().await
    })
    .await;
    let options = RequestOptions {
        between_bytes_timeout: SOON,
        ..Default::default()
    };
    assert!(matches!(
        body_of(&server, options).await,
        Err(Error::ConnectionReadTimeout)
    ));
}

#[tokio::test]
async fn it_ends_within_the_body() {
    let server = Server::raw("127.0.0.1", |stream| async {
        drop(partly(stream, b"some").await)
    })
    .await;
    assert!(matches!(
        body_of(&server, RequestOptions::default()).await,
        Err(Error::HttpResponseIncomplete)
    ));
}

#[tokio::test]
async fn it_is_reset_within_the_body() {
    let server = Server::raw("127.0.0.1", |stream| async {
        let stream = partly(stream, b"some").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert!(matches!(
        body_of(&server, RequestOptions::default()).await,
        Err(Error::ConnectionTerminated)
    ));
}

#[tokio::test]
async fn it_does_not_speak_http() {
    let server = Server::raw("127.0.0.1", |mut stream| async move {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        stream.write_all(b"220 smtp.test ESMTP\r\n").await.unwrap();
        hang(stream).await;
    })
    .await;
    assert!(matches!(
        body_of(&server, RequestOptions::default()).await,
        Err(Error::HttpProtocolError)
    ));
}

#[tokio::test]
async fn a_slow_upload_is_not_a_dead_origin() {
    let server = Server::http(|_| say("done")).await;
    let component = Component::new(&[origin(&server), private()], Script::new(HERE));
    let pieces = futures::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let piece = bytes::Bytes::from_static(b"piece");
        (n < 4).then(|| (Ok(http_body::Frame::data(piece)), n + 1))
    });
    let body = http_body_util::StreamBody::new(pieces).boxed_unsync();
    let upload = http::Request::post(origin(&server)).body(body).unwrap();
    let patience = Some(Duration::from_millis(150));
    let options = RequestOptions {
        first_byte_timeout: patience,
        ..Default::default()
    };
    assert!(component.guest().send(upload, Some(options)).await.is_ok());
}

#[tokio::test]
async fn its_certificate_is_not_trusted_or_for_another_name() {
    let (server, trust) = Server::https(&[], |_| say("no")).await;
    let origin = format!("https://service.test:{}", server.port());
    let nobody = crate::http::tls::config(rustls::RootCertStore::empty());
    let component = Component::trusting(&[origin.clone(), private()], Script::new(HERE), nobody);
    assert!(matches!(
        component.guest().get(&origin).await,
        Err(Error::TlsCertificateError)
    ));
    let other = format!("https://other.test:{}", server.port());
    let component = Component::trusting(&[other.clone(), private()], Script::new(HERE), trust);
    assert!(matches!(
        component.guest().get(&other).await,
        Err(Error::TlsCertificateError)
    ));
    let plain = Server::http(|_| say("no")).await;
    let origin = format!("https://service.test:{}", plain.port());
    let component = Component::new(&[origin.clone(), private()], Script::new(HERE));
    assert!(matches!(
        component.guest().get(&origin).await,
        Err(Error::TlsProtocolError)
    ));
}
