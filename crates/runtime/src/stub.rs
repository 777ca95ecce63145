//! Imports that nobody provides and that a guest has because its SDK imports all that it knows: such a
//! guest is loaded, and a call of one of them traps by name.

use crate::artifact::{Artifact, Code};
use crate::link::{Host, Offer};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Linker, LinkerInstance, ResourceType};

/// `spin` of `spin:redis/redis@3.0.0`.
fn namespace(import: &str) -> Option<&str> {
    Some(import.split_once(':')?.0)
}

/// Whether an import comes from such an SDK, whichever version of it.
fn is_of_sdk(offers: &[Offer], import: &str) -> bool {
    let of = namespace(import);
    let mut of_sdks = offers.iter().filter(|offer| offer.of_sdk);
    of.is_some() && of_sdks.any(|offer| namespace(offer.interface) == of)
}

/// Puts functions that trap onto a linker of the artifact's own, if all that nobody provides comes
/// from such an SDK. Where anything else is missing, that is the user's to know.
pub(crate) fn stub<S: Host>(
    artifact: &Artifact,
    linker: &mut Arc<Linker<S>>,
    linked: &dyn Fn(&str) -> bool,
) -> wasmtime::Result<()> {
    let Code::Component(code) = &artifact.code else {
        return Ok(());
    };
    let (offers, engine, ty) = (S::offers(), code.engine(), code.component_type());
    let is_there = |import: &str| {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        let mut of_it = offers.iter().filter(|offer| offer.interface == interface);
        linked(import) || of_it.any(|offer| offer.serves(version))
    };
    let mut missing = Vec::new();
    for (name, import) in ty.imports(engine).filter(|(name, _)| !is_there(name)) {
        match import.ty {
            // What has types alone asks for nothing.
            ComponentItem::ComponentInstance(of) if !has_functions(&of, engine) => {}
            ComponentItem::ComponentInstance(of) if is_of_sdk(&offers, name) => {
                missing.push((name, of));
            }
            ComponentItem::Type(_) => {}
            _ => return Ok(()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let (file, names) = (artifact.path.display(), names.join(", "));
    tracing::warn!(%file, missing = names, "its SDK imports what this Holm does not provide; calls of it trap");
    let own = Arc::make_mut(linker);
    for (name, of) in &missing {
        trap(&mut own.instance(name)?, name, of, engine)?;
    }
    Ok(())
}

fn has_functions(of: &ComponentInstance, engine: &Engine) -> bool {
    of.exports(engine).any(|(_, export)| {
        matches!(
            export.ty,
            ComponentItem::ComponentFunc(_) | ComponentItem::Resource(_)
        )
    })
}

/// What a guest would hold, if it could get any.
enum Nothing {}

/// Gives an interface functions that trap.
fn trap<S: 'static>(
    linker: &mut LinkerInstance<'_, S>,
    interface: &str,
    of: &ComponentInstance,
    engine: &Engine,
) -> wasmtime::Result<()> {
    for (name, export) in of.exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(function) => {
                let called = format!("{interface}#{name}");
                let error = move || {
                    let what = format!("it called {called}, which this Holm does not provide");
                    wasmtime::Error::msg(what)
                };
                match function.async_() {
                    false => linker.func_new(name, move |_, _, _, _| Err(error()))?,
                    true => linker.func_new_concurrent(name, move |_, _, _, _| {
                        let error = error();
                        Box::pin(async move { Err(error) })
                    })?,
                }
            }
            ComponentItem::Resource(_) => {
                linker.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdks_are_told_by_their_namespace() {
        let offer = |interface, of_sdk| Offer {
            interface,
            versions: &["1.0.0"],
            grant: None,
            refuse_ungranted: false,
            of_sdk,
        };
        let offers = [
            offer("spin:sqlite/sqlite", true),
            offer("wasi:http/types", false),
        ];
        assert!(is_of_sdk(&offers, "spin:redis/redis@3.0.0"));
        for other in ["wasi:http/other", "spinner:x/y", "spin", "plain-name"] {
            assert!(!is_of_sdk(&offers, other), "{other}");
        }
    }
}
