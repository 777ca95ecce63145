//! Grants and limits as Python has them: dicts, lists and plain values.

use crate::errors;
use crate::known;
use crate::unfit::shown;
use holm_manifest::{Span, Value, ValueKind};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::path::PathBuf;

/// Deeper than any grant nests; a dict can hold itself.
const DEPTH_MAX: usize = 16;

/// A dict as a table of the manifest. `path` says where it stands.
pub fn table(dict: &Bound<'_, PyDict>, path: &str) -> PyResult<Value> {
    value(dict.as_any(), path, 0)
}

fn value(object: &Bound<'_, PyAny>, path: &str, depth: usize) -> PyResult<Value> {
    if depth > DEPTH_MAX {
        return Err(wrong(object, path, "it nests too deep"));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return match text.to_str() {
            Ok(text) => Ok(Value::string(text)),
            Err(_) => Err(wrong(object, path, "it is no Unicode text")),
        };
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Value::bool(object.extract()?));
    }
    if object.is_instance_of::<PyInt>() {
        return match object.extract() {
            Ok(number) => Ok(Value::integer(number)),
            Err(_) => Err(wrong(object, path, "it does not fit into 64 bits")),
        };
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Value::new(
            ValueKind::Float(object.extract()?),
            Span::default(),
        ));
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        let mut entries = Vec::with_capacity(dict.len());
        for (key, item) in dict {
            let Ok(key) = key.extract::<String>() else {
                return Err(wrong(&key, path, "a key must be text"));
            };
            let item = value(&item, &format!("{path}.{key}"), depth + 1)?;
            entries.push((key, item));
        }
        return Ok(Value::table(entries));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let mut items = Vec::new();
        for (at, item) in object.try_iter()?.enumerate() {
            items.push(value(&item?, &format!("{path}[{at}]"), depth + 1)?);
        }
        return Ok(Value::array(items));
    }
    if let Ok(path) = object.extract::<PathBuf>()
        && let Some(text) = path.to_str()
    {
        return Ok(Value::string(text));
    }
    Err(wrong(
        object,
        path,
        "expected text, a number, a boolean, a list or a dict",
    ))
}

fn wrong(object: &Bound<'_, PyAny>, path: &str, what: &str) -> PyErr {
    let py = object.py();
    let message = format!("{path}: {what}, got {}", shown(object));
    errors::plain(py, known::load_error(py), message, &[])
}
