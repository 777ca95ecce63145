//! A component of an app: known by its name and limits, loaded when it is first called, let go when
//! it has not been called for long.

pub use crate::loaded::{Instance, Loaded, Proxy};

use crate::beside::Way;
use crate::queue::{Queue, Turn};
use crate::setting::Setting;
use crate::share::Share;
use crate::usage::Usage;
use holm_capabilities::stdio::Pipes;
use holm_capabilities::{Place, State};
use holm_manifest::{ByteSize, Limits, Manifest, OrNone, Problem, Time};
use holm_runtime::artifact::Form;
use holm_runtime::call::renew;
use holm_runtime::limits::{Allowance, Budget, HeldMemory, Limit, Meter};
use holm_runtime::{Core, Error, PoolFull, PoolPermit};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use wasmtime_wasi::WasiCtxBuilder;

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
    /// What it shares with the other components of its app.
    pub(crate) share: Share,
    pub(crate) manifest: Arc<Manifest>,
    /// Which of the manifest's.
    pub(crate) index: usize,
    pub(crate) place: Place,
    pub(crate) setting: Arc<Setting>,
    /// Those that provide what it imports, in the order of its links; nothing for a name that is no
    /// component's.
    pub(crate) providers: OnceLock<Vec<Option<Arc<Component>>>>,
    /// The components of its app that it may call over HTTP; nobody where nothing grants it that.
    pub(crate) beside: Way,
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

impl Component {
    pub(crate) fn new(
        manifest: &Arc<Manifest>,
        index: usize,
        place: &Place,
        setting: &Arc<Setting>,
        share: &Share,
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
            queue: Queue::new(name, &component.limits, &share.places),
            share: share.clone(),
            manifest: manifest.clone(),
            index,
            place: place.clone(),
            setting: setting.clone(),
            providers: OnceLock::new(),
            beside: Way::default(),
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
        HeldMemory::of(&self.share.memory)
    }

    /// The error of a call whose arguments its tenant has no memory for.
    pub fn no_memory(&self, limit: Limit) -> Error {
        limit.error(&self.name, limit.amount(&self.allowance()))
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

    /// Its code and grants, if they are in memory; notes that it was called now.
    pub fn called(&self) -> Option<Arc<Loaded>> {
        self.used
            .store(began().elapsed().as_millis() as u64, Relaxed);
        self.ready()
    }

    /// Its code and grants, loaded if need be: from the cache, or compiled.
    pub async fn loaded(self: &Arc<Self>) -> Result<Arc<Loaded>, Box<Error>> {
        if let Some(loaded) = self.called() {
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

    /// The same for a program that is called as a function, with these words as its arguments.
    pub(crate) async fn take_worded(
        &self,
        loaded: &Loaded,
        turn: &Turn,
        words: &[String],
    ) -> Result<wasmtime::Result<Instance>, PoolFull> {
        let place = self.place(loaded, turn).await?;
        let mut wasi = WasiCtxBuilder::new();
        wasi.arg(&*self.name).args(words);
        Ok(self.fresh_with(loaded, place, wasi))
    }

    /// A fresh instance of a program for one event, whose standard input and output are these pipes.
    pub(crate) async fn take_program(
        &self,
        loaded: &Loaded,
        turn: &Turn,
        wasi: WasiCtxBuilder,
        pipes: Pipes,
    ) -> Result<wasmtime::Result<Instance>, PoolFull> {
        let place = self.place(loaded, turn).await?;
        let budget = self.share.budget(Budget::new(self.allowance()));
        let core = Core::new(self.name.clone(), budget, &self.setting.watch);
        let form = loaded.prepared.artifact.form();
        let state = State::program(&loaded.grants, core, wasi, form, pipes);
        Ok(state.and_then(|state| Instance::of(loaded, state, place)))
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
        self.share
            .budget(Budget::under(self.allowance(), caller, apart))
    }

    /// The state of a fresh instance.
    pub(crate) fn state(&self, loaded: &Loaded, budget: Budget) -> wasmtime::Result<State> {
        self.state_with(loaded, budget, WasiCtxBuilder::new())
    }

    fn state_with(
        &self,
        loaded: &Loaded,
        budget: Budget,
        wasi: WasiCtxBuilder,
    ) -> wasmtime::Result<State> {
        let core = Core::new(self.name.clone(), budget, &self.setting.watch);
        match loaded.prepared.artifact.form() {
            Form::Component => State::component(&loaded.grants, core, wasi),
            Form::Module => State::module(&loaded.grants, core, wasi),
        }
    }

    fn fresh(&self, loaded: &Loaded, place: PoolPermit) -> wasmtime::Result<Instance> {
        self.fresh_with(loaded, place, WasiCtxBuilder::new())
    }

    fn fresh_with(
        &self,
        loaded: &Loaded,
        place: PoolPermit,
        wasi: WasiCtxBuilder,
    ) -> wasmtime::Result<Instance> {
        let budget = self.share.budget(Budget::new(self.allowance()));
        Instance::of(loaded, self.state_with(loaded, budget, wasi)?, place)
    }

    /// What an instance may use on this host.
    fn allowance(&self) -> Allowance {
        let mut allowance = allowance(&self.limits);
        let engines = self.setting.runtime.loader().engines();
        allowance.stack = engines.pools().stack(allowance.stack);
        self.share.allow(&mut allowance);
        allowance
    }

    /// Gives an instance back after an event that ended well.
    pub fn give_back(&self, loaded: &Loaded, mut instance: Instance) {
        instance.served += 1;
        // Those beside it may be let go while it waits.
        instance.store.data_mut().chain(None);
        if instance.served < self.reuse() && renew(&mut instance.store).is_ok() {
            let mut idle = loaded.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(instance);
        }
    }

    /// What the manifest says of it.
    pub(crate) fn written(&self) -> &holm_manifest::Component {
        &self.manifest.components[self.index]
    }

    /// How many requests an instance serves.
    pub fn reuse(&self) -> u32 {
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
        // The affair of the host and the app.
        ..Allowance::UNLIMITED
    }
}
