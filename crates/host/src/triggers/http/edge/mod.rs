//! What a route does with its requests and answers beside handing them on: habits of the edge. A route
//! that asks for none of them has none of this.

pub mod client;
mod compress;
mod cors;
mod rate;
mod redirect;
mod template;

pub use cors::CorsTable;
pub use rate::RateTable;
pub use redirect::{Redirect, RedirectTable};

use super::config::HttpRoute;
use super::route::Match;
use crate::body::Body;
use compress::{Coding, Compressor};
use cors::{Cors, Shared};
use holm_manifest::{Problem, Value};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, Uri};
use rate::Limiter;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use template::Template;

/// What a route asks for of it.
pub struct Edge {
    rewrite: Option<Template>,
    cors: Option<Cors>,
    compressor: Option<Compressor>,
    limiter: Option<Arc<Limiter>>,
}

/// What is done with an answer before it leaves.
pub struct After {
    shared: Option<Shared>,
    compressor: Option<(Compressor, Option<Coding>)>,
    head: bool,
}

impl Edge {
    /// What a table says, which [`check`] has passed; none where it asks for nothing.
    pub fn of(route: &HttpRoute) -> Option<Arc<Edge>> {
        let edge = Edge {
            rewrite: route
                .rewrite
                .as_deref()
                .and_then(|to| Template::path(to).ok()),
            cors: route.cors.as_ref().and_then(|table| Cors::new(table).ok()),
            compressor: route.compress.then(Compressor::default),
            limiter: route
                .rate_limit
                .as_ref()
                .and_then(|table| Some(Arc::new(Limiter::new(table).ok()?))),
        };
        let asks = edge.rewrite.is_some()
            || edge.cors.is_some()
            || edge.compressor.is_some()
            || edge.limiter.is_some();
        asks.then(|| Arc::new(edge))
    }

    /// Remembers who has asked how often for the version before, where the limit is the same.
    pub(crate) fn succeed(self: &mut Arc<Self>, old: &Edge) {
        if let (Some(edge), Some(before)) = (Arc::get_mut(self), &old.limiter)
            && let Some(limiter) = &mut edge.limiter
            && limiter.table == before.table
        {
            *limiter = before.clone();
        }
    }

    /// The answer to a preflight of a browser's, which no component sees.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        self.cors.as_ref()?.preflight(request)
    }

    /// Lets a request in; the address of its client is looked for where it decides.
    ///
    /// # Errors
    /// How long to wait before the next.
    pub fn admit(
        &self,
        headers: &HeaderMap,
        client: impl FnOnce() -> IpAddr,
    ) -> Result<(), Duration> {
        match &self.limiter {
            Some(limiter) => limiter.admit(headers, client()),
            None => Ok(()),
        }
    }

    /// What is to be done with the answer to a request.
    pub fn after<B>(&self, request: &Request<B>) -> Option<Box<After>> {
        if self.cors.is_none() && self.compressor.is_none() {
            return None;
        }
        let headers = request.headers();
        let compressor = self.compressor.clone();
        Some(Box::new(After {
            shared: self.cors.as_ref().map(|cors| cors.share(headers)),
            compressor: compressor.map(|compressor| (compressor, Coding::wanted(headers))),
            head: request.method() == Method::HEAD,
        }))
    }

    /// The path that whoever answers is asked for, in the place of the one that came.
    pub fn path(&self, found: &Match<'_, '_>, uri: &Uri) -> Option<PathAndQuery> {
        self.rewrite.as_ref()?.rewritten(found, uri)
    }
}

impl After {
    /// The answer as it leaves.
    pub fn finish(self, mut response: Response<Body>) -> Response<Body> {
        if let Some(shared) = &self.shared {
            shared.onto(response.headers_mut());
        }
        match self.compressor {
            Some((compressor, wanted)) => compressor.answer(response, wanted, self.head),
            None => response,
        }
    }
}

/// Gives a request another path.
pub fn repath<B>(request: &mut Request<B>, path: PathAndQuery) {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// What the schema cannot say of a route's table.
pub fn check(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(value.get("rate_limit").and_then(rate::check));
    problems.extend(value.get("cors").and_then(cors::check));
    problems.extend(redirect::check(value));
    problems
}
