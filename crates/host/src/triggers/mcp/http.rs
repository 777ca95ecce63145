//! The protocol over HTTP: one address, `/mcp`, behind the host's own server.

use super::guard::Guard;
use super::server::McpServer;
use super::sessions::Sessions;
use crate::body::{self, Body, BoxError};
use crate::server::{Handler, Peer};
use crate::shutdown::Shutdown;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where the protocol is spoken.
pub const PATH: &str = "/mcp";

/// Largest message, in bytes: as much as one over standard input.
const MESSAGE_MAX: usize = 16 << 20;

/// Answers agents over HTTP.
pub struct McpHandler {
    service: StreamableHttpService<McpServer, Sessions>,
    sessions: Arc<Sessions>,
    guard: Guard,
}

impl McpHandler {
    /// Answers with a server's tools; `at` is the address that it listens at.
    pub fn new(server: McpServer, guard: Guard, at: IpAddr, shutdown: &Shutdown) -> Self {
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
        // A page whose name was made to lead here calls us by that name. Where a token is wanted no page
        // has it, and we may be called by any name: that of a proxy in front.
        let config = match guard.wants_token() {
            true => config.disable_allowed_hosts(),
            false => {
                let own = match at {
                    IpAddr::V4(_) => at.to_string(),
                    IpAddr::V6(_) => format!("[{at}]"),
                };
                let names = ["localhost", "127.0.0.1", "::1", "[::1]"].map(str::to_owned);
                config.with_allowed_hosts(names.into_iter().chain([own, at.to_string()]))
            }
        };
        let sessions = Arc::new(Sessions::new());
        let manager = sessions.clone();
        McpHandler {
            service: StreamableHttpService::new(move || Ok(server.clone()), manager, config),
            sessions,
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
        // The protocol's own server knows no better word for it.
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR && self.sessions.are_full().await
        {
            return refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "all sessions are in use; try again later",
            );
        }
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
