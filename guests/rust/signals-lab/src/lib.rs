//! A guest that tells of itself, and has secrets: `wasi:logging`, `wasi:otel`, `wasmcloud:secrets`.
//!
//! /log?LEVEL&CONTEXT&TEXT    logs it
//! /where                     trace and span that the host has
//! /spans                     two spans, one in the other, and a call of a key-value store in each
//! /record?TEXT               a log record
//! /metrics                   a counter of 3, and whether it was taken
//! /secret?KEY                a secret, looked up and revealed
//!
//! `work` and a message do what /spans does; a message `fail` fails.
use std::io::Write as _;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package holm:signals-lab;
            world lab {
                include wasi:otel/imports@0.2.0-rc.2;
                include wasi:logging/imports@0.1.0-draft;
                include wasmcloud:secrets/imports@0.1.0-draft;
                import wasi:keyvalue/store@0.2.0-draft2;
                record origin { topic: string }
                export handle-message: func(data: list<u8>, of: origin) -> result<_, string>;
                export work: func() -> string;
            }
        ",
        path: [
            "../../../wit/wasi-otel@0.2.0-rc.2",
            "../../../wit/wasi-logging@0.1.0-draft",
            "../../../wit/wasmcloud-secrets@0.1.0-draft",
            "../../wit/keyvalue-draft2",
        ],
        world: "holm:signals-lab/lab",
        generate_all,
    });
}
use bindings::wasi::clocks::wall_clock::Datetime;
use bindings::wasi::keyvalue::store;
use bindings::wasi::logging::logging::{Level, log};
use bindings::wasi::otel::{logs, metrics, tracing, types};
use bindings::wasmcloud::secrets::{reveal, store as secrets};

struct Lab;
wasip2::http::proxy::export!(Lab);

impl wasip2::exports::http::incoming_handler::Guest for Lab {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let said = answer(path, query);
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

impl bindings::Guest for Lab {
    fn handle_message(data: Vec<u8>, _: bindings::Origin) -> Result<(), String> {
        spans();
        match &*data {
            b"fail" => Err("as it was told".to_owned()),
            _ => Ok(()),
        }
    }

    fn work() -> String {
        spans()
    }
}
bindings::export!(Lab with_types_in bindings);

fn answer(path: &str, query: &str) -> String {
    match path {
        "/log" => {
            let mut parts = query.splitn(3, '&');
            let level = match parts.next().unwrap_or_default() {
                "trace" => Level::Trace,
                "debug" => Level::Debug,
                "warn" => Level::Warn,
                "error" => Level::Error,
                "critical" => Level::Critical,
                _ => Level::Info,
            };
            let context = parts.next().unwrap_or_default();
            log(level, context, parts.next().unwrap_or_default());
            "logged".to_owned()
        }
        "/where" => {
            let now = tracing::current_span_context();
            format!("{} {}", now.trace_id, now.span_id)
        }
        "/spans" => spans(),
        "/record" => {
            logs::on_emit(&record(query));
            "emitted".to_owned()
        }
        "/metrics" => format!("{:?}", metrics::export(&counted(3))),
        "/secret" => match secrets::get(query) {
            Ok(secret) => format!("{:?}", reveal::reveal(&secret)),
            Err(error) => format!("{error:?}"),
        },
        _ => "no such route".to_owned(),
    }
}

const AT: Datetime = Datetime {
    seconds: 1_700_000_000,
    nanoseconds: 1,
};

fn scope() -> types::InstrumentationScope {
    types::InstrumentationScope {
        name: "lab".to_owned(),
        version: None,
        schema_url: None,
        attributes: Vec::new(),
    }
}

fn attribute(key: &str, value: &str) -> types::KeyValue {
    types::KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// A span of its own, below another.
fn span(name: &str, id: u8, below: &tracing::SpanContext) -> tracing::SpanData {
    let context = tracing::SpanContext {
        span_id: format!("{id:016x}"),
        is_remote: false,
        ..below.clone()
    };
    tracing::on_start(&context);
    tracing::SpanData {
        span_context: context,
        parent_span_id: below.span_id.clone(),
        span_kind: tracing::SpanKind::Internal,
        name: name.to_owned(),
        start_time: AT,
        end_time: AT,
        attributes: vec![attribute("items", "2"), attribute("who", "\"lab\"")],
        events: Vec::new(),
        links: Vec::new(),
        status: tracing::Status::Ok,
        instrumentation_scope: scope(),
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}

fn spans() -> String {
    let host = tracing::current_span_context();
    let bucket = store::open("default").unwrap();
    let checkout = span("checkout", 1, &host);
    bucket.set("paid", b"no").unwrap();
    let pay = span("pay", 2, &checkout.span_context);
    bucket.set("paid", b"yes").unwrap();
    tracing::on_end(&pay);
    tracing::on_end(&checkout);
    bucket.get("paid").unwrap();
    host.span_id
}

fn record(body: &str) -> logs::LogRecord {
    logs::LogRecord {
        timestamp: Some(AT),
        observed_timestamp: None,
        severity_text: Some("WARN".to_owned()),
        severity_number: Some(13),
        body: Some(format!("\"{body}\"")),
        attributes: Some(vec![attribute("order", "7")]),
        event_name: None,
        resource: None,
        instrumentation_scope: Some(scope()),
        trace_id: None,
        span_id: None,
        trace_flags: None,
    }
}

fn counted(number: u64) -> metrics::ResourceMetrics {
    let point = metrics::SumDataPoint {
        attributes: vec![attribute("kind", "\"paid\"")],
        value: metrics::MetricNumber::U64(number),
        exemplars: Vec::new(),
    };
    let sum = metrics::Sum {
        data_points: vec![point],
        start_time: AT,
        time: AT,
        temporality: metrics::Temporality::Delta,
        is_monotonic: true,
    };
    metrics::ResourceMetrics {
        resource: types::Resource {
            attributes: vec![attribute("service.name", "\"forged\"")],
            schema_url: None,
        },
        scope_metrics: vec![metrics::ScopeMetrics {
            scope: scope(),
            metrics: vec![metrics::Metric {
                name: "orders".to_owned(),
                description: String::new(),
                unit: "1".to_owned(),
                data: metrics::MetricData::U64Sum(sum),
            }],
        }],
    }
}
