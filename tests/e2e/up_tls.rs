//! TLS: both versions of HTTP by ALPN, and certificates that change on disk.

use crate::app::*;
use crate::client::*;
use crate::support::*;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn certify(scratch: &Scratch, name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    scratch.write(format!("{name}-key.pem"), made.signing_key.serialize_pem());
    scratch.write(format!("{name}.pem"), made.cert.pem());
    made.cert.der().clone()
}

async fn connect(
    addr: SocketAddr,
    trusted: &[CertificateDer<'static>],
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(addr).await?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

/// Which certificate a new connection is shown.
async fn shown(addr: SocketAddr, trusted: &[CertificateDer<'static>]) -> CertificateDer<'static> {
    let stream = connect(addr, trusted, b"h2").await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

fn app() -> (App, CertificateDer<'static>) {
    let app = App::lab("").and("[serve]\ntls = { cert = \"cert.pem\", key = \"cert-key.pem\" }");
    let certificate = certify(app.dir(), "cert");
    (app, certificate)
}

#[test]
fn both_versions_by_alpn() {
    let (app, certificate) = app();
    let server = app.up();
    assert!(server.tls(), "{:?}", server.stdout());
    let addr = server.addr();
    block(async {
        let trusted = [certificate];
        let stream = connect(addr, &trusted, b"h2").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut connection = Connection::http2_over(stream).await;
        let request = http::Request::get("https://localhost/request")
            .body(full(""))
            .unwrap();
        let got = whole(connection.send(request).await.unwrap())
            .await
            .unwrap()
            .json();
        assert_eq!(
            (&got["scheme"], &got["authority"]),
            (&"https".into(), &"localhost".into())
        );
        let stream = connect(addr, &trusted, b"http/1.1").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut connection = Connection::http1_over(stream).await;
        let got = whole(connection.get("/headers").await.unwrap())
            .await
            .unwrap();
        assert_eq!(got.status, 200);
        assert!(
            connect(addr, &[], b"h2").await.is_err(),
            "a client that trusts nobody came through"
        );
    });
    let (first, second) = (server.entry("/request"), server.entry("/headers"));
    assert_eq!((&first["http"], &first["tls"]), (&"2".into(), &true.into()));
    assert_eq!(
        (&second["http"], &second["tls"]),
        (&"1.1".into(), &true.into())
    );
    // Who speaks no TLS gets no answer, and does no harm.
    assert!(!raw(addr, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").contains("200"));
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_component_is_told_of_the_tls_that_it_was_asked_over() {
    let app = App::lab("")
        .and("metadata = \"edge\"\n[serve]\ntls = { cert = \"cert.pem\", key = \"cert-key.pem\" }");
    let trusted = [certify(app.dir(), "cert")];
    let server = app.up();
    block(async {
        for (alpn, version) in [("http/1.1", "1.1"), ("h2", "2")] {
            let stream = connect(server.addr(), &trusted, alpn.as_bytes()).await;
            let stream = stream.unwrap();
            let mut connection = match alpn {
                "h2" => Connection::http2_over(stream).await,
                _ => Connection::http1_over(stream).await,
            };
            let request = http::Request::get("https://localhost/headers")
                .header("holm-tls-sni", "forged.example")
                .header("holm-tls-version", "forged")
                .body(full(""))
                .unwrap();
            let response = connection.send(request).await.unwrap();
            let seen = whole(response).await.unwrap().json();
            assert_eq!(seen["holm-tls-version"], "1.3", "{seen}");
            assert_eq!(seen["holm-tls-sni"], "localhost", "{seen}");
            assert_eq!(seen["holm-http-version"], version, "{seen}");
            assert_eq!(seen["holm-client-ip"], "127.0.0.1", "{seen}");
        }
    });
}

#[test]
fn a_certificate_that_changes_is_taken_without_a_restart() {
    let (app, first) = app();
    let server = app.up();
    let addr = server.addr();
    block(async {
        let trusted = [first.clone()];
        let mut old = Connection::http2_over(connect(addr, &trusted, b"h2").await.unwrap()).await;
        // A bad one keeps the old one.
        app.dir().write("cert.pem", "not a certificate\n");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(shown(addr, &trusted).await, first);
        let second = certify(app.dir(), "cert");
        let both = [first.clone(), second.clone()];
        let began = Instant::now();
        while shown(addr, &both).await != second {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "the new certificate is not shown"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Connections that stand go on.
        assert_eq!(old.get("/hello").await.unwrap().status(), 200);
    });
    server.wait_for("the old certificate stays in use");
}

#[test]
fn http2_in_clear_by_prior_knowledge() {
    let server = App::lab("").up();
    let addr = server.addr();
    block(async {
        let mut connection = Connection::http2(addr).await;
        // Several at once on one connection.
        let (mut one, mut two) = match &connection {
            Connection::Http2(sender) => (
                Connection::Http2(sender.clone()),
                Connection::Http2(sender.clone()),
            ),
            Connection::Http1(_) => unreachable!(),
        };
        let began = Instant::now();
        let (a, b, c) = tokio::join!(
            connection.get("/sleep?ms=500"),
            one.get("/sleep?ms=500"),
            two.get("/sleep?ms=500")
        );
        for reply in [a, b, c] {
            assert_eq!(reply.unwrap().status(), 200);
        }
        assert!(
            began.elapsed() < Duration::from_millis(1400),
            "one after the other: {:?}",
            began.elapsed()
        );
    });
    assert_eq!(server.entry("/sleep")["http"], "2");
}

#[test]
fn files_that_cannot_be_used_are_refused_at_the_start() {
    let (app, _) = app();
    certify(app.dir(), "other");
    let refused = |cert: &str, key: &str| {
        let out = holm()
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--tls-cert",
                cert,
                "--tls-key",
                key,
            ])
            .dir(app.dir().path())
            .run();
        out.is(2);
        assert_eq!(out.stdout, "");
        out.stderr
    };
    shot!("none", refused("none.pem", "cert-key.pem"));
    shot!("not_a_certificate", refused("holm.toml", "cert-key.pem"));
    shot!("another_key", refused("cert.pem", "other-key.pem"));
}

#[test]
fn flags_win_over_the_manifest() {
    let (app, _) = app();
    let other = certify(app.dir(), "other");
    let server = app.up_with(&["--tls-cert", "other.pem", "--tls-key", "other-key.pem"]);
    let addr = server.addr();
    assert_eq!(block(shown(addr, &[other.clone()])), other);
}
