//! Answers HTTP requests.

use std::io::Write;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct App;
wasip2::http::proxy::export!(App);

impl Guest for App {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match (request.method(), path) {
            (Method::Get, "/") => answer(out, 200, "Hello from my-app!\n"),
            (Method::Get, "/hello") => answer(out, 200, "Hello to you too!\n"),
            _ => {
                log(&format!("nothing at {target}"));
                answer(out, 404, "There is nothing here.\n");
            }
        }
    }
}

/// Sends an answer: its head, its body, its end.
fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let headers = Fields::new();
    let kind = b"text/plain; charset=utf-8".to_vec();
    headers.append("content-type", &kind).expect("a header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("a stream");
    // A client that has left is no reason to fail.
    let _ = stream.write_all(text.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// Writes a line to the log. For this target `println!` goes nowhere.
fn log(line: &str) {
    let mut stderr = wasip2::cli::stderr::get_stderr();
    let _ = writeln!(stderr, "{line}");
}
