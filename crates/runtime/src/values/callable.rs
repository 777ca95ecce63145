//! Which functions a surface can call, and why not the others.

use super::signature::Signature;
use super::ty::Type;
use crate::error::Error;
use std::collections::HashSet;

/// What a surface can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surface {
    /// Resources: it keeps an instance from call to call, and handles of what lives in it.
    pub handles: bool,
}

impl Surface {
    /// One call in a fresh instance: HTTP, agents, `holm call` without `--session`.
    pub const ONE_CALL: Surface = Surface { handles: false };
    /// Several calls in one instance: Python, `holm call --session`.
    pub const SESSION: Surface = Surface { handles: true };
}

/// Whether a surface can call a function.
///
/// # Errors
/// The reason why not, as half a sentence: "it takes a resource (`cart`), which …".
pub fn check(signature: &Signature, surface: Surface) -> Result<(), String> {
    let mut seen = HashSet::new();
    for param in &signature.params {
        check_type(&param.ty, surface, &mut seen)
            .map_err(|why| format!("its parameter `{}` {why}", param.name))?;
    }
    match &signature.result {
        Some(result) => {
            check_type(result, surface, &mut seen).map_err(|why| format!("its result {why}"))
        }
        None => Ok(()),
    }
}

/// The same as an error for whoever asked for the call.
///
/// # Errors
/// The surface cannot call it.
pub fn ensure(signature: &Signature, surface: Surface) -> Result<(), Error> {
    check(signature, surface).map_err(|why| {
        let error = Error::yours(format!(
            "`{}` cannot be called here: {why}",
            signature.name()
        ));
        error.help(format!("its signature: {signature}"))
    })
}

fn check_type(ty: &Type, surface: Surface, seen: &mut HashSet<usize>) -> Result<(), String> {
    if let Some(identity) = ty.identity()
        && !seen.insert(identity)
    {
        return Ok(());
    }
    match ty {
        Type::Own(of) | Type::Borrow(of) if !surface.handles => Err(format!(
            "holds a resource (`{}`), which lives no longer than one call here",
            of.name.name
        )),
        Type::ErrorContext => Err("holds an `error-context`, which the engine cannot open".into()),
        Type::Stream(of) | Type::Future(of) => {
            let word = if matches!(ty, Type::Stream(_)) {
                "stream"
            } else {
                "future"
            };
            match of.as_deref() {
                Some(item) if is_static(item) => Ok(()),
                Some(item) => Err(format!(
                    "holds a {word} of `{item}`, which the engine cannot open: only numbers, bool, \
                     char and string can move through one"
                )),
                None => Err(format!(
                    "holds a {word} of nothing, which the engine cannot open"
                )),
            }
        }
        _ => ty
            .parts()
            .into_iter()
            .try_for_each(|part| check_type(part, surface, seen)),
    }
}

/// Whether the engine can open a stream or a future of it: its type must be known when Holm is built.
pub(crate) fn is_static(item: &Type) -> bool {
    matches!(
        item,
        Type::Bool
            | Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64
            | Type::F32
            | Type::F64
            | Type::Char
            | Type::String
    )
}
