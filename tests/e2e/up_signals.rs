//! What a guest tells of itself: messages, log records, spans and metrics of its own; and its secrets.

use crate::app::*;
use crate::collector::*;
use crate::support::*;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

const GRANTS: &str = "grants = { keyvalue = [\"default\"] }\n";

fn lab() -> App {
    App::of("signals-lab", GRANTS)
}

#[test]
fn messages_are_in_the_log_with_level_and_context() {
    let server = lab().up();
    server.get("/log?warn&db&slow%20query");
    let line = server.logged("log", |line| line["level"] == "warn");
    assert_eq!(line["component"], "lab", "{line}");
    assert_eq!(line["context"], "db", "{line}");
    assert_eq!(line["line"], "slow%20query", "{line}");
    assert!(line["stream"].is_null(), "{line}");
    server.get("/log?critical&&gone");
    let line = server.logged("log", |line| line["level"] == "critical");
    assert!(line["context"].is_null(), "{line}");
    // A record of wasi:otel is a message too.
    server.get("/record?low");
    let line = server.logged("log", |line| line["line"] == "low");
    assert_eq!(
        (&line["level"], &line["context"]),
        (&"warn".into(), &"lab".into())
    );
    let receipt = &server.entry("/record")["receipt"];
    assert_eq!(
        receipt["calls"]["wasi:otel/logs"]["on-emit"]["count"], 1,
        "{receipt}"
    );
    assert_eq!(receipt["bytes"]["stdio"][1], 6, "{receipt}");
}

#[test]
fn messages_come_no_faster_than_what_is_printed() {
    let server = App::of(
        "signals-lab",
        &format!("{GRANTS}limits.log_rate = \"16 KiB\"\n"),
    )
    .up();
    let text = "x".repeat(4 << 10);
    for _ in 0..8 {
        server.get(&format!("/log?info&flood&{text}"));
    }
    // Told of when an instance ends, a second later.
    let line = until("the lost ones are told of", || {
        server.get("/where");
        let lines = server.log("log");
        lines
            .into_iter()
            .find(|line| !line["dropped_lines"].is_null())
    });
    assert_eq!(line["limit"], "log_rate", "{line}");
    let passed = server
        .log("log")
        .iter()
        .filter(|line| line["context"] == "flood")
        .count();
    assert!((1..8).contains(&passed), "{passed}");
}

#[test]
fn without_a_collector_nothing_fails() {
    let server = lab().up();
    let none = format!("{} {}", "0".repeat(32), "0".repeat(16));
    assert_eq!(server.get("/where").text(), none);
    assert_eq!(server.get("/spans").text(), "0".repeat(16));
    assert_eq!(server.get("/metrics").text(), "Ok(())");
}

#[test]
fn a_guests_spans_hang_below_the_hosts_and_calls_below_them() {
    let collector = collector();
    let lab = lab();
    let command = holm()
        .args(["up", "--listen", "127.0.0.1:0"])
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://{}", collector.addr),
        )
        .env("OTEL_SERVICE_NAME", "shopfront");
    let server = Server::start(command.dir(lab.dir().path()));
    let host = server.get("/spans").text();
    let place = server.get("/where").text();
    assert!(!place.contains(&"0".repeat(16)), "{place}");
    server.get("/record?low");
    assert_eq!(server.get("/metrics").text(), "Ok(())");
    assert_eq!(server.terminate(), 0);

    let all = collector.spans();
    let of_name = |name: &str| {
        let mut found = all.iter().filter(|(_, span)| span.name == name);
        let (service, span) = found.next().unwrap_or_else(|| panic!("{name}: {all:?}"));
        assert_eq!(service, "shopfront");
        span
    };
    let of_path = |path: &str| {
        let mut found = all
            .iter()
            .filter(|(_, s)| text(&s.attributes, "url.path") == path);
        &found.next().unwrap().1
    };
    let request = of_path("/spans");
    assert_eq!(hex(&request.span_id), host);
    let (checkout, pay) = (of_name("checkout"), of_name("pay"));
    for span in [checkout, pay] {
        assert_eq!(span.trace_id, request.trace_id);
        assert_eq!(text(&span.attributes, "items"), "2");
        assert_eq!(text(&span.attributes, "who"), "lab");
        assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_001);
    }
    assert_eq!(checkout.parent_span_id, request.span_id);
    assert_eq!(pay.parent_span_id, checkout.span_id);
    // What the guest called within each lies below it; what it called after, below the request.
    let below = |span: &[u8], name: &str| {
        let found = all
            .iter()
            .filter(|(_, s)| s.name == name && s.parent_span_id == span);
        found.count()
    };
    assert_eq!(below(&checkout.span_id, "set default"), 1, "{all:?}");
    assert_eq!(below(&pay.span_id, "set default"), 1, "{all:?}");
    assert_eq!(below(&request.span_id, "get default"), 1, "{all:?}");

    let records: Vec<_> = collector
        .bodies("/v1/logs")
        .iter()
        .flat_map(|body| {
            ExportLogsServiceRequest::decode(&**body)
                .unwrap()
                .resource_logs
        })
        .flat_map(|of| of.scope_logs)
        .flat_map(|scope| scope.log_records)
        .filter(|record| text(&record.attributes, "order") == "7")
        .collect();
    assert_eq!(records.len(), 1, "once, and not as a line too");
    let of = of_path("/record");
    assert_eq!(
        (&records[0].trace_id, &records[0].span_id),
        (&of.trace_id, &of.span_id)
    );
    assert_eq!(records[0].severity_number, 13);

    let bodies = collector.bodies("/v1/metrics");
    let request = ExportMetricsServiceRequest::decode(&*bodies[0]).unwrap();
    let of = &request.resource_metrics[0];
    let resource = &of.resource.as_ref().unwrap().attributes;
    assert_eq!(
        text(resource, "service.name"),
        "shopfront",
        "the host's, and no other"
    );
    assert_eq!(text(resource, "holm.component"), "lab");
    let orders = &of.scope_metrics[0].metrics[0];
    let Some(metric::Data::Sum(sum)) = &orders.data else {
        panic!("{orders:?}")
    };
    let three = Some(number_data_point::Value::AsInt(3));
    assert_eq!(
        (orders.name.as_str(), sum.data_points[0].value),
        ("orders", three)
    );
    assert!(sum.is_monotonic);
}

