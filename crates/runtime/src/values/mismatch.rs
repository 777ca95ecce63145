//! What is wrong with a value, and where in it: `order.items[3].price: expected u32, got "x"`.

use super::signature::Signature;
use crate::error::Error;
use std::fmt;

/// A value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where: `order.items[3].price`; empty where it is the value itself.
    pub path: String,
    /// What: `expected u32, got "x"`.
    pub problem: String,
    /// What to do, where something helps.
    pub help: Option<String>,
}

impl Mismatch {
    /// A mismatch at the value itself.
    pub fn new(problem: impl Into<String>) -> Self {
        Mismatch {
            path: String::new(),
            problem: problem.into(),
            help: None,
        }
    }

    /// The type that was expected, and what stood there.
    pub fn expected(what: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::new(format!("expected {what}, got {got}"))
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says that it was found within a field, a parameter or a case.
    pub fn within(mut self, name: &str) -> Self {
        self.path = match self.path.chars().next() {
            None => name.to_owned(),
            Some('[') => format!("{name}{}", self.path),
            Some(_) => format!("{name}.{}", self.path),
        };
        self
    }

    /// Says that it was found in an element.
    pub fn at(mut self, index: usize) -> Self {
        self.path = match self.path.chars().next() {
            None | Some('[') => format!("[{index}]{}", self.path),
            Some(_) => format!("[{index}].{}", self.path),
        };
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.problem),
            false => write!(f, "{}: {}", self.path, self.problem),
        }
    }
}

impl std::error::Error for Mismatch {}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Error {
        let error = Error::yours(mismatch.to_string());
        match mismatch.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// A piece of input as an error shows it: not too long, on one line.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let line: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match text.chars().nth(MOST) {
        Some(_) => format!("{line}…"),
        None => line,
    }
}

/// A name that does not exist, and the nearest that does.
pub(crate) fn unknown<'a>(
    word: &str,
    name: &str,
    of: impl fmt::Display,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Mismatch {
    let mismatch = Mismatch::new(format!("there is no {word} `{}` in {of}", shown(name)));
    match holm_manifest::nearest(name, known.clone()) {
        Some(near) => mismatch.help(format!("did you mean `{near}`?")),
        None => mismatch.help(match known.clone().next() {
            Some(_) => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
            None => format!("it has no {word}s"),
        }),
    }
}

/// The wrong number of arguments.
pub(crate) fn wrong_count(signature: &Signature, got: &str) -> Mismatch {
    let name = signature.local_name();
    let takes = match signature.params.len() {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        n => format!("{n} arguments"),
    };
    Mismatch::new(format!("`{name}` takes {takes}, {got} given"))
}

/// How many arguments were given, in front of "given".
pub(crate) fn given(count: usize) -> String {
    match count {
        0 => "none were".into(),
        1 => "1 was".into(),
        n => format!("{n} were"),
    }
}
