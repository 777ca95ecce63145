//! An HTTP client whose two directions a test holds in its hands.

use crate::support::*;
use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};

/// A request's body.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is there already.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The end of a body where its pieces go in; the body ends when this is dropped.
pub struct Pieces(mpsc::Sender<Result<Frame<Bytes>, io::Error>>);

impl Pieces {
    /// False if nobody takes it any more.
    pub async fn send(&mut self, piece: impl Into<Bytes>) -> bool {
        self.0.send(Ok(Frame::data(piece.into()))).await.is_ok()
    }
}

/// A body followed by trailers.
pub fn with_trailers(bytes: &'static str, trailers: http::HeaderMap) -> Body {
    let frames = [Frame::data(Bytes::from(bytes)), Frame::trailers(trailers)];
    StreamBody::new(futures::stream::iter(frames.map(Ok))).boxed_unsync()
}

/// A body that is sent piece by piece.
pub fn pieces() -> (Pieces, Body) {
    let (sender, receiver) = mpsc::channel(0);
    (Pieces(sender), StreamBody::new(receiver).boxed_unsync())
}

/// A body of so many bytes, made while it is sent.
pub fn long(bytes: u64) -> Body {
    const PIECE: u64 = 64 * 1024;
    let piece = Bytes::from(vec![b'x'; PIECE as usize]);
    let sizes = (0..bytes.div_ceil(PIECE)).map(move |i| (bytes - i * PIECE).min(PIECE) as usize);
    let frames = sizes.map(move |size| Ok(Frame::data(piece.slice(..size))));
    StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

/// A connection to a server.
pub enum Connection {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    /// HTTP/1.1 in clear.
    pub async fn http1(addr: SocketAddr) -> Connection {
        Self::http1_over(tokio::net::TcpStream::connect(addr).await.unwrap()).await
    }

    /// HTTP/2 in clear, by prior knowledge.
    pub async fn http2(addr: SocketAddr) -> Connection {
        Self::http2_over(tokio::net::TcpStream::connect(addr).await.unwrap()).await
    }

    /// HTTP/1.1 over any stream.
    pub async fn http1_over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Connection {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Connection::Http1(sender)
    }

    /// HTTP/2 over any stream.
    pub async fn http2_over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Connection {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Connection::Http2(sender)
    }

    /// Sends a request for a path; the answer is there when its head is.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let (mut parts, body) = request.into_parts();
        match self {
            Connection::Http1(sender) => {
                parts
                    .headers
                    .entry("host")
                    .or_insert(http::HeaderValue::from_static("localhost"));
                sender.send_request(Request::from_parts(parts, body)).await
            }
            Connection::Http2(sender) => {
                if parts.uri.authority().is_none() {
                    parts.uri = format!("http://localhost{}", parts.uri).parse().unwrap();
                }
                sender.send_request(Request::from_parts(parts, body)).await
            }
        }
    }

    /// A GET.
    pub async fn get(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        self.send(Request::get(path).body(full("")).unwrap()).await
    }

    /// A POST.
    pub async fn post(&mut self, path: &str, body: Body) -> hyper::Result<Response<Incoming>> {
        self.send(Request::post(path).body(body).unwrap()).await
    }
}

/// The rest of an answer.
pub async fn whole(response: Response<Incoming>) -> Result<Reply, String> {
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.map_err(|e| e.to_string())?;
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        trailers: collected.trailers().cloned(),
        body: collected.to_bytes().to_vec(),
    })
}

/// The next piece of an answer's body; none at its end.
pub async fn piece(response: &mut Response<Incoming>) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        match response.body_mut().frame().await? {
            Ok(frame) => {
                if let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// How many bytes the rest of an answer has; nothing is kept.
pub async fn count(response: Response<Incoming>) -> Result<u64, hyper::Error> {
    let mut frames = response.into_body().into_data_stream();
    let mut bytes = 0;
    while let Some(data) = frames.next().await {
        bytes += data?.len() as u64;
    }
    Ok(bytes)
}

/// Runs a client to its end.
pub fn block<T>(client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, client)
            .await
            .expect("the client waits for ever")
    })
}

/// The body of an answer in chunks, as it came over the wire; none if it is not whole.
pub fn dechunked(answer: &str) -> Option<String> {
    let (_, mut rest) = answer.split_once("\r\n\r\n")?;
    let mut body = String::new();
    loop {
        let (size, more) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(more.get(..size)?);
        rest = more.get(size + 2..)?;
    }
}

/// Sends these bytes as they are, and returns all that comes until the server closes.
pub fn raw(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes.as_ref()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
