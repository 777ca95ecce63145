//! The middle: what a component's functions are called, what they take and give, and how values get
//! in and out. Every surface (the command line, JSON, Python, agents, other components) stands on
//! this and on nothing else.
//!
//! - [`Signatures`] are reflected from a component once; [`Type`] keeps names and docs.
//! - [`Value`] is what is passed about; [`json`] and [`wave`] read and write it, [`schema`]
//!   describes its JSON.
//! - [`callable`] tells which functions a surface can call, and why not the others.
//! - [`Prepared::call`](crate::Prepared::call) makes one call in a fresh instance; a [`Session`]
//!   keeps the instance, so that resources can live in it.

pub(crate) mod abi;
pub mod callable;
mod check;
pub(crate) mod docs;
mod embedded;
mod find;
mod flow;
pub mod json;
mod mismatch;
mod opened;
mod reflect;
pub mod schema;
mod session;
mod signature;
mod straight;
#[cfg(test)]
pub(crate) mod tests;
mod ty;
mod unnamed;
mod value;
pub mod wave;

pub use callable::Surface;
pub use check::check;
pub use embedded::{Embedded, embed_docs};
pub use flow::{Flow, FlowSender, Pieces};
pub use mismatch::{Misfit, Mismatch};
pub use session::Session;
pub use signature::{FunctionKind, Interface, Param, Signature, Signatures};
pub(crate) use straight::Straight;
pub use ty::{Case, Docs, Enum, Field, Flags, Label, Record, Resource, Type, TypeName, Variant};
pub(crate) use unnamed::of as unnamed;
pub(crate) use value::each_numbers;
pub use value::{Numbers, Raw, Value};
