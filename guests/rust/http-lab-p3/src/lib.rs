//! A WASI 0.3 HTTP component with routes for tests of the host; see guests/README.md.
mod files;

use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Lab;
wasip3::http::service::export!(Lab);

impl wasip3::exports::http::handler::Guest for Lab {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/" | "/hello" => text(200, "hello\n"),
            "/echo" => echo(request),
            "/big" => big(number(query, "bytes", 1 << 20)),
            "/sink" => sink(request).await,
            "/sse" => sse(number(query, "n", 5), number(query, "ms", 50)),
            "/trailers" => trailers(),
            "/request-trailers" => request_trailers(request).await,
            "/status" => {
                let status = number(query, "code", 200) as u16;
                text(status, &format!("{status}\n"))
            }
            "/lie" => lie(number(query, "says", 5), number(query, "bytes", 10)),
            "/headers" => json(200, &headers_json(&request.get_headers())),
            "/sleep" => {
                monotonic_clock::wait_for(number(query, "ms", 0) * 1_000_000).await;
                text(200, "awake\n")
            }
            "/hang" => {
                monotonic_clock::wait_for(u64::MAX).await;
                text(500, "the end of time\n")
            }
            "/fetch" => json(200, &fetch(query).await),
            "/file" => files::write(&decode(value(query, "path").unwrap_or_default()), request).await,
            "/hold/files" => {
                let path = decode(value(query, "path").unwrap_or_default());
                json(200, &files::hold(&path, number(query, "n", 1)).await)
            }
            "/error" => Err(ErrorCode::InternalError(Some("asked to fail".into()))),
            "/trap" => trap(number(query, "after", 0) == 1),
            "/count" => {
                static COUNT: AtomicU64 = AtomicU64::new(0);
                text(
                    200,
                    &format!("{}\n", COUNT.fetch_add(1, Ordering::Relaxed) + 1),
                )
            }
            _ => json(404, &json!({"error": "no such route"})),
        }
    }
}

type Trailers = FutureReader<Result<Option<Fields>, ErrorCode>>;

fn respond(
    status: u16,
    headers: &[(&str, &str)],
    body: StreamReader<u8>,
    trailers: Trailers,
) -> Result<Response, ErrorCode> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields
            .append(name, value.as_bytes())
            .expect("a good header");
    }
    let (response, _sent) = Response::new(fields, Some(body), trailers);
    response.set_status_code(status).expect("a good status");
    Ok(response)
}

fn no_trailers() -> Trailers {
    wit_future::new(|| Ok(None)).1
}

fn whole(status: u16, kind: &str, body: Vec<u8>) -> Result<Response, ErrorCode> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(body).await;
    });
    respond(status, &[("content-type", kind)], reader, no_trailers())
}

fn text(status: u16, body: &str) -> Result<Response, ErrorCode> {
    whole(status, "text/plain", body.into())
}

fn json(status: u16, body: &Value) -> Result<Response, ErrorCode> {
    whole(status, "application/json", body.to_string().into())
}

/// Hands the request's body on as it is; no byte passes through here.
fn echo(request: Request) -> Result<Response, ErrorCode> {
    let kind = request
        .get_headers()
        .get("content-type")
        .into_iter()
        .next()
        .unwrap_or_default();
    let (_done, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, result);
    respond(
        200,
        &[("content-type", &String::from_utf8_lossy(&kind))],
        body,
        trailers,
    )
}

fn big(bytes: u64) -> Result<Response, ErrorCode> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        let piece = b"0123456789abcdef".repeat(4096);
        let mut left = bytes;
        while left > 0 {
            let n = left.min(piece.len() as u64);
            if !sent(&mut writer, piece[..n as usize].to_vec()).await {
                return;
            }
            left -= n;
        }
    });
    respond(
        200,
        &[("content-type", "application/octet-stream")],
        reader,
        no_trailers(),
    )
}

/// False if the client has gone.
async fn sent(writer: &mut StreamWriter<u8>, bytes: Vec<u8>) -> bool {
    writer.write_all(bytes).await.is_empty()
}

