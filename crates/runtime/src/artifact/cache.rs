//! The cache of machine code: compiled once per (content, engine), kept in the user's cache folder.
//!
//! Layout: `code/<digest of the file>/about.json` says what the file is, `start.json` whether its
//! instances begin from an image, and beside them lies one `<engine>.cwasm` with `<engine>.sum`
//! (length and SHA-256) per engine, and one `<engine>-begun.cwasm` of the image. `vouched/<digest>.json`
//! names files written by `holm compile -o`; `known/` and `<code>.checked` save reading files that
//! have not changed. Everything is written to a temporary name, synced and
//! renamed, so that a reader sees all of it or nothing; what does not match its sum is removed and
//! made again. The folder is the user's own and closed to others, or it is not used at all: mapping
//! machine code means trusting it.

use super::files::{sum_of_pages, write_sparse, write_whole};
use super::known::{self, Identity, Known, Register};
use super::{Digest, Form};
use crate::engines::{EngineKey, Proposals};
use crate::error::{Error, Result};
use crate::limits::STACK_BYTES;
use crate::snapshot::{self, Start};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use wasmtime::Engine;

/// The cache, or none where the user's folder cannot be trusted or does not exist.
#[derive(Clone, Debug)]
pub struct Cache {
    root: Option<PathBuf>,
}

/// Of the files beside the code; what was written in another one is not looked at.
const FORMAT: u32 = 3;

/// What a file is: enough to find its machine code.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub component: bool,
    pub proposals: u64,
    pub concurrency: bool,
}

/// What `holm compile -o` recorded of a file that it wrote.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Vouched {
    pub component: bool,
    pub proposals: u64,
    pub concurrency: bool,
    pub interruptible: bool,
    #[serde(default)]
    pub fuel: bool,
}

/// What came of the attempt to make an image.
#[derive(Serialize, Deserialize)]
struct Begun {
    version: u32,
    start: Start,
}

/// Which machine code of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// Of the file itself.
    Plain,
    /// Of the image of the started component.
    Begun,
}

#[derive(Serialize, Deserialize)]
struct Sum {
    length: u64,
    pages_sha256: String,
}

/// One cached piece of machine code, for `holm cache`.
#[derive(Clone, Debug, Serialize)]
pub struct CacheEntry {
    /// The digest of the WebAssembly file.
    pub digest: String,
    /// `component` or `module`.
    pub form: &'static str,
    /// Pieces of machine code: one per engine, and one more of the started component.
    pub engines: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was last written, in seconds since 1970.
    pub written: i64,
}

