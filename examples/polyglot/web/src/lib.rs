//! The front: `POST /charge` with an order as JSON, answered by the payments processor.
use example::payments::processor::{self, Order, Refusal};
use serde::Deserialize;
use serde_json::json;
use std::io::{Read, Write};
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({ path: "../wit", world: "web" });

#[derive(Deserialize)]
struct Asked {
    customer: String,
    amount: u32,
    country: String,
}

struct Web;
wasip2::http::proxy::export!(Web);

impl wasip2::exports::http::incoming_handler::Guest for Web {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (status, text) = match (request.method(), path.as_str()) {
            (Method::Post, "/charge") => charge(&body(request)),
            (Method::Get, "/") => (200, "POST /charge: customer, amount in cents, country\n".into()),
            _ => (404, "no such page\n".into()),
        };
        answer(out, status, &text);
    }
}

fn charge(body: &[u8]) -> (u16, String) {
    let asked: Asked = match serde_json::from_slice(body) {
        Ok(asked) => asked,
        Err(error) => return (400, format!("{}\n", json!({ "error": error.to_string() }))),
    };
    let order = Order {
        customer: asked.customer,
        amount: asked.amount,
        country: asked.country,
    };
    let (status, answer) = match processor::charge(&order) {
        Ok(number) => (200, json!({ "paid": number })),
        Err(Refusal::Invalid(why)) => (422, json!({ "refused": why })),
        Err(Refusal::Fraud(points)) => (403, json!({ "refused": "fraud", "points": points })),
    };
    (status, format!("{answer}\n"))
}

fn body(request: IncomingRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(body) = request.consume() {
        if let Ok(mut stream) = body.stream() {
            // An order that is cut short is no JSON, and is refused as that.
            let _ = stream.read_to_end(&mut bytes);
        }
    }
    bytes
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    let (Ok(()), Ok(body)) = (response.set_status_code(status), response.body()) else {
        return;
    };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(mut stream) = body.write() {
        // A client that has left needs no answer.
        let _ = stream.write_all(text.as_bytes());
    }
    let _ = OutgoingBody::finish(body, None);
}
