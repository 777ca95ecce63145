//! OpenTelemetry: spans and guests' lines reach a collector, and traces go through guests.

use crate::app::*;
use crate::collector::*;
use crate::origin::origin;
use crate::support::*;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

fn up(lab: &App, variables: &[(&str, &str)]) -> Server {
    let command = holm().args(["up", "--listen", "127.0.0.1:0"]);
    let command = variables
        .iter()
        .fold(command, |command, (name, value)| command.env(name, value));
    Server::start(command.dir(lab.dir().path()))
}

/// Kinds of spans.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[test]
fn a_trace_goes_through_a_guest_and_its_span_to_the_collector() {
    for name in ["http-lab", "http-lab-p3"] {
        let (collector, origin) = (collector(), origin());
        let grants = format!(
            "[component.lab.grants]\nkeyvalue = [\"default\"]\n\
             http = [\"http://{}\", \"http://127.0.0.1:1\"]\n",
            origin.addr
        );
        let lab = App::of(name, &grants);
        let endpoint = format!("http://{}", collector.addr);
        let server = up(
            &lab,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                ("OTEL_SERVICE_NAME", "shopfront"),
            ],
        );
        let traced = |path: &str| {
            let request = http::Request::get(path)
                .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
                .header("tracestate", "vendor=1");
            server.request(request.body(Vec::new()).unwrap())
        };
        let headers = traced("/headers").json();
        let seen = headers["traceparent"].as_str().unwrap().to_owned();
        assert!(seen.starts_with(&format!("00-{TRACE}-")), "{headers}");
        assert!(!seen.contains(PARENT), "{headers}");
        assert_eq!(headers["tracestate"], "vendor=1");
        let url = format!(
            "http%3A%2F%2F{}%2F",
            origin.addr.to_string().replace(':', "%3A")
        );
        assert_eq!(traced(&format!("/fetch?url={url}")).json()["status"], 200);
        server.get("/trap");
        let refused = traced("/fetch?url=http%3A%2F%2F127.0.0.1%3A1%2Fsecret%3Fa").json();
        assert_eq!(refused["error"], "ConnectionRefused");
        traced("/kv/incr?key=a");
        assert_eq!(server.terminate(), 0);

        let (spans, calls): (Vec<_>, Vec<_>) = collector
            .spans()
            .into_iter()
            .partition(|(_, span)| span.kind == SERVER);
        assert_eq!(spans.len(), 5, "{spans:?}");
        let span_of = |path: &str| {
            let mut of_path = spans
                .iter()
                .filter(|(_, s)| text(&s.attributes, "url.path") == path);
            &of_path
                .next()
                .unwrap_or_else(|| panic!("{path}: {spans:?}"))
                .1
        };
        assert!(spans.iter().all(|(service, _)| service == "shopfront"));
        let span = span_of("/headers");
        assert_eq!(
            (
                hex(&span.trace_id).as_str(),
                hex(&span.parent_span_id).as_str()
            ),
            (TRACE, PARENT)
        );
        assert_eq!(seen, format!("00-{TRACE}-{}-01", hex(&span.span_id)));
        assert_eq!((span.name.as_str(), span.kind), ("GET /...", SERVER));
        for (key, value) in [
            ("http.request.method", "GET"),
            ("http.route", "/..."),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
            ("server.address", "127.0.0.1"),
            ("network.protocol.version", "1.1"),
            ("faas.trigger", "http"),
            ("holm.app", "lab"),
            ("holm.component", "lab"),
            ("error.type", ""),
        ] {
            assert_eq!(text(&span.attributes, key), value, "{key}");
        }
        assert!(text(&span.attributes, "faas.invocation_id").starts_with("req_"));
        // Each call to the outside is a span below the request's.
        let (fetched, refused) = (&calls[0].1, &calls[1].1);
        assert_eq!((fetched.kind, fetched.name.as_str()), (CLIENT, "GET"));
        assert_eq!(hex(&fetched.trace_id), TRACE);
        assert_eq!(fetched.parent_span_id, span_of("/fetch").span_id);
        let port = origin.addr.port().to_string();
        for (key, value) in [
            ("http.request.method", "GET"),
            ("url.full", &*format!("http://{}/", origin.addr)),
            ("server.address", "127.0.0.1"),
            ("server.port", &*port),
            ("http.response.status_code", "200"),
            ("error.type", ""),
        ] {
            assert_eq!(text(&fetched.attributes, key), value, "{key}");
        }
        assert_eq!(text(&refused.attributes, "error.type"), "ConnectionRefused");
        assert_eq!(
            text(&refused.attributes, "url.full"),
            "http://127.0.0.1:1/secret"
        );
        assert_eq!(refused.status.as_ref().unwrap().code, 2);
        if name == "http-lab" {
            let counted = &calls[2].1;
            let said = (counted.kind, counted.name.as_str());
            assert_eq!(said, (INTERNAL, "increment default"));
            assert_eq!(counted.parent_span_id, span_of("/kv/incr").span_id);
            assert_eq!(text(&counted.attributes, "db.namespace"), "default");
            assert_eq!(text(&counted.attributes, "db.operation.name"), "increment");
        }
        let carried = &origin.seen()[0];
        let expected = format!("traceparent: 00-{TRACE}-{}-01\r\n", hex(&fetched.span_id));
        assert!(
            carried.to_lowercase().contains(&expected),
            "{expected}{carried}"
        );
        // A trace of its own, that failed.
        let span = span_of("/trap");
        assert_ne!(hex(&span.trace_id), TRACE);
        assert!(span.parent_span_id.is_empty(), "{span:?}");
        assert_eq!(text(&span.attributes, "error.type"), "guest");
        assert_eq!(span.status.as_ref().unwrap().code, 2);
    }
}

