//! Values to WAVE.

use crate::values::json::Handles;
use crate::values::{Mismatch, Type, Value, each_numbers};
use std::fmt::Write as _;
use wasmtime::component::wasm_wave::lex::Keyword;
use wasmtime::component::wasm_wave::value::Value as Leaf;
use wasmtime::component::wasm_wave::wasm::WasmValue as _;

/// Writes a value behind what is there.
pub(super) fn value(
    ty: &Type,
    value: &Value,
    handles: &mut dyn Handles,
    to: &mut String,
) -> Result<(), Mismatch> {
    let misfit = || Mismatch::new(format!("the value is none of the type `{ty}`"));
    match (ty, value) {
        (Type::Bool, Value::Bool(v)) => put(to, v),
        (Type::S8, Value::S8(v)) => put(to, v),
        (Type::U8, Value::U8(v)) => put(to, v),
        (Type::S16, Value::S16(v)) => put(to, v),
        (Type::U16, Value::U16(v)) => put(to, v),
        (Type::S32, Value::S32(v)) => put(to, v),
        (Type::U32, Value::U32(v)) => put(to, v),
        (Type::S64, Value::S64(v)) => put(to, v),
        (Type::U64, Value::U64(v)) => put(to, v),
        (Type::F32, Value::F32(v)) => leaf(to, &Leaf::make_f32(*v))?,
        (Type::F64, Value::F64(v)) => leaf(to, &Leaf::make_f64(*v))?,
        (Type::Char, Value::Char(v)) => leaf(to, &Leaf::make_char(*v))?,
        (Type::String, Value::String(v)) => leaf(to, &Leaf::make_string(v.into()))?,
        (Type::List(of) | Type::FixedList(of, _) | Type::Stream(Some(of)), Value::Numbers(n)) => {
            to.push('[');
            each_numbers!(n, list => for (at, number) in list.iter().enumerate() {
                if at > 0 {
                    to.push_str(", ");
                }
                self::value(of, &Value::from(*number), handles, to)?;
            });
            to.push(']');
        }
        (Type::List(of) | Type::FixedList(of, _) | Type::Stream(Some(of)), Value::List(list)) => {
            parts(to, "[", list.iter().map(|v| (&**of, v)), "]", handles)?;
        }
        (Type::Future(Some(of)), v) if !matches!(v, Value::Future(_)) => {
            self::value(of, v, handles, to)?;
        }
        (Type::Map(key, of), Value::Map(entries)) => {
            to.push('[');
            for (at, (k, v)) in entries.iter().enumerate() {
                to.push_str(if at > 0 { ", " } else { "" });
                parts(to, "(", [(&**key, k), (&**of, v)].into_iter(), ")", handles)?;
            }
            to.push(']');
        }
        (Type::Tuple(types), Value::Tuple(values)) if types.len() == values.len() => {
            parts(to, "(", types.iter().zip(values), ")", handles)?;
        }
        (Type::Record(of), Value::Record(values)) if of.fields.len() == values.len() => {
            let mut before = "{";
            for (field, v) in of.fields.iter().zip(values) {
                // As WAVE has it, a field that is none is left away.
                if *v != Value::Option(None) {
                    let _ = write!(to, "{before}{}: ", field.name);
                    before = ", ";
                    self::value(&field.ty, v, handles, to)?;
                }
            }
            to.push_str(if before == "{" { "{:}" } else { "}" });
        }
        (Type::Variant(of), Value::Variant(at, payload)) => {
            let case = of.cases.get(*at as usize).ok_or_else(misfit)?;
            label(to, &case.name);
            in_brackets(ty, case.ty.as_ref(), payload, handles, to)?;
        }
        (Type::Enum(of), Value::Enum(at)) => {
            label(to, &of.cases.get(*at as usize).ok_or_else(misfit)?.name);
        }
        (Type::Flags(of), Value::Flags(bits)) => {
            let set = of
                .flags
                .iter()
                .enumerate()
                .filter(|(at, _)| bits >> at & 1 == 1);
            let names: Vec<&str> = set.map(|(_, flag)| &*flag.name).collect();
            let _ = write!(to, "{{{}}}", names.join(", "));
        }
        (Type::Option(_), Value::Option(None)) => to.push_str("none"),
        (Type::Option(of), Value::Option(payload)) => {
            to.push_str("some");
            in_brackets(ty, Some(of), payload, handles, to)?;
        }
        (Type::Result(ok, _), Value::Result(Ok(payload))) => {
            to.push_str("ok");
            in_brackets(ty, ok.as_deref(), payload, handles, to)?;
        }
        (Type::Result(_, err), Value::Result(Err(payload))) => {
            to.push_str("err");
            in_brackets(ty, err.as_deref(), payload, handles, to)?;
        }
        (Type::Own(of) | Type::Borrow(of), Value::Resource(resource)) => {
            to.push_str(&handles.put(*resource, of));
        }
        _ => return Err(misfit()),
    }
    Ok(())
}

fn put(to: &mut String, what: impl std::fmt::Display) {
    let _ = write!(to, "{what}");
}

/// Floats, chars and strings as WAVE's own writer has them.
fn leaf(to: &mut String, leaf: &Leaf) -> Result<(), Mismatch> {
    let text = wasmtime::component::wasm_wave::to_string(leaf);
    to.push_str(&text.map_err(|e| Mismatch::new(e.to_string()))?);
    Ok(())
}

/// Names that are also words of WAVE are marked.
fn label(to: &mut String, name: &str) {
    if Keyword::decode(name).is_some() {
        to.push('%');
    }
    to.push_str(name);
}

fn parts<'a>(
    to: &mut String,
    open: &str,
    all: impl Iterator<Item = (&'a Type, &'a Value)>,
    close: &str,
    handles: &mut dyn Handles,
) -> Result<(), Mismatch> {
    to.push_str(open);
    for (at, (ty, v)) in all.enumerate() {
        to.push_str(if at > 0 { ", " } else { "" });
        value(ty, v, handles, to)?;
    }
    to.push_str(close);
    Ok(())
}

fn in_brackets(
    whole: &Type,
    ty: Option<&Type>,
    payload: &Option<Box<Value>>,
    handles: &mut dyn Handles,
    to: &mut String,
) -> Result<(), Mismatch> {
    match (ty, payload) {
        (Some(ty), Some(payload)) => parts(to, "(", [(ty, &**payload)].into_iter(), ")", handles),
        (None, None) => Ok(()),
        _ => Err(Mismatch::new(format!(
            "the value is none of the type `{whole}`"
        ))),
    }
}
