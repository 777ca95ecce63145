//! A request of WASI 0.2 from the command line.
//!
//!     http-get URL    prints the status, a line each for the headers, an empty line, the body
use std::io::{Read, Write};
use std::process::exit;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingRequest, Scheme};

fn main() {
    let Some((scheme, authority, path)) = std::env::args().nth(1).as_deref().and_then(parts) else {
        eprintln!("http-get: wants a URL (like http://127.0.0.1:8000/path)");
        exit(2);
    };
    if let Err(error) = get(&scheme, &authority, &path) {
        eprintln!("http-get: {error:?}");
        exit(1);
    }
}

/// Scheme, authority, and path with query.
fn parts(url: &str) -> Option<(Scheme, String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    Some((scheme, authority.to_owned(), path.to_owned()))
}

fn get(scheme: &Scheme, authority: &str, path: &str) -> Result<(), ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let set = request
        .set_scheme(Some(scheme))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    set.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let body = request.body().expect("taken once");
    let response = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    response.subscribe().block();
    let response = response.get().expect("it is there").expect("taken once")?;
    println!("{}", response.status());
    for (name, value) in response.headers().entries() {
        println!("{name}: {}", String::from_utf8_lossy(&value));
    }
    println!();
    let body = response.consume().expect("taken once");
    let mut bytes = Vec::new();
    let read = body.stream().expect("taken once").read_to_end(&mut bytes);
    read.map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
    std::io::stdout()
        .write_all(&bytes)
        .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))
}
