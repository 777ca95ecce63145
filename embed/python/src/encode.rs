//! From Python objects to values.

use crate::handle::Met;
use crate::known;
use crate::numbers::{self, number_error};
use crate::shape::{self, Shape};
use crate::unfit::{Unfit, shown};
use holm_runtime::values::{Type, Value};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple};

/// Reads an object as a value of this shape.
pub fn encode(shape: &Shape, object: &Bound<'_, PyAny>, met: &mut Met) -> Result<Value, Unfit> {
    match shape {
        Shape::Plain(ty) => plain(ty, object),
        Shape::Bytes => Ok(Value::from(numbers::bytes(object)?)),
        Shape::Numbers(element) => Ok(Value::Numbers(numbers::read(element, object)?)),
        Shape::List(of) => Ok(Value::List(list(of, object, met)?)),
        Shape::Fixed(of, length) => fixed(of, *length, object, met),
        Shape::Map(key, value) => map(key, value, object, met),
        Shape::Tuple(shapes) => tuple(shapes, object, met),
        Shape::Option { of, wrapped } => option(of, *wrapped, object, met),
        Shape::Result(ok, err) => result(ok.as_deref(), err.as_deref(), object, met),
        Shape::Record(of) => record(of, object, met),
        Shape::Variant(of) => variant(of, object, met),
        Shape::Enum(of) => enumeration(of, object),
        Shape::Flags(of) => flags(of, object),
        Shape::Resource { of, own } => crate::handle::pass(of, *own, object, met),
        Shape::Object(of) => crate::handle::hold(of, object),
        Shape::Flow(of, ty) => crate::flows::send(of.as_ref(), ty, object, met),
        Shape::Unknown(ty) => Err(Unfit::value(format!("Python has nothing for `{ty}`"))),
    }
}

fn plain(ty: &Type, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
    let wrong = |error: PyErr| number_error(ty, object, error);
    Ok(match ty {
        Type::S8 => Value::S8(object.extract().map_err(wrong)?),
        Type::U8 => Value::U8(object.extract().map_err(wrong)?),
        Type::S16 => Value::S16(object.extract().map_err(wrong)?),
        Type::U16 => Value::U16(object.extract().map_err(wrong)?),
        Type::S32 => Value::S32(object.extract().map_err(wrong)?),
        Type::U32 => Value::U32(object.extract().map_err(wrong)?),
        Type::S64 => Value::S64(object.extract().map_err(wrong)?),
        Type::U64 => Value::U64(object.extract().map_err(wrong)?),
        Type::F32 => Value::F32(object.extract().map_err(wrong)?),
        Type::F64 => Value::F64(object.extract().map_err(wrong)?),
        // numpy's is none of Python's, and says so by its type.
        Type::Bool => match object.extract::<bool>() {
            Ok(value) => Value::Bool(value),
            Err(_) => return Err(Unfit::expected(ty, object)),
        },
        Type::Char => {
            let text = text(ty, object)?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(one), None) => Value::Char(one),
                _ => {
                    let problem = format!("expected one character, got {}", shown(object));
                    return Err(Unfit::value(problem));
                }
            }
        }
        _ => Value::String(text(ty, object)?.to_owned()),
    })
}

fn text<'a>(ty: &Type, object: &'a Bound<'_, PyAny>) -> Result<&'a str, Unfit> {
    let text = object
        .cast::<PyString>()
        .map_err(|_| Unfit::expected(ty, object))?;
    text.to_str().map_err(|_| {
        let problem = "it has a lone surrogate, which is no character of Unicode";
        Unfit::value(problem).help("bytes that are no text belong into a list<u8>")
    })
}

/// The items of anything that is a row of things. Text and bytes are not: who passes them for a
/// list has forgotten the brackets.
fn items<'py>(what: &str, object: &Bound<'py, PyAny>) -> Result<Vec<Bound<'py, PyAny>>, Unfit> {
    if let Ok(list) = object.cast::<PyList>() {
        return Ok(list.iter().collect());
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return Ok(tuple.iter().collect());
    }
    let text = object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyDict>();
    match object.try_iter() {
        Ok(items) if !text => items.collect::<PyResult<_>>().map_err(Unfit::Raised),
        _ => Err(Unfit::expected(what, object)),
    }
}

