//! A component inside of somebody else's program: loaded under grants and limits, its instances
//! kept in a pool, its functions called by signature. Python stands on this, and whatever embeds
//! Holm next.

mod app;
mod drive;
mod instance;
mod pool;

pub use app::{AppOptions, Embedding};
pub use drive::{Outside, Reply, Stopped, asked, drive};
pub use instance::{Instance, Refused};
pub use pool::{Pool, Taken};

use crate::component::allowance;
use holm_capabilities::stdio::Stdio;
use holm_capabilities::{Grants, Place, State};
use holm_manifest::{Component, Parser, Problem, Problems, Source, Value};
use holm_runtime::artifact::{Artifact, Form, LoadOptions};
use holm_runtime::bridge::Link;
use holm_runtime::call::MakeState;
use holm_runtime::limits::Budget;
use holm_runtime::link::Providers;
use holm_runtime::provide::Imports;
use holm_runtime::values::Signatures;
use holm_runtime::{Core, Error, Runtime, Watch};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use wasmtime_wasi::WasiCtxBuilder;

/// What a component is to be loaded with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// Its name in errors.
    pub name: String,
    /// Its grants, as under `[component.NAME.grants]`; a table.
    pub grants: Value,
    /// Its limits, as under `[component.NAME.limits]`; a table.
    pub limits: Value,
    /// Where relative paths of grants begin.
    pub base: PathBuf,
    /// Where key-value stores lie; `.holm` in `base` where it is not said.
    pub state: Option<PathBuf>,
    /// A folder or file with its WIT, for docs that the file does not have.
    pub wit: Option<PathBuf>,
    /// Calls that an instance of the pool serves; without an end where it is not said.
    pub reuse: Option<u32>,
}

/// A component that is loaded and not linked yet: what it takes and gives is known.
pub struct Library {
    name: Arc<str>,
    runtime: Arc<Runtime<State>>,
    artifact: Artifact,
    signatures: Arc<Signatures>,
    component: Component,
    grants: Arc<Grants>,
    /// Who provides what it imports of other components.
    links: Vec<Link<State>>,
    reuse: Option<u32>,
}

/// What is known of a component before its file is looked at.
struct Known {
    path: PathBuf,
    name: Arc<str>,
    component: Component,
    wit: Option<PathBuf>,
    links: Vec<Link<State>>,
    reuse: Option<u32>,
}

/// Why a component does not load.
pub enum NotLoaded {
    /// Its grants or limits are wrong.
    Problems(Problems),
    /// The file is.
    Error(Box<Error>),
}

impl From<Error> for NotLoaded {
    fn from(error: Error) -> Self {
        NotLoaded::Error(Box::new(error))
    }
}

impl Library {
    /// Loads a component: from the cache, or compiled.
    pub fn load(runtime: Arc<Runtime<State>>, options: Options) -> Result<Library, NotLoaded> {
        let component = checked(&options).map_err(NotLoaded::Problems)?;
        let place = Place {
            state: options.state.unwrap_or_else(|| options.base.join(".holm")),
            base: options.base,
            stores: Arc::from(Vec::new()),
            shared: Arc::default(),
            brokers: Arc::from(Vec::new()),
        };
        let nowhere = |list| NotLoaded::Problems(Problems::new(Source::new("", ""), list));
        let known = Known {
            path: options.path,
            name: options.name.into(),
            component,
            wit: options.wit,
            links: Vec::new(),
            reuse: options.reuse,
        };
        Library::of(runtime, known, &place, nowhere)
    }

    /// Loads what is known.
    fn of(
        runtime: Arc<Runtime<State>>,
        known: Known,
        place: &Place,
        wrong: impl FnOnce(Vec<Problem>) -> NotLoaded,
    ) -> Result<Library, NotLoaded> {
        let Known {
            path,
            name,
            component,
            wit,
            links,
            reuse,
        } = known;
        let mut grants = Grants::resolve(&component.grants, place).map_err(wrong)?;
        grants.print_to(Stdio::Inherit);
        let artifact = runtime.loader().load(
            &path,
            LoadOptions {
                interruptible: true,
                fuel: component.limits.fuel.0.is_some(),
                stack: component.limits.stack.0 as usize,
                // Somebody else's process: its address space is not taken beforehand.
                pooled: false,
                allow_precompiled: false,
                snapshot: component.snapshot.then_some(component.limits.memory.0),
            },
        )?;
        if artifact.form() == Form::Module {
            let shown = path.display();
            return Err(
                Error::yours(format!("{shown} is a core module, not a component"))
                    .help("its functions take and give numbers alone; build it for wasm32-wasip2")
                    .into(),
            );
        }
        let signatures = Signatures::of_artifact(&artifact, wit.as_deref())?;
        Ok(Library {
            name,
            runtime,
            artifact,
            signatures: Arc::new(signatures),
            component,
            grants: Arc::new(grants),
            links,
            reuse,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it exports and imports.
    pub fn signatures(&self) -> &Arc<Signatures> {
        &self.signatures
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.artifact.path
    }

    /// Matches its imports with the capabilities and with what the embedder provides.
    ///
    /// # Errors
    /// It imports what nobody provides, or what it was not granted.
    pub fn link(&self, embedder: Imports<'_>) -> Result<Pool, Error> {
        let granted = |grant: &str| self.component.grant(grant).is_some();
        let providers = Providers {
            links: &self.links,
            embedder,
        };
        let prepared =
            self.runtime
                .prepare_with(self.artifact.clone(), &self.name, &granted, providers)?;
        let allowed = allowance(&self.component.limits);
        let (name, grants) = (self.name.clone(), self.grants.clone());
        let make: MakeState<State> = Arc::new(move || {
            let core = Core::new(
                name.clone(),
                Budget::new(allowed.clone()),
                &Watch::default(),
            );
            State::component(&grants, core, WasiCtxBuilder::new())
        });
        Ok(Pool::new(prepared, make, self.reuse))
    }
}

/// The grants and limits, checked as those of a manifest are.
fn checked(options: &Options) -> Result<Component, Problems> {
    static PARSER: OnceLock<Parser> = OnceLock::new();
    const NAME: &str = "library";
    let component = Value::table(vec![
        ("source", Value::string("library.wasm")),
        ("grants", options.grants.clone()),
        ("limits", options.limits.clone()),
    ]);
    let manifest = Value::table(vec![
        ("name", Value::string(NAME)),
        ("component", Value::table(vec![(NAME, component)])),
    ]);
    let parser = PARSER.get_or_init(|| Parser::new(crate::vocabulary()));
    let mut manifest = parser.parse_value(&manifest)?;
    // It is the one that was just written.
    Ok(manifest.components.remove(0))
}
