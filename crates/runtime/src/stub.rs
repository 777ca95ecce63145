//! Imports that nobody provides and that a guest has because its SDK imports all that it knows: such a
//! guest is loaded, and a call of one of them traps by name.

use crate::artifact::{Artifact, Code};
use crate::link::{Host, Offer};
use std::sync::Arc;
use wasmtime::component::Linker;

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
    let offers = S::offers();
    let missing = |import: &String| {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        let mut of_it = offers.iter().filter(|offer| offer.interface == interface);
        !linked(import) && !of_it.any(|offer| offer.serves(version))
    };
    let missing: Vec<String> = artifact.imports().into_iter().filter(missing).collect();
    if missing.is_empty() || !missing.iter().all(|import| is_of_sdk(&offers, import)) {
        return Ok(());
    }
    let (file, missing) = (artifact.path.display(), missing.join(", "));
    tracing::warn!(%file, missing, "its SDK imports what this Holm does not provide; calls of it trap");
    let own = Arc::make_mut(linker);
    own.allow_shadowing(true);
    own.define_unknown_imports_as_traps(code)
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
