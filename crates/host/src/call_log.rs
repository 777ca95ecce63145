//! A line for each call that no request is behind: a tool that was called, a job that ran. They go
//! where the guests' lines go too; never to standard output.

use crate::clock;
use crate::event::Account;
use crate::log_writer::{Entry, Form, LogWriter};
use crate::printable;
use crate::telemetry::{Event, EventSpan, Telemetry};
use holm_runtime::limits::Reached;
use holm_runtime::receipt::Receipt;
use holm_runtime::trace::Tracer;
use holm_runtime::{Denial, Error};
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A tool, by an agent.
    Tool,
    /// A component, by a trigger whose events nobody waits for.
    Job,
}

impl What {
    /// The `type` of its line.
    fn name(self) -> &'static str {
        match self {
            What::Tool => "tool",
            What::Job => "job",
        }
    }
}

/// Where the lines go, and the spans.
#[derive(Clone)]
pub struct CallLog {
    writer: Option<LogWriter>,
    telemetry: Option<Arc<Telemetry>>,
}

impl CallLog {
    /// To this writer.
    pub fn new(writer: LogWriter) -> CallLog {
        CallLog {
            writer: Some(writer),
            telemetry: None,
        }
    }

    /// Nowhere.
    pub fn off() -> CallLog {
        CallLog {
            writer: None,
            telemetry: None,
        }
    }

    /// Spans go to a collector too.
    pub(crate) fn with_telemetry(self, telemetry: Option<Arc<Telemetry>>) -> CallLog {
        CallLog { telemetry, ..self }
    }

    /// The account of a call that begins now and has no span.
    pub(crate) fn begin(&self, what: What, name: &str) -> CallRecord {
        self.record(what, name, None)
    }

    /// The account of an event that begins now, and its span.
    pub(crate) fn begin_event(&self, event: &Event<'_>) -> CallRecord {
        let telemetry = self.telemetry.as_ref();
        let span = telemetry.and_then(|telemetry| telemetry.begin_event(event));
        self.record(What::Job, event.name, span)
    }

    fn record(&self, what: What, name: &str, span: Option<EventSpan>) -> CallRecord {
        CallRecord(Arc::new(Inner {
            log: self.clone(),
            span: Mutex::new(span),
            began: Instant::now(),
            said: Mutex::new(Said {
                time: SystemTime::now(),
                what,
                name: name.into(),
                duration: Duration::ZERO,
                outcome: "left",
                receipt: None,
                error: None,
                denials: Vec::new(),
            }),
        }))
    }
}

/// The account of one call; its line is written when the last who holds it is done.
#[derive(Clone)]
pub(crate) struct CallRecord(Arc<Inner>);

struct Inner {
    log: CallLog,
    span: Mutex<Option<EventSpan>>,
    began: Instant,
    said: Mutex<Said>,
}

#[derive(Clone)]
struct Said {
    time: SystemTime,
    what: What,
    name: Box<str>,
    duration: Duration,
    outcome: &'static str,
    receipt: Option<Receipt>,
    error: Option<Box<Error>>,
    denials: Vec<Denial>,
}

impl CallRecord {
    /// How it ended for the client: `ok` or `error`.
    pub(crate) fn ended(&self, outcome: &'static str) {
        self.set(|said| said.outcome = outcome);
    }

    /// Why it never began, unless something else is known to be wrong.
    pub(crate) fn unmade(&self, error: Error) {
        self.set(|said| {
            said.error.get_or_insert_with(|| Box::new(error));
        });
    }

    fn set(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.0.said.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Account for CallRecord {
    fn tracer(&self) -> Tracer {
        let telemetry = self.0.log.telemetry.as_ref()?;
        let span = self.0.span.lock().unwrap_or_else(PoisonError::into_inner);
        telemetry.calls_of_event(span.as_ref()?)
    }

    // The receipt has the last of them, and that is all that the log tells.
    fn reached(&self, _: &Reached) {}

    fn is_kept(&self) -> bool {
        self.0.log.writer.is_some()
    }

    fn denials(&self, denials: &[Denial]) {
        self.set(|said| said.denials.extend_from_slice(denials));
    }

    fn error(&self, error: &Error) {
        self.set(|said| said.error = Some(Box::new(error.clone())));
    }

    fn receipt(&self, receipt: Receipt) {
        self.set(|said| said.receipt = Some(receipt));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let said = self.said.get_mut().unwrap_or_else(PoisonError::into_inner);
        said.duration = self.began.elapsed();
        let span = self.span.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (Some(span), Some(error)) = (span, &said.error) {
            span.failed(error.kind.into());
        }
        if let Some(writer) = &self.log.writer {
            writer.submit(said.clone());
        }
    }
}

impl Entry for Said {
    fn write(&self, form: Form, out: &mut String) {
        match form {
            Form::Human { .. } => self.human(out),
            Form::Json => self.json(out),
        }
    }
}

impl Said {
    fn human(&self, out: &mut String) {
        clock::push_local(out, self.time);
        out.push(' ');
        printable::push(out, &self.name);
        let _ = write!(out, " {} ", self.outcome);
        clock::push_duration(out, self.duration);
        if let Some(receipt) = &self.receipt {
            out.push_str("  cpu ");
            clock::push_duration(out, Duration::from_micros(receipt.cpu_us));
        }
        out.push('\n');
        if let Some(error) = &self.error {
            out.push_str("    ");
            printable::push(out, &error.to_string());
            out.push('\n');
        }
        for denial in &self.denials {
            out.push_str("    denied: ");
            printable::push(out, &format!("{}; grant it: {}", denial.asked, denial.line));
            out.push('\n');
        }
    }

    fn json(&self, out: &mut String) {
        let mut time = String::new();
        clock::push_utc(&mut time, self.time);
        let denied = self.denials.iter().map(|d| [&*d.asked, &*d.line]).collect();
        let line = Json {
            r#type: self.what.name(),
            time,
            tool: (self.what == What::Tool).then_some(&*self.name),
            trigger: (self.what == What::Job).then_some(&*self.name),
            outcome: self.outcome,
            duration_us: self.duration.as_micros() as u64,
            receipt: self.receipt.as_ref(),
            fault: self.error.as_ref().map(ToString::to_string),
            denials: denied,
        };
        printable::push_json(out, &line);
        out.push('\n');
    }
}

/// The line as programs read it; what has nothing to say is absent.
#[derive(Serialize)]
struct Json<'a> {
    r#type: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'a str>,
    outcome: &'static str,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denials: Vec<[&'a str; 2]>,
}
