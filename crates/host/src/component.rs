//! A component made ready to be called: code, grants and limits in one place.

use crate::app::problem;
use crate::logs::GuestLog;
use holm_capabilities::stdio::{Lines, Stdio};
use holm_capabilities::{Grants, Place, State};
use holm_manifest::{Component, Limits, Problem};
use holm_runtime::artifact::{Generation, LoadOptions};
use holm_runtime::limits::{Allowance, Budget};
use holm_runtime::{Core, InstanceState as _, Prepared, Runtime, Watch};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_http::{p2, p3};

/// What holds for all components of a host.
pub struct Setting {
    /// Where guests' lines go.
    pub log: GuestLog,
    /// Map precompiled files that this user's cache does not vouch for.
    pub allow_precompiled: bool,
    /// What is recorded of each event beyond the counts.
    pub watch: Watch,
}

/// A component of an app.
pub struct Loaded {
    /// Its name.
    pub name: Arc<str>,
    /// Its limits.
    pub limits: Limits,
    grants: Grants,
    prepared: Prepared<State>,
    service: Option<Service>,
    watch: Watch,
    reuse: u32,
    /// How many of its instances may be alive.
    pub permits: Arc<Semaphore>,
    idle: Mutex<Vec<Instance>>,
}

/// The typed handler of a component that serves HTTP.
pub enum Service {
    /// `wasi:http/incoming-handler`, 0.2.
    P2(p2::bindings::ProxyPre<State>),
    /// `wasi:http/handler`, 0.3.
    P3(p3::bindings::ServicePre<State>),
}

/// A live instance between or during requests.
pub struct Instance {
    /// Its store.
    pub store: Store<State>,
    /// Its handler.
    pub proxy: Proxy,
    /// Requests it has served.
    pub served: u32,
}

/// A live instance's typed handler.
pub enum Proxy {
    /// 0.2
    P2(p2::bindings::Proxy),
    /// 0.3
    P3(p3::bindings::Service),
}

impl Loaded {
    /// Loads a component, or says all that is wrong with it.
    pub fn new(
        component: &Component,
        dir: &Path,
        runtime: &Runtime<State>,
        setting: &Setting,
        place: &Place,
    ) -> Result<Self, Vec<Problem>> {
        let path = component.source.value.resolve(dir);
        let mut problems = Vec::new();
        let grants = Grants::resolve(&component.grants, place)
            .map_err(|p| problems.extend(p))
            .ok();
        let options = LoadOptions {
            interruptible: true,
            pooled: true,
            allow_precompiled: setting.allow_precompiled,
            snapshot: component.snapshot.then_some(component.limits.memory.0),
        };
        let at_source = |error: &holm_runtime::Error| {
            let mut problem = problem(error, component.source.span);
            if let Some(build) = component.build.as_ref().filter(|_| !path.exists()) {
                problem = problem.help(format!(
                    "build it: holm up --build (runs `{}`)",
                    build.command.value
                ));
            }
            problem
        };
        let granted = |name: &str| component.grant(name).is_some();
        let prepared = runtime
            .loader()
            .load(&path, options)
            .map_err(|error| problems.push(at_source(&error)))
            .ok()
            .and_then(|artifact| {
                let at = component.grants_span.unwrap_or(component.name_span);
                let prepared = runtime.prepare(artifact, &component.name, &granted);
                prepared
                    .map_err(|error| problems.push(problem(&error, at)))
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
        let name: Arc<str> = component.name.as_str().into();
        let rate = component.limits.log_rate.0;
        grants.stdio = Stdio::Lines(Lines::new(setting.log.sink(name.clone()), rate));
        Ok(Loaded {
            permits: Arc::new(Semaphore::new(component.limits.concurrency as usize)),
            name,
            limits: component.limits.clone(),
            grants,
            prepared,
            service,
            watch: setting.watch.clone(),
            reuse: component.reuse,
            idle: Mutex::default(),
        })
    }

    /// Whether it handles HTTP.
    pub fn serves_http(&self) -> bool {
        self.service.is_some()
    }

    /// The wall time that an event may take without a byte moving.
    pub fn timeout(&self) -> std::time::Duration {
        self.limits.timeout.0
    }

    /// Takes an instance: one that waits to be reused, or a fresh one. Instantiation runs guest
    /// code, so the caller drives this on the event's clocks; the store comes first.
    pub fn store(&self) -> wasmtime::Result<Store<State>> {
        let core = Core::new(
            self.name.clone(),
            Budget::new(allowance(&self.limits)),
            &self.watch,
        );
        self.prepared
            .store(State::component(&self.grants, core, WasiCtxBuilder::new())?)
    }

    /// An instance that waits to be reused.
    pub fn idle(&self) -> Option<Instance> {
        if self.reuse <= 1 {
            return None;
        }
        self.idle.lock().unwrap_or_else(|e| e.into_inner()).pop()
    }

    /// Instantiates the handler in a fresh store.
    pub async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Proxy> {
        Ok(match &self.service {
            Some(Service::P2(pre)) => Proxy::P2(pre.instantiate_async(store).await?),
            Some(Service::P3(pre)) => Proxy::P3(pre.instantiate_async(store).await?),
            None => wasmtime::bail!("the component does not handle HTTP"),
        })
    }

    /// Gives an instance back after an event that ended well; `served` is without this one.
    pub fn give_back(&self, mut store: Store<State>, proxy: Proxy, served: u32) {
        let served = served + 1;
        if served < self.reuse {
            store.data_mut().core().renew();
            let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
            idle.push(Instance {
                store,
                proxy,
                served,
            });
        }
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

/// A component's limits as the runtime enforces them.
pub fn allowance(limits: &Limits) -> Allowance {
    Allowance {
        memory: limits.memory.0,
        cpu: Some(limits.cpu.0),
        timeout: Some(limits.timeout.0),
        table_elements: limits.table_elements as usize,
    }
}
