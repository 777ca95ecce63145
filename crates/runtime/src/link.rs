//! From an artifact to something that can be instantiated: its imports matched with what is offered.

use crate::artifact::{Artifact, Code, Loader};
use crate::bridge::{self, Link};
use crate::core::{Denial, InstanceState};
use crate::engines::EngineKey;
use crate::error::{Error, Result};
use crate::provide::{Imports, Linked};
use crate::stub::stub;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Linker, component};

/// A WIT interface that the host provides.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// `wasi:keyvalue/store`.
    pub interface: &'static str,
    /// The versions provided.
    pub versions: &'static [&'static str],
    /// The grant that governs it, with a line that would grant it.
    pub grant: Option<(&'static str, &'static str)>,
    /// Importing it without the grant is refused when the component is loaded.
    pub refuse_ungranted: bool,
    /// It comes from an SDK that makes guests import all that it knows, so that no import of such a
    /// guest tells what it does: none is refused, and calls are.
    pub of_sdk: bool,
}

impl Offer {
    /// Whether one of the versions provided serves the wanted one.
    pub(crate) fn serves(&self, wanted: &str) -> bool {
        self.versions.iter().any(|v| compatible(v, wanted))
    }
}

/// The state of an instance, and the host functions that work on it.
pub trait Host: InstanceState + Sized {
    /// Links all WIT interfaces; those of 0.3 only where the engine has concurrency.
    fn link_component(
        linker: &mut component::Linker<Self>,
        concurrency: bool,
    ) -> wasmtime::Result<()>;
    /// Links all 0.1 functions.
    fn link_module(linker: &mut Linker<Self>) -> wasmtime::Result<()>;
    /// What is linked, for errors.
    fn offers() -> Vec<Offer>;
}

/// Engines, cache and linkers: what every event starts from.
pub struct Runtime<S: 'static> {
    loader: Loader,
    linkers: Mutex<HashMap<EngineKey, Linkers<S>>>,
}

/// The linkers of one engine, each made when it is first needed: linking is a good part of what a
/// short program costs.
struct Linkers<S: 'static> {
    module: Option<Arc<Linker<S>>>,
    component: Option<Arc<component::Linker<S>>>,
}

/// An artifact whose imports are resolved; instances come out of it in microseconds.
pub struct Prepared<S: 'static> {
    /// What it is.
    pub artifact: Artifact,
    pub(crate) pre: Pre<S>,
    pub(crate) provided: Linked,
    places: Option<Arc<Semaphore>>,
    pool: u32,
}

/// A place in the pool that an instance comes from; to be held for as long as the instance lives.
#[derive(Debug)]
pub struct PoolPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

/// All instances that the pool has room for are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFull {
    /// How many that is.
    pub instances: u32,
}

/// What the engine keeps in memory of a loaded component beside its code: types, symbols, relocated
/// pages. 86 kB were measured for a component of 79 kB.
const KEPT_BESIDE_CODE: u64 = 96 << 10;

/// Who provides imports beside the host: nobody, mostly.
pub struct Providers<'a, S: 'static> {
    /// Other components.
    pub links: &'a [Link<S>],
    /// Who embeds Holm.
    pub embedder: Imports<'a>,
}

impl<S> Default for Providers<'_, S> {
    fn default() -> Self {
        Providers {
            links: &[],
            embedder: Imports::default(),
        }
    }
}

/// A pre-instance of either form.
pub(crate) enum Pre<S: 'static> {
    Module(wasmtime::InstancePre<S>),
    Component(component::InstancePre<S>),
    /// A module whose memory is shared between threads: each run links anew, with its own memory.
    Threads(wasmtime::Module, Arc<Linker<S>>),
}

impl<S: Host> Runtime<S> {
    /// A runtime over a loader.
    pub fn new(loader: Loader) -> Self {
        Runtime {
            loader,
            linkers: Mutex::default(),
        }
    }

