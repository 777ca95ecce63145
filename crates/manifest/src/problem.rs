//! One thing that is wrong with what the user wrote.

use std::fmt;

use crate::{Problems, Source, Span};

/// Whether a problem stops the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The manifest cannot be used.
    Error,
    /// It can be used, but is probably not what was meant.
    Warning,
}

impl Severity {
    /// The word in output for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong with what the user wrote: the message says what, the
/// label at the caret says what was seen or expected there, the help what to type.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Does it stop the app?
    pub severity: Severity,
    /// What is wrong, in one line, without a full stop.
    pub message: String,
    /// Where, if it has a place in the file.
    pub span: Option<Span>,
    /// What is seen at that place.
    pub label: Option<String>,
    /// What to type instead.
    pub help: Option<String>,
    /// Further facts, a line each. Boxed, because problems travel in results.
    pub notes: Box<[String]>,
}

impl Problem {
    /// A problem that stops the app.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A problem that is only told.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self {
            severity,
            message,
            span: None,
            label: None,
            help: None,
            notes: Box::default(),
        }
    }

    /// Points at a place; the span of a value made in code points nowhere.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = (!span.is_nowhere()).then_some(span);
        self
    }

    /// Says what is seen at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        let mut notes = self.notes.into_vec();
        notes.push(note.into());
        self.notes = notes.into();
        self
    }

    /// Does it stop the app?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// This problem alone, ready to be shown against its source.
    pub fn in_source(self, source: &Source) -> Problems {
        Problems::new(source.clone(), vec![self])
    }

    /// This problem alone, where there is no source to show (no file was found).
    pub fn alone(self) -> Problems {
        Problems::new(Source::new("", ""), vec![self])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
