//! What is called: a file with the flags' grants, or a component of an app with its manifest's.

use super::Args;
use super::linked::Linked;
use crate::commands::up::load_manifest;
use crate::grants::place_here;
use crate::report;
use holm_capabilities::{Grants, Place, State};
use holm_manifest::{ByteSize, Manifest, Problem, Problems};
use holm_runtime::artifact::LoadOptions;
use holm_runtime::call::MakeState;
use holm_runtime::limits::{Allowance, Budget, STACK_BYTES};
use holm_runtime::pools::PoolSize;
use holm_runtime::values::Signatures;
use holm_runtime::{Core, Error, Prepared, Result, Watch};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime_wasi::WasiCtxBuilder;

/// A whole 32-bit memory, as for `holm run`.
const MEMORY: ByteSize = ByteSize(4 << 30);
/// As for `holm run`.
const TABLE_ELEMENTS: usize = 10_000_000;
/// Each takes a file descriptor of this process.
const SOCKETS: usize = 256;
/// The same.
const OUTBOUND: usize = 128;

/// A component ready to be called.
pub struct Target {
    /// Its file.
    pub path: PathBuf,
    /// Its functions.
    pub signatures: Signatures,
    /// Its code.
    pub prepared: Prepared<State>,
    /// Makes the state of an instance.
    pub make: MakeState<State>,
    _linked: Option<Linked>,
}

/// What the flags or a manifest say of it.
struct Chosen {
    path: PathBuf,
    name: String,
    grants: Grants,
    /// Whether it holds a grant.
    granted: Box<dyn Fn(&str) -> bool>,
    network: bool,
    allowance: Allowance,
    interruptible: bool,
    fuel: bool,
    stack: usize,
    wit: Option<PathBuf>,
    /// Where others provide what it imports: its app, and where that keeps things.
    app: Option<(Manifest, Place)>,
}

impl Target {
    /// Loads it; nothing where its grants or its manifest are wrong, which is told by then.
    pub fn of(args: &Args) -> Result<Option<Target>> {
        let chosen = match &args.app {
            Some(app) => of_app(args, app)?,
            None => of_file(args),
        };
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(problems) => {
                report::problems(&problems);
                return Ok(None);
            }
        };
        let linked = match chosen.app.map(|app| Linked::new(args, app)).transpose()? {
            Some(Ok(linked)) => Some(linked),
            Some(Err(problems)) => {
                report::problems(&problems);
                return Ok(None);
            }
            None => None,
        };
        let own;
        let runtime = match &linked {
            Some(linked) => &*linked.setting.runtime,
            None => {
                own = crate::commands::runtime(PoolSize::of_one_app());
                &own
            }
        };
        let options = LoadOptions {
            snapshot: None,
            interruptible: chosen.interruptible,
            fuel: chosen.fuel,
            stack: chosen.stack,
            pooled: false,
            allow_precompiled: args.allow_precompiled,
        };
        let artifact = runtime.loader().load(&chosen.path, options)?;
        let signatures = Signatures::of_artifact(&artifact, chosen.wit.as_deref())?;
        let prepared = match &linked {
            Some(linked) => match linked.prepare(artifact, &chosen.name, &*chosen.granted) {
                Ok(prepared) => prepared,
                Err(problems) => {
                    report::problems(&problems);
                    return Ok(None);
                }
            },
            None => runtime.prepare(artifact, &chosen.name, &*chosen.granted)?,
        };
        // With sockets a broken connection must stay an error, not end the command.
        if !chosen.network {
            crate::restore_sigpipe();
        }
        Ok(Some(Target {
            path: chosen.path,
            signatures,
            prepared,
            make: make_state(args, &chosen.name, chosen.grants, chosen.allowance),
            _linked: linked,
        }))
    }
}

