//! A component of an app: known by its name and limits, loaded when it is first called, let go when
//! it has not been called for long.

use crate::app::problem;
use crate::linked::place_of;
use crate::queue::{Queue, Turn};
use crate::setting::Setting;
use crate::usage::Usage;
use holm_capabilities::stdio::{Lines, Stdio};
use holm_capabilities::{Grants, Place, State};
use holm_manifest::{ByteSize, Limits, Manifest, OrNone, Problem, Time};
use holm_runtime::artifact::{Generation, LoadOptions};
use holm_runtime::call::renew;
use holm_runtime::lanes::Tenant;
use holm_runtime::limits::{Allowance, Amount, Budget, HeldMemory, Limit, Meter, TenantMemory};
use holm_runtime::link::Providers;
use holm_runtime::values::{Session, Signatures};
use holm_runtime::{Core, Error, PoolFull, PoolPermit, Prepared};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use wasmtime::Store;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_http::{p2, p3};

/// A component that did not load is not tried again for so long: each try may compile.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A component of an app, loaded or not.
pub struct Component {
    /// Its name.
    pub name: Arc<str>,
    /// Its name in logs: with the app's where there are many.
    pub label: Arc<str>,
    /// Its limits.
    pub limits: Limits,
    /// Where calls wait for their turn.
    pub queue: Queue,
    /// The app, which its events' time is charged to.
    pub tenant: Arc<Tenant>,
    /// The same of memory.
    memory: Arc<TenantMemory>,
    pub(crate) manifest: Arc<Manifest>,
    /// Which of the manifest's.
    index: usize,
    place: Place,
    setting: Arc<Setting>,
    /// Those that provide what it imports, in the order of its links.
    pub(crate) providers: OnceLock<Vec<Arc<Component>>>,
    ready: RwLock<Option<Arc<Loaded>>>,
    /// Held while it is being loaded, so that a hundred callers load it once.
    loading: tokio::sync::Mutex<Option<Failed>>,
    /// When it was last called, in milliseconds since [`began`].
    used: AtomicU64,
    /// What its events used; made with the first of them.
    usage: OnceLock<Arc<Usage>>,
}

/// Why it did not load, and when that was.
struct Failed {
    at: Instant,
    error: Box<Error>,
}

/// A component's code, grants and instances: what is let go when nobody calls it.
pub struct Loaded {
    grants: Grants,
    prepared: Prepared<State>,
    service: Option<Service>,
    idle: Mutex<Vec<Instance>>,
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

/// A live instance's typed handler.
pub enum Proxy {
    /// 0.2
    P2(p2::bindings::Proxy),
    /// 0.3
    P3(p3::bindings::Service),
}

impl Component {
    pub(crate) fn new(
        manifest: &Arc<Manifest>,
        index: usize,
        place: &Place,
        setting: &Arc<Setting>,
        (tenant, memory): (&Arc<Tenant>, &Arc<TenantMemory>),
    ) -> Self {
        let component = &manifest.components[index];
        let name: Arc<str> = component.name.as_str().into();
        let label = match setting.many {
            true => format!("{}/{name}", manifest.name).into(),
            false => name.clone(),
        };
        Component {
            name: name.clone(),
            label,
            limits: component.limits.clone(),
            queue: Queue::new(name, &component.limits),
            tenant: tenant.clone(),
            memory: memory.clone(),
            manifest: manifest.clone(),
            index,
            place: place.clone(),
            setting: setting.clone(),
            providers: OnceLock::new(),
            ready: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
            used: AtomicU64::new(0),
            usage: OnceLock::new(),
        }
    }

    /// What its events used, and those of its versions before.
    pub fn usage(&self) -> &Arc<Usage> {
        self.usage.get_or_init(Arc::default)
    }

    /// The same, where it was ever called.
    pub fn usage_so_far(&self) -> Option<&Arc<Usage>> {
        self.usage.get()
    }

    /// Counts on where the version before it has counted to.
    pub(crate) fn succeed(&self, old: &Component) {
        if let Some(usage) = old.usage_so_far() {
            // Nobody has called it yet.
            let _ = self.usage.set(usage.clone());
        }
    }

    /// Memory that the host holds for one of its calls, to be taken from its tenant's share.
    pub fn held(&self) -> HeldMemory {
        HeldMemory::of(&self.memory)
    }

    /// The error of a call whose arguments its tenant has no memory for.
    pub fn no_memory(&self) -> Error {
        Limit::HostMemory.error(&self.name, Amount::Bytes(self.memory.most()))
    }

    /// How many of its instances are at work.
    pub fn at_work(&self) -> usize {
        (self.limits.concurrency as usize).saturating_sub(self.queue.free())
    }

    /// What it is, in one line, as the manifest says.
    pub fn description(&self) -> Option<&str> {
        self.written().description.as_deref()
    }

    /// The version of its app.
    pub fn app_version(&self) -> Option<&str> {
        self.manifest.version.as_deref()
    }

