//! A WASI 0.2 HTTP component that works on after its answer, and one that answers gRPC:
//!
//!     /after?ms=N          answers, waits so long, and says so on standard output
//!     /lab.Echo/Say        gives a call's message back, with the status 0 in the trailers
//!     /lab.Echo/Each       gives each message of a stream back as it comes
//!     /lab.Echo/Fail       answers with the status 5 and a text
use std::io::Write as _;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Lab;
wasip2::http::proxy::export!(Lab);

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/after" => {
                let ms: u64 = query.trim_start_matches("ms=").parse().unwrap_or(0);
                let body = answer(out, "text/plain");
                let stream = body.write().unwrap();
                stream.blocking_write_and_flush(b"answered\n").unwrap();
                drop(stream);
                OutgoingBody::finish(body, None).unwrap();
                monotonic_clock::subscribe_duration(ms * 1_000_000).block();
                println!("worked on after the answer");
            }
            "/lab.Echo/Say" | "/lab.Echo/Each" => {
                let answered = answer(out, "application/grpc");
                let mut to = answered.write().unwrap();
                let body = request.consume().unwrap();
                let from = body.stream().unwrap();
                // Message by message they came, and so they go.
                while let Ok(piece) = from.blocking_read(64 * 1024) {
                    to.write_all(&piece).unwrap();
                    to.flush().unwrap();
                }
                drop(from);
                drop(IncomingBody::finish(body));
                drop(to);
                OutgoingBody::finish(answered, Some(status(b"0", b""))).unwrap();
            }
            "/lab.Echo/Fail" => {
                let answered = answer(out, "application/grpc");
                OutgoingBody::finish(answered, Some(status(b"5", b"no such thing"))).unwrap();
            }
            _ => {
                let body = answer(out, "text/plain");
                OutgoingBody::finish(body, None).unwrap();
            }
        }
    }
}

fn answer(out: ResponseOutparam, kind: &str) -> OutgoingBody {
    let headers = Fields::new();
    headers
        .set("content-type", &[kind.as_bytes().to_vec()])
        .unwrap();
    let response = OutgoingResponse::new(headers);
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body
}

fn status(code: &[u8], message: &[u8]) -> Fields {
    let fields = Fields::new();
    fields.set("grpc-status", &[code.to_vec()]).unwrap();
    if !message.is_empty() {
        fields.set("grpc-message", &[message.to_vec()]).unwrap();
    }
    fields
}
