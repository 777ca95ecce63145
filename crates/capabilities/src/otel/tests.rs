//! What a guest reports is what comes out, and lies where it may.

use super::convert::id;
use super::value::{any, text};
use super::wit::{DateTime, logs, metrics, tracing, types};
use super::{Collector, Instance, Otel, Report, Signal};
use crate::Capability as _;
use crate::stdio::{Capture, Stdio};
use crate::testing::core;
use holm_runtime::seam::Uses;
use holm_runtime::trace::{self, Call, Place, SpanId, Trace};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::ScopeLogs;
use opentelemetry_proto::tonic::metrics::v1::{ScopeMetrics, metric};
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message as _;
use std::sync::{Arc, Mutex};
use wasmtime_wasi::WasiCtxBuilder;

/// Keeps what it is given, as far as there is room.
#[derive(Default)]
struct Kept {
    reports: Mutex<Vec<Report>>,
    is_full: bool,
}

impl Collector for Kept {
    fn wants(&self, _: Signal) -> bool {
        true
    }

    fn take(&self, report: Report) -> bool {
        self.reports.lock().unwrap().push(report);
        !self.is_full
    }
}

/// One trace, whose event is `[1; 8]`; all that is not below it is put there.
struct Event;

impl Trace for Event {
    fn begin(&self, _: Call) -> Option<Box<dyn trace::Span>> {
        None
    }

    fn traceparent(&self) -> Option<&str> {
        None
    }

    fn place(&self) -> Place {
        Place {
            trace: [7; 16],
            span: [1; 8],
            sampled: true,
            state: vec![("vendor".into(), "x".into())],
        }
    }

    fn entered(&self, _: SpanId) {}

    fn left(&self, _: SpanId, _: SpanId) -> Option<Place> {
        Some(self.place())
    }
}

fn guest(kept: &Arc<Kept>, capture: &Capture) -> Instance {
    let otel = Otel {
        collector: Some(kept.clone()),
        logging: (&Stdio::Capture(capture.clone())).into(),
    };
    let core = core(&Uses::default());
    let mut guest = otel.instance(&core, &mut WasiCtxBuilder::new()).unwrap();
    guest.trace(Some(Arc::new(Event)));
    guest
}

fn scope() -> types::InstrumentationScope {
    types::InstrumentationScope {
        name: "shop".into(),
        version: Some("1".into()),
        schema_url: None,
        attributes: Vec::new(),
    }
}

fn attribute(key: &str, json: &str) -> types::KeyValue {
    types::KeyValue {
        key: key.into(),
        value: json.into(),
    }
}

const AT: DateTime = DateTime {
    seconds: 2,
    nanoseconds: 5,
};

fn span(bytes: usize) -> tracing::SpanData {
    let context = tracing::SpanContext {
        trace_id: "ff".repeat(16),
        span_id: "02".repeat(8),
        trace_flags: tracing::TraceFlags::SAMPLED,
        is_remote: false,
        trace_state: Vec::new(),
    };
    tracing::SpanData {
        links: vec![tracing::Link {
            span_context: context.clone(),
            attributes: Vec::new(),
        }],
        span_context: context,
        parent_span_id: "ee".repeat(8),
        span_kind: tracing::SpanKind::Producer,
        name: "x".repeat(bytes),
        start_time: AT,
        end_time: DateTime { seconds: 3, ..AT },
        attributes: vec![attribute("n", "7"), attribute("t", "\"7\"")],
        events: vec![tracing::Event {
            name: "half".into(),
            time: AT,
            attributes: Vec::new(),
        }],
        status: tracing::Status::Error("late".into()),
        instrumentation_scope: scope(),
        dropped_attributes: 1,
        dropped_events: 2,
        dropped_links: 3,
    }
}

