//! JSON: one documented way to write every WIT value.
//!
//! | WIT | JSON |
//! | --- | --- |
//! | `bool`, `string` | as they are |
//! | integers | a number within ±2^53, else a string of digits; both are read everywhere |
//! | `f32`, `f64` | a number, or `"nan"`, `"inf"`, `"-inf"` |
//! | `char` | a string of one character |
//! | `list`, `tuple` | an array; `list<u8>` is a string of base64, and an array is read too |
//! | `map` | an object where keys are strings, else an array of `[key, value]` |
//! | record | an object; a field that is an option may be left out |
//! | variant | `"case"`, or `{"case": payload}` |
//! | enum | `"case"` |
//! | flags | an array of names |
//! | option | `null` or the value; an option in an option is `null` or `{"some": value}` |
//! | result | `{"ok": value}` or `{"err": value}`; `null` where there is no value |
//! | resource | a string that stands for it, in a session |
//! | stream, future | an array of its items (as for a list), its item |

mod once;
mod read;
mod write;

use super::mismatch::Mismatch;
use super::signature::Signature;
use super::ty::Type;
use super::value::Value;
use serde::de::DeserializeSeed as _;
use std::cell::RefCell;
use wasmtime::component::ResourceAny;

/// How values are written; all that can be written can be read whatever these say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How `list<u8>` is written.
    pub bytes: Bytes,
    /// How 64-bit integers are written.
    pub integers: Integers,
}

/// How `list<u8>` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bytes {
    /// As a string of base64 (RFC 4648, padded).
    #[default]
    Base64,
    /// As an array of numbers.
    Array,
}

/// How integers of 64 bits are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integers {
    /// As numbers where every reader keeps them exact (within ±2^53), else as strings.
    #[default]
    Exact,
    /// As strings, always: for readers that want one type for one field.
    Strings,
}

/// Where a surface keeps resources, and what it calls them.
pub trait Handles {
    /// Takes a resource in; gives the string that stands for it from now on.
    fn put(&mut self, resource: ResourceAny, ty: &super::Resource) -> String;
    /// The resource that a string stands for.
    ///
    /// # Errors
    /// It stands for none, or for one of another type: half a sentence.
    fn get(&mut self, handle: &str, ty: &super::Resource) -> Result<ResourceAny, String>;
}

/// For surfaces without resources.
pub struct NoHandles;

impl Handles for NoHandles {
    fn put(&mut self, _: ResourceAny, ty: &super::Resource) -> String {
        format!("({})", ty.name.name)
    }

    fn get(&mut self, _: &str, ty: &super::Resource) -> Result<ResourceAny, String> {
        Err(format!(
            "no resource (`{}`) can be given here",
            ty.name.name
        ))
    }
}

/// Reads a value from JSON text.
///
/// # Errors
/// It is no JSON, or does not fit the type; the error says where.
pub fn from_str(ty: &Type, text: &str, handles: &mut dyn Handles) -> Result<Value, Mismatch> {
    read::text(text, handles, |cx, from| {
        read::At::new(cx, ty).deserialize(from)
    })
}

/// Refuses a text in which a key is given twice: whoever parses it before it is read by its types keeps
/// the last one, and does not say so.
///
/// # Errors
/// It is not JSON, or a key is repeated.
pub fn no_key_twice(text: &str) -> Result<(), Mismatch> {
    serde_json::from_str::<once::Once>(text)
        .map(|_| ())
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Mismatch::new(error.to_string()),
            _ => Mismatch::new(format!("it is not JSON: {error}")),
        })
}

/// Reads a value from JSON that is parsed already. Repeated keys are gone by then.
///
/// # Errors
/// It does not fit the type; the error says where.
pub fn from_value(
    ty: &Type,
    json: &serde_json::Value,
    handles: &mut dyn Handles,
) -> Result<Value, Mismatch> {
    read::parsed(handles, |cx| read::At::new(cx, ty).deserialize(json))
}

/// Reads a function's arguments from JSON text: an array in order, or an object by their names,
/// where an option may be left out.
///
/// # Errors
/// It is no JSON, or does not fit; the error says where.
pub fn arguments_from_str(
    signature: &Signature,
    text: &str,
    handles: &mut dyn Handles,
) -> Result<Vec<Value>, Mismatch> {
    read::text(text, handles, |cx, from| {
        read::Arguments::new(cx, signature).deserialize(from)
    })
}

/// The same from JSON that is parsed already.
///
/// # Errors
/// It does not fit; the error says where.
pub fn arguments_from_value(
    signature: &Signature,
    json: &serde_json::Value,
    handles: &mut dyn Handles,
) -> Result<Vec<Value>, Mismatch> {
    read::parsed(handles, |cx| {
        read::Arguments::new(cx, signature).deserialize(json)
    })
}

/// Writes a value as JSON text, on one line.
///
/// # Errors
/// The value is not one of the type.
pub fn to_string(
    ty: &Type,
    value: &Value,
    options: Options,
    handles: &mut dyn Handles,
) -> Result<String, Mismatch> {
    let handles = RefCell::new(handles);
    serde_json::to_string(&write::Shown {
        ty,
        value,
        options,
        handles: &handles,
    })
    .map_err(|e| Mismatch::new(e.to_string()))
}

/// Writes a value as parsed JSON.
///
/// # Errors
/// The value is not one of the type.
pub fn to_value(
    ty: &Type,
    value: &Value,
    options: Options,
    handles: &mut dyn Handles,
) -> Result<serde_json::Value, Mismatch> {
    let handles = RefCell::new(handles);
    serde_json::to_value(write::Shown {
        ty,
        value,
        options,
        handles: &handles,
    })
    .map_err(|e| Mismatch::new(e.to_string()))
}

/// Whether text is JSON at all, whatever its type.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Whether `null` stands for a value of a type: then an option of it has to be wrapped.
fn can_be_null(ty: &Type) -> bool {
    matches!(ty, Type::Option(_))
}
