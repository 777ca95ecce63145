//! A WASI 0.2 HTTP component with a route for everything a test of the host wants to provoke.
//! The routes are listed in guests/README.md.
mod fetch;
mod hold;
mod kv;
mod reply;

use reply::{Query, Reply};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, hint, process};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::http::types::{Fields, IncomingBody, IncomingRequest, Method, ResponseOutparam};
use wasip2::io::streams::StreamError;
use wasip2::random::random::get_random_bytes;

wit_bindgen::generate!({
    inline: "
        package holm:http-lab;
        world lab {
            include wasi:keyvalue/imports@0.2.0-draft2;
            include wasi:config/imports@0.2.0-rc.1;
        }
    ",
    path: ["../../wit/keyvalue-draft2", "../../wit/config"],
    world: "holm:http-lab/lab",
    generate_all,
});

struct Lab;
wasip2::http::proxy::export!(Lab);

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query::parse(query);
        let reply = Reply::new(out);
        match path {
            "/" | "/hello" => reply.text(200, "hello\n"),
            "/echo" => echo(request, reply),
            "/big" => big(&query, reply),
            "/sink" => sink(request, reply),
            "/sse" => sse(&query, reply),
            "/trailers" => trailers(reply),
            "/request-trailers" => request_trailers(request, reply),
            "/lie" => lie(&query, reply),
            "/headers" => reply.json(200, &headers(&request.headers())),
            "/request" => reply.json(
                200,
                &json!({
                    "method": reply::method_name(&request.method()),
                    "scheme": request.scheme().map(reply::scheme_name),
                    "authority": request.authority(),
                    "path": target,
                }),
            ),
            "/status" => {
                let status = query.number("code", 200) as u16;
                reply.text(status, &format!("{status}\n"));
            }
            "/trap" => trap(&query, reply),
            "/spin" => loop {
                hint::black_box(0);
            },
            "/hang" => loop {
                sleep(u64::MAX);
            },
            "/sleep" => {
                sleep(query.number("ms", 0) * 1_000_000);
                reply.text(200, "awake\n");
            }
            "/grow" => grow(),
            "/exit" => process::exit(query.number("code", 1) as i32),
            "/nothing" => reply.never(),
            "/fetch" => {
                let answer = fetch::fetch(&query, request);
                reply.json(200, &answer);
            }
            "/log" => {
                if let Some(text) = query.get("text") {
                    println!("{text}");
                }
                for i in 1..=query.number("n", 1) {
                    println!("out {i}");
                    eprintln!("err {i}");
                }
                reply.text(200, "logged\n");
            }
            "/env" => {
                let vars: Map<String, Value> = env::vars().map(|(k, v)| (k, v.into())).collect();
                reply.json(200, &vars.into());
            }
            "/file" => file(&query, request, reply),
            "/count" => {
                static COUNT: AtomicU64 = AtomicU64::new(0);
                reply.text(
                    200,
                    &format!("{}\n", COUNT.fetch_add(1, Ordering::Relaxed) + 1),
                );
            }
            "/config" => reply.json(200, &config(&query)),
            "/random" => {
                let hex: String = get_random_bytes(query.number("n", 16))
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                reply.text(200, &format!("{hex}\n"));
            }
            "/time" => {
                let now = wall_clock::now();
                reply.json(
                    200,
                    &json!({
                        "seconds": now.seconds,
                        "nanoseconds": now.nanoseconds,
                        "monotonic": monotonic_clock::now(),
                    }),
                );
            }
            "/burn" => {
                (0..query.number("n", 1_000_000)).for_each(|i| drop(hint::black_box(i)));
                reply.text(200, "burnt\n");
            }
            _ => match (path.strip_prefix("/kv/"), path.strip_prefix("/hold/")) {
                (Some(operation), _) => {
                    let answer = kv::run(operation, &query);
                    reply.json(200, &answer);
                }
                (_, Some(what)) => hold::run(what, &query, reply),
                _ => reply.json(404, &json!({"error": "no such route"})),
            },
        }
    }
}

fn sleep(nanoseconds: u64) {
    monotonic_clock::subscribe_duration(nanoseconds).block();
}

/// Sends the request's body back, each piece as it comes.
fn echo(request: IncomingRequest, reply: Reply) {
    let headers = Fields::new();
    for value in request.headers().get("content-type") {
        headers.append("content-type", &value).unwrap();
    }
    let mut out = reply.start(200, headers);
    let body = request.consume().unwrap();
    let input = body.stream().unwrap();
    loop {
        match input.blocking_read(64 * 1024) {
            Ok(piece) => out
                .write_all(&piece)
                .expect("the response's body can be written"),
            Err(StreamError::Closed) => return out.finish(),
            Err(error) => panic!("the request's body cannot be read: {error}"),
        }
    }
}