#[test]
fn a_span_is_put_into_the_events_trace() {
    use tracing::Host as _;
    let (kept, capture) = (Arc::default(), Capture::new("", 1 << 10));
    let mut guest = guest(&kept, &capture);
    let seen = guest.current_span_context().unwrap();
    assert_eq!(
        (seen.trace_id, seen.span_id),
        ("07".repeat(16), "01".repeat(8))
    );
    assert_eq!(seen.trace_state, [("vendor".into(), "x".into())]);
    guest.on_end(span(4)).unwrap();
    let reports = kept.reports.lock().unwrap();
    assert_eq!(
        (reports[0].signal, &*reports[0].component),
        (Signal::Traces, "web")
    );
    let scope = ScopeSpans::decode(&*reports[0].message).unwrap();
    assert_eq!(scope.scope.unwrap().name, "shop");
    let span = &scope.spans[0];
    assert_eq!(span.trace_id, [7; 16], "whatever the guest says");
    assert_eq!(
        (&*span.span_id, &*span.parent_span_id),
        (&[2; 8][..], &[1; 8][..])
    );
    assert_eq!(span.trace_state, "vendor=x");
    assert_eq!((span.name.as_str(), span.kind), ("xxxx", 4));
    assert_eq!(span.start_time_unix_nano, 2_000_000_005);
    assert_eq!(span.end_time_unix_nano, 3_000_000_005);
    assert_eq!(
        (span.events[0].name.as_str(), span.links[0].trace_id.len()),
        ("half", 16)
    );
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.message.as_str(), status.code), ("late", 2));
    let values: Vec<_> = span
        .attributes
        .iter()
        .map(|a| a.value.clone().unwrap().value)
        .collect();
    assert_eq!(
        values,
        [
            Some(Value::IntValue(7)),
            Some(Value::StringValue("7".into()))
        ]
    );
}

#[test]
fn an_event_reports_so_much_and_no_more() {
    use tracing::Host as _;
    let (kept, capture) = (Arc::default(), Capture::new("", 1 << 10));
    let mut guest = guest(&kept, &capture);
    for _ in 0..10 {
        guest.on_end(span(100 << 10)).unwrap();
    }
    assert_eq!(kept.reports.lock().unwrap().len(), 2);
    // The next event begins anew.
    guest.trace(Some(Arc::new(Event)));
    guest.on_end(span(100 << 10)).unwrap();
    assert_eq!(kept.reports.lock().unwrap().len(), 3);
    // Without a trace there is nothing to put it below.
    guest.trace(None);
    guest.on_end(span(1)).unwrap();
    assert_eq!(kept.reports.lock().unwrap().len(), 3);
    assert_eq!(
        guest.current_span_context().unwrap().trace_id,
        "0".repeat(32)
    );
}

fn record(severity: u8, body: &str) -> logs::LogRecord {
    logs::LogRecord {
        timestamp: Some(AT),
        observed_timestamp: None,
        severity_text: Some("W".into()),
        severity_number: Some(severity),
        body: Some(body.into()),
        attributes: Some(vec![attribute("a", "true")]),
        event_name: None,
        resource: None,
        instrumentation_scope: Some(scope()),
        trace_id: None,
        span_id: Some("02".repeat(8)),
        trace_flags: None,
    }
}

#[test]
fn a_record_goes_to_the_log_and_to_the_collector() {
    use logs::Host as _;
    let (kept, capture) = (Arc::default(), Capture::new("", 40));
    let mut guest = guest(&kept, &capture);
    guest.on_emit(record(13, "\"low on paper\"")).unwrap();
    // More than the log takes.
    guest.on_emit(record(17, "\"gone, gone, gone\"")).unwrap();
    assert_eq!(&*capture.stderr.contents(), b"warn shop: low on paper\n");
    let reports = kept.reports.lock().unwrap();
    assert_eq!((reports.len(), reports[0].signal), (1, Signal::Logs));
    let scope = ScopeLogs::decode(&*reports[0].message).unwrap();
    let record = &scope.log_records[0];
    assert_eq!(
        (record.severity_number, record.severity_text.as_str()),
        (13, "W")
    );
    // The guest has named a span, and not that it is one of this trace.
    assert_eq!(
        (&*record.trace_id, &*record.span_id),
        (&[7; 16][..], &[1; 8][..])
    );
}

