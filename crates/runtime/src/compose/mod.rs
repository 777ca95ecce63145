//! Several components made into one file: by names that match ([`plug`]), by links that somebody
//! wrote down ([`fuse`]), or by a document in WAC ([`document`]).
//!
//! What comes out is one component. Its parts run within one instance, under one set of grants and
//! limits; calls between them go through adapters that the engine compiles, so every WIT type passes.
//! Parts that keep grants and limits of their own are linked at load time instead: see
//! [`crate::bridge`].

mod join;
mod part;
#[cfg(test)]
mod tests;
mod wac;

pub use join::{Joint, Link, fuse, plug};
pub use part::Part;
pub(crate) use part::fits;
pub use wac::{Packages, document};

use crate::engines::{Invalid, Proposals};
use crate::error::{Error, Result};
use crate::whole;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use wac_graph::types::{ItemKind, Package, Type, Types};
use wac_graph::{EncodeOptions, Processor};

/// One component made of several.
#[derive(Debug)]
pub struct Composed {
    /// Its binary: valid, and the same for the same parts.
    pub binary: Vec<u8>,
    /// What was joined, in the order of the parts; empty where a document says it.
    pub joints: Vec<Joint>,
    /// What it still imports and somebody has to provide: not what only names types.
    pub open: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

impl Composed {
    /// Checks what was encoded with the engine's own validator, and reads what is open.
    fn of(binary: Vec<u8>, joints: Vec<Joint>) -> Result<Self> {
        Proposals::needed_by(&binary).map_err(|invalid| {
            let what = "the composition is not a valid component";
            match invalid {
                Invalid::Proposal(name) => Error::yours(format!("the parts need {name}"))
                    .caused_by("which this engine does not have"),
                Invalid::Binary { message, .. } => Error::ours(what).caused_by(message),
            }
        })?;
        let open = guarded(|| asked_for(&binary))??;
        let part = Part::of("composition".into(), binary)?;
        Ok(Composed {
            open,
            exports: part.exports,
            binary: part.binary,
            joints,
        })
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        whole::write(path, &self.binary, "FILE.wasm")
    }
}

/// The imports that are more than names of types.
fn asked_for(binary: &[u8]) -> Result<Vec<String>> {
    let mut types = Types::new();
    let package =
        Package::from_bytes("composition", None, binary, &mut types).map_err(|error| {
            Error::ours("the composition cannot be read").caused_by(error.to_string())
        })?;
    let named =
        |kind: &ItemKind| matches!(kind, ItemKind::Type(ty) if !matches!(ty, Type::Resource(_)));
    let types_alone = |kind: &ItemKind| match kind {
        ItemKind::Instance(id) => types[*id].exports.values().all(named),
        other => named(other),
    };
    let imports = types[package.ty()].imports.iter();
    let imports = imports.filter(|(_, kind)| !types_alone(kind));
    Ok(imports.map(|(name, _)| name.clone()).collect())
}

/// How a graph becomes a binary: the parts within, nothing in it that depends on when or where.
fn options() -> EncodeOptions<'static> {
    EncodeOptions {
        define_components: true,
        // With the engine's validator, in [`Composed::of`].
        validate: false,
        processor: Some(Processor {
            name: "holm",
            version: env!("CARGO_PKG_VERSION"),
        }),
    }
}

/// The libraries beneath assert what they expect of a component's types; some shapes that no
/// toolchain makes end there. That must not end the process.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        Error::yours("these components have a shape that cannot be composed")
            .help("`holm inspect FILE` shows each; modules and values among imports and exports are not supported")
    })
}
