//! From a path to machine code: look at it, find its engine, map or compile.

use super::cache::{About, Variant};
use super::known::Identity;
use super::{Artifact, Cache, Code, Content, Digest, FILE_BYTES_MAX, Form, detect, text};
use crate::engines::{EngineKey, Engines, Invalid, Proposals};
use crate::error::{Error, Result};
use crate::snapshot::{self, Start};
use crate::whole;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use wasmtime::Engine;

/// How an artifact is to be used.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// The guest can be stopped while it computes (any CPU or wall limit needs this).
    pub interruptible: bool,
    /// The guest burns fuel, which is counted.
    pub fuel: bool,
    /// Bytes of its stack.
    pub stack: usize,
    /// Instances come from pools.
    pub pooled: bool,
    /// Map precompiled files that this user's cache does not vouch for.
    pub allow_precompiled: bool,
    /// Instances begin from an image of the started component, where that is safe and the image's
    /// memory is within so many bytes.
    pub snapshot: Option<u64>,
}

/// Loads artifacts: engines and cache together.
pub struct Loader {
    engines: Engines,
    cache: Cache,
}

impl Loader {
    /// A loader over some engines and a cache.
    pub fn new(engines: Engines, cache: Cache) -> Self {
        Loader { engines, cache }
    }

    /// The engines.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Makes a file ready to run.
    pub fn load(&self, path: &Path, options: LoadOptions) -> Result<Artifact> {
        let artifact = |key: EngineKey, code: Code, start: Start, digest, size| Artifact {
            path: path.to_owned(),
            digest,
            size,
            key,
            proposals: key.proposals,
            code,
            start,
            cached: true,
        };
        if let Some(known) = self.cache.known(path)
            && let Some((key, code, start)) =
                self.from_cache(&known.digest(), known.about, options)?
        {
            return Ok(artifact(key, code, start, known.digest(), known.size()));
        }
        let before = std::fs::metadata(path).ok().as_ref().and_then(Identity::of);
        let bytes = read(path)?;
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        let done = |key: EngineKey, code: Code, start: Start, cached: bool| {
            self.cache.note(path, before.clone(), &digest);
            Artifact {
                cached,
                ..artifact(key, code, start, digest, size)
            }
        };
        if let Some(about) = self.cache.about(&digest)
            && let Some((key, code, start)) = self.from_cache(&digest, about, options)?
        {
            return Ok(done(key, code, start, true));
        }
        match detect(path, &bytes)? {
            Content::Precompiled(form) => {
                let (key, code) = self.precompiled(path, form, &digest, &bytes, options)?;
                let start = Start::ordinary("it was compiled beforehand");
                Ok(done(key, code, start, true))
            }
            Content::Binary(form, binary) => {
                let key = key_for(path, form, &bytes, &binary, options)?;
                let engine = self.engines.get(key)?;
                let (start, image) = self.begin(form, key, &digest, &binary, options)?;
                let (start, compiled) = match image.map(|i| compile(path, form, &engine, &i)) {
                    Some(Ok(compiled)) => (start, compiled),
                    None => (start, compile(path, form, &engine, &binary)?),
                    Some(Err(error)) => {
                        // Never the user's to mend, and no reason not to run what they wrote.
                        tracing::warn!(%digest, %error, "an image is not used");
                        let start = Start::ordinary("its image does not compile");
                        self.cache.store_start(&digest, &start);
                        (start, compile(path, form, &engine, &binary)?)
                    }
                };
                let variant = Variant::of(&start);
                self.cache
                    .store(&digest, About::new(form, key), &engine, variant, &compiled);
                // Mapped from the cache's file where there is one: its pages are shared and cost
                // nothing until they run.
                let code = match self.cache.code(&digest, &engine, variant) {
                    Some(file) => map(&engine, form, file),
                    None => from_memory(&engine, form, &compiled),
                };
                let code = code.map_err(|e| {
                    Error::ours("code that was compiled just now does not load")
                        .caused_by(format!("{e:#}"))
                })?;
                Ok(done(key, code, start, false))
            }
        }
    }

    /// Compiles a file to machine code and records the result's digest, so that the written file
    /// runs as it is.
    pub fn compile_to(&self, path: &Path, output: &Path, options: LoadOptions) -> Result<u64> {
        let bytes = read(path)?;
        let (form, binary) = match detect(path, &bytes)? {
            Content::Binary(form, binary) => (form, binary),
            Content::Precompiled(_) => {
                return Err(
                    Error::yours(format!("{} is compiled already", path.display()))
                        .help("it runs as it is; -o takes the .wasm that it came from"),
                );
            }
        };
        let key = key_for(path, form, &bytes, &binary, options)?;
        let code = compile(path, form, &self.engines.get(key)?, &binary)?;
        let named = whole::prepare(output, &code, "FILE.cwasm")?;
        self.cache.vouch(&Digest::of(&code), key, form)?;
        named()?;
        Ok(code.len() as u64)
    }