#[test]
fn metrics_keep_their_kinds() {
    use metrics::Host as _;
    use metrics::MetricNumber as Number;
    let point = |value| metrics::GaugeDataPoint {
        attributes: vec![attribute("k", "\"v\"")],
        value,
        exemplars: Vec::new(),
    };
    let metric = |name: &str, data| metrics::Metric {
        name: name.into(),
        description: String::new(),
        unit: "By".into(),
        data,
    };
    let gauge = |values: Vec<Number>| metrics::Gauge {
        data_points: values.into_iter().map(point).collect(),
        start_time: None,
        time: AT,
    };
    let histogram = metrics::Histogram {
        data_points: vec![metrics::HistogramDataPoint {
            attributes: Vec::new(),
            count: 3,
            bounds: vec![1.0, 2.0],
            bucket_counts: vec![1, 1, 1],
            min: Some(Number::U64(1)),
            max: None,
            sum: Number::S64(-4),
            exemplars: Vec::new(),
        }],
        start_time: AT,
        time: AT,
        temporality: metrics::Temporality::LowMemory,
    };
    let of = || metrics::ResourceMetrics {
        resource: types::Resource {
            attributes: vec![attribute("service.name", "\"forged\"")],
            schema_url: None,
        },
        scope_metrics: vec![metrics::ScopeMetrics {
            scope: scope(),
            metrics: vec![
                metric(
                    "g",
                    metrics::MetricData::U64Gauge(gauge(vec![
                        Number::U64(u64::MAX),
                        Number::F64(0.5),
                    ])),
                ),
                metric("h", metrics::MetricData::S64Histogram(histogram.clone())),
            ],
        }],
    };
    let (kept, capture) = (Arc::default(), Capture::new("", 40));
    assert_eq!(guest(&kept, &capture).export(of()).unwrap(), Ok(()));
    let reports = kept.reports.lock().unwrap();
    let text = String::from_utf8_lossy(&reports[0].message).into_owned();
    assert!(!text.contains("forged"), "the resource is the host's");
    let scope = ScopeMetrics::decode(&*reports[0].message).unwrap();
    let Some(metric::Data::Gauge(gauge)) = &scope.metrics[0].data else {
        panic!("{scope:?}")
    };
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Of;
    assert_eq!(gauge.data_points[0].value, Some(Of::AsInt(i64::MAX)));
    assert_eq!(gauge.data_points[1].value, Some(Of::AsDouble(0.5)));
    let Some(metric::Data::Histogram(histogram)) = &scope.metrics[1].data else {
        panic!("{scope:?}")
    };
    assert_eq!(histogram.aggregation_temporality, 1);
    let point = &histogram.data_points[0];
    assert_eq!(
        (point.sum, point.min, point.max),
        (Some(-4.0), Some(1.0), None)
    );
    // A collector without room is an error that the guest can tell.
    let full = Arc::new(Kept {
        is_full: true,
        ..Kept::default()
    });
    assert!(guest(&full, &capture).export(of()).unwrap().is_err());
}

#[test]
fn values_are_read_from_json() {
    let is = |json: &str, value| assert_eq!(any(json).value, value, "{json}");
    is("null", None);
    is("1.5", Some(Value::DoubleValue(1.5)));
    is(
        "18446744073709551615",
        Some(Value::DoubleValue(1.8446744073709552e19)),
    );
    is("not json", Some(Value::StringValue("not json".into())));
    is(
        "\"data:application/octet-stream;base64,AAE=\"",
        Some(Value::BytesValue(vec![0, 1])),
    );
    let Some(Value::KvlistValue(list)) = any("{\"a\":[true]}").value else {
        panic!()
    };
    assert_eq!(list.values[0].key, "a");
    let deep = any(&format!("{}1{}", "[".repeat(100), "]".repeat(100)));
    assert!(deep.encoded_len() < 300, "{deep:?}");
    assert_eq!(text("\"a\\nb\""), "a\nb");
    assert_eq!(text("[1]"), "[1]");
}

#[test]
fn ids_are_hexadecimal_digits_and_nothing_else() {
    assert_eq!(id::<2>("0fF0"), Some([0x0f, 0xf0]));
    for bad in ["", "0ff", "0fff0", "0g00", "+f00", "üü"] {
        assert_eq!(id::<2>(bad), None, "{bad}");
    }
}

#[test]
fn whatever_a_guest_writes_is_a_value() {
    let words = [
        "{\"a\":",
        "[",
        "\"data:application/octet-stream;base64,",
        "1e999",
        "\\ud800",
    ];
    crate::fuzz::text("otel-value", &words, |json| {
        let value = any(json);
        let read =
            opentelemetry_proto::tonic::common::v1::AnyValue::decode(&*value.encode_to_vec());
        assert!(read.is_ok(), "{json}");
        id::<8>(json);
    });
}
