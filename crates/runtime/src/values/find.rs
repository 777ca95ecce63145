//! A function by what a user types.

use super::signature::{Signature, Signatures, without_version};
use crate::error::{Error, Result};

impl Signatures {
    /// Finds an exported function: `holm:greet/api@0.1.0.add`, the same without its version,
    /// `api.add`, `cart.add` for a method, or `add` alone where no other is meant by it.
    ///
    /// # Errors
    /// None is called so, or several could be meant; the error names them, and the nearest.
    pub fn find(&self, wanted: &str) -> Result<&Signature> {
        find(&self.exports, wanted)
    }
}

/// Finds a function among some; see [`Signatures::find`].
pub(crate) fn find<'a>(all: &'a [Signature], wanted: &str) -> Result<&'a Signature> {
    // The closest reading wins: a whole name before a part of one.
    let readings: [fn(&Signature) -> Vec<String>; 4] = [
        |s| vec![s.full_name(), raw_name(s)],
        |s| vec![s.name()],
        |s| {
            vec![
                s.local_name(),
                s.function.to_string(),
                interface_and_name(s),
            ]
        },
        |s| vec![s.short_name()],
    ];
    for reading in readings {
        let found: Vec<&Signature> = all
            .iter()
            .filter(|s| reading(s).iter().any(|name| name == wanted))
            .collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one),
            many => {
                let names: Vec<String> = many.iter().map(|s| unambiguous(s, many)).collect();
                return Err(Error::yours(format!(
                    "`{wanted}` could be any of: {}",
                    names.join(", ")
                ))
                .help("name the interface too: interface.function"));
            }
        }
    }
    Err(none(all, wanted))
}

/// Without the version, where that still tells it from the others.
fn unambiguous(one: &Signature, among: &[&Signature]) -> String {
    let name = one.name();
    match among.iter().filter(|s| s.name() == name).count() {
        1 => name,
        _ => one.full_name(),
    }
}

/// `holm:shop/carts@1.0.0.[method]cart.add`.
fn raw_name(signature: &Signature) -> String {
    match &signature.interface {
        Some(interface) => format!("{interface}.{}", signature.function),
        None => signature.function.to_string(),
    }
}

/// `api.add` of `holm:greet/api@0.1.0.add`.
fn interface_and_name(signature: &Signature) -> String {
    let interface = signature
        .interface
        .as_deref()
        .map(without_version)
        .unwrap_or_default();
    let last = interface.rsplit('/').next().unwrap_or(interface);
    format!("{last}.{}", signature.local_name())
}

fn none(all: &[Signature], wanted: &str) -> Error {
    let mut error = Error::yours(format!("the component exports no function `{wanted}`"));
    let shorts: Vec<String> = all
        .iter()
        .flat_map(|s| {
            [
                s.short_name(),
                s.local_name(),
                interface_and_name(s),
                s.name(),
            ]
        })
        .collect();
    if let Some(near) = holm_manifest::nearest(wanted, shorts.iter().map(String::as_str)) {
        error = error.help(format!("did you mean `{near}`?"));
    }
    let names: Vec<String> = all.iter().map(Signature::full_name).collect();
    error.help(match names.is_empty() {
        true => "it exports no functions that can be called by name".into(),
        false => format!("it exports: {}", names.join(", ")),
    })
}
