//! How telemetry is sent: HTTP/1.1 to the collector, with the TLS that Holm has anyway.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

/// A collector that takes longer is not waited for; what it was sent is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most of a collector's answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends from threads that are not the server's: the exporters have their own.
#[derive(Debug)]
pub(super) struct Client(pub Handle);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The clock is the runtime's, and this thread is not one of its own.
        let sent = self
            .0
            .spawn(async move { tokio::time::timeout(PATIENCE, send(request)).await });
        sent.await??.map_err(HttpError::from)
    }
}

/// A connection for each request: there is one every few seconds.
async fn send(mut request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let uri = request.uri().clone();
    let host = uri.host().ok_or("the endpoint has no host")?;
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(path).map_err(|e| said(&e))?;
    if let Some(authority) = uri.authority() {
        let named = HeaderValue::from_str(authority.as_str()).map_err(|e| said(&e))?;
        request.headers_mut().insert(HOST, named);
    }
    let bare = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((bare, port))
        .await
        .map_err(|e| said(&e))?;
    if !tls {
        return exchange(stream, request).await;
    }
    let mut config = (*holm_capabilities::http::prepare_tls()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(bare.to_owned()).map_err(|e| said(&e))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|e| said(&e))?;
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, request: Request<Bytes>) -> Result<Response<Bytes>, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await;
    let (parts, mut body) = response.map_err(|e| e.to_string())?.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| e.to_string())?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too long".to_owned());
        }
    }
    connection.abort();
    Ok(Response::from_parts(parts, bytes.freeze()))
}