/// What an app does by itself has a span too, with the guest's own below it: a job, and a message, whose
/// sender may have begun the trace.
#[test]
fn jobs_and_messages_have_spans_as_requests_have() {
    let collector = collector();
    let app = App::new(
        "name = \"shop\"\n\n[component.lab]\nsource = \"lab.wasm\"\ngrants.keyvalue = [\"default\"]\n\n\
         [component.sender]\nsource = \"sender.wasm\"\n\
         grants = { keyvalue = [\"default\"], messaging = [\"default\"] }\n\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"sender\"\n\n\
         [[cron]]\nname = \"tick\"\nschedule = \"* * * * * *\"\ncomponent = \"lab\"\nfunction = \"work\"\n\n\
         [[message]]\nname = \"orders\"\nbroker = \"default\"\ntopic = \"orders\"\ncomponent = \"lab\"\n",
    )
    .guest("lab.wasm", "signals-lab")
    .guest("sender.wasm", "message-lab");
    let endpoint = format!("http://{}", collector.addr);
    let command = holm()
        .args(["up", "--listen", "127.0.0.1:0"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    let server = Server::start(command.dir(app.dir().path()));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    for data in ["17", "fail"] {
        let path =
            format!("/send?broker=default&topic=orders&data={data}&meta=traceparent:{parent}");
        assert_eq!(server.get(&path).text(), "{\"ok\":\"sent\"}");
    }
    let handled = |outcome: &str| {
        server.logged("job", |line| {
            line["trigger"] == "orders" && line["outcome"] == outcome
        })
    };
    handled("ok");
    handled("error");
    server.logged("job", |line| line["trigger"] == "tick");
    assert_eq!(server.terminate(), 0);

    let all: Vec<_> = collector
        .spans()
        .into_iter()
        .map(|(_, span)| span)
        .collect();
    let named = |name: &str| -> Vec<_> { all.iter().filter(|s| s.name == name).collect() };
    let below = |parent: &[u8], name: &str| {
        let found = all
            .iter()
            .find(|s| s.name == name && s.parent_span_id == parent);
        found.unwrap_or_else(|| panic!("no {name} below {}: {all:?}", hex(parent)))
    };
    let is = |name: &str, trigger: &str, kind: SpanKind| {
        let spans = named(name);
        assert!(!spans.is_empty(), "{all:?}");
        for span in &spans {
            assert_eq!(text(&span.attributes, "faas.trigger"), trigger);
            assert_eq!(text(&span.attributes, "holm.app"), "shop");
            assert_eq!(text(&span.attributes, "holm.component"), "lab");
            assert_eq!(span.kind, kind as i32);
            let checkout = below(&span.span_id, "checkout");
            assert_eq!(checkout.trace_id, span.trace_id);
            below(&checkout.span_id, "set default");
            below(&span.span_id, "get default");
        }
        spans
    };
    for tick in is("tick", "timer", SpanKind::Internal) {
        assert!(tick.parent_span_id.is_empty());
        assert_eq!(text(&tick.attributes, "error.type"), "");
    }
    let orders = is("orders", "pubsub", SpanKind::Consumer);
    assert_eq!(orders.len(), 2);
    for order in &orders {
        assert_eq!(hex(&order.trace_id), trace);
        assert_eq!(
            text(&order.attributes, "messaging.destination.name"),
            "orders"
        );
    }
    let failed = orders
        .iter()
        .filter(|s| text(&s.attributes, "error.type") == "guest");
    assert_eq!(failed.count(), 1);
}

#[test]
fn secrets_are_revealed_to_whom_they_were_granted_and_nobody_else() {
    let manifest = "name = \"vault\"\n\n[variables]\ntoken = { required = true, secret = true }\n\n\
        [component.lab]\nsource = \"lab.wasm\"\n\
        grants = { keyvalue = [\"default\"], secrets = { token = \"{{ token }}\" } }\n\n\
        [component.other]\nsource = \"lab.wasm\"\ngrants = { keyvalue = [\"default\"] }\n\n\
        [[http]]\nroute = \"/...\"\ncomponent = \"lab\"\n\n\
        [[http]]\nroute = \"/secret\"\nhost = \"other.example\"\ncomponent = \"other\"\n";
    let app = App::new(manifest).guest("lab.wasm", "signals-lab");
    app.dir().write(".env", "HOLM_VARIABLE_TOKEN=hunter2\n");
    let server = app.up();
    let revealed = server.get("/secret?token").text();
    assert_eq!(revealed, "SecretValue::String(\"hunter2\")");
    assert_eq!(server.get("/secret?other").text(), "SecretsError::NotFound");
    let request = http::Request::get("/secret?token")
        .header("host", "other.example")
        .body(Vec::new())
        .unwrap();
    assert_eq!(server.request(request).text(), "SecretsError::NotFound");
    let calls = &server.entry("/secret")["receipt"]["calls"];
    assert_eq!(
        calls["wasmcloud:secrets/reveal"]["reveal"]["count"], 1,
        "{calls}"
    );
    // Nowhere but in the answer.
    assert!(!server.stderr().join("\n").contains("hunter2"));
}
