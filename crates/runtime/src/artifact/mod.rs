//! One WebAssembly file made ready: what it is, its digest, its machine code.

mod cache;
mod candidate;
mod componentize;
mod detect;
mod files;
mod inspect;
mod known;
mod load;
mod text;

pub use cache::{Cache, CacheEntry};
pub use detect::{Content, FILE_BYTES_MAX, detect};
pub use inspect::{Inspection, inspect};
pub(crate) use load::read;
pub use load::{LoadOptions, Loader};

use crate::engines::{EngineKey, Proposals};
use crate::snapshot::Start;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::PathBuf;
use wasmtime::component::types::ComponentItem;

/// A SHA-256, as everywhere in this field: `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// 64 hex digits.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A core module.
    Module,
    /// A component.
    Component,
}

/// Machine code, mapped.
#[derive(Clone)]
pub enum Code {
    /// Of a core module.
    Module(wasmtime::Module),
    /// Of a component.
    Component(wasmtime::component::Component),
}

/// A file made ready to run.
#[derive(Clone)]
pub struct Artifact {
    /// Where it came from, as the user named it.
    pub path: PathBuf,
    /// Of the file's own bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The engine that its code runs on.
    pub key: EngineKey,
    /// Proposals beyond the settled ones that it needs.
    pub proposals: Proposals,
    /// The code.
    pub code: Code,
    /// How its instances begin.
    pub start: Start,
    /// Whether the code came from the cache, or was compiled just now.
    pub cached: bool,
}

/// The generation of an interface that a component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// 0.2
    P2,
    /// 0.3
    P3,
}

impl Generation {
    /// Of an interface's version.
    pub(crate) fn of(version: &str) -> Self {
        if version.starts_with("0.3") {
            Generation::P3
        } else {
            Generation::P2
        }
    }
}

impl Artifact {
    /// Module or component.
    pub fn form(&self) -> Form {
        match self.code {
            Code::Module(_) => Form::Module,
            Code::Component(_) => Form::Component,
        }
    }

    /// The exported `wasi:cli/run`, or `_start`: what makes it a program.
    pub fn command(&self) -> Option<Generation> {
        match &self.code {
            Code::Module(module) => (module.get_export("_start").is_some()
                || module.get_export("").is_some())
            .then_some(Generation::P2),
            Code::Component(_) => self.exported("wasi:cli/run@"),
        }
    }

    /// The exported `wasi:http` handler: what makes it a service.
    pub fn http(&self) -> Option<Generation> {
        self.exported("wasi:http/incoming-handler@")
            .or_else(|| self.exported("wasi:http/handler@"))
    }

    /// The newest generation under which an interface is exported: a program of 0.3 may export the
    /// entry point of 0.2 as well, because its toolchain does, and not mean it.
    fn exported(&self, prefix: &str) -> Option<Generation> {
        let Code::Component(component) = &self.code else {
            return None;
        };
        let generations: Vec<Generation> = component
            .component_type()
            .exports(component.engine())
            .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)))
            .filter_map(|(name, _)| name.strip_prefix(prefix))
            .map(Generation::of)
            .collect();
        generations.into_iter().max()
    }

    /// The names of what it imports: `wasi:cli/environment@0.2.3`, or `module.field`.
    pub fn imports(&self) -> Vec<String> {
        match &self.code {
            Code::Module(m) => m
                .imports()
                .map(|i| format!("{}.{}", i.module(), i.name()))
                .collect(),
            Code::Component(c) => c
                .component_type()
                .imports(c.engine())
                .map(|(name, _)| name.to_owned())
                .collect(),
        }
    }

    /// The names of what it exports.
    pub fn exports(&self) -> Vec<String> {
        match &self.code {
            Code::Module(m) => m.exports().map(|e| e.name().to_owned()).collect(),
            Code::Component(c) => c
                .component_type()
                .exports(c.engine())
                .map(|(name, _)| name.to_owned())
                .collect(),
        }
    }
}
