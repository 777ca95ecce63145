//! What guests print, line by line, marked with the component and safe to look at.

use crate::call_log::CallLog;
use crate::clock;
use crate::log_writer::{Entry, Form, LogWriter};
use crate::printable;
use crate::telemetry::Telemetry;
use holm_capabilities::otel::Collector;
use holm_capabilities::stdio::{Level, LineSink, Message, Stream};
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

    /// Who takes what guests report by themselves.
    pub(crate) fn collector(&self) -> Option<Arc<dyn Collector>> {
        self.telemetry.as_ref()?.guests()
    }

    /// The log of calls, which goes the same way.
    pub(crate) fn calls(&self) -> CallLog {
        let calls = self.writer.clone().map_or_else(CallLog::off, CallLog::new);
        calls.with_telemetry(self.telemetry.clone())
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

    fn message(&self, message: Message<'_>) {
        if let Some(telemetry) = self.telemetry.as_ref().filter(|_| !message.is_collected) {
            telemetry.message(&self.component, message);
        }
        let (context, text) = (message.context.into(), message.text.into());
        self.submit(Said::Message(message.level, context, text));
    }

    fn dropped(&self, lines: u64, bytes: u64, over: LimitHit) {
        (self.over)(over.limit);
        self.submit(Said::Dropped { lines, bytes, over });
    }
}

enum Said {
    Line(Stream, Box<[u8]>),
    /// Its level, context and text.
    Message(Level, Box<str>, Box<str>),
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
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
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
        if let Said::Message(level, context, text) = &self.said {
            // Each line by itself, so that all are of the component's.
            for line in text.lines() {
                self.head(color, level.name(), *level >= Level::Warn, out);
                if !context.is_empty() {
                    printable::push(out, context);
                    out.push_str(": ");
                }
                printable::push(out, line);
                out.push('\n');
            }
            return;
        }
        // The bar tells the streams apart without colour.
        let (bar, is_bad) = match self.said {
            Said::Line(Stream::Stderr, _) => ("!", true),
            Said::Dropped { .. } => ("…", true),
            Said::Line(Stream::Stdout, _) | Said::Message(..) => ("|", false),
        };
        self.head(color, bar, is_bad, out);
        match &self.said {
            Said::Message(..) => {}
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

    /// What stands before the text, and tells whose it is.
    fn head(&self, color: bool, mark: &str, is_bad: bool, out: &mut String) {
        let tinted = color && is_bad;
        if tinted {
            out.push_str("\x1b[33m");
        }
        printable::push(out, &self.component);
        out.push(' ');
        out.push_str(mark);
        if tinted {
            out.push_str("\x1b[0m");
        }
        out.push(' ');
    }

    fn json(&self, out: &mut String) {
        let mut time = String::new();
        clock::push_utc(&mut time, self.time);
        let mut json = Json {
            r#type: "log",
            time,
            component: &self.component,
            stream: None,
            level: None,
            context: None,
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
            Said::Message(level, context, text) => {
                json.level = Some(level.name());
                json.context = Some(context)
                    .filter(|text| !text.is_empty())
                    .map(|text| &**text);
                json.line = Some(text.to_string());
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
        sink.message(Message {
            level: Level::Error,
            context: "db\x1b",
            text: "down\nfor good",
            is_collected: false,
        });
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
             api error db\\x1b: down\n\
             api error db\\x1b: for good\n\
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
        assert_eq!(lines[2]["level"], "error");
        assert_eq!(lines[2]["context"], "db\x1b");
        assert_eq!(lines[2]["line"], "down\nfor good");
        assert_eq!(lines[3]["dropped_lines"], 12);
        assert_eq!(lines[3]["limit"], "log_rate");
        assert_eq!(lines[3]["limit_value"], "64 KiB");
    }
}
