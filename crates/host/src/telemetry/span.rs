//! The span of one request, from its head until the last who works for it is done.

use super::Telemetry;
use crate::server::Peer;
use crate::triggers::http::request_id::RequestId;
use http::{HeaderMap, Method, Request, Version};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span;
use std::sync::Arc;

/// The span of one request.
pub struct RequestSpan {
    span: Span,
    /// Its name begins with it.
    method: Method,
}

impl Telemetry {
    /// Begins the span of a request: a part of the trace that the client names, if it names one.
    /// The guest finds the span in its request's headers.
    pub(crate) fn begin<B>(
        &self,
        request: &mut Request<B>,
        peer: &Peer,
        id: RequestId,
    ) -> Option<RequestSpan> {
        let (_, tracer) = self.spans.as_ref()?;
        let context = TraceContextPropagator::new();
        let headers = HeaderExtractor(request.headers());
        let parent = context.extract_with_context(&Context::new(), &headers);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method(request.method())),
            KeyValue::new("url.path", request.uri().path().to_owned()),
            KeyValue::new("url.scheme", if peer.tls { "https" } else { "http" }),
            KeyValue::new("client.address", peer.addr.ip().to_string()),
            KeyValue::new("network.protocol.version", version(request.version())),
            KeyValue::new("faas.trigger", "http"),
            KeyValue::new("faas.invocation_id", id.to_string()),
        ];
        let named = request.uri().host().map(str::to_owned);
        if let Some(host) = named.or_else(|| host(request.headers())) {
            attributes.push(KeyValue::new("server.address", host));
        }
        let builder = SpanBuilder::from_name(method(request.method()))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        let span = tracer.build_with_context(builder, &parent);
        let here = Context::new().with_remote_span_context(span.span_context().clone());
        context.inject_context(&here, &mut HeaderInjector(request.headers_mut()));
        Some(RequestSpan {
            span,
            method: request.method().clone(),
        })
    }
}

impl RequestSpan {
    /// The trace with this span in it.
    pub(super) fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.span.span_context().clone())
    }

    /// By which route.
    pub(crate) fn route(&mut self, pattern: &str) {
        let name = format!("{} {pattern}", method(&self.method));
        self.span.update_name(name);
        self.span
            .set_attribute(KeyValue::new("http.route", pattern.to_owned()));
    }

    /// Whose route it is.
    pub(crate) fn app(&mut self, name: &Arc<str>) {
        self.span
            .set_attribute(KeyValue::new("holm.app", name.clone()));
    }

    /// Who answers it.
    pub(crate) fn component(&mut self, name: &Arc<str>) {
        self.span
            .set_attribute(KeyValue::new("holm.component", name.clone()));
    }

    /// All is known: the answer's status, if there was an answer, and the cause, if it was no good
    /// one of the component's.
    pub(crate) fn end(mut self, status: Option<u16>, cause: Option<&'static str>) {
        if let Some(status) = status {
            let status = i64::from(status);
            self.span
                .set_attribute(KeyValue::new("http.response.status_code", status));
        }
        let failed = status.is_none_or(|status| status >= 500);
        let cause = cause.map(str::to_owned);
        let error = cause.or_else(|| Some(status.filter(|_| failed)?.to_string()));
        if let Some(error) = error {
            self.span.set_attribute(KeyValue::new("error.type", error));
        }
        if failed {
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}

/// The conventions know these; a client can write anything.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(http::header::HOST)?.to_str().ok()?;
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    Some(bare.to_owned())
}