#[test]
fn a_callees_request_is_a_part_of_its_callers_trace() {
    let (collector, origin) = (collector(), origin());
    // The grant is the callee's alone.
    let manifest = format!(
        "name = \"linked\"\n[component.web]\nsource = \"web.wasm\"\n\
         imports = {{ \"holm:linked/api\" = \"shop\" }}\n\
         [component.shop]\nsource = \"shop.wasm\"\n\
         grants = {{ http = [\"http://{}\"] }}\n\
         [[http]]\nroute = \"/...\"\ncomponent = \"web\"\n",
        origin.addr
    );
    let app = App::new(&manifest)
        .guest("web.wasm", "link-caller")
        .guest("shop.wasm", "link-callee");
    let endpoint = format!("http://{}", collector.addr);
    let server = up(&app, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let request = http::Request::get(format!("/fetch?{}", origin.addr))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let reply = server.request(request.body(Vec::new()).unwrap());
    assert_eq!(reply.text(), "Ok(200)\n");
    assert_eq!(server.terminate(), 0);
    let spans = collector.spans();
    let of_kind = |kind| &spans.iter().find(|(_, s)| s.kind == kind).unwrap().1;
    let (served, fetched) = (of_kind(SERVER), of_kind(CLIENT));
    assert_eq!(hex(&fetched.trace_id), TRACE);
    assert_eq!(fetched.parent_span_id, served.span_id);
}

#[test]
fn lines_of_guests_reach_the_collector() {
    let collector = collector();
    let endpoint = format!("http://{}/v1/logs", collector.addr);
    let lab = App::lab("");
    let server = up(&lab, &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &endpoint)]);
    server.get("/log?n=3");
    assert_eq!(server.terminate(), 0);
    assert!(collector.spans().is_empty(), "only logs were asked for");
    let mut records = Vec::new();
    for body in collector.bodies("/v1/logs") {
        let request = ExportLogsServiceRequest::decode(&*body).unwrap();
        for of_resource in request.resource_logs {
            let resource = of_resource.resource.unwrap_or_default();
            assert_eq!(text(&resource.attributes, "service.name"), "holm");
            let scopes = of_resource.scope_logs.into_iter();
            records.extend(scopes.flat_map(|scope| scope.log_records));
        }
    }
    assert!(!records.is_empty());
    for record in &records {
        assert_eq!(text(&record.attributes, "holm.component"), "lab");
        let stream = text(&record.attributes, "log.iostream");
        assert!(
            ["stdout", "stderr"].contains(&stream.as_str()),
            "{record:?}"
        );
        assert!(matches!(
            record.body.as_ref().unwrap().value,
            Some(Value::StringValue(_))
        ));
    }
}

#[test]
fn without_a_collector_headers_are_as_they_came() {
    let lab = App::lab("");
    let server = up(&lab, &[]);
    assert!(server.get("/headers").json()["traceparent"].is_null());
    let sent = format!("00-{TRACE}-{PARENT}-01");
    let request = http::Request::get("/headers").header("traceparent", &sent);
    let headers = server.request(request.body(Vec::new()).unwrap()).json();
    assert_eq!(headers["traceparent"], sent);
}

#[test]
fn a_collector_that_is_not_there_holds_nothing_up() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let lab = App::lab("");
    let server = up(&lab, &[endpoint]);
    for _ in 0..20 {
        assert_eq!(server.get("/hello").status, 200);
    }
    assert_eq!(server.terminate(), 0);
    let refused = holm()
        .args(["up", "--listen", "127.0.0.1:0"])
        .env(endpoint.0, endpoint.1)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .dir(lab.dir().path())
        .run();
    refused.is(2).says("http/protobuf");
}