    /// The loader.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Matches an artifact's imports with what the host offers. `granted` tells whether the component
    /// `name` holds a grant.
    pub fn prepare(
        &self,
        artifact: Artifact,
        name: &str,
        granted: &dyn Fn(&str) -> bool,
    ) -> Result<Prepared<S>> {
        self.prepare_with(artifact, name, granted, Providers::default())
    }

    /// The same, where others provide some of the imports, in place of the host where both have one.
    pub fn prepare_with(
        &self,
        artifact: Artifact,
        name: &str,
        granted: &dyn Fn(&str) -> bool,
        others: Providers<'_, S>,
    ) -> Result<Prepared<S>> {
        let bridges = match others.links.is_empty() {
            true => Vec::new(),
            false => bridge::bridges(&artifact, name, others.links)?,
        };
        let provided = others.embedder.linked()?;
        let linked = |import: &str| {
            let bridged = bridges.iter().any(|bridge| bridge.import == import);
            bridged || others.embedder.has(import)
        };
        let denials = ungranted::<S>(&artifact, granted, &linked);
        let pre = match &artifact.code {
            Code::Component(code) => {
                let mut linker = self.component_linker(&artifact)?;
                if !bridges.is_empty() || !others.embedder.is_empty() {
                    // A linker of its own: all others keep the one that they share.
                    let own = Arc::make_mut(&mut linker);
                    own.allow_shadowing(true);
                    let bridged = bridges.iter().try_for_each(|one| bridge::define(own, one));
                    bridged
                        .and_then(|()| others.embedder.link(own, &artifact.code, &provided.kinds))
                        .map_err(does_not_link)?;
                }
                stub(&artifact, &mut linker, &linked).map_err(does_not_link)?;
                let pre = linker.instantiate_pre(code);
                let pre = pre.map_err(|e| {
                    unmatched::<S>(&artifact, &e, &linked).with_denials(denials.clone())
                });
                Pre::Component(pre?)
            }
            Code::Module(code) => {
                let linker = self.module_linker(&artifact)?;
                if crate::threads::shares_memory(code) {
                    Pre::Threads(code.clone(), linker)
                } else {
                    let pre = linker.instantiate_pre(code);
                    Pre::Module(pre.map_err(|e| unmatched::<S>(&artifact, &e, &|_| false))?)
                }
            }
        };
        if !denials.is_empty() {
            return Err(refused(name, denials));
        }
        let pooled = self.loader.engines().pooled(artifact.key)?;
        Ok(Prepared {
            artifact,
            pre,
            provided,
            places: pooled.places,
            pool: pooled.size,
        })
    }

    fn component_linker(&self, artifact: &Artifact) -> Result<Arc<component::Linker<S>>> {
        let mut all = self.linkers.lock().unwrap_or_else(|e| e.into_inner());
        let linkers = all.entry(artifact.key).or_insert_with(Linkers::none);
        if let Some(linker) = &linkers.component {
            return Ok(linker.clone());
        }
        let mut linker = component::Linker::new(&self.loader.engines().get(artifact.key)?);
        S::link_component(&mut linker, artifact.key.concurrency).map_err(does_not_link)?;
        Ok(linkers.component.insert(Arc::new(linker)).clone())
    }

    fn module_linker(&self, artifact: &Artifact) -> Result<Arc<Linker<S>>> {
        let mut all = self.linkers.lock().unwrap_or_else(|e| e.into_inner());
        let linkers = all.entry(artifact.key).or_insert_with(Linkers::none);
        if let Some(linker) = &linkers.module {
            return Ok(linker.clone());
        }
        let mut linker = Linker::new(&self.loader.engines().get(artifact.key)?);
        S::link_module(&mut linker).map_err(does_not_link)?;
        Ok(linkers.module.insert(Arc::new(linker)).clone())
    }
}

fn does_not_link(error: wasmtime::Error) -> Error {
    Error::ours("the host functions do not link").caused_by(format!("{error:#}"))
}

impl<S> Linkers<S> {
    fn none() -> Self {
        Linkers {
            module: None,
            component: None,
        }
    }
}

