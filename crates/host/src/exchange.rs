//! The host's own requests: HTTP/1.1, with the TLS that Holm has anyway, a connection for each.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// A response whose body is still on its way; its connection ends when this is dropped.
pub(crate) struct Exchange {
    /// The response.
    pub response: Response<Incoming>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Sends a request to where its address says.
///
/// # Errors
/// The address cannot be dialled, or whoever is there does not answer.
pub(crate) async fn send(mut request: Request<Bytes>) -> Result<Exchange, String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let uri = request.uri().clone();
    let host = uri.host().ok_or("the address has no host")?;
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(path).map_err(|e| said(&e))?;
    if let Some(authority) = uri.authority() {
        // A name and a password before it are nobody's host.
        let authority = authority.as_str();
        let named = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let named = HeaderValue::from_str(named).map_err(|e| said(&e))?;
        request.headers_mut().insert(HOST, named);
    }
    let bare = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((bare, port))
        .await
        .map_err(|e| said(&e))?;
    if !tls {
        return over(stream, request).await;
    }
    let mut config = (*holm_capabilities::http::prepare_tls()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(bare.to_owned()).map_err(|e| said(&e))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|e| said(&e))?;
    over(stream, request).await
}

async fn over<S>(stream: S, request: Request<Bytes>) -> Result<Exchange, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    match sender.send_request(request.map(Full::new)).await {
        Ok(response) => Ok(Exchange {
            response,
            connection,
        }),
        Err(error) => {
            connection.abort();
            Err(error.to_string())
        }
    }
}