    /// How instances of a binary begin, and the image of it where that is how.
    fn begin(
        &self,
        form: Form,
        key: EngineKey,
        digest: &Digest,
        binary: &[u8],
        options: LoadOptions,
    ) -> Result<(Start, Option<Vec<u8>>)> {
        if options.snapshot.is_none() {
            return Ok((Start::not_asked(), None));
        }
        // What is known to have no image is not started again.
        if let Some(known) = self.cache.start(digest).map(|s| s.within(options.snapshot))
            && !known.is_snapshot()
        {
            return Ok((known, None));
        }
        let taken = match form {
            Form::Module => Err(snapshot::Refused::CoreModule),
            Form::Component => snapshot::take(binary, &Engines::for_start(key.proposals)?),
        };
        let (start, image) = match taken {
            Ok(image) => {
                let memory = image.memory;
                (Start::Snapshot { memory }, Some(image.component))
            }
            Err(refused) => (Start::ordinary(refused), None),
        };
        tracing::info!(%digest, %start, "started ahead");
        self.cache.store_start(digest, &start);
        let start = start.within(options.snapshot);
        let image = image.filter(|_| start.is_snapshot());
        Ok((start, image))
    }

    fn from_cache(
        &self,
        digest: &Digest,
        about: About,
        options: LoadOptions,
    ) -> Result<Option<(EngineKey, Code, Start)>> {
        let start = match options.snapshot {
            None => Start::not_asked(),
            Some(_) => match self.cache.start(digest) {
                Some(start) => start.within(options.snapshot),
                None => return Ok(None),
            },
        };
        let key = EngineKey {
            concurrency: about.concurrency,
            interruptible: options.interruptible,
            fuel: options.fuel,
            stack: options.stack,
            proposals: Proposals::from_bits(about.proposals),
            pooled: options.pooled,
        };
        let engine = self.engines.get(key)?;
        let Some(file) = self.cache.code(digest, &engine, Variant::of(&start)) else {
            return Ok(None);
        };
        match map(&engine, about.form(), file) {
            Ok(code) => Ok(Some((key, code, start))),
            Err(error) => {
                tracing::warn!(%error, "cached code does not load; compiling again");
                self.cache.forget(digest);
                Ok(None)
            }
        }
    }

    fn precompiled(
        &self,
        path: &Path,
        form: Form,
        digest: &Digest,
        bytes: &[u8],
        options: LoadOptions,
    ) -> Result<(EngineKey, Code)> {
        let shown = path.display();
        let stale = |cause: String| {
            Error::yours(format!(
                "{shown} was compiled by another version of Holm, or for another machine"
            ))
            .caused_by(cause)
            .help("compile it again from its .wasm: holm compile FILE.wasm -o FILE.cwasm")
        };
        if let Some(vouched) = self.cache.vouched(digest) {
            let key = EngineKey {
                pooled: options.pooled,
                stack: options.stack,
                ..vouched.key()
            };
            let code = from_memory(&self.engines.get(key)?, form, bytes)
                .map_err(|e| stale(format!("{e:#}")))?;
            return Ok((key, code));
        }
        if !options.allow_precompiled {
            return Err(Error::denied(format!(
                "{shown} is machine code that this user's Holm did not make"
            ))
            .help("run the .wasm it came from instead; that is compiled once and cached")
            .help(
                "if you trust whoever made it as much as a native program: --allow-precompiled",
            ));
        }
        let mut last = String::new();
        for concurrency in [false, true] {
            for interruptible in [true, false] {
                let proposals = Proposals::default();
                let key = EngineKey {
                    concurrency,
                    interruptible,
                    fuel: options.fuel,
                    stack: options.stack,
                    proposals,
                    pooled: options.pooled,
                };
                match from_memory(&self.engines.get(key)?, form, bytes) {
                    Ok(code) => return Ok((key, code)),
                    Err(error) => last = format!("{error:#}"),
                }
            }
        }
        Err(stale(last))
    }
}

/// Reads a file that should be WebAssembly, if its size is sane.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let wrong = |e: std::io::Error| {
        let error = Error::yours(format!("cannot read {shown}")).caused_by(e.to_string());
        match e.kind() {
            std::io::ErrorKind::NotFound => missing(path),
            _ => error,
        }
    };
    let mut file = File::open(path).map_err(wrong)?;
    let meta = file.metadata().map_err(wrong)?;
    if meta.is_dir() {
        return Err(Error::yours(format!("{shown} is a folder"))
            .help("name the .wasm file; or serve an app with a holm.toml by `holm up`"));
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(Error::yours(format!(
            "{shown} has {} MiB; files over {} MiB are not read as WebAssembly",
            meta.len() >> 20,
            FILE_BYTES_MAX >> 20
        ))
        .help("a release build without debug information is a hundredth of that"));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    // A pipe has no length beforehand: stop reading one byte past the limit.
    file.by_ref()
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(wrong)?;
    Ok(bytes)
}