impl<S: 'static> Prepared<S> {
    /// Takes a place in the pool. An instance without one could meet a full pool half way, or bring
    /// the process past what the machine lets it map.
    pub fn place(&self) -> std::result::Result<PoolPermit, PoolFull> {
        let permit = self.places.clone().map(Semaphore::try_acquire_owned);
        let full = PoolFull {
            instances: self.pool,
        };
        Ok(PoolPermit {
            _permit: permit.transpose().map_err(|_| full)?,
        })
    }

    /// Waits for a place in the pool, behind those who wait already.
    pub async fn place_in_turn(&self) -> PoolPermit {
        let permit = match self.places.clone() {
            // It is never closed.
            Some(places) => places.acquire_owned().await.ok(),
            None => None,
        };
        PoolPermit { _permit: permit }
    }

    /// Memory that its code takes while it is loaded, in bytes: what is mapped, and about what the
    /// engine keeps of it beside.
    pub fn code_bytes(&self) -> u64 {
        let range = match &self.pre {
            Pre::Module(pre) => pre.module().image_range(),
            Pre::Component(pre) => pre.component().image_range(),
            Pre::Threads(module, _) => module.image_range(),
        };
        (range.end as u64).saturating_sub(range.start as u64) + KEPT_BESIDE_CODE
    }

    /// Whether it is a module whose memory its threads share: only [`Prepared::run`] starts those.
    pub fn has_threads(&self) -> bool {
        matches!(self.pre, Pre::Threads(..))
    }

    /// The pre-instance of a component, for typed bindings.
    pub fn component(&self) -> Option<&component::InstancePre<S>> {
        match &self.pre {
            Pre::Component(pre) => Some(pre),
            _ => None,
        }
    }
}

/// Imports whose grant the component does not hold are found here, before anything runs. One that
/// nobody provides is not among them: no grant would help; nor is one that is linked to somebody else.
fn ungranted<S: Host>(
    artifact: &Artifact,
    granted: &dyn Fn(&str) -> bool,
    linked: &dyn Fn(&str) -> bool,
) -> Vec<Denial> {
    if !matches!(artifact.code, Code::Component(_)) {
        return Vec::new();
    }
    let offers = S::offers();
    let of_sdk = |import: String| {
        let interface = import.split('@').next();
        let same = |offer: &&Offer| Some(offer.interface) == interface;
        offers.iter().find(same).is_some_and(|offer| offer.of_sdk)
    };
    if artifact.imports().into_iter().any(of_sdk) {
        return Vec::new();
    }
    let mut denials: Vec<Denial> = Vec::new();
    for import in artifact.imports().into_iter().filter(|i| !linked(i)) {
        let (interface, version) = import.split_once('@').unwrap_or((&import, ""));
        let offer = offers
            .iter()
            .find(|o| o.interface == interface && o.refuse_ungranted && o.serves(version));
        let Some(Offer {
            grant: Some((grant, line)),
            ..
        }) = offer
        else {
            continue;
        };
        if !granted(grant) && !denials.iter().any(|d| d.grant == *grant) {
            denials.push(Denial {
                asked: format!("import {import}"),
                grant,
                line: (*line).to_owned(),
                flag: format!("--{grant} {}", scope(line)),
            });
        }
    }
    denials
}

fn refused(name: &str, denials: Vec<Denial>) -> Error {
    let asked: Vec<&str> = denials
        .iter()
        .map(|d| d.asked.trim_start_matches("import "))
        .collect();
    Error::denied(format!(
        "component `{name}` imports {} and was not granted it",
        asked.join(", ")
    ))
    .with_denials(denials)
}

/// The first scope of an example line: `default` of `keyvalue = ["default"]`.
fn scope(line: &str) -> &str {
    line.split('"').nth(1).unwrap_or("SCOPE")
}