async fn sink(request: Request) -> Result<Response, ErrorCode> {
    let (_done, result) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, result);
    let mut total = 0;
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let status;
        (status, buffer) = body.read(buffer).await;
        total += buffer.len();
        buffer.clear();
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(body);
    trailers.await?;
    text(200, &format!("{total}\n"))
}

fn sse(n: u64, ms: u64) -> Result<Response, ErrorCode> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        for i in 1..=n {
            if i > 1 {
                monotonic_clock::wait_for(ms * 1_000_000).await;
            }
            if !sent(&mut writer, format!("id: {i}\ndata: event {i}\n\n").into()).await {
                return;
            }
        }
    });
    let headers = [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
    ];
    respond(200, &headers, reader, no_trailers())
}

fn trailers() -> Result<Response, ErrorCode> {
    let (mut writer, reader) = wit_stream::new();
    let (result, trailers) = wit_future::new(|| Ok(None));
    spawn_local(async move {
        writer.write_all(b"hello\n".to_vec()).await;
        drop(writer);
        let fields = Fields::new();
        fields
            .append("x-lab-trailer", b"done")
            .expect("a good trailer");
        let _ = result.write(Ok(Some(fields))).await;
    });
    respond(200, &[("trailer", "x-lab-trailer")], reader, trailers)
}

/// Reads the request's body, and answers with its trailers; `null` where there are none.
async fn request_trailers(request: Request) -> Result<Response, ErrorCode> {
    let (_done, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, result);
    body.collect().await;
    let trailers = trailers.await?;
    json(200, &trailers.map_or(Value::Null, |fields| headers_json(&fields)))
}

/// Promises `says` bytes, and sends `bytes`, if it can.
fn lie(says: u64, bytes: u64) -> Result<Response, ErrorCode> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(vec![b'x'; bytes as usize]).await;
    });
    let says = says.to_string();
    respond(200, &[("content-length", &says)], reader, no_trailers())
}

/// Panics: at once, or when a part of the response has been sent.
fn trap(after: bool) -> Result<Response, ErrorCode> {
    if !after {
        panic!("asked to trap");
    }
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(b"a part\n".to_vec()).await;
        panic!("asked to trap in the middle of the response");
    });
    respond(200, &[], reader, no_trailers())
}

/// `{"status", "headers", "body"}` or `{"error": "<name of the error>"}`.
async fn fetch(query: &str) -> Value {
    let url = decode(value(query, "url").unwrap_or_default());
    let Some((scheme, rest)) = url.split_once("://") else {
        return json!({"error": "bad url"});
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let (request, _sent) = Request::new(Fields::new(), None, no_trailers(), None);
    if request.set_scheme(Some(&scheme)).is_err()
        || request.set_authority(Some(authority)).is_err()
        || request.set_path_with_query(Some(path)).is_err()
    {
        return json!({"error": "bad url"});
    }
    let response = match client::send(request).await {
        Ok(response) => response,
        Err(code) => return json!({"error": name(&code)}),
    };
    let status = response.get_status_code();
    let headers = headers_json(&response.get_headers());
    let (_done, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, result);
    let body = body.collect().await;
    match trailers.await {
        Ok(_) => {
            json!({"status": status, "headers": headers, "body": String::from_utf8_lossy(&body)})
        }
        Err(code) => json!({"error": name(&code)}),
    }
}

/// `HttpRequestDenied` and the like, without what follows.
fn name(code: &ErrorCode) -> String {
    let text = format!("{code:?}");
    let text = text.trim_start_matches("ErrorCode::");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Header names in lower case with their values, those of one name joined by a comma.
fn headers_json(fields: &Fields) -> Value {
    let mut map = Map::new();
    for (name, value) in fields.copy_all() {
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

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn number(query: &str, name: &str, default: u64) -> u64 {
    value(query, name)
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// `%3A` and the like.
fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let hex = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
                let hex = std::str::from_utf8(&hex).unwrap_or_default();
                u8::from_str_radix(hex, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}
