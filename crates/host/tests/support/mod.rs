//! A handler in Rust behind the real server, and plain clients for it.
#![allow(dead_code)]

use bytes::Bytes;
use holm_host::body::{self, Body, BoxError};
use holm_host::server::{Handler, Limits, Peer, Server};
use holm_host::shutdown::Shutdown;
use holm_host::slot::Slot;
use holm_host::tls::Tls;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Answers by path: `/` who asks, `/slow` after a while, `/echo` what was sent, `/stuck` never,
/// `/zeros` without end.
pub struct Paths {
    pub version: &'static str,
    /// Told when a request to `/slow` or `/stuck` has arrived.
    pub arrived: Arc<Notify>,
    pub slow: Duration,
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            version: "1",
            arrived: Arc::default(),
            slow: Duration::from_millis(500),
        }
    }
}

impl Handler for Paths {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        match request.uri().path() {
            "/echo" => Response::new(request.into_body().map_err(BoxError::from).boxed_unsync()),
            "/slow" => {
                self.arrived.notify_one();
                tokio::time::sleep(self.slow).await;
                Response::new(body::full("slow"))
            }
            "/stuck" => {
                self.arrived.notify_one();
                std::future::pending().await
            }
            "/zeros" => Response::new(Zeros.boxed_unsync()),
            _ => {
                let (tls, sni) = (peer.tls, peer.sni.as_deref().unwrap_or("-"));
                let http = request.version();
                let text = format!("{} {http:?} tls={tls} sni={sni}", self.version);
                Response::new(body::full(text))
            }
        }
    }
}

struct Zeros;

impl http_body::Body for Zeros {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        static ZEROS: [u8; 16384] = [0; 16384];
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&ZEROS)))))
    }
}

/// A server that runs.
pub struct Running {
    pub addr: SocketAddr,
    pub slot: Arc<Slot<Paths>>,
    pub shutdown: Shutdown,
    pub ended: JoinHandle<usize>,
}

pub fn start(handler: Paths, tls: Option<Tls>, limits: Limits) -> Running {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls)
        .unwrap()
        .with_limits(limits);
    let (addr, slot, shutdown) = (server.local_addr(), Slot::new(handler), Shutdown::new());
    let ended = tokio::spawn({
        let (slot, shutdown) = (slot.clone(), shutdown.clone());
        async move { server.serve(slot, &shutdown).await }
    });
    Running {
        addr,
        slot,
        shutdown,
        ended,
    }
}

pub type Sender1 = hyper::client::conn::http1::SendRequest<Full<Bytes>>;
pub type Sender2 = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

pub async fn http1(addr: SocketAddr) -> Sender1 {
    let io = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub async fn http2<S>(stream: S) -> Sender2
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let executor = TokioExecutor::new();
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub fn get(path: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://localhost{path}");
    Request::get(uri)
        .header("host", "localhost")
        .body(Full::default())
        .unwrap()
}

pub async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
