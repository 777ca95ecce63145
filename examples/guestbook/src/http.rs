//! From wasi:http to a plain request and back.
use std::io::{Read, Write};
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// Twenty times what the longest entry takes in a form.
const LONGEST_BODY: u64 = 256 * 1024;

pub struct Request {
    pub method: String,
    pub path: String,
    /// In lower case and without parameters, empty if there is none.
    pub content_type: String,
    pub body: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: String) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body,
        }
    }
}

struct Component;
wasip2::http::proxy::export!(Component);

impl wasip2::exports::http::incoming_handler::Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = match read(request) {
            Some(request) => crate::answer(request),
            None => Answer::json(413, r#"{"error":"the request is too long"}"#.into()),
        };
        write(answer, out);
    }
}

fn read(request: IncomingRequest) -> Option<Request> {
    let method = match request.method() {
        Method::Get => "GET".into(),
        Method::Post => "POST".into(),
        other => format!("{other:?}"),
    };
    let target = request.path_with_query().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let content_type = request
        .headers()
        .get("content-type")
        .into_iter()
        .next()
        .unwrap_or_default();
    let content_type = String::from_utf8_lossy(&content_type).to_lowercase();
    let content_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let incoming = request.consume().expect("the body is taken once");
    let stream = incoming.stream().expect("the stream is taken once");
    let mut body = Vec::new();
    stream.take(LONGEST_BODY + 1).read_to_end(&mut body).ok()?;
    if body.len() as u64 > LONGEST_BODY {
        return None;
    }
    Some(Request {
        method,
        path,
        content_type,
        body,
    })
}

fn write(answer: Answer, out: ResponseOutparam) {
    let headers = Fields::new();
    for (name, value) in answer.headers {
        headers
            .append(name, value.as_bytes())
            .expect("the header is well formed");
    }
    let response = OutgoingResponse::new(headers);
    response
        .set_status_code(answer.status)
        .expect("the status is valid");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    // A client that has gone away is no concern of ours.
    let _ = stream.write_all(answer.body.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// Undoes the encoding of HTML forms.
pub fn form_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = (rest.next()? as char).to_digit(16)?;
                let low = (rest.next()? as char).to_digit(16)?;
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
