//! What guests print, line by line, marked with the component and safe to look at.

use crate::call_log::CallLog;
use crate::clock;
use crate::log_writer::{Entry, Form, LogWriter};
use crate::printable;
use crate::telemetry::Telemetry;
use holm_capabilities::stdio::{LineSink, Stream};
use holm_runtime::limits::{Limit, LimitHit};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;

/// The log of all guests of a host.
#[derive(Clone)]
pub struct GuestLog {
    writer: Option<LogWriter>,
    telemetry: Option<Arc<Telemetry>>,
}

impl GuestLog {
    /// A log that goes to this writer.
    pub fn new(writer: LogWriter) -> Self {
        GuestLog {
            writer: Some(writer),
            telemetry: None,
        }
    }

    /// Lines go to a collector too.
    pub fn with_telemetry(self, telemetry: Option<Arc<Telemetry>>) -> Self {
        GuestLog { telemetry, ..self }
    }

    /// A log that is thrown away.
    pub fn off() -> Self {
        GuestLog {
            writer: None,
            telemetry: None,
        }
    }

    /// The log of calls, which goes the same way.
    pub(crate) fn calls(&self) -> CallLog {
        self.writer.clone().map_or_else(CallLog::off, CallLog::new)
    }

    /// The part of one component; `over` is told which limit was reached whenever lines were dropped.
    pub fn sink(
        &self,
        component: Arc<str>,
        over: impl Fn(Limit) + Send + Sync + 'static,
    ) -> Arc<dyn LineSink> {
        Arc::new(ComponentLog {
            component,
            over: Box::new(over),
            writer: self.writer.clone(),
            telemetry: self.telemetry.clone(),
        })
    }
}

struct ComponentLog {
    component: Arc<str>,
    over: Box<dyn Fn(Limit) + Send + Sync>,
    writer: Option<LogWriter>,
    telemetry: Option<Arc<Telemetry>>,
}

impl ComponentLog {
    fn submit(&self, said: Said) {
        if let Some(writer) = &self.writer {
            let component = self.component.clone();
            writer.submit(GuestLine {
                time: SystemTime::now(),
                component,
                said,
            });
        }
    }
}

impl LineSink for ComponentLog {
    fn line(&self, stream: Stream, line: &[u8]) {
        if let Some(telemetry) = &self.telemetry {
            let stream = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            telemetry.line(&self.component, stream, line);
        }
        self.submit(Said::Line(stream, line.into()));
    }

    fn dropped(&self, lines: u64, bytes: u64, over: LimitHit) {
        (self.over)(over.limit);
        self.submit(Said::Dropped { lines, bytes, over });
    }
}

enum Said {
    Line(Stream, Box<[u8]>),
    Dropped {
        lines: u64,
        bytes: u64,
        over: LimitHit,
    },
}

struct GuestLine {
    time: SystemTime,
    component: Arc<str>,
    said: Said,
}

/// The line as programs read it.
#[derive(Serialize)]
struct Json<'a> {
    r#type: &'static str,
    time: String,
    component: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_value: Option<String>,
}

impl Entry for GuestLine {
    fn write(&self, form: Form, out: &mut String) {
        match form {
            Form::Human { color } => self.human(color, out),
            Form::Json => self.json(out),
        }
    }
}

impl GuestLine {
    fn human(&self, color: bool, out: &mut String) {
        // The bar tells the streams apart without colour.
        let (bar, tint) = match self.said {
            Said::Line(Stream::Stdout, _) => ("|", ""),
            Said::Line(Stream::Stderr, _) => ("!", "\x1b[33m"),
            Said::Dropped { .. } => ("…", "\x1b[33m"),
        };
        let tint = if color { tint } else { "" };
        out.push_str(tint);
        printable::push(out, &self.component);
        out.push(' ');
        out.push_str(bar);
        if !tint.is_empty() {
            out.push_str("\x1b[0m");
        }
        out.push(' ');
        match &self.said {
            Said::Line(_, line) => printable::push_bytes(out, line),
            Said::Dropped { lines, bytes, over } => {
                out.push_str(&format!("{lines} lines ("));
                clock::push_bytes(out, *bytes);
                let (limit, rate) = (over.limit.name(), over.amount);
                out.push_str(&format!(
                    ") dropped: over the {limit} limit of {rate} a second"
                ));
            }
        }
        out.push('\n');
    }

    fn json(&self, out: &mut String) {
        let mut time = String::new();
        clock::push_utc(&mut time, self.time);
        let mut json = Json {
            r#type: "log",
            time,
            component: &self.component,
            stream: None,
            line: None,
            dropped_lines: None,
            dropped_bytes: None,
            limit: None,
            limit_value: None,
        };
        match &self.said {
            Said::Line(stream, line) => {
                json.stream = Some(stream.name());
                json.line = Some(String::from_utf8_lossy(line).into_owned());
            }
            Said::Dropped { lines, bytes, over } => {
                json.dropped_lines = Some(*lines);
                json.dropped_bytes = Some(*bytes);
                json.limit = Some(over.limit.name());
                json.limit_value = Some(over.amount.to_string());
            }
        }
        printable::push_json(out, &json);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_writer::tests::Page;
    use holm_runtime::limits::Amount;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::Duration;

    fn written(form: Form) -> String {
        let page = Page::default();
        let writer = LogWriter::start(page.clone(), form).unwrap();
        let reached = Arc::new(AtomicBool::new(false));
        let told = reached.clone();
        let told = move |limit| told.store(limit == Limit::LogRate, Relaxed);
        let sink = GuestLog::new(writer.clone()).sink("api".into(), told);
        sink.line(Stream::Stdout, b"hello");
        sink.line(Stream::Stderr, b"\x1b[2Jbad\xff\"}");
        assert!(!reached.load(Relaxed));
        let over = LimitHit {
            limit: Limit::LogRate,
            amount: Amount::bytes(1 << 16),
        };
        sink.dropped(12, 3456, over);
        assert!(reached.load(Relaxed));
        GuestLog::off()
            .sink("api".into(), |_| ())
            .line(Stream::Stdout, b"nowhere");
        writer.flush(Duration::from_secs(10));
        page.text()
    }

    #[test]
    fn for_people() {
        assert_eq!(
            written(Form::Human { color: false }),
            "api | hello\n\
             api ! \\x1b[2Jbad\\xff\"}\n\
             api … 12 lines (3.5 kB) dropped: over the log_rate limit of 64 KiB a second\n"
        );
        assert!(written(Form::Human { color: true }).contains("\x1b[33mapi !\x1b[0m \\x1b[2J"));
    }

    #[test]
    fn for_programs() {
        let text = written(Form::Json);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["component"], "api");
        assert_eq!(lines[0]["stream"], "stdout");
        assert_eq!(lines[0]["line"], "hello");
        assert_eq!(lines[1]["line"], "\u{1b}[2Jbad\u{fffd}\"}");
        assert_eq!(lines[2]["dropped_lines"], 12);
        assert_eq!(lines[2]["limit"], "log_rate");
        assert_eq!(lines[2]["limit_value"], "64 KiB");
    }
}
