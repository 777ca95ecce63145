//! The four kinds of error, never mixed up: yours, the guest's, a denial, ours.

use crate::core::Denial;
use crate::limits::Limit;
use std::fmt;

/// Who is at fault; exit codes and HTTP answers derive from this and from nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user's: a manifest, a flag, a missing or broken file.
    Yours,
    /// The guest's: a trap, a limit, a bad answer.
    Guest,
    /// A denial: something was asked for that no grant allows.
    Denied,
    /// Ours: a bug in Holm.
    Ours,
}

/// An error as every room of Holm passes it on; only the edge prints it.
#[derive(Clone, Debug)]
pub struct Error {
    /// Who is at fault.
    pub kind: Kind,
    /// What is wrong, one line.
    pub message: String,
    /// What lies beneath, in the words of whoever said it.
    pub cause: Option<String>,
    /// What to do.
    pub help: Vec<String>,
    /// A guest's backtrace, innermost frame first.
    pub backtrace: Vec<Frame>,
    /// The limit that was hit, where one was.
    pub limit: Option<Limit>,
    /// What was refused on the way; each names the line that would grant it.
    pub denials: Vec<Denial>,
    /// The code that the guest exited with, where it did.
    pub exit: Option<i32>,
}

/// One frame of a guest's backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function, demangled; `<function 12>` where the binary has no names.
    pub function: String,
    /// The module, where it has a name.
    pub module: Option<String>,
    /// `src/main.rs:12:5`, where the binary has DWARF.
    pub place: Option<String>,
    /// The offset in the binary.
    pub offset: Option<usize>,
}

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            cause: None,
            help: Vec::new(),
            backtrace: Vec::new(),
            limit: None,
            denials: Vec::new(),
            exit: None,
        }
    }

    /// An error of the user's.
    pub fn yours(message: impl Into<String>) -> Self {
        Self::new(Kind::Yours, message)
    }

    /// An error of the guest's.
    pub fn guest(message: impl Into<String>) -> Self {
        Self::new(Kind::Guest, message)
    }

    /// A denial.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }

    /// A bug of ours.
    pub fn ours(message: impl Into<String>) -> Self {
        Self::new(Kind::Ours, message)
    }

    /// Adds what lies beneath.
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds a line on what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds the code that the guest exited with.
    pub fn exited(mut self, code: i32) -> Self {
        self.exit = Some(code);
        self
    }

    /// Adds what was refused on the way.
    pub fn with_denials(mut self, denials: Vec<Denial>) -> Self {
        self.denials = denials;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
