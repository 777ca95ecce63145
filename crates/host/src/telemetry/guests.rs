//! What guests report by themselves, on its way to the collector. The SDK's exporters take only what
//! the SDK has measured, so this is sent apart: a request of OTLP is the messages of `wasi:otel` one
//! after the other, under the resource of the component that sent them.

use super::client::Client;
use bytes::Bytes;
use holm_capabilities::otel::{Collector, Report, Signal};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use opentelemetry_http::HttpClient as _;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_sdk::Resource;
use percent_encoding::percent_decode_str;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Reports that may wait; more are dropped, and the guest goes on.
const WAITING_MAX: usize = 2048;

/// Reports are sent together, so long after the first of them.
const DELAY: Duration = Duration::from_secs(1);

/// More are not put into one request.
const TOGETHER_MAX: usize = 512;

/// What is left at the end is waited for so long.
const AT_END: Duration = Duration::from_secs(10);

/// Where one kind of report goes.
struct Target {
    uri: Uri,
    headers: HeaderMap,
}

/// Takes reports from any thread, and has a thread that sends them.
pub(super) struct Guests {
    sender: SyncSender<Item>,
    wanted: Vec<Signal>,
}

enum Item {
    Report(Report),
    Flush(SyncSender<()>),
}

impl Guests {
    /// As the environment has it: for the signals that it names a collector for.
    pub(super) fn start(
        variable: &dyn Fn(&str) -> Option<String>,
        resource: &Resource,
        handle: Handle,
    ) -> Result<Option<Guests>, String> {
        let mut targets = BTreeMap::new();
        for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
            if let Some(target) = target(variable, signal)? {
                targets.insert(signal, target);
            }
        }
        if targets.is_empty() {
            return Ok(None);
        }
        let wanted = targets.keys().copied().collect();
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let attributes = resource
            .iter()
            .map(|(key, value)| text(key.as_str(), &value.to_string()));
        let worker = Worker {
            receiver,
            targets,
            attributes: attributes.collect(),
            client: Client(handle.clone()),
            handle,
        };
        std::thread::Builder::new()
            .name("otlp guests".to_owned())
            .spawn(move || worker.run())
            .map_err(|e| e.to_string())?;
        Ok(Some(Guests { sender, wanted }))
    }

    /// Sends what is left.
    pub(super) fn end(&self) {
        let (done, sent) = sync_channel(1);
        let until = Instant::now() + AT_END;
        let mut item = Item::Flush(done);
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.sender.try_send(item) {
            if Instant::now() >= until {
                return;
            }
            item = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = sent.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Collector for Guests {
    fn wants(&self, signal: Signal) -> bool {
        self.wanted.contains(&signal)
    }

    fn take(&self, report: Report) -> bool {
        self.sender.try_send(Item::Report(report)).is_ok()
    }
}

/// OpenTelemetry's word for it, in the names of variables.
fn word(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "TRACES",
        Signal::Logs => "LOGS",
        Signal::Metrics => "METRICS",
    }
}

fn target(
    variable: &dyn Fn(&str) -> Option<String>,
    signal: Signal,
) -> Result<Option<Target>, String> {
    let word = word(signal);
    let exporter = variable(&format!("OTEL_{word}_EXPORTER"));
    if exporter.is_some_and(|name| name.eq_ignore_ascii_case("none")) {
        return Ok(None);
    }
    let own = variable(&format!("OTEL_EXPORTER_OTLP_{word}_ENDPOINT"));
    let of_all = || {
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let base = base.trim_end_matches('/');
        Some(format!("{base}/v1/{}", word.to_lowercase()))
    };
    let Some(address) = own.or_else(of_all) else {
        return Ok(None);
    };
    let uri = Uri::try_from(&address).map_err(|e| format!("{address}: {e}"))?;
    let mut headers = HeaderMap::new();
    for name in [
        "OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
        format!("OTEL_EXPORTER_OTLP_{word}_HEADERS"),
    ] {
        // The signal's own take the place of those of all.
        for (name, value) in variable(&name).iter().flat_map(|list| pairs(list)) {
            headers.insert(name, value);
        }
    }
    Ok(Some(Target { uri, headers }))
}

/// `name=value,name=value`, the values as in a URL. What is no header is left out.
fn pairs(list: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    list.split(',').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = HeaderName::try_from(name.trim()).ok()?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name, HeaderValue::try_from(&*value).ok()?))
    })
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// The reports that go together.
type Batch = BTreeMap<(Signal, Arc<str>), Vec<Vec<u8>>>;

struct Worker {
    receiver: Receiver<Item>,
    targets: BTreeMap<Signal, Target>,
    /// Of the host's resource.
    attributes: Vec<KeyValue>,
    client: Client,
    handle: Handle,
}

