//! An outbound request: `/fetch?url=U`, optional `method`; a body sent to us is sent on. With `n` so
//! many times, one after another; the last answer is told.
//! Answers `{"status", "headers", "body"}` or `{"error": "<name of the error>"}`.
use crate::reply::{self, Query};
use serde_json::{Value, json};
use std::io::{Read, Write};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, Scheme,
};

pub fn fetch(query: &Query, request: IncomingRequest) -> Value {
    let bytes = reply::read_all(request);
    for _ in 1..query.number("n", 1) {
        if let Err(failed) = send(query, &bytes) {
            return failed.told();
        }
    }
    match send(query, &bytes) {
        Ok(answer) => answer,
        Err(failed) => failed.told(),
    }
}

impl Failed {
    fn told(self) -> Value {
        match self {
            Self::Code(code) => json!({"error": name(&code)}),
            Self::Url => json!({"error": "bad url"}),
            Self::Body(text) => json!({"error": "body", "detail": text}),
        }
    }
}

enum Failed {
    Code(ErrorCode),
    Url,
    Body(String),
}

impl From<ErrorCode> for Failed {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

/// `ErrorCode::HttpRequestDenied` and the like, without what follows.
fn name(code: &ErrorCode) -> String {
    let text = format!("{code:?}");
    let text = text.trim_start_matches("ErrorCode::");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn send(query: &Query, bytes: &[u8]) -> Result<Value, Failed> {
    let url = query.get("url").ok_or(Failed::Url)?;
    let (scheme, rest) = url.split_once("://").ok_or(Failed::Url)?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let outgoing = OutgoingRequest::new(Fields::new());
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let method = match query.get("method").unwrap_or("GET") {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "HEAD" => Method::Head,
        other => Method::Other(other.to_owned()),
    };
    outgoing.set_method(&method).map_err(|()| Failed::Url)?;
    outgoing
        .set_scheme(Some(&scheme))
        .map_err(|()| Failed::Url)?;
    outgoing
        .set_authority(Some(authority))
        .map_err(|()| Failed::Url)?;
    outgoing
        .set_path_with_query(Some(path))
        .map_err(|()| Failed::Url)?;

    let body = outgoing.body().unwrap();
    let response = outgoing_handler::handle(outgoing, None)?;
    if !bytes.is_empty() {
        let mut stream = body.write().unwrap();
        stream
            .write_all(bytes)
            .map_err(|error| Failed::Body(error.to_string()))?;
    }
    OutgoingBody::finish(body, None)?;

    response.subscribe().block();
    let response = response.get().expect("it is there").expect("taken once")?;
    let body = response.consume().unwrap();
    let mut bytes = Vec::new();
    body.stream()
        .unwrap()
        .read_to_end(&mut bytes)
        .map_err(|error| Failed::Body(error.to_string()))?;
    Ok(json!({
        "status": response.status(),
        "headers": crate::headers(&response.headers()),
        "body": String::from_utf8_lossy(&bytes),
    }))
}
