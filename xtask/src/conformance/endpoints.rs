//! The HTTP servers that a case wants beside its program.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::spec::{Endpoint, EndpointMode, EndpointResponse, Server, ServerKind};
use super::wire::{Body, Fields, REQUEST_BYTES_MAX, Request, Response};

type Routes = HashMap<(String, String), Endpoint>;

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
        // A connection that breaks, or carries nonsense, is closed: the program's to notice.
        connections.spawn(async move { drop(converse(socket, &routes).await) });
    }
}

/// One request per connection, as the suite's own servers have it
async fn converse(mut socket: TcpStream, routes: &Routes) -> Result<()> {
    let (input, mut output) = socket.split();
    let request = Request::read(&mut BufReader::new(input.take(REQUEST_BYTES_MAX))).await?;
    let head_only = request.method == "HEAD";
    output
        .write_all(&answer(routes, request).bytes(head_only))
        .await?;
    Ok(output.shutdown().await?)
}

fn answer(routes: &Routes, request: Request) -> Response {
    // The path is as on the wire, query included: cases tell `/plain` from `/plain?x=1`.
    let Some(endpoint) = routes.get(&(request.method.clone(), request.path.clone())) else {
        return Response {
            status: 404,
            ..Response::default()
        };
    };
    match endpoint.mode {
        EndpointMode::Static => fixed(&endpoint.response),
        EndpointMode::EchoBody => Response {
            status: 200,
            body: Body::Whole(request.body),
            ..Response::default()
        },
        EndpointMode::EchoHeaders => {
            let Request {
                method,
                path,
                headers,
                trailers,
                ..
            } = request;
            let mut echo = vec![
                ("x-request-method".to_owned(), method),
                ("x-request-path".to_owned(), path),
            ];
            let prefixed = |prefix: &'static str, fields: Fields| {
                fields
                    .into_iter()
                    .map(move |(name, value)| (format!("{prefix}{name}"), value))
            };
            echo.extend(prefixed("x-echo-", headers));
            echo.extend(prefixed("x-trailer-", trailers));
            Response {
                status: 200,
                headers: echo,
                body: Body::default(),
            }
        }
    }
}

fn fixed(response: &EndpointResponse) -> Response {
    let fields = |map: &BTreeMap<String, String>| {
        map.iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let body = match &response.chunks {
        None => Body::Whole(response.body.clone().into_bytes()),
        Some(chunks) => Body::Chunks(chunks.clone(), fields(&response.trailers)),
    };
    Response {
        status: response.status,
        headers: fields(&response.headers),
        body,
    }
}
