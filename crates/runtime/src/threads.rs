//! Threads of WASI 0.1 (`wasi` `thread-spawn`): modules that share one memory between instances.
//!
//! Each thread is an instance of the same module in a store of its own, over the one shared memory.
//! A thread that traps or exits ends the whole program, as the proposal says. Each thread has its
//! own table of open files: descriptors are not shared beyond the preopened ones.
//! Source: the wasi-threads proposal (legacy; the engine has dropped its own support).

use crate::call::{MakeState, metered, start_module, stoppable};
use crate::core::InstanceState;
use crate::limits::Limit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use wasmtime::{Caller, ExternType, Linker, Module, SharedMemory, Store};

/// Threads that one program may have at once.
const THREADS_MAX: u32 = 256;
/// The proposal's bound on thread ids.
const THREAD_ID_MAX: i32 = 0x1fff_ffff;

/// Whether a module imports a memory that is shared.
pub fn shares_memory(module: &Module) -> bool {
    module
        .imports()
        .any(|i| matches!(i.ty(), ExternType::Memory(m) if m.is_shared()))
}

struct Group<S: 'static> {
    module: Module,
    linker: std::sync::OnceLock<Arc<Linker<S>>>,
    make: MakeState<S>,
    next: AtomicI32,
    alive: AtomicU32,
    ended: mpsc::UnboundedSender<wasmtime::Error>,
    runtime: tokio::runtime::Handle,
}

/// Runs the program: the main thread, and whatever it spawns, until the main thread returns, any
/// thread fails, or time is up. Gives the main thread's state for the receipt.
pub(crate) async fn run<S: InstanceState>(
    mut store: Store<S>,
    module: &Module,
    linker: &Linker<S>,
    make: MakeState<S>,
    timeout: Option<Duration>,
) -> (wasmtime::Result<()>, S) {
    let core = store.data_mut().core();
    let (meter, flows, denials) = (
        core.budget.meter.clone(),
        core.flows.clone(),
        core.denials.clone(),
    );
    // The main thread may wait in the guest for something that will never come, and cannot be
    // called back from there: then its account is what it shares with the others.
    let left_behind = match make() {
        Ok(mut state) => {
            let core = state.core();
            (core.budget.meter, core.flows, core.denials) = (meter.clone(), flows, denials);
            state
        }
        Err(error) => return (Err(error), store.into_data()),
    };
    let stop = store.data_mut().core().stop.clone();
    let ended = async { Ok(main(store, module, linker, make).await) };
    let ended = async {
        let Some(timeout) = timeout else {
            return ended.await;
        };
        let over = |_| Err(meter.reach(Limit::Timeout).into());
        tokio::time::timeout(timeout, ended)
            .await
            .unwrap_or_else(over)
    };
    match stoppable(stop, ended).await {
        Ok((result, state)) => (result, state.unwrap_or(left_behind)),
        Err(early) => (Err(early), left_behind),
    }
}

/// The main thread, watched from outside of it: it may block in `memory.atomic.wait`, and limits
/// and failures of other threads must be seen all the same.
async fn main<S: InstanceState>(
    mut store: Store<S>,
    module: &Module,
    linker: &Linker<S>,
    make: MakeState<S>,
) -> (wasmtime::Result<()>, Option<S>) {
    let (group, mut failures) = match group(&mut store, module, linker, make) {
        Ok(made) => made,
        Err(error) => return (Err(error), Some(store.into_data())),
    };
    let (done, main) = oneshot::channel();
    let meter = store.data_mut().core().budget.meter.clone();
    let started = std::thread::Builder::new()
        .name("guest-0".into())
        .spawn(move || {
            let event = async {
                let Some(linker) = group.linker.get() else {
                    return Ok(());
                };
                let instance = linker.instantiate_async(&mut store, &group.module).await?;
                start_module(&mut store, instance).await
            };
            let result = group.runtime.block_on(metered(&meter, None, event));
            let _ = done.send((result, store.into_data()));
        });
    if let Err(error) = started {
        return (Err(error.into()), None);
    }
    tokio::select! {
        biased;
        Ok((result, state)) = main => (result, Some(state)),
        Some(error) = failures.recv() => (Err(error), None),
        else => (Err(wasmtime::Error::msg("the main thread is gone")), None),
    }
}

