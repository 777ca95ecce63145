//! What a component says on purpose, beside what it prints.

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The flow of control.
    Trace,
    /// For who debugs it.
    Debug,
    /// For who watches it.
    Info,
    /// A hazard.
    Warn,
    /// A failure.
    Error,
    /// The end of it.
    Critical,
}

impl Level {
    /// `trace` to `critical`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }
}

/// A message that a component logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// How much it matters.
    pub level: Level,
    /// What groups it with others; the guest's own word.
    pub context: &'a str,
    /// What it says; it may have several lines.
    pub text: &'a str,
    /// It reaches the collector of telemetry another way.
    pub is_collected: bool,
}
