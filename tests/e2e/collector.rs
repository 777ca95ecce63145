//! A collector of OTLP over HTTP, and what it was sent.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a collector was sent: path and body.
type Sent = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector of OTLP over HTTP.
pub struct Collector {
    /// Where it listens.
    pub addr: SocketAddr,
    sent: Sent,
}

/// Starts one.
pub fn collector() -> Collector {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let sent = Sent::default();
    let notes = sent.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let notes = notes.clone();
            std::thread::spawn(move || take(stream, &notes));
        }
    });
    Collector { addr, sent }
}

/// Takes requests until the connection ends.
fn take(stream: TcpStream, notes: &Sent) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let lower = head.to_lowercase();
        assert!(
            lower.contains("content-type: application/x-protobuf"),
            "{head}"
        );
        let length = lower.split("content-length: ").nth(1).unwrap();
        let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        notes.lock().unwrap().push((path, body));
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

impl Collector {
    /// The bodies that were sent to a path.
    pub fn bodies(&self, of: &str) -> Vec<Vec<u8>> {
        let sent = self.sent.lock().unwrap();
        let bodies = sent.iter().filter(|(path, _)| path == of);
        bodies.map(|(_, body)| body.clone()).collect()
    }

    /// The spans so far, with the name of their service.
    pub fn spans(&self) -> Vec<(String, Span)> {
        let mut spans = Vec::new();
        for body in self.bodies("/v1/traces") {
            let request = ExportTraceServiceRequest::decode(&*body).unwrap();
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.unwrap_or_default();
                let service = text(&resource.attributes, "service.name");
                let all = of_resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans);
                spans.extend(all.map(|span| (service.clone(), span)));
            }
        }
        spans
    }
}

/// An attribute as text; empty where it is not there.
pub fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
