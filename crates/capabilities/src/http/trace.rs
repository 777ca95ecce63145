//! An outbound request as its trace tells of it, and the mark by which the other side knows where it
//! belongs.

use super::destination::Destination;
use super::fault::Fault;
use holm_runtime::trace::{Call, Span, Tracer, Value};
use http::{HeaderValue, Request, Response};
use wasmtime_wasi_http::Error;

/// Begins the span of a request to where it was admitted to go, and marks the request with it, unless
/// the guest has marked it.
pub(super) fn begin<B>(
    tracer: &Tracer,
    to: &Destination,
    request: &mut Request<B>,
) -> Option<Box<dyn Span>> {
    let tracer = tracer.as_ref()?;
    let text = |text: &str| Value::Text(text.to_owned());
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" | "TRACE") => {
            known
        }
        _ => "_OTHER",
    };
    // A query may hold secrets.
    let full = format!("{to}{}", request.uri().path());
    let span = tracer.begin(Call {
        name: method.to_owned(),
        remote: true,
        is: vec![
            ("http.request.method", text(method)),
            ("url.full", Value::Text(full)),
            ("server.address", Value::Text(to.target.to_string())),
            ("server.port", Value::Number(to.port.into())),
        ],
    });
    let mark = match &span {
        Some(span) => span.traceparent(),
        None => tracer.traceparent(),
    };
    if let Some(Ok(mark)) = mark.map(HeaderValue::from_str) {
        let own = request.headers_mut().entry("traceparent");
        own.or_insert(mark);
    }
    span
}

/// The head of the answer is there, or there will be none.
pub(super) fn end<B>(span: Option<Box<dyn Span>>, result: &Result<Response<B>, Fault>) {
    let Some(mut span) = span else { return };
    match result {
        Ok(response) => {
            let status = response.status();
            span.is(
                "http.response.status_code",
                Value::Number(status.as_u16().into()),
            );
            if status.is_client_error() || status.is_server_error() {
                span.failed(status.as_str().to_owned());
            }
        }
        Err(Fault::Prohibited(..)) => span.failed("DestinationIpProhibited".to_owned()),
        Err(Fault::Beyond(_, error) | Fault::Error(error)) => span.failed(name(error)),
    }
}

/// `ConnectionRefused` and the like, without what follows.
fn name(error: &Error) -> String {
    let text = format!("{error:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_its_name() {
        assert_eq!(name(&Error::ConnectionRefused), "ConnectionRefused");
        assert_eq!(
            name(&Error::HttpResponseBodySize(Some(1))),
            "HttpResponseBodySize"
        );
    }
}
