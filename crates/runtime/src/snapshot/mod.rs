//! Snapshot start: a component is started once, when it is prepared, and every fresh instance
//! begins from the image of the result.
//!
//! What an instance does before its first useful instruction is the same each time: start functions
//! run, and the allocator takes its first memory, a system call for each piece. Here both are done
//! once. The component's core modules are instantiated as the component would do it ([`Plan`]), with
//! everything outside of them refused, their allocators are warmed up, and what then stands in
//! memories and globals is written into the modules as their initial state. The engine maps such
//! memories copy-on-write.
//!
//! An image is a function of the component's bytes and of nothing else: a start that calls anything
//! outside of its modules (the host, or the component model's own functions, which keep handles) is
//! refused by name, and so are the shapes whose state cannot be written down. Each image is proved
//! before it is used: it is instantiated, and must hold what a second start of the original holds.

mod image;
mod module;
mod plan;
mod rewrite;
mod start;
#[cfg(test)]
mod tests;

pub use image::Image;
pub use plan::Plan;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;

/// A change to how images are made or proved makes those of before stale.
pub const VERSION: u32 = 2;

/// Larger components are not started ahead: it costs a second compilation, which takes seconds
/// there, and whatever brings an interpreter along is pre-initialised by its own build.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// The most memory that a start may take.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;

/// The longest stretch of one memory that an image may hold: the engine maps up to this much
/// copy-on-write however sparse it is.
pub const SPAN_BYTES_MAX: usize = 16 << 20;

/// Instructions that a start may take, some 0.2 s: as a count, so that the same component ends the
/// same way on every machine.
pub const FUEL: u64 = 500_000_000;

/// How instances of an artifact begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "from")]
pub enum Start {
    /// From an image of the started component.
    Snapshot {
        /// Linear memory that an instance has from the beginning, in bytes.
        memory: u64,
    },
    /// As the file says, from the beginning.
    Ordinary {
        /// Why there is no image.
        because: String,
    },
}

impl Start {
    /// As the file says, for a reason.
    pub fn ordinary(because: impl std::fmt::Display) -> Self {
        Start::Ordinary {
            because: because.to_string(),
        }
    }

    /// As the file says, because nobody wants it otherwise.
    pub(crate) fn not_asked() -> Self {
        Start::ordinary("no image was asked for")
    }

    /// What becomes of it under a limit on an instance's memory: `None` is no wish for an image.
    pub(crate) fn within(self, memory_limit: Option<u64>) -> Self {
        match (self, memory_limit) {
            (_, None) => Start::not_asked(),
            (Start::Snapshot { memory }, Some(limit)) if memory > limit => {
                Start::ordinary(format_args!(
                    "its image has {} of memory and its limit is {}",
                    holm_manifest::ByteSize(memory),
                    holm_manifest::ByteSize(limit)
                ))
            }
            (start, Some(_)) => start,
        }
    }

    /// Whether instances begin from an image.
    pub fn is_snapshot(&self) -> bool {
        matches!(self, Start::Snapshot { .. })
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Start::Snapshot { memory } => {
                let memory = holm_manifest::ByteSize(*memory);
                write!(f, "snapshot, {memory} of memory mapped copy-on-write")
            }
            Start::Ordinary { because } => write!(f, "ordinary, because {because}"),
        }
    }
}

/// Why a component has no image. Each reads on from "because".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A core module has no start apart from its run.
    #[error("the start of a core module is its run")]
    CoreModule,
    /// Above [`FILE_BYTES_MAX`].
    #[error("it is larger than {}", holm_manifest::ByteSize(FILE_BYTES_MAX as u64))]
    TooLarge,
    /// Neither start functions nor an allocator.
    #[error("nothing in it runs before it is called")]
    NothingToStart,
    /// Something of its shape cannot be started part by part, or not written down.
    #[error("it has {0}")]
    Shape(String),
    /// The start reached out of its modules.
    #[error("it calls {0} while it starts")]
    Calls(String),
    /// Above [`FUEL`].
    #[error("its start takes more than {FUEL} instructions")]
    TooLong,
    /// The start trapped, or wanted too much memory.
    #[error("it fails while it starts: {0}")]
    Fails(String),
    /// Above [`SPAN_BYTES_MAX`].
    #[error(
        "its started memory spans more than {}",
        holm_manifest::ByteSize(SPAN_BYTES_MAX as u64)
    )]
    TooSparse,
    /// The proof did not hold.
    #[error("its image differs from a second start: {0}")]
    Differs(String),
}

impl Refused {
    /// A part of its shape that stands in the way.
    pub(crate) fn shape(what: impl Into<String>) -> Self {
        Refused::Shape(what.into())
    }
}

/// The parser's errors: the binary was validated before, so that nothing but a difference in the
/// sets of features can bring one up.
impl From<wasmparser::BinaryReaderError> for Refused {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Refused::Shape(format!(
            "a part that cannot be read: {} (at offset {:#x})",
            error.message(),
            error.offset()
        ))
    }
}

/// Starts a component and makes the image of it, or says why not. `engine` is one of
/// [`Engines::for_start`](crate::engines::Engines::for_start).
pub fn take(binary: &[u8], engine: &Engine) -> Result<Image, Refused> {
    if binary.len() > FILE_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    image::take(&Plan::of(binary)?, engine)
}
