//! Why a Python object is not the value that a component takes.

use holm_runtime::values::Mismatch;
use pyo3::prelude::*;
use std::fmt;

/// Why an object does not become a value.
pub enum Unfit {
    /// It is of another type.
    Type(Mismatch),
    /// It is of the right type, and out of range or not of Unicode.
    Value(Mismatch),
    /// A resource that is closed.
    Closed(Mismatch),
    /// Code of its own raised.
    Raised(PyErr),
}

impl Unfit {
    /// Another type was expected.
    pub fn expected(wanted: impl fmt::Display, got: &Bound<'_, PyAny>) -> Self {
        Unfit::Type(Mismatch::expected(wanted, shown(got)))
    }

    /// Its value does not fit.
    pub fn value(problem: impl Into<String>) -> Self {
        Unfit::Value(Mismatch::new(problem))
    }

    /// It was closed before.
    pub fn closed(problem: impl Into<String>) -> Self {
        Unfit::Closed(Mismatch::new(problem))
    }

    /// Adds what to do.
    pub fn help(self, help: &str) -> Self {
        self.map(|mismatch| mismatch.help(help))
    }

    /// Says that it was found within a field, a parameter or a case.
    pub fn within(self, name: &str) -> Self {
        self.map(|mismatch| mismatch.within(name))
    }

    /// Says that it was found in an element.
    pub fn at(self, index: usize) -> Self {
        self.map(|mismatch| mismatch.at(index))
    }

    fn map(self, change: impl FnOnce(Mismatch) -> Mismatch) -> Self {
        match self {
            Unfit::Type(mismatch) => Unfit::Type(change(mismatch)),
            Unfit::Value(mismatch) => Unfit::Value(change(mismatch)),
            Unfit::Closed(mismatch) => Unfit::Closed(change(mismatch)),
            raised => raised,
        }
    }
}

/// An object as an error shows it: what it is, and a little of what is in it.
pub fn shown(object: &Bound<'_, PyAny>) -> String {
    const MOST: usize = 40;
    if object.is_none() {
        return "None".into();
    }
    // Large things, and classes of the user's, are named and not shown: their `repr` may take
    // long, or raise.
    let kind = object.get_type().name().map_or("an object".into(), |name| {
        name.to_string_lossy().into_owned()
    });
    let simple = ["int", "float", "bool", "str", "bytes"].contains(&&*kind);
    if !simple || object.len().is_ok_and(|length| length > MOST) {
        return kind;
    }
    match object.repr() {
        Ok(text) => {
            let text = text.to_string_lossy();
            match text.char_indices().nth(MOST) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text.into_owned(),
            }
        }
        Err(_) => kind,
    }
}
