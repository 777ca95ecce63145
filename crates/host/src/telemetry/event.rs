//! The span of one event that is no request: a job that is done, a message that is handled.

use super::Telemetry;
use crate::usage::Cause;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span;
use std::collections::HashMap;
use std::sync::Arc;

/// What an event is, as far as its span tells it.
pub(crate) struct Event<'a> {
    /// The name of its trigger.
    pub name: &'a str,
    /// What began it.
    pub began_by: BeganBy,
    /// Whose it is.
    pub app: &'a str,
    /// Who is called.
    pub component: &'a Arc<str>,
    /// The topic of the message that it handles.
    pub topic: Option<&'a str>,
    /// The `traceparent` that came with it: its span is a part of that trace.
    pub traceparent: Option<&'a str>,
}

/// What begins events that are no requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeganBy {
    /// The clock.
    Clock,
    /// A message.
    Message,
    /// A change of a store.
    Change,
    /// The beginning or the end of an app, or somebody who asked.
    Other,
}

impl BeganBy {
    /// As OpenTelemetry's conventions have it in `faas.trigger`.
    fn name(self) -> &'static str {
        match self {
            BeganBy::Clock => "timer",
            BeganBy::Message => "pubsub",
            BeganBy::Change => "datasource",
            BeganBy::Other => "other",
        }
    }
}

/// The span of one event; it ends when this is dropped.
pub(crate) struct EventSpan(Span);

impl Telemetry {
    /// Begins the span of an event.
    pub(crate) fn begin_event(&self, event: &Event<'_>) -> Option<EventSpan> {
        let (_, tracer) = self.spans.as_ref()?;
        let carried: HashMap<String, String> = event
            .traceparent
            .map(|parent| ("traceparent".to_owned(), parent.to_owned()))
            .into_iter()
            .collect();
        let context = TraceContextPropagator::new();
        let parent = context.extract_with_context(&Context::new(), &carried);
        let mut attributes = vec![
            KeyValue::new("faas.trigger", event.began_by.name()),
            KeyValue::new("holm.trigger", event.name.to_owned()),
            KeyValue::new("holm.app", event.app.to_owned()),
            KeyValue::new("holm.component", event.component.clone()),
        ];
        if let Some(topic) = event.topic {
            let topic = topic.to_owned();
            attributes.push(KeyValue::new("messaging.destination.name", topic));
        }
        let kind = match event.began_by {
            BeganBy::Message => SpanKind::Consumer,
            _ => SpanKind::Internal,
        };
        let builder = SpanBuilder::from_name(event.name.to_owned())
            .with_kind(kind)
            .with_attributes(attributes);
        Some(EventSpan(tracer.build_with_context(builder, &parent)))
    }
}

impl EventSpan {
    /// The trace with this span in it.
    pub(super) fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.span_context().clone())
    }

    /// It has failed, over this.
    pub(crate) fn failed(&mut self, cause: Cause) {
        self.0
            .set_attribute(KeyValue::new("error.type", cause.name()));
        self.0.set_status(Status::error(""));
    }
}