impl Cache {
    /// The user's cache: `$HOLM_CACHE_DIR`, else `holm` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_user() -> Self {
        let from = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let root = from("HOLM_CACHE_DIR")
            .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("holm")))
            .or_else(|| from("HOME").map(|home| home.join(".cache/holm")));
        match root {
            Some(root) => Self::at(&root),
            None => Cache { root: None },
        }
    }

    /// A cache in a folder, made if need be.
    pub fn at(root: &Path) -> Self {
        let code = root.join("code");
        match own_folder(&code) {
            Ok(()) => Cache { root: Some(code) },
            Err(error) => {
                tracing::warn!(folder = %code.display(), %error, "compiled code is not cached; HOLM_CACHE_DIR names another folder");
                Cache { root: None }
            }
        }
    }

    /// Where it lies.
    pub fn folder(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    pub(super) fn about(&self, digest: &Digest) -> Option<About> {
        let text = fs::read(self.folder_of(digest)?.join("about.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// What is known of a file that has not changed since it was last looked at.
    pub(super) fn known(&self, path: &Path) -> Option<Known> {
        Register::at(&self.root.as_ref()?.join("known")).find(path)
    }

    /// Remembers what a file is, for as long as it does not change.
    pub(super) fn note(&self, path: &Path, before: Option<Identity>, digest: &Digest) {
        if let (Some(root), Some(before), Some(about)) = (&self.root, before, self.about(digest)) {
            Register::at(&root.join("known")).note(path, before, *digest, about);
        }
    }

    /// The machine code of a file for an engine, checked against its sum and still open, so that
    /// what was checked is what is mapped. It is checked once per boot and change.
    pub(super) fn code(&self, digest: &Digest, engine: &Engine, variant: Variant) -> Option<File> {
        let base = self.folder_of(digest)?.join(file_name(engine, variant));
        let path = base.with_extension("cwasm");
        let mut file = File::open(&path).ok()?;
        let checked = base.with_extension("checked");
        if known::is_checked(&file, &checked) {
            return Some(file);
        }
        let sum: Option<Sum> = fs::read(base.with_extension("sum"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        match sum.map(|sum| matches(&mut file, &sum)) {
            Some(Ok(true)) => {
                known::note_checked(&file, &checked);
                Some(file)
            }
            _ => {
                tracing::warn!(file = %path.display(), "cached code does not match its sum; compiling again");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Stores the machine code of a file; failure to do so costs a compilation next time, no more.
    pub(super) fn store(
        &self,
        digest: &Digest,
        about: About,
        engine: &Engine,
        variant: Variant,
        code: &[u8],
    ) {
        let Some(folder) = self.folder_of(digest) else {
            return;
        };
        let write = || -> io::Result<()> {
            own_folder(&folder)?;
            let base = folder.join(file_name(engine, variant));
            let sum = Sum {
                length: code.len() as u64,
                pages_sha256: sum_of_pages(code),
            };
            // Code first and its sum last: code without a matching sum does not count.
            write_sparse(&base.with_extension("cwasm"), code)?;
            write_whole(&base.with_extension("sum"), &serde_json::to_vec(&sum)?)?;
            write_whole(&folder.join("about.json"), &serde_json::to_vec(&about)?)
        };
        if let Err(error) = write() {
            tracing::warn!(folder = %folder.display(), %error, "compiled code was not cached");
        }
    }

    /// What came of the attempt to make an image of a file, if there was one.
    pub(super) fn start(&self, digest: &Digest) -> Option<Start> {
        let text = fs::read(self.folder_of(digest)?.join("start.json")).ok()?;
        let begun: Begun = serde_json::from_slice(&text).ok()?;
        (begun.version == snapshot::VERSION).then_some(begun.start)
    }

    /// Records what came of the attempt to make an image.
    pub(super) fn store_start(&self, digest: &Digest, start: &Start) {
        let Some(folder) = self.folder_of(digest) else {
            return;
        };
        let begun = Begun {
            version: snapshot::VERSION,
            start: start.clone(),
        };
        let write = || -> io::Result<()> {
            own_folder(&folder)?;
            write_whole(&folder.join("start.json"), &serde_json::to_vec(&begun)?)
        };
        if let Err(error) = write() {
            tracing::warn!(folder = %folder.display(), %error, "the start was not recorded");
        }
    }

    pub(super) fn forget(&self, digest: &Digest) {
        if let Some(folder) = self.folder_of(digest) {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// Records that this user's Holm wrote a precompiled file.
    pub(super) fn vouch(&self, digest: &Digest, key: EngineKey, form: Form) -> Result<()> {
        let Some(root) = &self.root else {
            return Err(Error::yours("there is no cache folder to record the file in")
                .help("set HOLM_CACHE_DIR to a folder of your own; without the record such a file needs --allow-precompiled"));
        };
        let vouched = Vouched {
            component: form == Form::Component,
            proposals: key.proposals.bits(),
            concurrency: key.concurrency,
            interruptible: key.interruptible,
            fuel: key.fuel,
        };
        let folder = root.join("vouched");
        own_folder(&folder)
            .and_then(|()| {
                write_whole(
                    &folder.join(format!("{}.json", digest.hex())),
                    &serde_json::to_vec(&vouched)?,
                )
            })
            .map_err(|e| {
                Error::yours("the file could not be recorded in the cache").caused_by(e.to_string())
            })
    }

    pub(super) fn vouched(&self, digest: &Digest) -> Option<Vouched> {
        let path = self
            .root
            .as_ref()?
            .join("vouched")
            .join(format!("{}.json", digest.hex()));
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Everything in the cache, newest first.
    pub fn entries(&self) -> Vec<CacheEntry> {
        let Some(root) = &self.root else {
            return Vec::new();
        };
        let mut entries: Vec<CacheEntry> = fs::read_dir(root)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|folder| {
                let digest = folder
                    .file_name()
                    .into_string()
                    .ok()
                    .filter(|n| n.len() == 64)?;
                let about: About =
                    serde_json::from_slice(&fs::read(folder.path().join("about.json")).ok()?)
                        .ok()?;
                let (mut engines, mut bytes, mut written) = (0, 0, 0);
                for file in fs::read_dir(folder.path()).ok()?.flatten() {
                    let Ok(meta) = file.metadata() else { continue };
                    // Of blocks, as `du` counts: code has holes.
                    bytes += meta.blocks() * 512;
                    written = written.max(meta.mtime());
                    engines += usize::from(file.path().extension().is_some_and(|e| e == "cwasm"));
                }
                let form = if about.component {
                    "component"
                } else {
                    "module"
                };
                Some(CacheEntry {
                    digest: format!("sha256:{digest}"),
                    form,
                    engines,
                    bytes,
                    written,
                })
            })
            .collect();
        entries.sort_by_key(|e| std::cmp::Reverse(e.written));
        entries
    }

    /// Empties the cache; the records of `holm compile -o` go with it. Running hosts keep what they
    /// have mapped.
    pub fn clear(&self) -> io::Result<()> {
        match &self.root {
            Some(root) => {
                fs::remove_dir_all(root)?;
                own_folder(root)
            }
            None => Ok(()),
        }
    }

    fn folder_of(&self, digest: &Digest) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join(digest.hex()))
    }
}

/// The engine's settings and version in one name: code of another never matches.
fn engine_name(engine: &Engine) -> String {
    // SipHash with fixed keys: the same in every process of one build.
    #[allow(deprecated)]
    let mut hasher = std::hash::SipHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    FORMAT.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn file_name(engine: &Engine, variant: Variant) -> String {
    match variant {
        Variant::Plain => engine_name(engine),
        Variant::Begun => format!("{}-begun", engine_name(engine)),
    }
}

fn matches(file: &mut File, sum: &Sum) -> io::Result<bool> {
    if file.metadata()?.len() != sum.length {
        return Ok(false);
    }
    let mut bytes = Vec::with_capacity(sum.length as usize);
    file.read_to_end(&mut bytes)?;
    file.rewind()?;
    Ok(sum_of_pages(&bytes) == sum.pages_sha256)
}

/// Makes a folder that only this user can enter, or checks that it is one.
pub(super) fn own_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let meta = fs::metadata(folder)?;
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() != user {
        return Err(io::Error::other(format!(
            "it belongs to user {}, not to {user}",
            meta.uid()
        )));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to it"));
    }
    Ok(())
}

impl Variant {
    pub(super) fn of(start: &Start) -> Self {
        match start.is_snapshot() {
            true => Variant::Begun,
            false => Variant::Plain,
        }
    }
}

impl About {
    pub(super) fn new(form: Form, key: EngineKey) -> Self {
        About {
            component: form == Form::Component,
            proposals: key.proposals.bits(),
            concurrency: key.concurrency,
        }
    }

    pub(super) fn form(&self) -> Form {
        if self.component {
            Form::Component
        } else {
            Form::Module
        }
    }
}

impl Vouched {
    pub(super) fn key(&self) -> EngineKey {
        EngineKey {
            concurrency: self.concurrency,
            interruptible: self.interruptible,
            fuel: self.fuel,
            // No part of the code.
            stack: STACK_BYTES,
            proposals: Proposals::from_bits(self.proposals),
            pooled: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever stands in the records, code that does not match its sum is not used.
    #[test]
    fn records_are_read_or_not_there() {
        const CODE: &[u8] = b"code";
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let (digest, engine) = (Digest::of(b"a file"), Engine::default());
        let own = cache.folder_of(&digest).unwrap();
        let vouched = folder.path().join("code/vouched");
        own_folder(&own).unwrap();
        own_folder(&vouched).unwrap();
        let vouched = vouched.join(format!("{}.json", digest.hex()));
        let code = own.join(engine_name(&engine));
        let words = [
            "\"length\":4",
            "true",
            "18446744073709551615",
            "\"pages_sha256\":\"",
            "{",
            "}",
        ];
        crate::fuzz::bytes("cache-record", &words, |record| {
            for path in [
                &own.join("about.json"),
                &vouched,
                &code.with_extension("sum"),
            ] {
                fs::write(path, record).unwrap();
            }
            fs::write(code.with_extension("cwasm"), CODE).unwrap();
            // Written in place, twice within a tick of the file system's clock: Holm never does that.
            let _ = fs::remove_file(code.with_extension("checked"));
            let known = cache.about(&digest);
            assert_eq!(cache.entries().len(), usize::from(known.is_some()));
            if let Some(vouched) = cache.vouched(&digest) {
                assert_eq!(vouched.key().concurrency, vouched.concurrency);
            }
            let sum = serde_json::from_slice::<Sum>(record);
            let fits = sum.is_ok_and(|s| s.length == 4 && s.pages_sha256 == sum_of_pages(CODE));
            assert_eq!(cache.code(&digest, &engine, Variant::Plain).is_some(), fits);
        });
    }
}
