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

    /// The wrong number of arguments.
    pub fn count(signature: &Signature, given: usize) -> Self {
        let given = match given {
            0 => "none were".into(),
            1 => "1 was".into(),
            n => format!("{n} were"),
        };
        Self::too_few_or_many(signature, &given)
    }

    /// The same; `given` says how many, as "2 were".
    pub(crate) fn too_few_or_many(signature: &Signature, given: &str) -> Self {
        let takes = match signature.params.len() {
            0 => "no arguments".into(),
            1 => "1 argument".into(),
            n => format!("{n} arguments"),
        };
        Self::new(format!(
            "`{}` takes {takes}, {given} given",
            signature.local_name()
        ))
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

impl Mismatch {
    /// The error of a call whose arguments do not fit.
    pub fn of_arguments(self, signature: &Signature) -> Error {
        let name = signature.name();
        let error = Error::yours(format!("the arguments of `{name}` do not fit"))
            .caused_by(self.to_string());
        let error = match self.help {
            Some(help) => error.help(help),
            None => error,
        };
        error.help(format!("its signature: {signature}"))
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

/// What of a call does not fit its function's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// What it was to be called with: it was not called.
    Arguments(Mismatch),
    /// What it gave, or how much of it.
    Result(Mismatch),
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Error {
        let (error, help) = match misfit {
            Misfit::Arguments(mismatch) => return mismatch.into(),
            Misfit::Result(mismatch) => (
                Error::guest("what the function gave cannot be taken")
                    .caused_by(mismatch.to_string()),
                mismatch.help,
            ),
        };
        help.into_iter().fold(error, Error::help)
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
