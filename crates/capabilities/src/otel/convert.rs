//! Spans and log records of `wasi:otel` as OTLP has them.

use super::value::{any, attributes};
use super::wit::{DateTime, logs, tracing, types};
use crate::stdio::Level;
use holm_runtime::trace::Place;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span, Status};

/// The flag of the W3C's that says that a span is recorded.
const SAMPLED: u32 = 1;

/// An id of so many bytes, from its hexadecimal digits.
pub fn id<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if text.len() != 2 * N || !is_hex {
        return None;
    }
    let mut id = [0; N];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(id)
}

fn bytes<const N: usize>(text: &str) -> Vec<u8> {
    id::<N>(text).map(Vec::from).unwrap_or_default()
}

/// The id of a trace, if it is one.
pub fn trace_bytes(text: &str) -> Vec<u8> {
    bytes::<16>(text)
}

/// The id of a span, if it is one.
pub fn span_bytes(text: &str) -> Vec<u8> {
    bytes::<8>(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nanoseconds since 1970.
pub fn nanos(time: DateTime) -> u64 {
    let seconds = time.seconds.saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(time.nanoseconds))
}

/// A place in a trace, for the guest.
pub fn context(place: &Place) -> tracing::SpanContext {
    tracing::SpanContext {
        trace_id: hex(&place.trace),
        span_id: hex(&place.span),
        trace_flags: match place.sampled {
            true => tracing::TraceFlags::SAMPLED,
            false => tracing::TraceFlags::empty(),
        },
        is_remote: true,
        trace_state: place.state.clone(),
    }
}

/// Pairs as the header has them.
fn state(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

/// Who measured.
pub fn scope(scope: types::InstrumentationScope) -> (InstrumentationScope, String) {
    let of = InstrumentationScope {
        name: scope.name,
        version: scope.version.unwrap_or_default(),
        attributes: attributes(scope.attributes),
        ..InstrumentationScope::default()
    };
    (of, scope.schema_url.unwrap_or_default())
}

/// A span that has ended, at its place.
pub fn span(span: tracing::SpanData, id: [u8; 8], place: &Place) -> ScopeSpans {
    use tracing::SpanKind as Kind;
    let (scope, schema_url) = scope(span.instrumentation_scope);
    let kind = match span.span_kind {
        Kind::Client => SpanKind::Client,
        Kind::Server => SpanKind::Server,
        Kind::Producer => SpanKind::Producer,
        Kind::Consumer => SpanKind::Consumer,
        Kind::Internal => SpanKind::Internal,
    };
    let (code, message) = match span.status {
        tracing::Status::Unset => (StatusCode::Unset, String::new()),
        tracing::Status::Ok => (StatusCode::Ok, String::new()),
        tracing::Status::Error(message) => (StatusCode::Error, message),
    };
    let events = span.events.into_iter().map(|event| Event {
        time_unix_nano: nanos(event.time),
        name: event.name,
        attributes: attributes(event.attributes),
        dropped_attributes_count: 0,
    });
    let links = span.links.into_iter().map(|link| Link {
        trace_id: trace_bytes(&link.span_context.trace_id),
        span_id: span_bytes(&link.span_context.span_id),
        trace_state: state(&link.span_context.trace_state),
        attributes: attributes(link.attributes),
        ..Link::default()
    });
    let span = Span {
        trace_id: place.trace.to_vec(),
        span_id: id.to_vec(),
        parent_span_id: place.span.to_vec(),
        trace_state: state(&place.state),
        flags: SAMPLED,
        name: span.name,
        kind: kind.into(),
        start_time_unix_nano: nanos(span.start_time),
        end_time_unix_nano: nanos(span.end_time),
        attributes: attributes(span.attributes),
        dropped_attributes_count: span.dropped_attributes,
        events: events.collect(),
        dropped_events_count: span.dropped_events,
        links: links.collect(),
        dropped_links_count: span.dropped_links,
        status: Some(Status {
            message,
            code: code.into(),
        }),
    };
    ScopeSpans {
        scope: Some(scope),
        spans: vec![span],
        schema_url,
    }
}

/// How much a record matters, by its number.
pub fn level(record: &logs::LogRecord) -> Level {
    match record.severity_number.unwrap_or_default() {
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        13..=16 => Level::Warn,
        17..=20 => Level::Error,
        21.. => Level::Critical,
        _ => Level::Info,
    }
}

/// A record of a log, within the trace of its event.
pub fn record(record: logs::LogRecord, place: Option<Place>) -> ScopeLogs {
    let (scope, schema_url) = record.instrumentation_scope.map(scope).unzip();
    let place = place.unwrap_or_default();
    let in_trace = record.trace_id.as_deref().and_then(id) == Some(place.trace);
    let own = record.span_id.as_deref().and_then(id).filter(|_| in_trace);
    let is_traced = place.trace != [0; 16];
    let of = |id: &[u8]| match is_traced {
        true => id.to_vec(),
        false => Vec::new(),
    };
    let record = LogRecord {
        time_unix_nano: record.timestamp.map(nanos).unwrap_or_default(),
        observed_time_unix_nano: record.observed_timestamp.map(nanos).unwrap_or_default(),
        severity_number: record.severity_number.unwrap_or_default().into(),
        severity_text: record.severity_text.unwrap_or_default(),
        body: record.body.map(|body| any(&body)),
        attributes: attributes(record.attributes.unwrap_or_default()),
        flags: u32::from(place.sampled),
        trace_id: of(&place.trace),
        span_id: of(&own.unwrap_or(place.span)),
        event_name: record.event_name.unwrap_or_default(),
        ..LogRecord::default()
    };
    ScopeLogs {
        scope,
        log_records: vec![record],
        schema_url: schema_url.unwrap_or_default(),
    }
}