fn of_file(args: &Args) -> std::result::Result<Chosen, Problems> {
    if !args.variables.variables.is_empty() {
        return Err(
            Problem::error("variables are those of an app, and this is a single file")
                .help("name the app too: --app APP")
                .alone(),
        );
    }
    let path = args.file.clone().unwrap_or_default();
    let name = path
        .file_stem()
        .map_or("guest".into(), |s| s.to_string_lossy().into_owned());
    let mut grants = args.grants.resolve(&place_here(args.state.clone()))?;
    // A blocked thread cannot be cut off: with a timeout, files and sleeps take the detour.
    grants.files.blocking = args.limits.timeout.is_none();
    let allowance = Allowance {
        memory: args.limits.memory.unwrap_or(MEMORY).0,
        cpu: args.limits.cpu.map(|t| t.0),
        timeout: args.limits.timeout.map(|t| t.0),
        table_elements: TABLE_ELEMENTS,
        sockets: SOCKETS,
        outbound: OUTBOUND,
        ..Allowance::UNLIMITED
    };
    let flags = args.grants.clone();
    Ok(Chosen {
        name,
        granted: Box::new(move |grant| flags.granted(grant)),
        network: args.grants.network(),
        interruptible: allowance.cpu.is_some() || allowance.timeout.is_some(),
        fuel: false,
        stack: STACK_BYTES,
        allowance,
        grants,
        wit: args.wit.clone(),
        path,
        app: None,
    })
}

fn of_app(args: &Args, app: &Path) -> Result<std::result::Result<Chosen, Problems>> {
    let manifest = match load_manifest(app, args.variables.given()) {
        Ok(manifest) => manifest,
        Err(problems) => return Ok(Err(problems)),
    };
    let wanted = args
        .file
        .as_deref()
        .and_then(Path::to_str)
        .unwrap_or_default();
    let Some(component) = manifest.component(wanted) else {
        let names: Vec<&str> = manifest
            .components
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        let error = Error::yours(format!(
            "app `{}` has no component `{wanted}`",
            manifest.name
        ));
        return Err(
            match holm_manifest::nearest(wanted, names.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("it has: {}", names.join(", "))),
            },
        );
    };
    let place = Place {
        base: manifest.dir.clone(),
        state: args
            .state
            .clone()
            .unwrap_or_else(|| manifest.dir.join(".holm")),
        stores: manifest.stores.clone().into(),
        shared: Arc::default(),
        brokers: manifest.brokers.clone().into(),
    };
    let grants = match Grants::resolve(&component.grants, &place) {
        Ok(grants) => grants,
        Err(list) => return Ok(Err(Problems::new(manifest.source.clone(), list))),
    };
    let wit = args.wit.clone();
    let component = component.clone();
    let names: Vec<String> = component
        .grants
        .iter()
        .map(|grant| grant.name.clone())
        .collect();
    Ok(Ok(Chosen {
        path: component.source.value.resolve(&manifest.dir),
        name: component.name.clone(),
        granted: Box::new(move |grant| names.iter().any(|name| name == grant)),
        network: component.grant("net").is_some() || component.grant("http").is_some(),
        allowance: holm_host::component::allowance(&component.limits),
        interruptible: component.limits.cpu.0.is_some(),
        fuel: component.limits.fuel.0.is_some(),
        stack: component.limits.stack.0 as usize,
        wit: wit.or_else(|| component.wit.as_ref().map(|wit| manifest.dir.join(wit))),
        grants,
        app: (!component.imports.is_empty()).then_some((manifest, place)),
    }))
}

fn make_state(
    args: &Args,
    name: &str,
    mut grants: Grants,
    allowance: Allowance,
) -> MakeState<State> {
    grants.print_to(args.stdio());
    grants.environment.arguments = vec![name.to_owned()];
    let (name, grants): (Arc<str>, _) = (name.into(), Arc::new(grants));
    Arc::new(move || {
        let core = Core::new(name.clone(), Budget::new(allowance), &Watch::default());
        State::component(&grants, core, WasiCtxBuilder::new())
    })
}
