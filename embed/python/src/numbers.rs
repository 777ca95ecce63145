//! Lists of numbers, which cross in one piece: by the buffer protocol, without an object for each.

use crate::unfit::Unfit;
use holm_runtime::values::{Numbers, Type};
use pyo3::buffer::{Element, PyUntypedBuffer};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyString, PyTuple};
use std::ffi::CString;

/// Reads a list of numbers: a buffer of that type in one piece, anything else number by number.
pub fn read(element: &Type, object: &Bound<'_, PyAny>) -> Result<Numbers, Unfit> {
    Ok(match element {
        Type::S8 => Numbers::S8(numbers(element, object)?),
        Type::U8 => Numbers::U8(bytes(object)?),
        Type::S16 => Numbers::S16(numbers(element, object)?),
        Type::U16 => Numbers::U16(numbers(element, object)?),
        Type::S32 => Numbers::S32(numbers(element, object)?),
        Type::U32 => Numbers::U32(numbers(element, object)?),
        Type::S64 => Numbers::S64(numbers(element, object)?),
        Type::U64 => Numbers::U64(numbers(element, object)?),
        Type::F32 => Numbers::F32(numbers(element, object)?),
        _ => Numbers::F64(numbers(element, object)?),
    })
}

/// Bytes from anything that holds bytes.
pub fn bytes(object: &Bound<'_, PyAny>) -> Result<Vec<u8>, Unfit> {
    match object.cast_exact::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes().to_vec()),
        Err(_) => numbers(&Type::U8, object),
    }
}

fn numbers<T>(element: &Type, object: &Bound<'_, PyAny>) -> Result<Vec<T>, Unfit>
where
    T: Element + for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    let py = object.py();
    let wanted = || format!("list<{element}>");
    // Lists and tuples are no buffers, and asking makes an exception.
    if !object.is_instance_of::<PyList>() && !object.is_instance_of::<PyTuple>() {
        if object.is_instance_of::<PyString>() {
            return Err(Unfit::expected(wanted(), object));
        }
        if let Ok(buffer) = PyUntypedBuffer::get(object) {
            if buffer.dimensions() != 1 {
                let problem = format!(
                    "expected {}, got an array of {} dimensions",
                    wanted(),
                    buffer.dimensions()
                );
                return Err(Unfit::value(problem).help("flatten it: array.ravel()"));
            }
            if let Some(order) = order(&buffer) {
                let list = ordered(element, order, &buffer, object).map_err(Unfit::Raised)?;
                if let Some(list) = list {
                    return Ok(list);
                }
            } else if let Ok(buffer) = buffer.into_typed::<T>() {
                return buffer.to_vec(py).map_err(Unfit::Raised);
            }
        }
    }
    let length = object.len().unwrap_or(0);
    let items = object
        .try_iter()
        .map_err(|_| Unfit::expected(wanted(), object))?;
    // What an object says of its length is not believed beyond reason.
    let mut list = Vec::with_capacity(length.min(1 << 20));
    for (at, item) in items.enumerate() {
        let item = item.map_err(Unfit::Raised)?;
        let number = item
            .extract()
            .map_err(|error| number_error(element, &item, error).at(at))?;
        list.push(number);
    }
    Ok(list)
}

/// The order of bytes that a buffer says its numbers have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

fn order(buffer: &PyUntypedBuffer) -> Option<Order> {
    match buffer.format().to_bytes() {
        [b'<', _, ..] => Some(Order::Little),
        [b'>' | b'!', _, ..] => Some(Order::Big),
        _ => None,
    }
}

