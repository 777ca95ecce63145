//! From values to Python objects.

use crate::handle::{Held, Home};
use crate::known;
use crate::numbers;
use crate::shape::{self, Shape};
use holm_runtime::values::Value;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyList, PyString, PyTuple};

/// Makes a value of this shape into an object. Resources in it live where the call was made.
pub fn decode<'py>(
    py: Python<'py>,
    shape: &Shape,
    value: Value,
    home: &Home,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match (shape, value) {
        (Shape::Flow(of, ty), value) => crate::flows::receive(py, of.as_ref(), ty, value, home)?,
        (_, Value::Bool(value)) => pyo3::types::PyBool::new(py, value).to_owned().into_any(),
        (_, Value::S8(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::U8(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::S16(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::U16(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::S32(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::U32(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::S64(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::U64(number)) => number.into_pyobject(py)?.into_any(),
        (_, Value::F32(number)) => PyFloat::new(py, number.into()).into_any(),
        (_, Value::F64(number)) => PyFloat::new(py, number).into_any(),
        (_, Value::Char(one)) => one.into_pyobject(py)?.into_any(),
        (_, Value::String(text)) => PyString::new(py, &text).into_any(),
        (_, Value::Numbers(list)) => numbers::write(py, &list)?,
        (Shape::List(of) | Shape::Fixed(of, _), Value::List(values)) => {
            let items: PyResult<Vec<_>> = values
                .into_iter()
                .map(|value| decode(py, of, value, home))
                .collect();
            PyList::new(py, items?)?.into_any()
        }
        (Shape::Tuple(shapes), Value::Tuple(values)) => {
            let items = shapes.iter().zip(values);
            let items: PyResult<Vec<_>> = items
                .map(|(shape, value)| decode(py, shape, value, home))
                .collect();
            PyTuple::new(py, items?)?.into_any()
        }
        (Shape::Map(of_key, of_value), Value::Map(entries)) => {
            let dict = PyDict::new(py);
            for (key, value) in entries {
                let key = decode(py, of_key, key, home)?;
                dict.set_item(key, decode(py, of_value, value, home)?)?;
            }
            dict.into_any()
        }
        (Shape::Option { .. }, Value::Option(None)) => py.None().into_bound(py),
        (Shape::Option { of, wrapped }, Value::Option(Some(value))) => {
            let value = decode(py, of, *value, home)?;
            match wrapped {
                true => known::some(py)?.call1((value,))?,
                false => value,
            }
        }
        (Shape::Result(ok, err), Value::Result(result)) => {
            let (class, shape, value) = match result {
                Ok(value) => (known::ok(py)?, ok, value),
                Err(value) => (known::err(py)?, err, value),
            };
            class.call1((carried(py, shape.as_deref(), value, home)?,))?
        }
        (Shape::Record(of), Value::Record(values)) => record(py, of, values, home)?,
        (Shape::Variant(of), Value::Variant(position, value)) => {
            let (class, shape) = of.cases.get(position as usize).ok_or_else(unknown)?;
            match (shape, value) {
                (Some(shape), Some(value)) => {
                    class.bind(py).call1((decode(py, shape, *value, home)?,))?
                }
                _ => class.bind(py).call0()?,
            }
        }
        (Shape::Enum(of), Value::Enum(position)) => {
            let member = of.members.get(position as usize).ok_or_else(unknown)?;
            member.bind(py).clone()
        }
        (Shape::Flags(of), Value::Flags(bits)) => of.class.bind(py).call1((bits,))?,
        (Shape::Resource { of, .. }, Value::Resource(resource)) => {
            crate::handle::receive(py, of, resource, home)?
        }
        (Shape::Object(_), Value::Object(object)) => {
            let object = object.get::<Held>().ok_or_else(unknown)?;
            object.bind(py).clone()
        }
        _ => return Err(unknown()),
    })
}

/// What a case carries: `None` where it carries nothing.
pub fn carried<'py>(
    py: Python<'py>,
    shape: Option<&Shape>,
    value: Option<Box<Value>>,
    home: &Home,
) -> PyResult<Bound<'py, PyAny>> {
    match (shape, value) {
        (Some(shape), Some(value)) => decode(py, shape, *value, home),
        _ => Ok(py.None().into_bound(py)),
    }
}

fn record<'py>(
    py: Python<'py>,
    of: &shape::Record,
    values: Vec<Value>,
    home: &Home,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = of.fields.iter().zip(values);
    let fields: PyResult<Vec<_>> = fields
        .map(|((_, shape), value)| decode(py, shape, value, home))
        .collect();
    of.class.bind(py).call1(PyTuple::new(py, fields?)?)
}

/// The middle gave a value that is not of its type.
fn unknown() -> PyErr {
    PyTypeError::new_err("a value that is not of its type came out of the component")
}