type Failures = mpsc::UnboundedReceiver<wasmtime::Error>;

/// The memory that all threads share, and what links each of them.
fn group<S: InstanceState>(
    store: &mut Store<S>,
    module: &Module,
    linker: &Linker<S>,
    make: MakeState<S>,
) -> wasmtime::Result<(Arc<Group<S>>, Failures)> {
    let (ended, failures) = mpsc::unbounded_channel();
    let group = Arc::new(Group {
        module: module.clone(),
        linker: std::sync::OnceLock::new(),
        make,
        next: AtomicI32::new(1),
        alive: AtomicU32::new(0),
        ended,
        runtime: tokio::runtime::Handle::current(),
    });
    let mut linker = linker.clone();
    let budget = &store.data_mut().core().budget;
    let (allowed, meter) = (budget.allowance().memory, budget.meter.clone());
    for import in module.imports() {
        if let ExternType::Memory(ty) = import.ty()
            && ty.is_shared()
        {
            // The engine's limiter does not see shared memories grow: the declared maximum counts.
            let most = ty
                .maximum()
                .unwrap_or(u64::MAX)
                .saturating_mul(ty.page_size());
            if most > allowed {
                meter.hit(Limit::Memory);
                return Err(SharedTooBig { most }.into());
            }
            let memory = SharedMemory::new(module.engine(), ty)?;
            linker.define(&mut *store, import.module(), import.name(), memory)?;
        }
    }
    let spawner = group.clone();
    linker.func_wrap(
        "wasi",
        "thread-spawn",
        move |mut caller: Caller<'_, S>, argument: i32| -> i32 {
            let core = caller.data_mut().core();
            let crossing = core
                .seam
                .enter(crate::seam::FnId::of("wasi", "thread-spawn"));
            let id = spawn(&spawner, argument);
            caller.data_mut().core().seam.exit(crossing);
            id
        },
    )?;
    let _ = group.linker.set(Arc::new(linker));
    Ok((group, failures))
}

/// Starts a thread; its id, or -1.
fn spawn<S: InstanceState>(group: &Arc<Group<S>>, argument: i32) -> i32 {
    if group.alive.fetch_add(1, Relaxed) >= THREADS_MAX {
        group.alive.fetch_sub(1, Relaxed);
        return -1;
    }
    let id = group.next.fetch_add(1, Relaxed);
    if !(1..=THREAD_ID_MAX).contains(&id) {
        return -1;
    }
    let own = group.clone();
    let started = std::thread::Builder::new()
        .name(format!("guest-{id}"))
        .spawn(move || {
            let result = own.runtime.block_on(thread(&own, id, argument));
            own.alive.fetch_sub(1, Relaxed);
            if let Err(error) = result {
                let _ = own.ended.send(error);
            }
        });
    match started {
        Ok(_) => id,
        Err(_) => -1,
    }
}

async fn thread<S: InstanceState>(
    group: &Group<S>,
    id: i32,
    argument: i32,
) -> wasmtime::Result<()> {
    let Some(linker) = group.linker.get() else {
        return Ok(());
    };
    let mut store = Store::try_new(group.module.engine(), (group.make)()?)?;
    store.limiter(|state| &mut state.core().budget);
    let meter = store.data_mut().core().budget.meter.clone();
    store.set_epoch_deadline(1);
    let asked = meter.clone();
    store.epoch_deadline_callback(move |_| Ok(asked.tick()?));
    let event = async {
        let instance = linker.instantiate_async(&mut store, &group.module).await?;
        let start = instance.get_typed_func::<(i32, i32), ()>(&mut store, "wasi_thread_start")?;
        start.call_async(&mut store, (id, argument)).await
    };
    metered(&meter, None, event).await
}

/// A shared memory that could outgrow the limit, which is refused before anything runs.
#[derive(Debug)]
pub(crate) struct SharedTooBig {
    most: u64,
}

impl std::fmt::Display for SharedTooBig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = holm_manifest::ByteSize(self.most);
        write!(f, "its shared memory says that it may grow to {most}")
    }
}

impl std::error::Error for SharedTooBig {}
