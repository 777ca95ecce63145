//! Provider `s3`: the objects are in a bucket of a server with the interface of Amazon's S3.
//!
//! The library makes and signs the requests; they go over connections of ours: names are looked up
//! and addresses dialled as everywhere, TLS is the one of outbound HTTP, and no redirect is followed.
//! Where the server may be is the operator's word, not a guest's: the manifest names it, and so no
//! grant of a network is asked for.

use super::container::{Container, Limits};
use super::error::Error;
use super::setup::Server;
use crate::network::{System, Target, dial, look_up};
use async_trait::async_trait;
use http::Uri;
use http_body_util::BodyExt as _;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// How long look-up, dial and handshake may take together; the server's `timeout` may be less.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long a connection is kept that nobody uses.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// Connections that are kept so.
const IDLE_MAX: usize = 32;

/// Requests that are asked once more after the server or the connection failed.
const RETRIES: usize = 3;

/// The container `name` on a server. Nothing is asked of the server yet.
pub fn open(name: &str, server: &Server, limits: Limits) -> Result<Container, Error> {
    let bucket = server.bucket.as_deref().unwrap_or(name);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&server.region)
        .with_allow_http(true)
        .with_skip_signature(server.key.is_none())
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: server.timeout,
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(50),
                max_backoff: Duration::from_secs(1),
                ..BackoffConfig::default()
            },
        })
        .with_http_connector(Wires {
            within: server.timeout.min(CONNECT_TIME),
        });
    if let Some(url) = &server.url {
        builder = builder.with_endpoint(url.reveal());
    }
    // Without a key the library would ask the machine's metadata server for one.
    let (id, secret, token) = match &server.key {
        Some(key) => (key.id.reveal(), key.secret.reveal(), key.token.as_ref()),
        None => (&String::new(), &String::new(), None),
    };
    builder = builder
        .with_access_key_id(id)
        .with_secret_access_key(secret);
    if let Some(token) = token {
        builder = builder.with_token(token.reveal());
    }
    let objects = builder.build().map_err(|error| {
        let told = format!("container {name:?} cannot be opened");
        Error::with_detail(told, error.to_string())
    })?;
    let prefix = server.prefix.clone();
    Ok(Container::remote(
        name,
        objects,
        prefix,
        limits,
        server.timeout,
    ))
}

/// Makes clients for the library.
#[derive(Debug)]
struct Wires {
    within: Duration,
}

impl HttpConnector for Wires {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Dial {
                within: self.within,
                resolver: Arc::new(System::default()),
            });
        Ok(HttpClient::new(Wire(client)))
    }
}

/// A client with its connections.
struct Wire(Client<Dial, HttpRequestBody>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.request(request).await.map_err(|error| {
            let kind = match error.is_connect() {
                true => HttpErrorKind::Connect,
                false => HttpErrorKind::Request,
            };
            HttpError::new(kind, error)
        })?;
        let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        let (head, body) = answer.into_parts();
        let body = HttpResponseBody::new(body.map_err(broken));
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// Dials servers.
#[derive(Clone)]
struct Dial {
    within: Duration,
    resolver: Arc<System>,
}

impl Service<Uri> for Dial {
    type Response = Dialled;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Dialled>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Dial { within, resolver } = self.clone();
        Box::pin(async move {
            let deadline = Instant::now() + within;
            match timeout_at(deadline, connect(&to, &resolver, deadline)).await {
                Ok(connected) => connected,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }
}

async fn connect(to: &Uri, resolver: &System, deadline: Instant) -> io::Result<Dialled> {
    let tls = to.scheme_str() == Some("https");
    let host = to.host().and_then(Target::parse);
    let host = host.ok_or_else(|| io::Error::other("the address has no host"))?;
    let port = to.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let addresses = match &host {
        Target::Ip(ip) => vec![*ip],
        Target::Name(name) => look_up(resolver, name).await?,
    };
    let dialled = dial(&addresses, port, deadline).await;
    let (tcp, _) = dialled.map_err(|why| io::Error::other(why.to_string()))?;
    // Small writes are whole messages; a failure costs only time.
    let _ = tcp.set_nodelay(true);
    if !tls {
        return Ok(Dialled(TokioIo::new(Box::new(tcp))));
    }
    let name = match &host {
        Target::Ip(ip) => ServerName::from(*ip),
        Target::Name(name) => ServerName::try_from(name.to_string()).map_err(io::Error::other)?,
    };
    let shared = tokio::task::spawn_blocking(crate::http::prepare_tls)
        .await
        .map_err(io::Error::other)?;
    let mut config = (*shared).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    Ok(Dialled(TokioIo::new(Box::new(stream.await?))))
}

/// A connection, TLS or not.
struct Dialled(TokioIo<Box<dyn Stream>>);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Dialled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Dialled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