/// Says which imports nobody provides, and which versions are provided.
fn unmatched<S: Host>(
    artifact: &Artifact,
    error: &wasmtime::Error,
    linked: &dyn Fn(&str) -> bool,
) -> Error {
    let offers = S::offers();
    let shown = artifact.path.display();
    let mut help = Vec::new();
    let mut missing = Vec::new();
    for import in artifact.imports().into_iter().filter(|i| !linked(i)) {
        let (interface, version) = import.split_once('@').unwrap_or((&import, ""));
        let module_offer = matches!(artifact.code, Code::Module(_))
            && ["wasi_snapshot_preview1.", "wasi_unstable."]
                .iter()
                .any(|m| import.starts_with(m));
        match offers.iter().find(|o| o.interface == interface) {
            Some(offer) if offer.serves(version) => {}
            Some(offer) => {
                let at = |version: &&str| match *version {
                    "" => String::new(),
                    version => format!("@{version}"),
                };
                let versions: Vec<String> = offer.versions.iter().map(at).collect();
                help.push(format!("provided: {interface}{}", versions.join(", ")));
                missing.push(import);
            }
            None if module_offer => {}
            None => {
                let package = interface.split('/').next().unwrap_or(interface);
                let mut near: Vec<&str> = offers
                    .iter()
                    .map(|o| o.interface)
                    .filter(|i| i.split('/').next() == Some(package))
                    .collect();
                near.dedup();
                if !near.is_empty() {
                    help.push(format!(
                        "of {package} these are provided: {}",
                        near.join(", ")
                    ));
                }
                missing.push(import);
            }
        }
    }
    let mut result = match missing.as_slice() {
        [] => Error::yours(format!("{shown} does not fit what this Holm provides"))
            .caused_by(format!("{error:#}")),
        [one] => Error::yours(format!(
            "{shown} imports `{one}`, which this Holm does not provide"
        )),
        more => Error::yours(format!(
            "{shown} imports `{}`, which this Holm does not provide",
            more.join("`, `")
        )),
    };
    result.help = help;
    if missing
        .iter()
        .any(|import| import.contains("@0.2.0-rc-2023-"))
    {
        result.help.push(
            "candidates of 2023, as Spin's SDK 2 for Rust has them, are not provided: build it with SDK 3 or newer"
                .into(),
        );
    }
    let own = missing
        .iter()
        .find(|name| !name.starts_with("wasi:") && name.contains('/'));
    if let (Some(import), Code::Component(_)) = (own, &artifact.code) {
        let interface = import.split('@').next().unwrap_or(import);
        result.help.push(format!(
            "where another component of the app exports it: [component.NAME.imports] \"{interface}\" = \"OTHER\""
        ));
        result.help.push(format!(
            "or make one file of the two: holm compose {shown} --plug OTHER.wasm -o OUT.wasm"
        ));
    }
    if !missing.is_empty() {
        result
            .help
            .push("`holm inspect FILE` lists all that it imports".into());
    }
    result
}

/// Whether a provided version serves a wanted one: the same minor of the same 0.x, from 1.0 on the same
/// major with at least its minor, or exactly equal for drafts. The linker looks them up by the same rule.
fn compatible(provided: &str, wanted: &str) -> bool {
    if provided == wanted {
        return true;
    }
    if provided.contains('-') || wanted.contains('-') {
        return false;
    }
    let parts = |version: &str| {
        let mut parts = version.split('.').map(str::parse::<u64>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    match (parts(provided), parts(wanted)) {
        (Some((0, provided)), Some((0, wanted))) => provided == wanted,
        (Some((major, minor)), Some((wanted, least))) => major == wanted && minor >= least,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::compatible;

    #[test]
    fn released_versions_are_compatible_within_a_minor_and_drafts_only_with_themselves() {
        assert!(compatible("0.2.12", "0.2.0"));
        assert!(!compatible("0.2.12", "0.3.0"));
        assert!(!compatible("0.2.12", "1.2.0"));
        assert!(compatible("4.2.0", "4.1.0"));
        assert!(!compatible("4.0.0", "4.1.0"));
        assert!(!compatible("4.2.0", "3.0.0"));
        assert!(!compatible("", "2.0.0"));
        assert!(!compatible("0.2.0-draft", "0.2.0-draft2"));
        assert!(compatible("0.2.0-draft2", "0.2.0-draft2"));
        assert!(!compatible("0.3.2", "0.3.0-rc-2026-01-06"));
    }
}
