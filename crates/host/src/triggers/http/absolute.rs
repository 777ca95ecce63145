//! A request's URI as WASI 0.3 wants it.

use http::uri::Authority;
use http::{HeaderValue, Request};

/// A request whose URI names scheme and authority, as 0.3 wants it; HTTP/1.1 has them elsewhere.
pub(super) fn absolute<B>(mut request: Request<B>, tls: bool) -> Request<B> {
    let mut parts = request.uri().clone().into_parts();
    let host = request
        .headers()
        .get(http::header::HOST)
        .map(HeaderValue::as_bytes);
    let authority = parts
        .authority
        .take()
        .or_else(|| Authority::try_from(host?).ok());
    let Some(authority) = authority else {
        return request;
    };
    parts.authority = Some(authority);
    parts.scheme = Some(if tls {
        http::uri::Scheme::HTTPS
    } else {
        http::uri::Scheme::HTTP
    });
    parts
        .path_and_query
        .get_or_insert(http::uri::PathAndQuery::from_static("/"));
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