fn list(of: &Shape, object: &Bound<'_, PyAny>, met: &mut Met) -> Result<Vec<Value>, Unfit> {
    let items = items("a list", object)?;
    let values = items
        .iter()
        .enumerate()
        .map(|(at, item)| encode(of, item, met).map_err(|e| e.at(at)));
    values.collect()
}

fn fixed(
    of: &Shape,
    length: u32,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Value, Unfit> {
    let got = |got: usize| Unfit::value(format!("expected {length} items, got {got}"));
    if let Shape::Plain(element) = of
        && holm_runtime::values::Numbers::of(element).is_some()
    {
        let numbers = numbers::read(element, object)?;
        return match numbers.len() == length as usize {
            true => Ok(Value::Numbers(numbers)),
            false => Err(got(numbers.len())),
        };
    }
    let values = list(of, object, met)?;
    match values.len() == length as usize {
        true => Ok(Value::List(values)),
        false => Err(got(values.len())),
    }
}

fn map(
    key: &Shape,
    value: &Shape,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Value, Unfit> {
    let dict = object
        .cast::<PyDict>()
        .map_err(|_| Unfit::expected("a dict", object))?;
    let entries = dict.iter().map(|(k, v)| {
        let name = || format!("[{}]", shown(&k));
        let key = encode(key, &k, met).map_err(|e| e.within(&name()))?;
        let value = encode(value, &v, met).map_err(|e| e.within(&name()))?;
        Ok((key, value))
    });
    Ok(Value::Map(entries.collect::<Result<_, Unfit>>()?))
}

fn tuple(shapes: &[Shape], object: &Bound<'_, PyAny>, met: &mut Met) -> Result<Value, Unfit> {
    let items = items("a tuple", object)?;
    if items.len() != shapes.len() {
        return Err(Unfit::value(format!(
            "expected a tuple of {}, got {}",
            shapes.len(),
            items.len()
        )));
    }
    let values = shapes.iter().zip(&items).enumerate();
    let values = values.map(|(at, (shape, item))| encode(shape, item, met).map_err(|e| e.at(at)));
    Ok(Value::Tuple(values.collect::<Result<_, Unfit>>()?))
}

fn option(
    of: &Shape,
    wrapped: bool,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Value, Unfit> {
    if object.is_none() {
        return Ok(Value::Option(None));
    }
    let value = match wrapped {
        false => encode(of, object, met)?,
        true => match known::is_some(object)? {
            true => encode(of, &payload(object)?, met)?,
            false => return Err(Unfit::expected("None or holm.Some(…)", object)),
        },
    };
    Ok(Value::Option(Some(Box::new(value))))
}

fn result(
    ok: Option<&Shape>,
    err: Option<&Shape>,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Value, Unfit> {
    let (shape, is_ok) = match known::is_ok(object)? {
        true => (ok, true),
        false => match known::is_err(object)? {
            true => (err, false),
            false => return Err(Unfit::expected("holm.Ok(…) or holm.Err(…)", object)),
        },
    };
    let name = if is_ok { "ok" } else { "err" };
    let value = carried(shape, &payload(object)?, met).map_err(|e| e.within(name))?;
    Ok(Value::Result(if is_ok { Ok(value) } else { Err(value) }))
}

/// The value of a case, or `None` where the case has none.
pub fn carried(
    shape: Option<&Shape>,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Option<Box<Value>>, Unfit> {
    match shape {
        Some(shape) => Ok(Some(Box::new(encode(shape, object, met)?))),
        None if object.is_none() => Ok(None),
        None => Err(Unfit::expected("nothing", object)),
    }
}

fn payload<'py>(object: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Unfit> {
    let name = pyo3::intern!(object.py(), "value");
    object.getattr(name).map_err(Unfit::Raised)
}

/// Anything with the fields will do: the dataclass, one of another component with the same
/// interface, or a dict.
fn record(of: &shape::Record, object: &Bound<'_, PyAny>, met: &mut Met) -> Result<Value, Unfit> {
    let py = object.py();
    let dict = object.cast::<PyDict>().ok();
    let mut values = Vec::with_capacity(of.fields.len());
    for ((attribute, shape), field) in of.fields.iter().zip(&of.ty.fields) {
        let attribute = attribute.bind(py);
        let item = match dict {
            Some(dict) => match dict.get_item(attribute).map_err(Unfit::Raised)? {
                Some(item) => item,
                None => {
                    let problem = format!(
                        "the field `{attribute}` of `{}` is missing",
                        of.ty.name.name
                    );
                    return Err(Unfit::value(problem));
                }
            },
            None => match object.getattr(attribute) {
                Ok(item) => item,
                Err(_) => return Err(Unfit::expected(format!("`{}`", of.ty.name.name), object)),
            },
        };
        values.push(encode(shape, &item, met).map_err(|e| e.within(&field.name))?);
    }
    if let Some(dict) = dict
        && dict.len() > of.fields.len()
    {
        let known = |key: &Bound<'_, PyAny>| {
            let fields = &mut of.fields.iter();
            fields.any(|(attribute, _)| key.eq(attribute.bind(py)).unwrap_or(false))
        };
        let key = dict.keys().iter().find(|key| !known(key));
        let key = key.map_or(String::new(), |key| shown(&key));
        let problem = format!("`{}` has no field {key}", of.ty.name.name);
        return Err(Unfit::value(problem));
    }
    Ok(Value::Record(values))
}

fn variant(of: &shape::Variant, object: &Bound<'_, PyAny>, met: &mut Met) -> Result<Value, Unfit> {
    let class = object.get_type();
    let position = of
        .cases
        .iter()
        .position(|(case, _)| class.is(case))
        .or_else(|| same_case(&class, of.ty.cases.iter().map(|c| &*c.name)));
    let Some(position) = position else {
        let named = format!("a case of `{}`", of.ty.name.name);
        return Err(Unfit::expected(named, object));
    };
    let case = &of.ty.cases[position];
    let value = match &of.cases[position].1 {
        None => None,
        Some(shape) => {
            let value = encode(shape, &payload(object)?, met);
            Some(Box::new(value.map_err(|e| e.within(&case.name))?))
        }
    };
    Ok(Value::Variant(position as u32, value))
}

/// The case that another component's class or member stands for: by its name in WIT.
fn same_case<'a>(
    object: &Bound<'_, PyAny>,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<usize> {
    let name = object.getattr(pyo3::intern!(object.py(), "__wit__")).ok()?;
    let name = name.cast::<PyString>().ok()?.to_str().ok()?.to_owned();
    names.position(|case| case == name)
}

fn enumeration(of: &shape::Enum, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
    let position = of
        .members
        .iter()
        .position(|member| object.is(member))
        .or_else(|| same_case(object, of.ty.cases.iter().map(|c| &*c.name)));
    match position {
        Some(position) => Ok(Value::Enum(position as u32)),
        None => {
            let named = format!("a member of `{}`", of.ty.name.name);
            Err(Unfit::expected(named, object))
        }
    }
}

fn flags(of: &shape::Flags, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
    let py = object.py();
    let named = || format!("`{}`", of.ty.name.name);
    if !object
        .is_instance(of.class.bind(py))
        .map_err(Unfit::Raised)?
    {
        return Err(Unfit::expected(named(), object));
    }
    let bits = object
        .getattr(pyo3::intern!(py, "value"))
        .and_then(|bits| bits.extract::<u32>())
        .map_err(|_| Unfit::expected(named(), object))?;
    let all = match of.ty.flags.len() {
        32.. => u32::MAX,
        count => (1 << count) - 1,
    };
    match bits & !all {
        0 => Ok(Value::Flags(bits)),
        _ => Err(Unfit::value(format!(
            "{} has no such bits: {bits:#b}",
            named()
        ))),
    }
}