/// A file that is not there, and the one that was meant.
fn missing(path: &Path) -> Error {
    let error = Error::yours(format!("{} does not exist", path.display()));
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let names: Vec<String> = std::fs::read_dir(folder.unwrap_or(Path::new(".")))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let wanted = path.file_name().and_then(|name| name.to_str());
    let near = wanted.and_then(|n| holm_manifest::nearest(n, names.iter().map(String::as_str)));
    match (near, folder) {
        (Some(near), _) => error.help(format!(
            "did you mean {}?",
            folder.unwrap_or(Path::new("")).join(near).display()
        )),
        (None, Some(folder)) if !folder.is_dir() => {
            error.help(format!("there is no folder {} either", folder.display()))
        }
        _ => error.help("is it built yet, and is the path right?"),
    }
}

fn key_for(
    path: &Path,
    form: Form,
    file: &[u8],
    binary: &[u8],
    options: LoadOptions,
) -> Result<EngineKey> {
    let shown = path.display();
    let proposals = Proposals::needed_by(binary).map_err(|invalid| match invalid {
        Invalid::Proposal(name) => Error::yours(format!(
            "{shown} needs the proposal {name}, which this engine does not have"
        )),
        Invalid::Binary { message, offset } => {
            let error = Error::yours(format!("{shown} is not valid WebAssembly"));
            let damaged = "the file may be cut off or damaged; build or download it again";
            match (file == binary, text::looks_like_it(file)) {
                (true, _) => error
                    .caused_by(format!("{message} (at offset {offset:#x})"))
                    .help(damaged),
                (false, true) => {
                    error.caused_by(text::explain(path, file, binary, message, offset))
                }
                // The offset is one of the component that was made of it.
                (false, false) => error.caused_by(message).help(damaged),
            }
        }
    })?;
    let newer = form == Form::Component && names_0_3(binary);
    Ok(EngineKey {
        concurrency: proposals.concurrency() || newer,
        interruptible: options.interruptible,
        fuel: options.fuel,
        stack: options.stack,
        proposals,
        pooled: options.pooled,
    })
}

/// Whether a component imports or exports an interface of WASI 0.3.
fn names_0_3(binary: &[u8]) -> bool {
    use wasmparser::{Parser, Payload};
    let is_0_3 = |name: &str| name.starts_with("wasi:") && name.contains("@0.3.");
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(binary) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                if section.into_iter().flatten().any(|i| is_0_3(i.name.name)) {
                    return true;
                }
            }
            Ok(Payload::ComponentExportSection(section)) if depth == 0 => {
                if section.into_iter().flatten().any(|e| is_0_3(e.name.name)) {
                    return true;
                }
            }
            Err(_) => return false,
            _ => {}
        }
    }
    false
}

fn compile(path: &Path, form: Form, engine: &Engine, binary: &[u8]) -> Result<Vec<u8>> {
    tracing::info!(file = %path.display(), bytes = binary.len(), "compiling");
    let compiled = match form {
        Form::Module => engine.precompile_module(binary),
        Form::Component => engine.precompile_component(binary),
    };
    compiled.map_err(|e| {
        Error::yours(format!("{} does not compile", path.display())).caused_by(format!("{e:#}"))
    })
}

fn map(engine: &Engine, form: Form, file: File) -> wasmtime::Result<Code> {
    // By its descriptor, so that what was checked is what is mapped.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the file was made by this user's Holm for this very engine and lies in a folder that
    // only this user can write to; its bytes were checked against their sum through this handle,
    // and such files are replaced by renaming, never written in place.
    unsafe {
        Ok(match form {
            Form::Module => Code::Module(wasmtime::Module::deserialize_file(engine, path)?),
            Form::Component => Code::Component(wasmtime::component::Component::deserialize_file(
                engine, path,
            )?),
        })
    }
}

fn from_memory(engine: &Engine, form: Form, code: &[u8]) -> wasmtime::Result<Code> {
    // SAFETY: the bytes were compiled in this process just now, or their digest is recorded as
    // written by this user's Holm, or the user vouched for them with --allow-precompiled.
    unsafe {
        Ok(match form {
            Form::Module => Code::Module(wasmtime::Module::deserialize(engine, code)?),
            Form::Component => {
                Code::Component(wasmtime::component::Component::deserialize(engine, code)?)
            }
        })
    }
}