    /// Where its code is.
    pub fn path(&self) -> PathBuf {
        self.written().source.value.resolve(&self.manifest.dir)
    }

    /// Its code and grants, if they are in memory.
    pub fn ready(&self) -> Option<Arc<Loaded>> {
        self.ready
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its code and grants, loaded if need be: from the cache, or compiled.
    pub async fn loaded(self: &Arc<Self>) -> Result<Arc<Loaded>, Box<Error>> {
        self.used
            .store(began().elapsed().as_millis() as u64, Relaxed);
        if let Some(loaded) = self.ready() {
            return Ok(loaded);
        }
        let mut failed = self.loading.lock().await;
        if let Some(loaded) = self.ready() {
            return Ok(loaded);
        }
        if let Some(failed) = failed.as_ref().filter(|f| f.at.elapsed() < TRY_AGAIN) {
            return Err(failed.error.clone());
        }
        let component = self.clone();
        // Not on a thread that others' requests wait for.
        let result = tokio::task::spawn_blocking(move || component.load()).await;
        let result = match result {
            Ok(Ok(loaded)) => Ok(loaded),
            Ok(Err(problems)) => Err(Box::new(self.does_not_load(&problems))),
            Err(error) => {
                Err(Error::ours("loading a component failed").caused_by(error.to_string()))
                    .map_err(Box::new)
            }
        };
        *failed = result.as_ref().err().map(|error| Failed {
            at: Instant::now(),
            error: error.clone(),
        });
        result
    }

    /// Loads it now, or says all that is wrong with it.
    pub fn load(self: &Arc<Self>) -> Result<Arc<Loaded>, Vec<Problem>> {
        if let Some(loaded) = self.ready() {
            return Ok(loaded);
        }
        let loaded = Arc::new(Loaded::new(self)?);
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = Some(loaded.clone());
        let room = self.setting.runtime.loader().engines().room_for_code();
        self.setting
            .shelf
            .add(self, loaded.prepared.code_bytes(), room);
        Ok(loaded)
    }

    /// When it was last called, in milliseconds of the host's life.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Lets go of its code; not while an event uses it, which would free nothing.
    pub(crate) fn let_go(&self) -> bool {
        let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        match &*ready {
            Some(loaded) if Arc::strong_count(loaded) > 1 => false,
            _ => {
                *ready = None;
                true
            }
        }
    }

    /// Takes an instance: one that waits to be reused, or a fresh one, once the pool has a place
    /// for it. Instantiation runs guest code, so the caller drives that on the event's clocks; the
    /// store comes first.
    pub async fn take(
        &self,
        loaded: &Loaded,
        turn: &Turn,
    ) -> Result<wasmtime::Result<Instance>, PoolFull> {
        match loaded.take_idle(self.reuse()) {
            Some(idle) => Ok(Ok(idle)),
            None => self.take_fresh(loaded, turn).await,
        }
    }

    /// The same, but never one that has served before.
    pub async fn take_fresh(
        &self,
        loaded: &Loaded,
        turn: &Turn,
    ) -> Result<wasmtime::Result<Instance>, PoolFull> {
        let place = self.place(loaded, turn).await?;
        Ok(self.fresh(loaded, place))
    }

    /// Takes a place in the pool of instances, at once or in turn.
    pub(crate) async fn place(&self, loaded: &Loaded, turn: &Turn) -> Result<PoolPermit, PoolFull> {
        let place = loaded.prepared.place().or_else(|_| {
            self.setting.shelf.drop_idle();
            loaded.prepared.place()
        });
        match place {
            Ok(place) => Ok(place),
            Err(full) => {
                let place = loaded.prepared.place_in_turn();
                self.queue.wait_for(turn, place).await.map_err(|_| full)
            }
        }
    }

    /// The budget of an instance that another one calls, within that one's time; `apart` says that it
    /// is polled in a task of its own.
    pub(crate) fn budget_under(&self, caller: &Arc<Meter>, apart: bool) -> Budget {
        Budget::under(self.allowance(), caller, apart).of_tenant(self.memory.clone())
    }

    /// The state of a fresh instance.
    pub(crate) fn state(&self, loaded: &Loaded, budget: Budget) -> wasmtime::Result<State> {
        let core = Core::new(self.name.clone(), budget, &self.setting.watch);
        State::component(&loaded.grants, core, WasiCtxBuilder::new())
    }

    fn fresh(&self, loaded: &Loaded, place: PoolPermit) -> wasmtime::Result<Instance> {
        let budget = Budget::new(self.allowance()).of_tenant(self.memory.clone());
        let state = self.state(loaded, budget)?;
        Ok(Instance {
            store: loaded.prepared.store(state)?,
            proxy: None,
            served: 0,
            place,
        })
    }

    /// What an instance may use on this host.
    fn allowance(&self) -> Allowance {
        let mut allowance = allowance(&self.limits);
        let engines = self.setting.runtime.loader().engines();
        allowance.stack = engines.pools().stack(allowance.stack);
        allowance.host_memory = self.memory.most();
        allowance
    }

    /// Gives an instance back after an event that ended well.
    pub fn give_back(&self, loaded: &Loaded, mut instance: Instance) {
        instance.served += 1;
        if instance.served < self.reuse() && renew(&mut instance.store).is_ok() {
            let mut idle = loaded.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(instance);
        }
    }

    /// What the manifest says of it.
    pub(crate) fn written(&self) -> &holm_manifest::Component {
        &self.manifest.components[self.index]
    }

    fn reuse(&self) -> u32 {
        self.written().reuse
    }

    /// Why it did not load, as an event's error: the first of the problems, and where to see all.
    fn does_not_load(&self, problems: &[Problem]) -> Error {
        let error = Error::yours(format!("component `{}` does not load", self.label));
        let error = match problems.first() {
            Some(problem) => error.caused_by(problem.message.clone()),
            None => error,
        };
        error.help(format!("holm check {}", self.manifest.dir.display()))
    }
}

impl Loaded {
    /// Loads a component, or says all that is wrong with it.
    fn new(of: &Arc<Component>) -> Result<Self, Vec<Problem>> {
        let component = of.written();
        let runtime = &of.setting.runtime;
        let path = component.source.value.resolve(&of.manifest.dir);
        let mut problems = Vec::new();
        let grants = Grants::resolve(&component.grants, &of.place)
            .map_err(|p| problems.extend(p))
            .ok();
        let options = LoadOptions {
            // Code whose CPU time nobody bounds is not asked at each tick either.
            interruptible: component.limits.cpu.0.is_some() || of.provides(),
            fuel: component.limits.fuel.0.is_some(),
            stack: component.limits.stack.0 as usize,
            pooled: true,
            allow_precompiled: of.setting.allow_precompiled,
            snapshot: component.snapshot.then_some(component.limits.memory.0),
        };
        let at_source = |error: &Error| {
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
        let links = of.links().map_err(|p| problems.extend(p)).ok();
        let prepared = runtime
            .loader()
            .load(&path, options)
            .map_err(|error| problems.push(at_source(&error)))
            .ok()
            .zip(links)
            .and_then(|(artifact, links)| {
                let name = &component.name;
                let providers = Providers {
                    links: &links,
                    functions: &[],
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
        let sink = of.setting.log.sink(of.label.clone(), rate, move || {
            if let Some(component) = counted.upgrade() {
                component.usage().limit(Limit::LogRate);
            }
        });
        grants.stdio = Stdio::Lines(Lines::new(sink, rate));
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
    pub fn prepared(&self) -> &Prepared<State> {
        &self.prepared
    }

    /// Whether it handles HTTP.
    pub fn serves_http(&self) -> bool {
        self.service.is_some()
    }

    /// Instantiates the handler in a fresh store.
    pub async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Proxy> {
        Ok(match &self.service {
            Some(Service::P2(pre)) => Proxy::P2(pre.instantiate_async(store).await?),
            Some(Service::P3(pre)) => Proxy::P3(pre.instantiate_async(store).await?),
            None => wasmtime::bail!("the component does not handle HTTP"),
        })
    }

    fn take_idle(&self, reuse: u32) -> Option<Instance> {
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

/// When the host's clock of uses began.
fn began() -> Instant {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *BEGAN.get_or_init(Instant::now)
}

/// A component's limits as the runtime enforces them.
pub fn allowance(limits: &Limits) -> Allowance {
    let bytes = |most: OrNone<ByteSize>| most.0.map_or(u64::MAX, |bytes| bytes.0);
    let time = |most: OrNone<Time>| most.0.map(|time| time.0);
    Allowance {
        memory: limits.memory.0,
        memories: limits.memories as usize,
        table_elements: limits.table_elements as usize,
        tables: limits.tables as usize,
        instances: limits.instances as usize,
        stack: usize::try_from(limits.stack.0).unwrap_or(usize::MAX),
        cpu: time(limits.cpu),
        fuel: limits.fuel.0,
        timeout: Some(limits.timeout.0),
        first_byte: time(limits.first_byte),
        duration: time(limits.duration),
        queue: limits.queue as usize,
        queue_time: Some(limits.queue_time.0),
        request_body: bytes(limits.request_body),
        response_body: bytes(limits.response_body),
        headers: limits.headers.0,
        header_count: limits.header_count as usize,
        handles: limits.handles as usize,
        call_data: usize::try_from(limits.call_data.0).unwrap_or(usize::MAX),
        outbound: limits.outbound as usize,
        outbound_bytes: bytes(limits.outbound_bytes),
        sockets: limits.sockets as usize,
        open_files: limits.open_files as usize,
        bytes_written: bytes(limits.bytes_written),
        value_size: limits.value_size.0,
        log_rate: limits.log_rate.0,
        // The host's affair.
        host_memory: u64::MAX,
    }
}
