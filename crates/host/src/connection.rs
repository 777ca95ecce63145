//! One connection, from its first byte to its last: TLS, which HTTP it speaks, its requests.

use crate::body::{Body, Keeping};
use crate::patience::{Patient, Pulse};
use crate::server::{Handler, Peer, Shared};
use bytes::BytesMut;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How the request head of HTTP/2 with prior knowledge begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// When draining, a connection that has not asked for anything gets this long to do so.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, or the server does.
pub(crate) async fn serve<H: Handler>(
    stream: TcpStream,
    addr: std::net::SocketAddr,
    shared: Arc<Shared<H>>,
) {
    // Small frames must not wait for each other's acknowledgement.
    let _ = stream.set_nodelay(true);
    let cancelled = shared.cancel.clone();
    cancelled
        .run_until_cancelled(secure(stream, addr, shared))
        .await;
}

async fn secure<H: Handler>(stream: TcpStream, addr: std::net::SocketAddr, shared: Arc<Shared<H>>) {
    let mut peer = Peer {
        addr,
        local: shared.local,
        tls: false,
        tls_version: None,
        sni: None,
        account: Arc::default(),
    };
    let Some(tls) = &shared.tls else {
        return speak(stream, peer, shared).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(shared.limits.patience.header, tls.accept(stream)) => handshake,
        () = last_call(&shared) => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            peer.tls = true;
            let tls = stream.get_ref().1;
            peer.tls_version = tls.protocol_version().and_then(version);
            peer.sni = tls.server_name().map(Arc::from);
            // Apart, so that a connection in clear does not carry the room for it.
            Box::pin(speak(stream, peer, shared)).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = %addr, %error, "the TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %addr, "the TLS handshake took too long"),
    }
}

/// The name of a version of TLS, without TLS.
fn version(version: rustls::ProtocolVersion) -> Option<&'static str> {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => Some("1.3"),
        rustls::ProtocolVersion::TLSv1_2 => Some("1.2"),
        _ => None,
    }
}

/// Tells the protocol by its first bytes, in TLS too: what was negotiated says no more.
async fn speak<H: Handler, S>(mut stream: S, peer: Peer, shared: Arc<Shared<H>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &shared.limits;
    let mut ahead = BytesMut::with_capacity(PREFACE.len());
    let sniff = async {
        while ahead.len() < PREFACE.len() && PREFACE.starts_with(&ahead) {
            if (&mut stream)
                .take((PREFACE.len() - ahead.len()) as u64)
                .read_buf(&mut ahead)
                .await?
                == 0
            {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    let sniffed = tokio::select! {
        sniffed = timeout(limits.patience.header, sniff) => sniffed,
        () = last_call(&shared) => return,
    };
    if !matches!(sniffed, Ok(Ok(()))) || ahead.is_empty() {
        return;
    }
    let is_http2 = *ahead == *PREFACE;
    let pulse = Arc::new(Pulse::default());
    let io = TokioIo::new(Patient::new(
        stream,
        ahead.freeze(),
        limits.patience,
        pulse.clone(),
        !is_http2,
    ));
    let account = peer.account.clone();
    let service = service_fn({
        let (shared, pulse) = (shared.clone(), pulse.clone());
        move |request: Request<Incoming>| {
            let has_body = !request.body().is_end_stream();
            answer(
                request,
                peer.clone(),
                InFlight::new(&shared, &pulse, has_body),
            )
        }
    });
    if is_http2 {
        let connection = http2::Builder::new(shared.executor(&account))
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.head_bytes as u32)
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .max_send_buf_size(256 * 1024)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .serve_connection(io, service);
        account
            .drive(conduct(Box::pin(connection), shared, pulse))
            .await;
    } else {
        let connection = http1::Builder::new()
            // Our own patience tells an idle connection from a slow header; hyper's does not.
            .header_read_timeout(None)
            .max_headers(limits.headers)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(64 * 1024))
            .serve_connection(io, service);
        account
            .drive(conduct(Box::pin(connection), shared, pulse))
            .await;
    }
}

/// Drives a connection; when the server drains, lets it finish what it began.
///
/// It is boxed: each step of an async function that hands it on would keep room for it.
async fn conduct<H, C>(mut connection: Pin<Box<C>>, shared: Arc<Shared<H>>, pulse: Arc<Pulse>)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let ended = tokio::select! {
        // First, so that a request that has arrived is seen before the connection is told to end.
        biased;
        ended = connection.as_mut() => Some(ended),
        () = shared.shutdown.draining() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = tokio::time::sleep(LAST_CALL) => {
                    if pulse.begun() == 0 {
                        return;
                    }
                    connection.as_mut().await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn last_call<H>(shared: &Shared<H>) {
    shared.shutdown.draining().await;
    tokio::time::sleep(LAST_CALL).await;
}

async fn answer<H: Handler>(
    request: Request<Incoming>,
    peer: Peer,
    in_flight: InFlight<H>,
) -> Result<Response<Keeping<Body, InFlight<H>>>, Infallible> {
    let handler = in_flight.shared.handler.get();
    let response = handler.handle(request, peer).await;
    Ok(response.map(|body| Keeping::new(body, in_flight)))
}

/// A request that is being answered, until its response's last byte is handed over.
struct InFlight<H> {
    shared: Arc<Shared<H>>,
    pulse: Arc<Pulse>,
}

impl<H> InFlight<H> {
    fn new(shared: &Arc<Shared<H>>, pulse: &Arc<Pulse>, has_body: bool) -> Self {
        shared.requests.fetch_add(1, Relaxed);
        pulse.begins(has_body);
        InFlight {
            shared: shared.clone(),
            pulse: pulse.clone(),
        }
    }
}

impl<H> Drop for InFlight<H> {
    fn drop(&mut self) {
        self.shared.requests.fetch_sub(1, Relaxed);
        self.pulse.ends();
    }
}
