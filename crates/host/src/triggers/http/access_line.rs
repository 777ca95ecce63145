//! A request's line in the log, for people and for programs. All text from outside is escaped.

use super::access_log::{AccessEntry, AccessFault};
use crate::clock;
use crate::log_writer::{Entry, Form};
use crate::printable;
use holm_runtime::error::Kind;
use holm_runtime::{Denial, Error};
use http::Version;
use serde::Serialize;
use std::fmt::Write;

/// Characters of a path shown to people.
const PATH_CHARS_SHOWN: usize = 200;

pub(super) struct AccessLine(pub Box<AccessEntry>);

impl Entry for AccessLine {
    fn write(&self, form: Form, out: &mut String) {
        match form {
            Form::Human { color } => human(&self.0, color, out),
            Form::Json => json(&self.0, out),
        }
    }
}

fn human(entry: &AccessEntry, color: bool, out: &mut String) {
    clock::push_local(out, entry.time);
    let _ = write!(out, " {} ", entry.method);
    printable::push_start(out, &entry.path, PATH_CHARS_SHOWN);
    let tint = match entry.status {
        _ if !color => "",
        Some(..400) => "\x1b[32m",
        Some(400..500) => "\x1b[33m",
        Some(_) => "\x1b[31m",
        None => "\x1b[2m",
    };
    let _ = match entry.status {
        Some(status) => write!(out, " {tint}{status}"),
        None => write!(out, " {tint}---"),
    };
    out.push_str(if tint.is_empty() { " " } else { "\x1b[0m " });
    clock::push_duration(out, entry.duration.unwrap_or_default());
    out.push(' ');
    clock::push_bytes(out, entry.bytes_out);
    if let Some(component) = &entry.component {
        out.push(' ');
        if let Some(app) = &entry.app {
            printable::push(out, app);
            out.push('/');
        }
        printable::push(out, component);
    }
    if let Some(receipt) = &entry.receipt {
        out.push_str("  cpu ");
        clock::push_duration(out, std::time::Duration::from_micros(receipt.cpu_us));
    }
    if entry.aborted {
        out.push_str("  client left");
    }
    let _ = writeln!(out, "  {}", entry.id);
    match &entry.fault {
        None => {}
        Some(AccessFault::Said(kind, text)) => detail(out, kind, text),
        Some(AccessFault::Error(error)) => human_error(error, out),
    }
    if let Some((limit, value)) = limit_survived(entry) {
        detail(out, "limit", &format!("{limit} ({value}) was reached"));
    }
    for denial in denials(entry) {
        let text = format!("{}; grant it: {}", denial.asked, denial.line);
        detail(out, "denied", &text);
    }
}

/// A limit that the guest reached and that no fault tells of.
fn limit_survived(entry: &AccessEntry) -> Option<(&'static str, &str)> {
    let receipt = entry.receipt.as_ref()?;
    let told = matches!(&entry.fault, Some(AccessFault::Error(error)) if error.limit.is_some());
    let value = receipt.limit_value.as_deref()?;
    receipt.limit.filter(|_| !told).map(|limit| (limit, value))
}

fn human_error(error: &Error, out: &mut String) {
    detail(out, kind(error.kind), &error.to_string());
    for frame in &error.backtrace {
        out.push_str("      at ");
        printable::push(out, &frame.function);
        if let Some(place) = &frame.place {
            out.push_str(" (");
            printable::push(out, place);
            out.push(')');
        }
        out.push('\n');
    }
    for help in &error.help {
        detail(out, "help", help);
    }
}

fn detail(out: &mut String, name: &str, text: &str) {
    out.push_str("    ");
    out.push_str(name);
    out.push_str(": ");
    printable::push(out, text);
    out.push('\n');
}

/// The guest's denials and the error's, each once.
fn denials(entry: &AccessEntry) -> impl Iterator<Item = &Denial> {
    let of_error = match &entry.fault {
        Some(AccessFault::Error(error)) => error.denials.as_slice(),
        _ => &[],
    };
    let more = of_error
        .iter()
        .filter(|denial| !entry.denials.contains(denial));
    entry.denials.iter().chain(more)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Yours => "yours",
        Kind::Guest => "guest",
        Kind::Denied => "denied",
        Kind::Ours => "ours",
    }
}

fn json_fault(fault: &AccessFault) -> JsonFault<'_> {
    match fault {
        AccessFault::Said(kind, message) => JsonFault {
            kind,
            message,
            ..JsonFault::default()
        },
        AccessFault::Error(error) => JsonFault {
            kind: kind(error.kind),
            message: &error.message,
            cause: error.cause.as_deref(),
            limit: error.limit.map(|limit| limit.name()),
            backtrace: error
                .backtrace
                .iter()
                .map(|frame| JsonFrame {
                    function: &frame.function,
                    place: frame.place.as_deref(),
                })
                .collect(),
            help: &error.help,
        },
    }
}

fn json(entry: &AccessEntry, out: &mut String) {
    let mut time = String::new();
    clock::push_utc(&mut time, entry.time);
    let micros = |duration: std::time::Duration| duration.as_micros() as u64;
    let line = Json {
        r#type: "request",
        time,
        request_id: entry.id.to_string(),
        peer: entry.peer.to_string(),
        client: entry.client.map(|ip| ip.to_string()),
        http: match entry.version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        tls: entry.tls,
        method: entry.method.as_str(),
        host: entry.host.as_deref(),
        path: &entry.path,
        route: entry.route.as_deref(),
        app: entry.app.as_deref(),
        component: entry.component.as_deref(),
        status: entry.status,
        duration_us: micros(entry.duration.unwrap_or_default()),
        head_us: entry.head.map(micros),
        bytes_in: entry
            .receipt
            .as_ref()
            .and_then(|r| Some(r.bytes.get("http-server")?[0])),
        bytes_out: entry.bytes_out,
        aborted: entry.aborted,
        receipt: entry.receipt.as_ref(),
        fault: entry.fault.as_ref().map(json_fault),
        denials: denials(entry)
            .map(|denial| JsonDenial {
                asked: &denial.asked,
                grant: denial.grant,
                line: &denial.line,
            })
            .collect(),
    };
    printable::push_json(out, &line);
    out.push('\n');
}

/// The line as programs read it; what has nothing to say is absent. Keys are never renamed.
#[derive(Serialize)]
struct Json<'a> {
    r#type: &'static str,
    time: String,
    request_id: String,
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    http: &'static str,
    tls: bool,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    status: Option<u16>,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_in: Option<u64>,
    bytes_out: u64,
    aborted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a holm_runtime::receipt::Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<JsonFault<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denials: Vec<JsonDenial<'a>>,
}

#[derive(Default, Serialize)]
struct JsonFault<'a> {
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backtrace: Vec<JsonFrame<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    help: &'a [String],
}

#[derive(Serialize)]
struct JsonFrame<'a> {
    function: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonDenial<'a> {
    asked: &'a str,
    grant: &'static str,
    line: &'a str,
}
