//! Spans of a guest's calls to the outside, below the span of its event.

use super::{EventSpan, RequestSpan, Telemetry};
use holm_runtime::trace::{self, Call, Place, Trace, Tracer, Value};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Spans that one event may have below its own, of its calls and of the guest's own: a guest in a
/// loop fills no queue. Calls beyond are made all the same, and belong to the event's span.
const CALLS_MAX: u32 = 128;

/// The calls of one event.
struct Calls {
    tracer: SdkTracer,
    of: Context,
    /// Made when somebody asks: mostly nobody does.
    traceparent: OnceLock<Option<String>>,
    left: AtomicU32,
    own: Mutex<Vec<Own>>,
}

/// A span of the guest's own.
struct Own {
    id: trace::SpanId,
    is_open: bool,
}

impl Telemetry {
    /// Who is told of the calls of a request with this span.
    pub(crate) fn calls_of(&self, span: &RequestSpan) -> Tracer {
        self.calls_below(span.context())
    }

    /// The same for an event that is no request.
    pub(crate) fn calls_of_event(&self, span: &EventSpan) -> Tracer {
        self.calls_below(span.context())
    }

    fn calls_below(&self, of: Context) -> Tracer {
        let (_, tracer) = self.spans.as_ref()?;
        Some(Arc::new(Calls {
            tracer: tracer.clone(),
            traceparent: OnceLock::new(),
            of,
            left: AtomicU32::new(CALLS_MAX),
            own: Mutex::default(),
        }))
    }
}

impl Calls {
    fn own(&self) -> MutexGuard<'_, Vec<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One span less to be had; no, if there are none.
    fn one_less(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Relaxed, Relaxed, one_less).is_ok()
    }

    /// Below the guest's span that is open, if one is.
    fn here(&self) -> Context {
        let open = self
            .own()
            .iter()
            .rev()
            .find(|own| own.is_open)
            .map(|own| own.id);
        match open {
            None => self.of.clone(),
            Some(id) => {
                let event = self.of.span().span_context().clone();
                Context::new().with_remote_span_context(SpanContext::new(
                    event.trace_id(),
                    SpanId::from_bytes(id),
                    event.trace_flags(),
                    true,
                    event.trace_state().clone(),
                ))
            }
        }
    }

    fn place_of(&self, context: &Context) -> Place {
        let span = context.span().span_context().clone();
        let state = span.trace_state().header();
        let pairs = state.split(',').filter_map(|pair| pair.split_once('='));
        Place {
            trace: span.trace_id().to_bytes(),
            span: span.span_id().to_bytes(),
            sampled: span.is_sampled(),
            state: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
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
        if !self.one_less() {
            return None;
        }
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
        let span = self.tracer.build_with_context(builder, &self.here());
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

    fn place(&self) -> Place {
        self.place_of(&self.here())
    }

    fn entered(&self, id: trace::SpanId) {
        if id != trace::SpanId::default() && self.one_less() {
            self.own().push(Own { id, is_open: true });
        }
    }

    fn left(&self, id: trace::SpanId, parent: trace::SpanId) -> Option<Place> {
        let event = self.place_of(&self.of);
        let mut own = self.own();
        let found = own.iter_mut().rev().find(|own| own.id == id && own.is_open);
        found?.is_open = false;
        let is_below_its_own = own.iter().any(|own| own.id == parent && own.id != id);
        let span = if is_below_its_own { parent } else { event.span };
        Some(Place { span, ..event })
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
            own: Mutex::default(),
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

    #[test]
    fn what_a_guest_does_within_its_own_span_lies_below_it() {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let event = tracer.build_with_context(SpanBuilder::from_name("GET"), &Context::new());
        let of = Context::new().with_remote_span_context(event.span_context().clone());
        let calls = Calls {
            tracer,
            traceparent: OnceLock::new(),
            of,
            left: AtomicU32::new(4),
            own: Mutex::default(),
        };
        let event = calls.place();
        let (outer, inner) = ([1; 8], [2; 8]);
        calls.entered(outer);
        calls.entered(inner);
        assert_eq!(calls.place().span, inner);
        assert_eq!(calls.place().trace, event.trace);
        assert_eq!(calls.left(inner, outer).unwrap().span, outer);
        assert_eq!(calls.place().span, outer);
        // What it never began is not below anything, and nothing ends twice.
        assert_eq!(calls.left(inner, outer), None);
        assert_eq!(calls.left(outer, [9; 8]).unwrap().span, event.span);
        assert_eq!(calls.place(), event);
        // Two of four are left.
        for id in 3..9 {
            calls.entered([id; 8]);
        }
        assert_eq!(calls.place().span, [4; 8]);
        assert_eq!(calls.left([5; 8], outer), None);
    }
}
