//! A component's code, grants and instances.

use crate::app::problem;
use crate::component::Component;
use crate::fetching;
use crate::linked::place_of;
use crate::workers;
use holm_capabilities::stdio::{Lines, Stdio};
use holm_capabilities::{Grants, State};
use holm_manifest::{Limits, Problem};
use holm_runtime::artifact::{Generation, LoadOptions};
use holm_runtime::link::Providers;
use holm_runtime::values::{Session, Signatures};
use holm_runtime::{Error, PoolPermit, Prepared};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wasmtime::Store;
use wasmtime_wasi_http::{p2, p3};

/// A component's code, grants and instances: what is let go when nobody calls it.
pub struct Loaded {
    pub(crate) grants: Grants,
    pub(crate) prepared: Prepared<State>,
    service: Option<Service>,
    pub(crate) idle: Mutex<Vec<Instance>>,
    /// WIT beside it, which has the docs that its binary may lack.
    wit: Option<PathBuf>,
    /// What its functions take and give; reflected when somebody asks.
    signatures: OnceLock<Result<Arc<Signatures>, Box<Error>>>,
}

/// The typed handler of a component that serves HTTP.
enum Service {
    /// `wasi:http/incoming-handler`, 0.2.
    P2(p2::bindings::ProxyPre<State>),
    /// `wasi:http/handler`, 0.3.
    P3(p3::bindings::ServicePre<State>),
}

/// A live instance between or during requests.
pub struct Instance {
    /// Its store.
    pub store: Store<State>,
    /// Its handler; none before it was instantiated.
    pub proxy: Option<Proxy>,
    /// Requests it has served.
    pub served: u32,
    /// Its place in the pool, to be held for as long as the store lives.
    pub place: PoolPermit,
}

impl Instance {
    /// One that has served nobody yet.
    pub(crate) fn of(loaded: &Loaded, state: State, place: PoolPermit) -> wasmtime::Result<Self> {
        Ok(Instance {
            store: loaded.prepared.store(state)?,
            proxy: None,
            served: 0,
            place,
        })
    }
}

/// A live instance's typed handler.
pub enum Proxy {
    /// 0.2
    P2(p2::bindings::Proxy),
    /// 0.3
    P3(p3::bindings::Service),
}

/// What limits mean for machine code, of a component that may have callers whose limits bound it too.
fn options(limits: &Limits, has_callers: bool) -> LoadOptions {
    LoadOptions {
        // Code whose CPU time nobody bounds is not asked at each tick either.
        interruptible: limits.cpu.0.is_some() || has_callers,
        fuel: limits.fuel.0.is_some(),
        stack: limits.stack.0 as usize,
        pooled: true,
        allow_precompiled: false,
        snapshot: None,
    }
}

