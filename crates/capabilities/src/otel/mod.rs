//! A component's own telemetry, as `wasi:otel`: its spans hang below the host's, its log records go
//! where its messages go, and all of it to the collector that the host has.
//!
//! ```toml
//! [component.web]             # no grant: what it reports goes where its host says
//! source = "web.wasm"
//! ```

mod convert;
mod metrics;
#[cfg(test)]
mod tests;
mod value;
mod wit;

use crate::logging::Logging;
use crate::{About, Capability, Era, Interface, Place, State};
use holm_manifest::{Fragment, Problem, Value};
use holm_runtime::Core;
use holm_runtime::trace::Tracer;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

/// What one event may report, in bytes of OTLP: more is dropped.
const REPORT_BYTES_MAX: usize = 256 << 10;

/// What a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Spans that have ended.
    Traces,
    /// Records of a log.
    Logs,
    /// Values of instruments.
    Metrics,
}

/// Something that a component reports.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who.
    pub component: Arc<str>,
    /// What.
    pub signal: Signal,
    /// A message of OTLP: `ScopeSpans`, `ScopeLogs` or `ScopeMetrics`.
    pub message: Vec<u8>,
}

/// Takes reports on to where they are looked at.
pub trait Collector: Send + Sync {
    /// Whether there is somebody for this kind of report.
    fn wants(&self, signal: Signal) -> bool;

    /// Takes one; no, if it has no room. Called while the guest waits: it must not block.
    fn take(&self, report: Report) -> bool;
}

/// Where what a component's instances report goes: a manifest cannot say, whoever hosts it does.
#[derive(Clone, Default)]
pub struct Otel {
    /// Who takes it; nobody, mostly.
    pub collector: Option<Arc<dyn Collector>>,
    /// Where log records go besides.
    pub logging: Logging,
}

/// What an instance holds.
pub struct Instance {
    component: Arc<str>,
    collector: Option<Arc<dyn Collector>>,
    log: crate::logging::Instance,
    tracer: Tracer,
    /// Bytes that the event may report yet.
    left: usize,
}

impl Capability for Otel {
    const ABOUT: About = About {
        name: "otel",
        doc: "Spans, log records and metrics of a component's own.",
        grant: None,
        example: None,
        refuse_ungranted: false,
        interfaces: &[
            Interface {
                name: "wasi:otel/types",
                versions: &["0.2.0-rc.2"],
            },
            Interface {
                name: "wasi:otel/tracing",
                versions: &["0.2.0-rc.2"],
            },
            Interface {
                name: "wasi:otel/logs",
                versions: &["0.2.0-rc.2"],
            },
            Interface {
                name: "wasi:otel/metrics",
                versions: &["0.2.0-rc.2"],
            },
        ],
    };

    type Instance = Instance;

    fn fragment() -> Option<Fragment> {
        None
    }

    fn granted(_value: Option<&Value>, _place: &Place) -> Result<Self, Problem> {
        Ok(Otel::default())
    }

    fn instance(&self, core: &Core, wasi: &mut WasiCtxBuilder) -> wasmtime::Result<Instance> {
        Ok(Instance {
            component: core.component.clone(),
            collector: self.collector.clone(),
            log: self.logging.instance(core, wasi)?,
            tracer: None,
            left: REPORT_BYTES_MAX,
        })
    }

    fn link_component(linker: &mut Linker<State>, _era: Era) -> wasmtime::Result<()> {
        wit::link(linker)
    }
}

impl Instance {
    /// Another event begins, told to this one.
    pub(crate) fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
        self.left = REPORT_BYTES_MAX;
    }

    fn wants(&self, signal: Signal) -> bool {
        self.collector.as_ref().is_some_and(|to| to.wants(signal))
    }

    /// Whether there was room for it.
    fn report(&mut self, signal: Signal, message: &impl prost::Message) -> bool {
        let bytes = message.encoded_len();
        let Some(left) = self.left.checked_sub(bytes) else {
            return false;
        };
        self.left = left;
        let Some(collector) = &self.collector else {
            return false;
        };
        collector.take(Report {
            component: self.component.clone(),
            signal,
            message: message.encode_to_vec(),
        })
    }
}
