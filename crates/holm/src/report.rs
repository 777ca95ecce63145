//! How errors, receipts and warnings look on a terminal; colour only there.

use holm_manifest::Problems;
use holm_runtime::receipt::Receipt;
use holm_runtime::{Denial, Error, Kind};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Where a bug of ours is to be reported.
const REPORT: &str = concat!(
    "this is a bug in Holm; please report it, with the command line that showed it, at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/issues"
);

/// From now on a panic says that it is ours, and where to report it, in the words of all errors.
pub fn on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("it gave no reason");
        let place = panic.location().map(ToString::to_string);
        error(&Error::ours(what).caused_by(place.unwrap_or_default()));
    }));
}

/// Prints an error with all that helps to mend it.
pub fn error(error: &Error) {
    let _ = anstream::stderr().write_all(render(error).as_bytes());
}

/// Prints what is wrong with a manifest.
pub fn problems(problems: &Problems) {
    // Flags are no manifest: there is no place to point at.
    if problems.source.path.as_os_str().is_empty() {
        for problem in &problems.list {
            let mut plain = Error::yours(problem.message.clone());
            plain.help.extend(problem.help.clone());
            plain.help.extend(problem.notes.iter().cloned());
            error(&plain);
        }
        return;
    }
    let text = problems.render(color(), width());
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether standard error wants colour: a terminal that can show it, unless the environment says
/// otherwise (`NO_COLOR`, `CLICOLOR_FORCE`).
pub fn color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse().ok())
        .unwrap_or(100)
        .clamp(60, 160)
}

/// The error as text; escape codes are removed on the way where the reader is no terminal.
fn render(error: &Error) -> String {
    let (bold_red, bold, dim, reset) = ("\x1b[1;31m", "\x1b[1m", "\x1b[2m", "\x1b[0m");
    let word = match error.kind {
        Kind::Yours => "error",
        Kind::Guest => "guest failed",
        Kind::Denied => "denied",
        Kind::Ours => "internal error",
    };
    let mut text = format!(
        "{bold_red}{word}{reset}{bold}: {}{reset}\n",
        printable(&error.message)
    );
    if let Some(cause) = &error.cause {
        for line in cause.lines() {
            let _ = writeln!(text, "  {}", printable(line));
        }
    }
    for frame in &error.backtrace {
        let _ = write!(text, "    at {}", printable(&frame.function));
        match (&frame.place, &frame.module, frame.offset) {
            (Some(place), _, _) => {
                let _ = writeln!(text, " {dim}({}){reset}", printable(place));
            }
            (None, Some(module), Some(offset)) => {
                let _ = writeln!(text, " {dim}({}+{offset:#x}){reset}", printable(module));
            }
            (None, _, Some(offset)) => {
                let _ = writeln!(text, " {dim}(at {offset:#x}){reset}");
            }
            _ => text.push('\n'),
        }
    }
    denied(&mut text, &error.denials);
    for help in &error.help {
        let _ = writeln!(text, "help: {}", printable(help));
    }
    if error.kind == Kind::Ours {
        let _ = writeln!(text, "help: {REPORT}");
    }
    text
}

fn denied(text: &mut String, denials: &[Denial]) {
    for denial in denials {
        let _ = writeln!(
            text,
            "\x1b[1;31mdenied\x1b[0m\x1b[1m: {}\x1b[0m",
            printable(&denial.asked)
        );
        let _ = writeln!(
            text,
            "  to allow it, add to its grants: {}",
            printable(&denial.line)
        );
        let _ = writeln!(
            text,
            "  or to the command line:         {}",
            printable(&denial.flag)
        );
    }
}

/// Prints what a guest was refused, each with the line that would grant it.
pub fn denials(denials: &[Denial]) {
    let mut text = String::new();
    denied(&mut text, denials);
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Prints what to do next.
pub fn help(text: &str) {
    let _ = writeln!(anstream::stderr(), "help: {}", printable(text));
}

/// Text from outside must not move the cursor or colour the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A receipt for people.
pub fn receipt(receipt: &Receipt) -> String {
    let mut text = String::new();
    let ms = |us: u64| format!("{}.{:03} ms", us / 1000, us % 1000);
    let _ = writeln!(text, "receipt of {}", receipt.component);
    let _ = writeln!(text, "  cpu     {:>14}", ms(receipt.cpu_us));
    let _ = writeln!(text, "  wall    {:>14}", ms(receipt.wall_us));
    let _ = writeln!(
        text,
        "  memory  {:>14}",
        holm_manifest::ByteSize(receipt.memory_peak).to_string()
    );
    for (kind, [into, out]) in &receipt.bytes {
        let _ = writeln!(text, "  {kind:<12} {into} bytes in, {out} bytes out");
    }
    for (interface, functions) in &receipt.calls {
        let _ = writeln!(text, "  {interface}");
        for (name, calls) in functions {
            match calls.time_us {
                Some(us) => {
                    let _ = writeln!(text, "    {name:<44} {:>8} × {:>12}", calls.count, ms(us));
                }
                None => {
                    let _ = writeln!(text, "    {name:<44} {:>8} ×", calls.count);
                }
            }
        }
    }
    if let Some(limit) = receipt.limit {
        let value = receipt.limit_value.as_deref();
        let _ = writeln!(text, "  limit   {limit:>14}  ({})", value.unwrap_or("none"));
    }
    text
}

/// How warnings of the rooms below look: like errors, a fact a line.
pub struct Warnings;

impl<S, N> FormatEvent<S, N> for Warnings
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let word = match *event.metadata().level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warning",
            _ => "note",
        };
        let mut facts = Facts::default();
        event.record(&mut facts);
        let message = printable(&facts.message);
        match color() {
            true => writeln!(writer, "\x1b[1;33m{word}\x1b[0m\x1b[1m: {message}\x1b[0m")?,
            false => writeln!(writer, "{word}: {message}")?,
        }
        for (name, value) in &facts.others {
            writeln!(writer, "  {name}: {}", printable(value))?;
        }
        Ok(())
    }
}

/// What an event of the rooms below says.
#[derive(Default)]
struct Facts {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl tracing::field::Visit for Facts {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.others.push((name, format!("{value:?}"))),
        }
    }
}

/// How far something is that takes longer than a second; shown on a terminal only.
pub struct Progress {
    what: &'static str,
    all: usize,
    done: std::sync::atomic::AtomicUsize,
    shown: bool,
}

impl Progress {
    /// Of so many steps.
    pub fn of(what: &'static str, all: usize) -> Self {
        Progress {
            what,
            all,
            done: 0.into(),
            shown: std::io::stderr().is_terminal(),
        }
    }

    /// One more is done.
    pub fn step(&self) {
        let done = 1 + self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // A hundred lines over all, not one for each of ten thousand steps.
        if self.shown && done.is_multiple_of(self.all.div_ceil(100).max(1)) {
            eprint!("\r{} {done} of {}", self.what, self.all);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