/// `bytes` bytes of a repeated pattern; with `length=1` their number in a header.
fn big(query: &Query, reply: Reply) {
    let mut left = query.number("bytes", 1 << 20);
    let headers = Fields::new();
    headers
        .set("content-type", &[b"application/octet-stream".to_vec()])
        .unwrap();
    if query.number("length", 0) == 1 {
        headers
            .set("content-length", &[left.to_string().into_bytes()])
            .unwrap();
    }
    let mut out = reply.start(200, headers);
    let piece = b"0123456789abcdef".repeat(4096);
    while left > 0 {
        let n = left.min(piece.len() as u64);
        if out.write_all(&piece[..n as usize]).is_err() {
            return; // the client has gone
        }
        left -= n;
    }
    out.finish();
}

fn sink(request: IncomingRequest, reply: Reply) {
    let body = request.consume().unwrap();
    let input = body.stream().unwrap();
    let mut total = 0;
    loop {
        match input.blocking_read(64 * 1024) {
            Ok(piece) => total += piece.len(),
            Err(StreamError::Closed) => return reply.text(200, &format!("{total}\n")),
            Err(error) => return reply.json(400, &json!({"error": error.to_string()})),
        }
    }
}

/// `n` events, `ms` milliseconds apart, each sent at once.
fn sse(query: &Query, reply: Reply) {
    let headers = Fields::new();
    headers
        .set("content-type", &[b"text/event-stream".to_vec()])
        .unwrap();
    headers
        .set("cache-control", &[b"no-cache".to_vec()])
        .unwrap();
    let mut out = reply.start(200, headers);
    for i in 1..=query.number("n", 5) {
        if i > 1 {
            sleep(query.number("ms", 50) * 1_000_000);
        }
        if write!(out, "id: {i}\ndata: event {i}\n\n")
            .and_then(|()| out.flush())
            .is_err()
        {
            return; // the client has gone
        }
    }
    out.finish();
}

fn trailers(reply: Reply) {
    let headers = Fields::new();
    headers
        .set("trailer", &[b"x-lab-trailer".to_vec()])
        .unwrap();
    let mut out = reply.start(200, headers);
    out.write_all(b"hello\n").unwrap();
    let trailers = Fields::new();
    trailers.set("x-lab-trailer", &[b"done".to_vec()]).unwrap();
    out.finish_with(Some(trailers));
}

/// Reads the request's body, and answers with its trailers; `null` where there are none.
fn request_trailers(request: IncomingRequest, reply: Reply) {
    let body = request.consume().unwrap();
    let input = body.stream().unwrap();
    while input.blocking_read(64 * 1024).is_ok() {}
    drop(input);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Ok(Some(fields)))) => reply.json(200, &headers(&fields)),
        Some(Ok(Ok(None))) => reply.json(200, &Value::Null),
        other => reply.json(400, &json!({"error": format!("{other:?}")})),
    }
}

/// Promises `says` bytes, and sends `bytes`, if it can.
fn lie(query: &Query, reply: Reply) {
    let headers = Fields::new();
    let says = query.number("says", 5).to_string().into_bytes();
    headers.set("content-length", &[says]).unwrap();
    let mut out = reply.start(200, headers);
    let bytes = vec![b'x'; query.number("bytes", 10) as usize];
    if out.write_all(&bytes).and_then(|()| out.flush()).is_ok() {
        out.finish();
    }
}

/// Header names in lower case with their values, those of one name joined by a comma.
fn headers(fields: &Fields) -> Value {
    let mut map = Map::new();
    for (name, value) in fields.entries() {
        let value = String::from_utf8_lossy(&value).into_owned();
        match map.get_mut(&name.to_lowercase()) {
            Some(Value::String(values)) => {
                values.push_str(", ");
                values.push_str(&value);
            }
            _ => {
                map.insert(name.to_lowercase(), value.into());
            }
        }
    }
    map.into()
}

/// Panics: at once, or (`after=1`) when a part of the response has been sent.
fn trap(query: &Query, reply: Reply) {
    if query.number("after", 0) == 1 {
        let mut out = reply.start(200, Fields::new());
        out.write_all(b"a part\n")
            .and_then(|()| out.flush())
            .unwrap();
        panic!("asked to trap in the middle of the response");
    }
    panic!("asked to trap");
}

/// Takes memory, a mebibyte at a time, and touches it, until there is none.
fn grow() -> ! {
    loop {
        hint::black_box(vec![1u8; 1 << 20].leak());
    }
}

/// GET reads a file, PUT writes it.
fn file(query: &Query, request: IncomingRequest, reply: Reply) {
    let path = query.get("path").unwrap_or_default();
    let result = if matches!(request.method(), Method::Put) {
        fs::write(path, reply::read_all(request)).map(|()| Vec::new())
    } else {
        fs::read(path)
    };
    match result {
        Ok(bytes) => reply.bytes(200, "application/octet-stream", &bytes),
        Err(error) => reply.json(404, &json!({"error": error.to_string()})),
    }
}

/// One value of wasi:config, or all of them.
fn config(query: &Query) -> Value {
    use wasi::config::store;
    let result = match query.get("key") {
        Some(key) => store::get(key).map(Value::from),
        None => store::get_all().map(|all| {
            all.into_iter()
                .map(|(k, v)| (k, v.into()))
                .collect::<Map<_, _>>()
                .into()
        }),
    };
    match result {
        Ok(value) => json!({"ok": value}),
        Err(error) => json!({"error": format!("{error:?}")}),
    }
}
