//! OpenTelemetry: a span for each request and each other event, and a record for each line of a
//! guest's, sent by OTLP over HTTP. Off unless the environment names a collector, by OpenTelemetry's
//! own variables; then a request costs one branch.

mod calls;
mod client;
mod event;
mod guests;
mod span;

pub(crate) use event::{BeganBy, Event, EventSpan};
pub use span::RequestSpan;

use client::Client;
use guests::Guests;
use holm_capabilities::otel::Collector;
use holm_capabilities::stdio::{Level, Message};
use holm_runtime::{Error, Result};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, LogExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Handle;

/// The name of the service and of what made the spans, unless the environment has another.
const NAME: &str = "holm";

/// What is sent to the collector.
pub struct Telemetry {
    spans: Option<(SdkTracerProvider, SdkTracer)>,
    logs: Option<(SdkLoggerProvider, SdkLogger)>,
    guests: Option<Arc<Guests>>,
}

impl Telemetry {
    /// As the environment has it; none where it names no collector.
    pub fn of_environment() -> Result<Option<Telemetry>> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Telemetry>> {
        let is = |name: &str, word: &str| {
            variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        if is("OTEL_SDK_DISABLED", "true") {
            return Ok(None);
        }
        let wanted = |signal: &str| {
            let endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT")
                .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")));
            endpoint.is_some() && !is(&format!("OTEL_{signal}_EXPORTER"), "none")
        };
        let (spans, logs) = (wanted("TRACES"), wanted("LOGS"));
        if !spans && !logs && !wanted("METRICS") {
            return Ok(None);
        }
        if is("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc") {
            return Err(Error::yours("OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`")
                .help("Holm sends OTLP as http/protobuf; collectors take it at port 4318"));
        }
        let named = variable("OTEL_RESOURCE_ATTRIBUTES")
            .is_some_and(|attributes| attributes.contains("service.name="));
        let resource = match variable("OTEL_SERVICE_NAME") {
            // The resource reads both by itself.
            None if !named => Resource::builder().with_service_name(NAME).build(),
            _ => Resource::builder().build(),
        };
        let client = || Client(Handle::current());
        let unusable = |error: String| {
            Error::yours("the collector that the environment names cannot be used")
                .caused_by(error)
                .help("OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318")
        };
        let bad = |error: ExporterBuildError| unusable(error.to_string());
        let guests = Guests::start(variable, &resource, Handle::current()).map_err(unusable)?;
        let spans = spans.then(|| {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_http_client(client())
                .build()?;
            let provider = SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(exporter)
                .build();
            let tracer = provider.tracer(NAME);
            Ok::<_, ExporterBuildError>((provider, tracer))
        });
        let logs = logs.then(|| {
            let exporter = LogExporter::builder()
                .with_http()
                .with_http_client(client())
                .build()?;
            let provider = SdkLoggerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(exporter)
                .build();
            let logger = provider.logger(NAME);
            Ok::<_, ExporterBuildError>((provider, logger))
        });
        Ok(Some(Telemetry {
            spans: spans.transpose().map_err(bad)?,
            logs: logs.transpose().map_err(bad)?,
            guests: guests.map(Arc::new),
        }))
    }

    /// Who takes what guests report by themselves.
    pub(crate) fn guests(&self) -> Option<Arc<dyn Collector>> {
        self.guests
            .clone()
            .map(|guests| guests as Arc<dyn Collector>)
    }

    /// A line that a guest has printed.
    pub(crate) fn line(&self, component: &str, stream: &'static str, line: &[u8]) {
        let Some((_, logger)) = &self.logs else {
            return;
        };
        let mut record = logger.create_log_record();
        record.set_timestamp(SystemTime::now());
        record.set_severity_number(Severity::Info);
        record.set_body(AnyValue::from(String::from_utf8_lossy(line).into_owned()));
        record.add_attribute("log.iostream", stream);
        record.add_attribute("holm.component", component.to_owned());
        logger.emit(record);
    }

    /// A message that a guest has logged.
    pub(crate) fn message(&self, component: &str, message: Message<'_>) {
        let Some((_, logger)) = &self.logs else {
            return;
        };
        let mut record = logger.create_log_record();
        record.set_timestamp(SystemTime::now());
        record.set_severity_number(match message.level {
            Level::Trace => Severity::Trace,
            Level::Debug => Severity::Debug,
            Level::Info => Severity::Info,
            Level::Warn => Severity::Warn,
            Level::Error => Severity::Error,
            Level::Critical => Severity::Fatal,
        });
        record.set_severity_text(message.level.name());
        record.set_body(AnyValue::from(message.text.to_owned()));
        record.add_attribute("holm.component", component.to_owned());
        if !message.context.is_empty() {
            record.add_attribute("holm.log.context", message.context.to_owned());
        }
        logger.emit(record);
    }

    /// Sends what is left. Blocks, for some seconds at most.
    pub fn end(&self) {
        if let Some(guests) = &self.guests {
            guests.end();
        }
        let ended = [
            self.spans.as_ref().map(|(spans, _)| spans.shutdown()),
            self.logs.as_ref().map(|(logs, _)| logs.shutdown()),
        ];
        for error in ended
            .into_iter()
            .flatten()
            .filter_map(std::result::Result::err)
        {
            tracing::warn!(%error, "some telemetry was not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Telemetry>> {
        Telemetry::of(&|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[tokio::test]
    async fn off_unless_a_collector_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        assert!(of(&[]).unwrap().is_none());
        assert!(of(&[("OTEL_SERVICE_NAME", "x")]).unwrap().is_none());
        assert!(
            of(&[endpoint, ("OTEL_SDK_DISABLED", "true")])
                .unwrap()
                .is_none()
        );
        let both = of(&[endpoint]).unwrap().unwrap();
        assert!(both.spans.is_some() && both.logs.is_some());
        let spans = of(&[endpoint, ("OTEL_LOGS_EXPORTER", "none")])
            .unwrap()
            .unwrap();
        assert!(spans.spans.is_some() && spans.logs.is_none());
        let grpc = of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(grpc.err().unwrap().message.contains("grpc"));
    }
}
