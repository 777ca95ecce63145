//! Values from JSON, straight from the text: repeated keys are seen, and a long list never exists
//! twice.

mod arguments;
mod at;
mod visit;

pub(in crate::values::json) use arguments::Arguments;
pub(in crate::values::json) use at::At;

use super::Handles;
use crate::values::Mismatch;
use crate::values::mismatch::shown;
use serde::de::{DeserializeSeed, Deserializer, Error};
use serde_json::de::StrRead;
use std::cell::{Cell, RefCell};

/// Memory that what is read may take; a short text can mean a large value.
const BYTES_MAX: usize = 256 << 20;

/// What a reading has come to.
pub(in crate::values::json) struct Reading<'h> {
    handles: RefCell<&'h mut dyn Handles>,
    /// What did not fit: the reader's own errors cannot carry it.
    found: RefCell<Option<Mismatch>>,
    left: Cell<usize>,
}

impl<'h> Reading<'h> {
    fn new(handles: &'h mut dyn Handles) -> Self {
        Reading {
            handles: RefCell::new(handles),
            found: RefCell::new(None),
            left: Cell::new(BYTES_MAX),
        }
    }

    fn fail<T, E: Error>(&self, mismatch: Mismatch) -> Result<T, E> {
        *self.found.borrow_mut() = Some(mismatch);
        Err(E::custom("it does not fit"))
    }

    /// Says of an error within that it was found there.
    fn within<T, E>(
        &self,
        result: Result<T, E>,
        place: impl Fn(Mismatch) -> Mismatch,
    ) -> Result<T, E> {
        if result.is_err() {
            let found = self.found.borrow_mut().take();
            *self.found.borrow_mut() = found.map(place);
        }
        result
    }

    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => self.fail(Mismatch::new("the value takes more than 256 MiB of memory")),
        }
    }
}

/// Reads text to its end.
pub(super) fn text<'h, T>(
    text: &str,
    handles: &'h mut dyn Handles,
    read: impl FnOnce(
        &Reading<'h>,
        &mut serde_json::Deserializer<StrRead<'_>>,
    ) -> Result<T, serde_json::Error>,
) -> Result<T, Mismatch> {
    let cx = Reading::new(handles);
    let mut reader = serde_json::Deserializer::from_str(text);
    let result = read(&cx, &mut reader).and_then(|value| reader.end().map(|()| value));
    result.map_err(|error| {
        // What did not fit says more than the parser, which only stopped there.
        let found = cx.found.borrow_mut().take();
        found.unwrap_or_else(|| match error.classify() {
            // JSON it is, but of another kind than what stands there.
            serde_json::error::Category::Data => Mismatch::new(error.to_string()),
            _ => Mismatch::new(format!("it is not JSON: {error}")),
        })
    })
}

/// Reads what is parsed already.
pub(super) fn parsed<'h, T>(
    handles: &'h mut dyn Handles,
    read: impl FnOnce(&Reading<'h>) -> Result<T, serde_json::Error>,
) -> Result<T, Mismatch> {
    let cx = Reading::new(handles);
    read(&cx).map_err(|error| {
        let found = cx.found.borrow_mut().take();
        found.unwrap_or_else(|| Mismatch::new(error.to_string()))
    })
}

/// Passes over whatever stands there.
struct Anything;

impl<'de> DeserializeSeed<'de> for Anything {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_ignored_any(serde::de::IgnoredAny)
            .map(|_| ())
    }
}

/// A JSON value as an error names it.
fn kind(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Array(_) => "an array".into(),
        serde_json::Value::Object(_) => "an object".into(),
        other => shown(&other.to_string()),
    }
}