/// Numbers of a buffer that says their order; nothing where they are of another type. pyo3 takes one order
/// for the other, and Python gives no items of a view of such.
fn ordered<T: Element>(
    element: &Type,
    order: Order,
    buffer: &PyUntypedBuffer,
    object: &Bound<'_, PyAny>,
) -> PyResult<Option<Vec<T>>> {
    let py = object.py();
    let size = size_of::<T>();
    // The same in the order of this machine, with the sizes that such formats have.
    let same = [&b"="[..], &buffer.format().to_bytes()[1..]].concat();
    let same = CString::new(same)?;
    if buffer.item_size() != size || !T::is_compatible_format(&same) {
        return Ok(None);
    }
    if buffer.item_count() == 0 {
        return Ok(Some(Vec::new()));
    }
    let bytes = PyMemoryView::from(object)?.call_method0("tobytes")?;
    let mut bytes = bytes.cast::<PyBytes>()?.as_bytes().to_vec();
    if (order == Order::Little) != cfg!(target_endian = "little") {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    let view = PyMemoryView::from(&PyBytes::new(py, &bytes))?;
    let view = view.call_method1("cast", (letter(element),))?;
    let buffer = PyUntypedBuffer::get(&view)?.into_typed::<T>()?;
    buffer.to_vec(py).map(Some)
}

/// What Python's `array` and `struct` call a type of numbers.
fn letter(element: &Type) -> &'static str {
    match element {
        Type::S8 => "b",
        Type::U8 => "B",
        Type::S16 => "h",
        Type::U16 => "H",
        Type::S32 => "i",
        Type::U32 => "I",
        Type::S64 => "q",
        Type::U64 => "Q",
        Type::F32 => "f",
        _ => "d",
    }
}

/// Why an object is not the number that was wanted.
pub fn number_error(ty: &Type, object: &Bound<'_, PyAny>, error: PyErr) -> Unfit {
    let py = object.py();
    if error.is_instance_of::<PyOverflowError>(py) {
        return match range(ty) {
            Some(range) => Unfit::value(format!(
                "expected {ty} ({range}), got {}",
                crate::unfit::shown(object)
            )),
            None => Unfit::value(format!(
                "too large for {ty}: {}",
                crate::unfit::shown(object)
            )),
        };
    }
    if error.is_instance_of::<PyTypeError>(py) {
        return Unfit::expected(ty, object);
    }
    Unfit::Raised(error)
}

fn range(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::S8 => format!("{} to {}", i8::MIN, i8::MAX),
        Type::U8 => format!("0 to {}", u8::MAX),
        Type::S16 => format!("{} to {}", i16::MIN, i16::MAX),
        Type::U16 => format!("0 to {}", u16::MAX),
        Type::S32 => format!("{} to {}", i32::MIN, i32::MAX),
        Type::U32 => format!("0 to {}", u32::MAX),
        Type::S64 => format!("{} to {}", i64::MIN, i64::MAX),
        Type::U64 => format!("0 to {}", u64::MAX),
        _ => return None,
    })
}

/// Python's object for a list of numbers: bytes, or an `Array`.
pub fn write<'py>(py: Python<'py>, numbers: &Numbers) -> PyResult<Bound<'py, PyAny>> {
    match numbers {
        Numbers::U8(list) => Ok(PyBytes::new(py, list).into_any()),
        Numbers::S8(list) => array(py, "b", list),
        Numbers::S16(list) => array(py, "h", list),
        Numbers::U16(list) => array(py, "H", list),
        Numbers::S32(list) => array(py, "i", list),
        Numbers::U32(list) => array(py, "I", list),
        Numbers::S64(list) => array(py, "q", list),
        Numbers::U64(list) => array(py, "Q", list),
        Numbers::F32(list) => array(py, "f", list),
        Numbers::F64(list) => array(py, "d", list),
    }
}

fn array<'py, T: Element>(py: Python<'py>, code: &str, list: &[T]) -> PyResult<Bound<'py, PyAny>> {
    let array = crate::known::array(py)?.call1((code,))?;
    if list.is_empty() {
        return Ok(array);
    }
    let length = size_of_val(list) as ffi::Py_ssize_t;
    // SAFETY: the memory is that of `list`, which outlives the view: `frombytes` copies from it
    // and keeps no reference, and nobody else sees the view. It is read-only.
    let view = unsafe {
        Bound::from_owned_ptr_or_err(
            py,
            ffi::PyMemoryView_FromMemory(list.as_ptr().cast_mut().cast(), length, ffi::PyBUF_READ),
        )?
    };
    let filled = array.call_method1("frombytes", (&view,));
    // Also where it failed: whoever holds the traceback must not reach the memory by the view.
    view.call_method0("release")?;
    filled?;
    Ok(array)
}
