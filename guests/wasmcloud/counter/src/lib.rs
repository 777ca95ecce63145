//! A counter for each path, after the example in the crate's own README: key-value, configuration, log
//! and HTTP by the crate's wrappers.
//!
//! /fetch?URL   sends a request there, and answers with what comes back
//! else         counts the path
use std::io::Read as _;
use wasmcloud_component::http::{self, ErrorCode};
use wasmcloud_component::wasi::http::outgoing_handler::handle;
use wasmcloud_component::wasi::http::types::{Fields, IncomingResponse, OutgoingRequest, Scheme};
use wasmcloud_component::wasi::{config, keyvalue};
use wasmcloud_component::{debug, warn};

struct Counter;

http::export!(Counter);

impl http::Server for Counter {
    fn handle(
        request: http::IncomingRequest,
    ) -> http::Result<http::Response<impl http::OutgoingBody>> {
        debug!("handling {}", request.uri().path());
        let said = match request.uri().path() {
            "/fetch" => fetch(request.uri().query().unwrap_or_default()),
            path => count(path),
        };
        said.map(http::Response::new)
            .map_err(|error| ErrorCode::InternalError(Some(error)))
    }
}

fn count(path: &str) -> Result<String, String> {
    let bucket = keyvalue::store::open("default").map_err(|e| format!("{e:?}"))?;
    let count = keyvalue::atomics::increment(&bucket, path, 1).map_err(|e| format!("{e:?}"))?;
    let both = [path.to_owned(), "/none".to_owned()];
    let found = keyvalue::batch::get_many(&bucket, &both).map_err(|e| format!("{e:?}"))?;
    let greeting = config::store::get("greeting").map_err(|e| format!("{e:?}"))?;
    if greeting.is_none() {
        warn!(context: "config", "there is no greeting");
    }
    let all = config::store::get_all().map_err(|e| format!("{e:?}"))?;
    let greeting = greeting.unwrap_or_else(|| "hello".to_owned());
    let there = found.iter().flatten().count();
    Ok(format!("{greeting} {path} {count}, {there} found, {} values", all.len()))
}

fn fetch(url: &str) -> Result<String, String> {
    let authority = url.strip_prefix("http://").ok_or("http only")?;
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority.trim_end_matches('/'))).map_err(|()| "authority")?;
    request.set_path_with_query(Some("/")).map_err(|()| "path")?;
    let answer = handle(request, None).map_err(|e| format!("{e:?}"))?;
    answer.subscribe().block();
    let answer: IncomingResponse = match answer.get() {
        Some(Ok(Ok(answer))) => answer,
        other => return Err(format!("{other:?}")),
    };
    let body = answer.consume().map_err(|()| "body")?;
    let mut stream = body.stream().map_err(|()| "stream")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|e| e.to_string())?;
    Ok(format!("{} {text}", answer.status()))
}
