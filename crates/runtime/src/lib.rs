//! The engine room: engines, artifacts, instances, limits, the seam and receipts.
//!
//! This is the only crate that makes a wasmtime `Engine`, `Store` or `Linker`. It is generic over
//! the state of an instance ([`InstanceState`]): it knows no capability and no trigger.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Holm runs on Linux only: it maps its cache through /proc, reads the CPU clocks of threads, \
     and opens static files with openat2"
);

pub mod artifact;
pub mod bridge;
pub mod call;
pub mod compose;
pub mod core;
pub mod engines;
pub mod error;
pub mod fault;
#[cfg(test)]
#[path = "../../../tests/fuzz.rs"]
mod fuzz;
pub mod invoke;
pub mod lanes;
pub mod limits;
pub mod link;
pub mod pools;
pub mod provide;
pub mod receipt;
pub mod seam;
pub mod snapshot;
mod stub;
mod threads;
pub mod ticker;
pub mod trace;
pub mod values;
mod wall_clock;
mod whole;

pub use crate::core::{Core, Denial, Denials, InstanceState, Stop, Watch};
pub use crate::error::{Error, Kind, Result};
pub use crate::link::{Host, Offer, PoolFull, PoolPermit, Prepared, Runtime};
