//! Real servers on loopback, a resolver that answers from a script, and a guest that sends.

use crate::http::connect::Connector;
use crate::http::hooks::Hooks;
use crate::http::outbound::Outbound;
use crate::network::{Answer, Name, OriginPolicy, Resolve};
use bytes::Bytes;
use holm_runtime::Core;
use holm_runtime::seam::Uses;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, ServerConfig};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

pub type Reply = Response<Full<Bytes>>;

/// A server, and how many connections it has seen.
pub struct Server {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
}

impl Server {
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    /// Hands each connection to `each`.
    pub async fn raw<F>(ip: &str, each: impl Fn(TcpStream) -> F + Send + 'static) -> Server
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Server::raw_at(&format!("{ip}:0"), each).await
    }

    pub async fn raw_at<F>(address: &str, each: impl Fn(TcpStream) -> F + Send + 'static) -> Server
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, SeqCst);
                tokio::spawn(each(stream));
            }
        });
        Server {
            address,
            connections,
        }
    }

    /// Answers each request with `answer`.
    pub async fn http(answer: fn(&Request<Incoming>) -> Reply) -> Server {
        Server::raw("127.0.0.1", move |stream| async move {
            let serve = service_fn(move |request| reply(answer, request));
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), serve).await;
        })
        .await
    }

    /// The same over TLS, for the name `service.test`; and what trusts it.
    pub async fn https(
        alpn: &[&[u8]],
        answer: fn(&Request<Incoming>) -> Reply,
    ) -> (Server, ClientConfig) {
        let own = rcgen::generate_simple_self_signed(["service.test".to_owned()]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let server = Server::raw("127.0.0.1", move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let serve = service_fn(move |request| reply(answer, request));
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), serve)
                    .await;
            }
        })
        .await;
        (server, crate::http::tls::config(roots))
    }
}

async fn reply(
    answer: fn(&Request<Incoming>) -> Reply,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    let reply = answer(&request);
    let _ = request.into_body().collect().await;
    Ok(reply)
}

/// Answers from a script; the last answer stays. `None` never answers.
pub struct Script {
    answers: Mutex<Vec<Option<Vec<IpAddr>>>>,
    pub asked: AtomicUsize,
}

impl Script {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ips: &&[&str]| Some(ips.iter().map(|ip| ip.parse().unwrap()).collect());
        let mut answers: Vec<_> = answers.iter().map(parse).collect();
        answers.reverse();
        Arc::new(Script {
            answers: Mutex::new(answers),
            asked: AtomicUsize::new(0),
        })
    }

    pub fn silent() -> Arc<Self> {
        Arc::new(Script {
            answers: Mutex::new(vec![None]),
            asked: AtomicUsize::new(0),
        })
    }

    pub fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Resolve for Script {
    fn resolve(&self, _: &Name) -> Answer {
        self.asked.fetch_add(1, SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop().unwrap(),
        };
        Box::pin(async move {
            match answer {
                Some(addresses) => Ok(addresses),
                None => std::future::pending().await,
            }
        })
    }
}

/// A component with a grant; each [`Component::guest`] is an instance of it.
pub struct Component(Arc<Outbound>);

impl Component {
    pub fn new(origins: &[String], resolver: Arc<Script>) -> Self {
        Component(Arc::new(Outbound::new(Self::connector(origins, resolver))))
    }

    pub fn trusting(origins: &[String], resolver: Arc<Script>, config: ClientConfig) -> Self {
        Component(Arc::new(Outbound::new(
            Self::connector(origins, resolver).trusting(config),
        )))
    }

    fn connector(origins: &[String], resolver: Arc<Script>) -> Connector {
        let mut policy = OriginPolicy::default();
        origins
            .iter()
            .for_each(|origin| policy.add(origin).unwrap());
        Connector::new(Arc::new(policy), resolver)
    }

    pub fn guest(&self) -> Guest {
        let core = core();
        Guest {
            hooks: Hooks::new(self.0.clone(), &core),
            core,
        }
    }
}

pub fn core() -> Core {
    crate::testing::core(&Uses::default())
}

pub struct Guest {
    pub hooks: Hooks,
    pub core: Core,
}

impl Guest {
    pub async fn get(&mut self, uri: &str) -> Result<Response<WasiBody>, Error> {
        self.send(request("GET", uri, ""), None).await
    }

    pub async fn send(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let read = Box::new(std::future::ready(Ok(())));
        let sent = Box::into_pin(self.hooks.send_request(request, options, read));
        let sent = tokio::time::timeout(Duration::from_secs(20), sent)
            .await
            .expect("the host hangs");
        sent.map(|(response, _)| response)
    }

    pub fn denied(&self) -> (String, String, String) {
        let list = self.core.denials.list();
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(list[0].grant, "http");
        (
            list[0].asked.clone(),
            list[0].line.clone(),
            list[0].flag.clone(),
        )
    }
}

pub fn request(method: &str, uri: &str, body: &'static str) -> Request<WasiBody> {
    let body = Full::new(Bytes::from_static(body.as_bytes()))
        .map_err(|e| match e {})
        .boxed_unsync();
    Request::builder()
        .method(method)
        .uri(uri)
        .body(body)
        .unwrap()
}

pub async fn text(response: Response<WasiBody>) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

pub fn say(text: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(text.into()))
}