impl Worker {
    fn run(self) {
        let mut batch = Batch::new();
        let (mut count, mut until) = (0, None);
        loop {
            let wait = until.map(|until: Instant| until.saturating_duration_since(Instant::now()));
            let item = match wait {
                None => self
                    .receiver
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => self.receiver.recv_timeout(wait),
            };
            let mut flushed = None;
            match item {
                Ok(Item::Report(report)) => {
                    let of = (report.signal, report.component);
                    batch.entry(of).or_default().push(report.message);
                    count += 1;
                    until = until.or_else(|| Some(Instant::now() + DELAY));
                    if count < TOGETHER_MAX {
                        continue;
                    }
                }
                Ok(Item::Flush(done)) => flushed = Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.send(batch),
            }
            self.send(std::mem::take(&mut batch));
            (count, until) = (0, None);
            if let Some(done) = flushed {
                let _ = done.try_send(());
            }
        }
    }

    fn send(&self, batch: Batch) {
        let mut requests: BTreeMap<Signal, Vec<u8>> = BTreeMap::new();
        for ((signal, component), messages) in batch {
            let request = requests.entry(signal).or_default();
            field(request, 1, &self.of_component(&component, &messages));
        }
        for (signal, body) in requests {
            let Some(target) = self.targets.get(&signal) else {
                continue;
            };
            if let Err(error) = self.post(target, body) {
                tracing::warn!(%error, to = %target.uri, "telemetry of guests was not sent");
            }
        }
    }

    /// `ResourceSpans`, `ResourceLogs` or `ResourceMetrics`: the numbers of their fields are the same.
    fn of_component(&self, component: &str, messages: &[Vec<u8>]) -> Vec<u8> {
        let mut attributes = self.attributes.clone();
        attributes.push(text("holm.component", component));
        let resource = ResourceMessage {
            attributes,
            ..ResourceMessage::default()
        };
        let mut of = Vec::new();
        field(&mut of, 1, &resource.encode_to_vec());
        for message in messages {
            field(&mut of, 2, message);
        }
        of
    }

    fn post(&self, target: &Target, body: Vec<u8>) -> Result<(), String> {
        let mut request = Request::post(&target.uri)
            .header(http::header::CONTENT_TYPE, "application/x-protobuf")
            .body(Bytes::from(body))
            .map_err(|e| e.to_string())?;
        let length = request.body().len();
        request.headers_mut().extend(target.headers.clone());
        request
            .headers_mut()
            .insert(http::header::CONTENT_LENGTH, length.into());
        let answer = self.handle.block_on(self.client.send_bytes(request));
        let answer = answer.map_err(|e| e.to_string())?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(format!("the collector answered with {}", answer.status())),
        }
    }
}

/// A field of a message that is a message itself.
fn field(of: &mut Vec<u8>, number: u32, message: &[u8]) {
    encode_key(number, WireType::LengthDelimited, of);
    encode_varint(message.len() as u64, of);
    of.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};

    fn of<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_environment_says_what_goes_where() {
        let all = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://l/in"),
            ("OTEL_METRICS_EXPORTER", "None"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "a=1, b = x%20y,rubbish,\u{7f}=1",
            ),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=2"),
        ];
        let traces = target(&of(&all), Signal::Traces).unwrap().unwrap();
        assert_eq!(traces.uri, "http://c:4318/v1/traces");
        assert_eq!(traces.headers["b"], "x y");
        assert_eq!(traces.headers.len(), 2);
        let logs = target(&of(&all), Signal::Logs).unwrap().unwrap();
        assert_eq!(logs.uri, "https://l/in");
        assert_eq!(logs.headers["a"], "2");
        assert!(target(&of(&all), Signal::Metrics).unwrap().is_none());
        assert!(target(&of(&[]), Signal::Logs).unwrap().is_none());
        let bad = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b")];
        assert!(target(&of(&bad), Signal::Logs).is_err());
    }

    #[tokio::test]
    async fn a_request_is_the_messages_under_their_components() {
        let worker = Worker {
            receiver: sync_channel(1).1,
            targets: BTreeMap::new(),
            attributes: vec![text("service.name", "shop")],
            client: Client(Handle::current()),
            handle: Handle::current(),
        };
        let message = |name: &str| {
            let spans = vec![Span {
                name: name.to_owned(),
                ..Span::default()
            }];
            ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }
            .encode_to_vec()
        };
        let mut request = Vec::new();
        field(
            &mut request,
            1,
            &worker.of_component("web", &[message("a"), message("b")]),
        );
        field(
            &mut request,
            1,
            &worker.of_component("api", &[message("c")]),
        );
        let read = ExportTraceServiceRequest::decode(&*request).unwrap();
        let of = |at: usize| {
            let of = &read.resource_spans[at];
            let attributes = &of.resource.as_ref().unwrap().attributes;
            let keys: Vec<_> = attributes.iter().map(|pair| pair.key.as_str()).collect();
            assert_eq!(keys, ["service.name", "holm.component"]);
            let spans = of.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(|span| span.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(read.resource_spans.len(), 2);
        assert_eq!(
            (of(0), of(1)),
            (vec!["a".into(), "b".into()], vec!["c".into()])
        );
    }
}
