//! The protocol over HTTP: one address, `/mcp`, behind the host's own server.

use super::guard::Guard;
use super::server::McpServer;
use crate::body::{self, Body, BoxError};
use crate::server::{Handler, Peer};
use crate::shutdown::Shutdown;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where the protocol is spoken.
pub const PATH: &str = "/mcp";

/// Largest message, in bytes: as much as one over standard input.
const MESSAGE_MAX: usize = 16 << 20;

/// Answers agents over HTTP.
pub struct McpHandler {
    service: StreamableHttpService<McpServer, LocalSessionManager>,
    guard: Guard,
}

impl McpHandler {
    /// Answers with a server's tools; `local` is whether only this machine can call.
    pub fn new(server: McpServer, guard: Guard, local: bool, shutdown: &Shutdown) -> Self {
        // A conversation has no end of its own that a drain could wait for.
        let end = CancellationToken::new();
        let (shutdown, ends) = (shutdown.clone(), end.clone());
        tokio::spawn(async move {
            shutdown.draining().await;
            ends.cancel();
        });
        let config = StreamableHttpServerConfig::default()
            .with_max_request_body_bytes(MESSAGE_MAX)
            .with_cancellation_token(end)
            .enforce_origin_validation();
        // A page whose name was made to lead here calls us by that name. From elsewhere we are called
        // by names that we do not know, and the token keeps pages out.
        let config = match local {
            true => config,
            false => config.disable_allowed_hosts(),
        };
        let sessions = Arc::new(LocalSessionManager::default());
        McpHandler {
            service: StreamableHttpService::new(move || Ok(server.clone()), sessions, config),
            guard,
        }
    }
}

impl Handler for McpHandler {
    async fn handle(&self, request: Request<Incoming>, _: Peer) -> Response<Body> {
        if let Err((status, why)) = self.guard.check(&request) {
            return refused(status, why);
        }
        if request.uri().path() != PATH {
            return refused(StatusCode::NOT_FOUND, "the protocol is spoken at /mcp");
        }
        let response = self.service.handle(request).await;
        response.map(|body| {
            body.map_err(|never| -> BoxError { match never {} })
                .boxed_unsync()
        })
    }
}

fn refused(status: StatusCode, why: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(format!("{why}\n")));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}
