//! Spans of a guest's calls to the outside, below the span of its request.

use super::{RequestSpan, Telemetry};
use holm_runtime::trace::{self, Call, Trace, Tracer, Value};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Spans that one request may have below its own: a guest in a loop of calls fills no queue. Calls
/// beyond are made all the same, and belong to the request's span.
const CALLS_MAX: u32 = 128;

/// The calls of one request.
struct Calls {
    tracer: SdkTracer,
    of: Context,
    /// Made when somebody asks: mostly nobody does.
    traceparent: OnceLock<Option<String>>,
    left: AtomicU32,
}

impl Telemetry {
    /// Who is told of the calls of a request with this span.
    pub(crate) fn calls_of(&self, span: &RequestSpan) -> Tracer {
        let (_, tracer) = self.spans.as_ref()?;
        let of = span.context();
        Some(Arc::new(Calls {
            tracer: tracer.clone(),
            traceparent: OnceLock::new(),
            of,
            left: AtomicU32::new(CALLS_MAX),
        }))
    }
}

/// How a context is written to be sent on.
fn traceparent(of: &Context) -> Option<String> {
    let mut carried = HashMap::new();
    TraceContextPropagator::new().inject_context(of, &mut carried);
    carried.remove("traceparent")
}

impl Trace for Calls {
    fn begin(&self, call: Call) -> Option<Box<dyn trace::Span>> {
        let one_less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Relaxed, Relaxed, one_less).ok()?;
        let kind = match call.remote {
            true => SpanKind::Client,
            false => SpanKind::Internal,
        };
        let is = call
            .is
            .into_iter()
            .map(|(name, value)| attribute(name, value));
        let builder = SpanBuilder::from_name(call.name)
            .with_kind(kind)
            .with_attributes(is);
        let span = self.tracer.build_with_context(builder, &self.of);
        let here = Context::new().with_remote_span_context(span.span_context().clone());
        Some(Box::new(CallSpan {
            traceparent: traceparent(&here),
            span,
        }))
    }

    fn traceparent(&self) -> Option<&str> {
        let made = self.traceparent.get_or_init(|| traceparent(&self.of));
        made.as_deref()
    }
}

/// One of them; the span ends when it is dropped.
struct CallSpan {
    span: Span,
    traceparent: Option<String>,
}

impl trace::Span for CallSpan {
    fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    fn is(&mut self, name: &'static str, value: Value) {
        self.span.set_attribute(attribute(name, value));
    }

    fn failed(&mut self, error: String) {
        self.span.set_attribute(KeyValue::new("error.type", error));
        self.span.set_status(Status::error(""));
    }
}

fn attribute(name: &'static str, value: Value) -> KeyValue {
    match value {
        Value::Text(text) => KeyValue::new(name, text),
        Value::Number(number) => KeyValue::new(name, number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    #[test]
    fn a_guest_in_a_loop_makes_so_many_spans_and_no_more() {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let of = tracer.build_with_context(SpanBuilder::from_name("GET"), &Context::new());
        let of = Context::new().with_remote_span_context(of.span_context().clone());
        let calls = Calls {
            tracer,
            traceparent: OnceLock::new(),
            of,
            left: AtomicU32::new(CALLS_MAX),
        };
        let begin = || {
            calls.begin(Call {
                name: "GET".to_owned(),
                remote: true,
                is: Vec::new(),
            })
        };
        let spans: Vec<_> = std::iter::from_fn(begin).take(1000).collect();
        assert_eq!(spans.len(), CALLS_MAX as usize);
        // All of one trace, each by its own name.
        let event = calls.traceparent().unwrap();
        let own = spans[0].traceparent().unwrap();
        assert_eq!(own[..35], event[..35]);
        assert_ne!(own, event);
        assert_ne!(Some(own), spans[1].traceparent());
    }
}
