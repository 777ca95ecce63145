//! WAVE, the text form of WIT values: `{name: "Ada", tags: [a, b], age: some(36)}`.
//!
//! Where WAVE has no word for a type, these are used: a map is a list of pairs, a resource is the
//! name that stands for it in a session, a stream is a list, a future is its item.

mod read;
mod write;

use super::json::Handles;
use super::mismatch::{Mismatch, shown};
use super::signature::Signature;
use super::ty::Type;
use super::value::Value;
use std::cell::RefCell;
use wasmtime::component::wasm_wave::ast::{Node, NodeType};
use wasmtime::component::wasm_wave::parser::ParserError;
use wasmtime::component::wasm_wave::untyped::{UntypedFuncCall, UntypedValue};

/// The longest text that is read: what it is parsed into takes twenty times as much memory.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

/// Reads a value.
///
/// # Errors
/// It is no WAVE, or does not fit the type; the error says where.
pub fn from_str(ty: &Type, text: &str, handles: &mut dyn Handles) -> Result<Value, Mismatch> {
    let parsed = parse(text)?;
    read::Reading {
        text,
        handles: RefCell::new(handles),
    }
    .value(ty, parsed.node())
}

/// Whether text is WAVE at all, whatever its type.
pub fn is_wave(text: &str) -> bool {
    parse(text).is_ok()
}

fn parse(text: &str) -> Result<UntypedValue<'_>, Mismatch> {
    short_enough(text)?;
    UntypedValue::parse(text).map_err(|e| syntax(text, &e))
}

fn short_enough(text: &str) -> Result<(), Mismatch> {
    match text.len() <= TEXT_BYTES_MAX {
        true => Ok(()),
        false => Err(Mismatch::new(format!(
            "text of {} MiB; WAVE of more than {} MiB is not read",
            text.len() >> 20,
            TEXT_BYTES_MAX >> 20
        ))
        .help("give it as JSON, which is read as it comes")),
    }
}

fn syntax(text: &str, error: &ParserError) -> Mismatch {
    let at = error.span().start.min(text.len());
    let rest = text.get(at..).unwrap_or_default();
    let place = match rest.is_empty() {
        true => "at its end".into(),
        false => format!("at `{}`", shown(rest)),
    };
    Mismatch::new(format!("it is not WAVE: {} {place}", error.kind()))
}

/// A call that is read, but for the types of its arguments: `name(1, "two")`.
pub struct Call<'a> {
    parsed: UntypedFuncCall<'a>,
}

impl<'a> Call<'a> {
    /// Reads a call.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &'a str) -> Result<Call<'a>, Mismatch> {
        short_enough(text)?;
        let parsed = UntypedFuncCall::parse(text).map_err(|e| syntax(text, &e))?;
        Ok(Call { parsed })
    }

    /// The name of the function, as a user writes it.
    pub fn name(&self) -> &str {
        self.parsed.name()
    }

    /// The arguments.
    ///
    /// # Errors
    /// They do not fit the signature; the error says where.
    pub fn arguments(
        &self,
        signature: &Signature,
        handles: &mut dyn Handles,
    ) -> Result<Vec<Value>, Mismatch> {
        let nodes: Vec<&Node> = match self.parsed.params_node() {
            Some(node) if node.ty() == NodeType::Tuple => {
                node.as_tuple().map(Iterator::collect).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let text = self.parsed.source();
        read::Reading {
            text,
            handles: RefCell::new(handles),
        }
        .arguments(signature, &nodes)
    }
}

/// Writes a value on one line.
///
/// # Errors
/// The value is not one of the type.
pub fn to_string(ty: &Type, value: &Value, handles: &mut dyn Handles) -> Result<String, Mismatch> {
    let mut text = String::new();
    write::value(ty, value, handles, &mut text)?;
    Ok(text)
}
