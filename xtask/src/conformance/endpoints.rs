//! The HTTP servers that a case wants beside its program.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TRAILER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::spec::{Endpoint, EndpointMode, EndpointResponse, Server, ServerKind};

type Routes = HashMap<(String, String), Endpoint>;
type Reply = Response<BoxBody<Bytes, Infallible>>;

/// The servers of one case; they stop when this is dropped.
#[derive(Default)]
pub struct Endpoints {
    /// Name and value of the variable that tells the program each address
    pub variables: Vec<(String, String)>,
    _tasks: JoinSet<()>,
}

impl Endpoints {
    /// Binds each server to a loopback port of its own and serves it.
    pub async fn start(servers: &[Server]) -> Result<Self> {
        let mut started = Self::default();
        for server in servers {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .context("no loopback port for a server")?;
            let address = listener.local_addr()?.to_string();
            let variable = format!("HTTP_SERVER_{}", server.name.to_uppercase());
            started.variables.push((variable, address));
            // A closed server keeps its number and lets go of the port: connecting is refused.
            if server.kind == ServerKind::Listening {
                started
                    ._tasks
                    .spawn(serve(listener, Arc::new(routes(server))));
            }
        }
        Ok(started)
    }
}

fn routes(server: &Server) -> Routes {
    let key = |endpoint: &Endpoint| (endpoint.method.to_uppercase(), endpoint.path.clone());
    server
        .endpoints
        .iter()
        .map(|endpoint| (key(endpoint), endpoint.clone()))
        .collect()
}

async fn serve(listener: TcpListener, routes: Arc<Routes>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let routes = routes.clone();
        let answer = service_fn(move |request| answer(routes.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
        // A connection that breaks is the program's to notice.
        connections.spawn(async move { drop(connection.await) });
    }
}

async fn answer(routes: Arc<Routes>, request: Request<Incoming>) -> Result<Reply> {
    let (head, body) = request.into_parts();
    // As on the wire, query included: cases tell `/plain` from `/plain?x=1`.
    let path = head
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let body = body
        .collect()
        .await
        .context("the request's body broke off")?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let body = body.to_bytes();

    let mut reply = match routes.get(&(head.method.to_string(), path.clone())) {
        None => whole(404, Bytes::new())?,
        Some(endpoint) => match endpoint.mode {
            EndpointMode::Static => fixed(&endpoint.response)?,
            EndpointMode::EchoBody => whole(200, body)?,
            EndpointMode::EchoHeaders => {
                let mut reply = whole(200, Bytes::new())?;
                let echo = reply.headers_mut();
                put(echo, "x-request-method", head.method.as_str().as_bytes())?;
                put(echo, "x-request-path", path.as_bytes())?;
                for (name, value) in &head.headers {
                    put(echo, format_args!("x-echo-{name}"), value.as_bytes())?;
                }
                for (name, value) in &trailers {
                    put(echo, format_args!("x-trailer-{name}"), value.as_bytes())?;
                }
                reply
            }
        },
    };
    // One request per connection, as the suite's own servers do.
    reply
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(reply)
}

fn fixed(response: &EndpointResponse) -> Result<Reply> {
    let mut reply = match &response.chunks {
        None => whole(response.status, Bytes::from(response.body.clone()))?,
        Some(chunks) => in_chunks(response.status, chunks, &fields(&response.trailers)?)?,
    };
    reply.headers_mut().extend(fields(&response.headers)?);
    Ok(reply)
}

fn whole(status: u16, body: Bytes) -> Result<Reply> {
    Ok(Response::builder()
        .status(status)
        .body(Full::new(body).boxed())?)
}

/// A body without a known length; hyper sends the trailers that the Trailer header announces.
fn in_chunks(status: u16, chunks: &[String], trailers: &HeaderMap) -> Result<Reply> {
    let mut frames: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok(Frame::data(Bytes::from(chunk.clone()))))
        .collect();
    let mut reply = Response::builder().status(status);
    if !trailers.is_empty() {
        let names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        reply = reply.header(TRAILER, names.join(", "));
        frames.push(Ok(Frame::trailers(trailers.clone())));
    }
    Ok(reply.body(BodyExt::boxed(StreamBody::new(stream::iter(frames))))?)
}

fn fields<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        put(&mut map, name, value.as_bytes())?;
    }
    Ok(map)
}

fn put(map: &mut HeaderMap, name: impl Display, value: &[u8]) -> Result<()> {
    let name = HeaderName::try_from(name.to_string()).context("not a header name")?;
    map.append(
        name,
        HeaderValue::from_bytes(value).context("not a header value")?,
    );
    Ok(())
}
