//! `/hold/<what>?n=N`: makes the host hold things, for tests of its limits.
use crate::reply::{Query, Reply};
use serde_json::{Value, json};
use std::fs::File;
use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingBody, OutgoingRequest, Scheme};
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

/// Ten centuries: no timer of these goes off.
const NEVER: u64 = u64::MAX / 2;

pub fn run(what: &str, query: &Query, reply: Reply) {
    let n = query.number("n", 1);
    match what {
        "timers" => {
            let timers: Vec<_> = (0..n)
                .map(|_| monotonic_clock::subscribe_duration(NEVER))
                .collect();
            reply.json(200, &json!({"held": timers.len()}));
        }
        "files" => {
            let path = query.get("path").unwrap_or_default();
            held(reply, (0..n).map(|_| File::open(path)));
        }
        "sockets" => held(
            reply,
            (0..n).map(|_| create_tcp_socket(IpAddressFamily::Ipv4)),
        ),
        "requests" => {
            let authority = query.get("to").unwrap_or_default();
            held(reply, (0..n).map(|_| send(authority)));
        }
        // One call of the host with so many bytes.
        "data" => {
            let value = vec![b'x'; n as usize];
            let made = Fields::from_list(&[("x-data".to_owned(), value)]);
            reply.json(200, &json!({"made": made.is_ok()}));
        }
        // So many fields of so many bytes, in the answer's head.
        "fields" => {
            let (fields, refused) = fields(n, query.number("bytes", 1));
            if refused {
                return reply.json(200, &json!({"refused": true}));
            }
            reply.start(200, fields).finish();
        }
        "trailers" => {
            let (fields, _) = fields(n, query.number("bytes", 1));
            reply.start(200, Fields::new()).finish_with(Some(fields));
        }
        _ => reply.json(404, &json!({"error": "nothing to hold"})),
    }
}

/// Holds all that can be had, and says how much that is and why it is no more.
fn held<T, E: std::fmt::Debug>(reply: Reply, make: impl Iterator<Item = Result<T, E>>) {
    let mut all = Vec::new();
    let mut error = Value::Null;
    for one in make {
        match one {
            Ok(one) => all.push(one),
            Err(why) => {
                error = format!("{why:?}").into();
                break;
            }
        }
    }
    reply.json(200, &json!({"held": all.len(), "error": error}));
}

fn fields(n: u64, bytes: u64) -> (Fields, bool) {
    let fields = Fields::new();
    let value = vec![b'x'; bytes as usize];
    let refused = (0..n).any(|i| fields.append(&format!("x-{i}"), &value).is_err());
    (fields, refused)
}

/// A request whose answer nobody reads; an error comes with the answer, so that is waited for.
fn send(
    authority: &str,
) -> Result<impl Sized, wasip2::http::types::ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    let body = request.body().expect("asked for once");
    let answer = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    answer.subscribe().block();
    answer.get().expect("it is there").expect("taken once")
}
