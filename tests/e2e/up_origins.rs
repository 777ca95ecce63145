//! What a grant says of one origin beside its name: a real server that wants a client's certificate, one
//! that is not there at first, one that says nothing.

use crate::app::*;
use crate::support::*;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server in a thread of its own.
struct Origin {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Origin {
    /// Starts one; the first `unready` requests are answered with 503.
    fn start(tls: Option<rustls::ServerConfig>, unready: usize) -> Origin {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let origin = Origin {
            addr: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (origin.connections.clone(), origin.requests.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, SeqCst);
                    let (tls, requests) = (tls.clone(), requests.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serve(TokioIo::new(stream), requests, unready).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(TokioIo::new(stream), requests, unready).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        origin
    }

    fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

async fn serve<I>(io: I, requests: Arc<AtomicUsize>, unready: usize)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let number = requests.fetch_add(1, SeqCst);
        async move {
            let version = format!("{:?}", request.version());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let said = format!("{version} {}", String::from_utf8_lossy(&body));
            let mut response = Response::new(Full::new(Bytes::from(said)));
            if number < unready {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(io, answer)
        .await;
}

/// A certificate with its key, written into the app's folder.
fn certify(app: &App, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    app.dir().write(format!("{name}.pem"), made.cert.pem());
    app.dir()
        .write(format!("{name}-key.pem"), made.signing_key.serialize_pem());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (made.cert.der().clone(), key)
}

/// A server that speaks to nobody but who has this certificate.
fn mutual(
    own: (CertificateDer<'static>, PrivateKeyDer<'static>),
    client: CertificateDer<'static>,
) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(client).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    );
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![own.0], own.1)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn app(name: &str, grant: &str) -> App {
    App::of(
        name,
        &format!("[component.lab.grants]\nkeyvalue = [\"default\"]\nhttp = [{grant}]"),
    )
}

fn fetch(server: &Server, url: &str, more: &str) -> Value {
    let url = url.replace(':', "%3A").replace('/', "%2F");
    let reply = server.get(&format!("/fetch?url={url}{more}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod wasi_0_2 { $(#[test] fn $name() { super::$name("http-lab"); })* }
        mod wasi_0_3 { $(#[test] fn $name() { super::$name("http-lab-p3"); })* }
    };
}

both!(
    a_client_with_a_certificate,
    a_request_is_sent_again,
    an_origin_that_says_nothing,
    an_origin_that_stops_halfway,
    an_origin_that_greets_nobody,
);

fn a_client_with_a_certificate(name: &str) {
    let app = app(name, "GRANT");
    let (own, client) = (certify(&app, "server"), certify(&app, "client"));
    certify(&app, "other");
    let origin = Origin::start(Some(mutual(own, client.0)), 0);
    let url = format!("https://localhost:{}", origin.addr.port());
    let granted = |more: &str| format!("{{ origin = \"{url}\"{more} }}");
    let mut now = "GRANT".to_owned();
    let mut with = |more: &str| {
        let next = granted(more);
        app.edit(&now, &next);
        now = next;
        app.up()
    };
    // Nobody knows the server.
    let server = with("");
    assert_eq!(fetch(&server, &url, "")["error"], "TlsCertificateError");
    // The server knows nobody. It says so after the handshake, and over HTTP/2 the alert may be lost on the way.
    let refused = |server: &Server| {
        let error = fetch(server, &url, "")["error"]
            .as_str()
            .unwrap_or("none")
            .to_owned();
        let known = [
            "TlsAlertReceived",
            "TlsProtocolError",
            "ConnectionTerminated",
        ];
        assert!(known.contains(&&*error), "{error}");
    };
    refused(&with(", roots = \"server.pem\""));
    // … or somebody else.
    refused(&with(
        ", roots = \"server.pem\", client_cert = \"other.pem\", client_key = \"other-key.pem\"",
    ));
    assert_eq!(origin.requests(), 0);
    let server = with(
        ", roots = \"server.pem\", client_cert = \"client.pem\", client_key = \"client-key.pem\"",
    );
    let before = origin.connections.load(SeqCst);
    for _ in 0..3 {
        let got = fetch(&server, &url, "");
        assert_eq!(got["body"], "HTTP/2.0 ", "{got}");
    }
    // One connection, whichever instance asks.
    assert_eq!(origin.connections.load(SeqCst), before + 1);
}

fn a_request_is_sent_again(name: &str) {
    let retry = |times: usize| format!("retry = {{ times = {times}, delay = \"1 ms\" }}");
    let ask = |unready: usize, retry: &str| {
        let origin = Origin::start(None, unready);
        let url = format!("http://{}", origin.addr);
        let server = app(name, &format!("{{ origin = \"{url}\", {retry} }}")).up();
        (fetch(&server, &url, ""), origin.requests())
    };
    let (got, requests) = ask(2, &retry(2));
    assert_eq!((&got["status"], requests), (&200.into(), 3), "{got}");
    // What came of the last try is what the guest gets.
    let (got, requests) = ask(5, &retry(2));
    assert_eq!((&got["status"], requests), (&503.into(), 3), "{got}");
    let (got, requests) = ask(1, "connect_timeout = \"5 s\"");
    assert_eq!((&got["status"], requests), (&503.into(), 1), "{got}");
}

/// An app whose events end before any time that holds where nothing is said of an origin.
fn impatient(name: &str, grant: &str) -> App {
    App::of(
        name,
        &format!(
            "limits.timeout = \"8 s\"\n[component.lab.grants]\nkeyvalue = [\"default\"]\nhttp = [{grant}]"
        ),
    )
}

fn an_origin_that_says_nothing(name: &str) {
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let grant = format!("{{ origin = \"{url}\", first_byte_timeout = \"50 ms\" }}");
    let server = impatient(name, &grant).up();
    assert_eq!(fetch(&server, &url, "")["error"], "ConnectionReadTimeout");
}

fn an_origin_that_stops_halfway(name: &str) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let _ = std::io::Read::read(&mut stream, &mut head).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        std::io::Write::write_all(&mut stream, answer).unwrap();
        // Until the other end closes.
        let _ = std::io::Read::read(&mut stream, &mut head);
    });
    let grant = format!("{{ origin = \"{url}\", between_bytes_timeout = \"50 ms\" }}");
    let server = impatient(name, &grant).up();
    let got = fetch(&server, &url, "");
    let told = match name {
        "http-lab" => "connection read timeout",
        _ => "ConnectionReadTimeout",
    };
    assert!(got.to_string().contains(told), "{got}");
}

/// It takes the connection, and never answers the first word of TLS.
fn an_origin_that_greets_nobody(name: &str) {
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let grant = format!("{{ origin = \"{url}\", connect_timeout = \"50 ms\" }}");
    let server = impatient(name, &grant).up();
    assert_eq!(fetch(&server, &url, "")["error"], "ConnectionTimeout");
}

#[test]
fn only_what_may_come_twice_is_sent_again_unless_said() {
    let ask = |any: bool| {
        let origin = Origin::start(None, 1);
        let url = format!("http://{}", origin.addr);
        let retry = format!("retry = {{ times = 1, delay = \"1 ms\", any_method = {any} }}");
        let server = app("http-lab", &format!("{{ origin = \"{url}\", {retry} }}")).up();
        let path = format!(
            "/fetch?method=POST&url={}",
            url.replace(':', "%3A").replace('/', "%2F")
        );
        let request = Request::post(path).body(b"an order".to_vec()).unwrap();
        let got = server.request(request).json();
        (
            got["status"].clone(),
            got["body"].clone(),
            origin.requests(),
        )
    };
    let said = Value::from("HTTP/1.1 an order");
    assert_eq!(ask(false), (503.into(), said.clone(), 1));
    // The whole body comes the second time, too.
    assert_eq!(ask(true), (200.into(), said, 2));
}

#[test]
fn an_origin_that_comes_late() {
    // A port that nobody listens at yet.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{addr}");
    let retry = "retry = { times = 10, delay = \"100 ms\" }";
    let server = app("http-lab", &format!("{{ origin = \"{url}\", {retry} }}")).up();
    let late = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let listener = std::net::TcpListener::bind(addr).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let _ = std::io::Read::read(&mut stream, &mut head).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
        std::io::Write::write_all(&mut stream, answer).unwrap();
    });
    assert_eq!(fetch(&server, &url, "")["body"], "late");
    late.join().unwrap();
}

#[test]
fn files_that_cannot_be_used_are_told_of() {
    let app = app("http-lab", "{ origin = \"https://localhost\", GRANT }");
    certify(&app, "client");
    certify(&app, "other");
    let refused = |from: &str, to: &str| {
        app.edit(from, to);
        let out = app.check();
        out.is(2);
        out.stderr
    };
    shot!("none", refused("GRANT", "roots = \"none.pem\""));
    let other = "client_cert = \"client.pem\", client_key = \"other-key.pem\"";
    shot!("another_key", refused("roots = \"none.pem\"", other));
    shot!("no_key", refused(other, "client_cert = \"client.pem\""));
}
