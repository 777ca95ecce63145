//! `wasi:otel` for the guest.

use super::value::text;
use super::{Instance, Signal, convert, metrics as of_metrics};
use crate::State;
use crate::stdio::Message;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-otel@0.2.0-rc.2",
        world: "wasi:otel/imports",
        imports: { default: trappable },
    });
}
pub(super) use bindings::wasi::clocks::wall_clock::Datetime as DateTime;
pub(super) use bindings::wasi::otel::{logs, metrics, tracing, types};

impl tracing::Host for Instance {
    fn on_start(&mut self, context: tracing::SpanContext) -> Result<()> {
        if let (Some(tracer), Some(id)) = (&self.tracer, convert::id(&context.span_id)) {
            tracer.entered(id);
        }
        Ok(())
    }

    fn on_end(&mut self, span: tracing::SpanData) -> Result<()> {
        let (Some(tracer), Some(id)) = (&self.tracer, convert::id(&span.span_context.span_id))
        else {
            return Ok(());
        };
        let parent = convert::id(&span.parent_span_id).unwrap_or_default();
        let place = tracer.left(id, parent).filter(|place| place.sampled);
        if let Some(place) = place.filter(|_| self.wants(Signal::Traces)) {
            self.report(Signal::Traces, &convert::span(span, id, &place));
        }
        Ok(())
    }

    fn current_span_context(&mut self) -> Result<tracing::SpanContext> {
        let place = self.tracer.as_ref().map(|tracer| tracer.place());
        Ok(convert::context(&place.unwrap_or_default()))
    }
}

impl logs::Host for Instance {
    fn on_emit(&mut self, record: logs::LogRecord) -> Result<()> {
        let scope = record.instrumentation_scope.as_ref();
        let named = scope.map(|scope| scope.name.clone());
        let said = record.body.as_deref().map(text);
        let is_collected = self.wants(Signal::Logs);
        let passed = self.log.say(Message {
            level: convert::level(&record),
            context: named
                .or_else(|| record.event_name.clone())
                .as_deref()
                .unwrap_or(""),
            text: said.as_deref().unwrap_or(""),
            is_collected,
        });
        // What is too much for the log is too much for the collector.
        if is_collected && passed {
            let place = self.tracer.as_ref().map(|tracer| tracer.place());
            self.report(Signal::Logs, &convert::record(record, place));
        }
        Ok(())
    }
}

impl metrics::Host for Instance {
    fn export(&mut self, metrics: metrics::ResourceMetrics) -> Result<Result<(), String>> {
        if !self.wants(Signal::Metrics) {
            return Ok(Ok(()));
        }
        for scope in metrics.scope_metrics {
            if !self.report(Signal::Metrics, &of_metrics::of_scope(scope)) {
                return Ok(Err("there is no room for more metrics".to_owned()));
            }
        }
        Ok(Ok(()))
    }
}

fn part(state: &mut State) -> &mut Instance {
    &mut state.parts.otel
}

/// Links it. The candidate has called one of its functions by two names.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:otel/types", "@0.2.0-rc.2", (), part, {});
    cross!(linker, "wasi:otel/tracing", "@0.2.0-rc.2", (), part, {
        sync unit "on-start" = tracing::Host::on_start { a };
        sync unit "on-end" = tracing::Host::on_end { a };
        sync value "current-span-context" = tracing::Host::current_span_context {};
        sync value "outer-span-context" = tracing::Host::current_span_context {};
    });
    cross!(linker, "wasi:otel/logs", "@0.2.0-rc.2", (), part, {
        sync unit "on-emit" = logs::Host::on_emit { a };
    });
    cross!(linker, "wasi:otel/metrics", "@0.2.0-rc.2", (), part, {
        sync value "export" = metrics::Host::export { a };
    });
    Ok(())
}