impl Loaded {
    /// Loads a component, or says all that is wrong with it.
    pub(crate) fn new(of: &Arc<Component>) -> Result<Self, Vec<Problem>> {
        let component = of.written();
        let runtime = &of.setting.runtime;
        let path = component.source.value.resolve(&of.manifest.dir);
        let mut problems = Vec::new();
        let grants = Grants::resolve(&component.grants, &of.place)
            .map_err(|p| problems.extend(p))
            .ok();
        let options = LoadOptions {
            allow_precompiled: of.setting.allow_precompiled,
            snapshot: component.snapshot.then_some(component.limits.memory.0),
            ..options(&component.limits, of.provides())
        };
        let at_source = |error: &Error| {
            let mut problem = problem(error, component.source.span);
            if let Some(build) = component.build.as_ref().filter(|_| !path.exists()) {
                problem = problem.help(format!(
                    "build it: holm up --build (runs `{}`)",
                    build.command.value
                ));
            } else if workers::script(component).is_some_and(|_| !path.exists()) {
                problem = problem.help("build it: holm build");
            } else if fetching::source(component).is_some_and(|_| !path.exists()) {
                problem = problem.help("fetch it: holm build");
            }
            problem
        };
        let granted = |name: &str| component.grant(name).is_some();
        let links = of.links().map_err(|p| problems.extend(p)).ok();
        let prepared = runtime
            .loader()
            .load(&path, options)
            .map_err(|error| problems.push(at_source(&error)))
            .ok()
            .filter(|artifact| match fetching::source(component) {
                Some(file) if artifact.digest.hex() != file.sha256 => {
                    let what = format!("{} is not the file that was fetched", path.display());
                    let problem = Problem::error(what).at(component.source.span);
                    let help = "its digest is another; remove it, and fetch it again: holm build";
                    problems.push(problem.help(help));
                    false
                }
                _ => true,
            })
            .zip(links)
            .and_then(|(artifact, links)| {
                let name = &component.name;
                let providers = Providers {
                    links: &links,
                    ..Providers::default()
                };
                let prepared = runtime.prepare_with(artifact, name, &granted, providers);
                prepared
                    .map_err(|error| problems.push(problem(&error, place_of(&error, component))))
                    .ok()
            });
        let service = prepared.as_ref().and_then(|prepared| {
            Service::of(prepared)
                .map_err(|error| {
                    let what = format!(
                        "component `{}` does not fit wasi:http: {error:#}",
                        component.name
                    );
                    problems.push(Problem::error(what).at(component.source.span));
                })
                .ok()
        });
        let (Some(mut grants), Some(prepared), Some(service)) = (grants, prepared, service) else {
            return Err(problems);
        };
        let rate = component.limits.log_rate.0;
        let counted = Arc::downgrade(of);
        let sink = of.setting.log.sink(of.label.clone(), move |limit| {
            if let Some(component) = counted.upgrade() {
                component.usage().limit(limit);
            }
        });
        grants.otel.collector = of.setting.log.collector();
        grants.print_to(Stdio::Lines(Lines::new(
            sink,
            rate,
            Some(of.share.log.clone()),
        )));
        Ok(Loaded {
            grants,
            prepared,
            service,
            idle: Mutex::default(),
            wit: component.wit.as_ref().map(|wit| of.manifest.dir.join(wit)),
            signatures: OnceLock::new(),
        })
    }

    /// What its functions take and give.
    pub fn signatures(&self) -> Result<Arc<Signatures>, Box<Error>> {
        let reflect = || {
            let signatures = Signatures::of_artifact(&self.prepared.artifact, self.wit.as_deref());
            signatures.map(Arc::new).map_err(Box::new)
        };
        self.signatures.get_or_init(reflect).clone()
    }

    /// An instance's store as one that functions are called in.
    pub fn session(&self, store: Store<State>) -> Result<Session<State>, Error> {
        self.prepared.session_in(store)
    }

    /// Its code, its imports resolved.
    pub(crate) fn prepared(&self) -> &Prepared<State> {
        &self.prepared
    }

    /// Whether it handles HTTP.
    pub fn serves_http(&self) -> bool {
        self.service.is_some()
    }

    /// Whether it is a program.
    pub fn is_program(&self) -> bool {
        self.prepared.artifact.command().is_some()
    }

    /// Instantiates the handler in a fresh store.
    pub async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Proxy> {
        Ok(match &self.service {
            Some(Service::P2(pre)) => Proxy::P2(pre.instantiate_async(store).await?),
            Some(Service::P3(pre)) => Proxy::P3(pre.instantiate_async(store).await?),
            None => wasmtime::bail!("the component does not handle HTTP"),
        })
    }

    pub(crate) fn take_idle(&self, reuse: u32) -> Option<Instance> {
        if reuse <= 1 {
            return None;
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    /// Lets go of the instances that wait to be reused.
    pub(crate) fn drop_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }
}

impl Service {
    fn of(prepared: &Prepared<State>) -> wasmtime::Result<Option<Self>> {
        let Some(pre) = prepared.component() else {
            return Ok(None);
        };
        Ok(match prepared.artifact.http() {
            Some(Generation::P2) => Some(Service::P2(p2::bindings::ProxyPre::new(pre.clone())?)),
            Some(Generation::P3) => Some(Service::P3(p3::bindings::ServicePre::new(pre.clone())?)),
            None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::allowance;
    use std::time::Duration;

    #[test]
    fn code_without_a_deadline_is_not_asked_for_one() {
        let limits = |written: &str| serde_json::from_str::<Limits>(written).unwrap();
        let (trusted, others) = (limits(r#"{ "cpu": "none" }"#), limits("{}"));
        assert_eq!(allowance(&trusted).cpu, None);
        assert!(!options(&trusted, false).interruptible);
        // Somebody else's limit holds for it, too.
        assert!(options(&trusted, true).interruptible);
        assert_eq!(allowance(&others).cpu, Some(Duration::from_secs(10)));
        assert!(options(&others, false).interruptible);
    }
}
