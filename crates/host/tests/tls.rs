//! TLS: both versions of HTTP by ALPN, and a certificate that changes while the server runs.

mod support;

use holm_host::server::Limits;
use holm_host::tls::Tls;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::*;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Writes a new certificate and its key into a folder.
fn certify(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

fn open(dir: &Path) -> Result<Tls, String> {
    Tls::open(dir.join("cert.pem"), dir.join("key.pem")).map_err(|error| error.to_string())
}

async fn connect(
    running: &Running,
    trusted: &CertificateDer<'static>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn both_versions_by_alpn() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certify(dir.path());
    let running = start(
        Paths::default(),
        Some(open(dir.path()).unwrap()),
        Limits::default(),
    );
    let stream = connect(&running, &certificate, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answer = http2(stream).await.send_request(get("/")).await.unwrap();
    assert_eq!(text(answer).await, "1 HTTP/2.0 tls=true sni=localhost");
    let stream = connect(&running, &certificate, b"http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(get("/")).await.unwrap();
    assert_eq!(text(answer).await, "1 HTTP/1.1 tls=true sni=localhost");
    running.shutdown.ask();
    assert_eq!(running.ended.await.unwrap(), 0);
}

#[tokio::test]
async fn a_certificate_that_changes_is_taken_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let first = certify(dir.path());
    let running = start(
        Paths::default(),
        Some(open(dir.path()).unwrap()),
        Limits::default(),
    );
    let mut before = http2(connect(&running, &first, b"h2").await.unwrap()).await;
    std::fs::write(dir.path().join("cert.pem"), "not a certificate").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    connect(&running, &first, b"h2")
        .await
        .expect("the old one stays in use");
    let second = certify(dir.path());
    let began = Instant::now();
    while connect(&running, &second, b"h2").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(connect(&running, &first, b"h2").await.is_err());
    before
        .send_request(get("/"))
        .await
        .expect("old connections go on");
}

#[test]
fn errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let says = |dir: &Path| {
        let said = open(dir).unwrap_err().replace(dir.to_str().unwrap(), "DIR");
        said.strip_prefix("the certificate or its key, ")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        says(dir.path()),
        "DIR/cert.pem: No such file or directory (os error 2)"
    );
    certify(dir.path());
    let key = std::fs::read(dir.path().join("key.pem")).unwrap();
    certify(dir.path());
    std::fs::write(dir.path().join("key.pem"), key).unwrap();
    assert_eq!(
        says(dir.path()),
        "DIR/key.pem: this key does not belong to DIR/cert.pem"
    );
    std::fs::write(dir.path().join("key.pem"), "").unwrap();
    assert_eq!(says(dir.path()), "DIR/key.pem: no private key in this file");
    std::fs::write(dir.path().join("cert.pem"), "").unwrap();
    assert_eq!(
        says(dir.path()),
        "DIR/cert.pem: no certificate in this file"
    );
}
