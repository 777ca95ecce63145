//! The engine room: engines, artifacts, instances, limits, the seam and receipts.
//!
//! This is the only crate that makes a wasmtime `Engine`, `Store` or `Linker`. It is generic over
//! the state of an instance ([`InstanceState`]): it knows no capability and no trigger.

pub mod core;
pub mod limits;
pub mod receipt;
pub mod seam;

pub use crate::core::{Core, Denial, Denials, InstanceState, Watch};
