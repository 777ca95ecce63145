//! The two ends of a request: its query and body, and the response.
use serde_json::Value;
use std::io::{self, Read, Write};
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::OutputStream;

pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// `%41` and `+` of a query.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = text
            .get(i + 1..i + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub fn method_name(method: &Method) -> String {
    match method {
        Method::Other(name) => name.clone(),
        known => format!("{known:?}")
            .trim_start_matches("Method::")
            .to_uppercase(),
    }
}

pub fn scheme_name(scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => "http".into(),
        Scheme::Https => "https".into(),
        Scheme::Other(name) => name,
    }
}

pub fn read_all(request: IncomingRequest) -> Vec<u8> {
    let body = request.consume().unwrap();
    let mut bytes = Vec::new();
    body.stream()
        .unwrap()
        .read_to_end(&mut bytes)
        .expect("the request's body can be read");
    bytes
}

pub struct Reply(ResponseOutparam);

impl Reply {
    pub fn new(out: ResponseOutparam) -> Self {
        Self(out)
    }

    /// Sends the head; the body follows through what this returns.
    pub fn start(self, status: u16, headers: Fields) -> Out {
        let response = OutgoingResponse::new(headers);
        response
            .set_status_code(status)
            .expect("a status code between 100 and 999");
        let body = response.body().unwrap();
        ResponseOutparam::set(self.0, Ok(response));
        Out {
            stream: body.write().unwrap(),
            body,
        }
    }

    pub fn bytes(self, status: u16, content_type: &str, bytes: &[u8]) {
        let headers = Fields::new();
        headers
            .set("content-type", &[content_type.as_bytes().to_vec()])
            .unwrap();
        let mut out = self.start(status, headers);
        out.write_all(bytes).unwrap();
        out.finish();
    }

    pub fn text(self, status: u16, text: &str) {
        self.bytes(status, "text/plain", text.as_bytes());
    }

    pub fn json(self, status: u16, value: &Value) {
        self.bytes(status, "application/json", value.to_string().as_bytes());
    }

    /// Drops the right to answer unused.
    pub fn never(self) {}
}

/// A response's body in the making.
pub struct Out {
    stream: OutputStream,
    body: OutgoingBody,
}

impl Out {
    pub fn finish(self) {
        self.finish_with(None);
    }

    pub fn finish_with(self, trailers: Option<Fields>) {
        drop(self.stream);
        OutgoingBody::finish(self.body, trailers).expect("the body is whole");
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.stream, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.stream)
    }
}
