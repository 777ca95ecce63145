//! The guest's path: take an instance, arm its limits, call, close the receipt.

use crate::artifact::Generation;
use crate::core::{Denial, InstanceState, Stop};
use crate::error::{Error, Result};
use crate::fault::{Ended, explain};
use crate::limits::{Limit, Meter};
use crate::link::{Pre, Prepared};
use crate::receipt::{Flows, Receipt};
use crate::wall_clock::WallClock;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use wasmtime::Store;

/// Fuel after which a guest lets others run; about 10 ms, as long as a tick.
const FUEL_BETWEEN_YIELDS: u64 = 10_000_000;

/// Makes the states of a run: one per thread, which is one for nearly everybody.
pub type MakeState<S> = Arc<dyn Fn() -> wasmtime::Result<S> + Send + Sync>;

/// How a run ended, and what it cost.
pub struct Outcome<T> {
    /// What it gave, or what went wrong.
    pub result: Result<T>,
    /// What it used; absent where it could not even start.
    pub receipt: Option<Receipt>,
    /// What it asked for and was refused, whether or not it minded.
    pub denials: Vec<Denial>,
}

impl<T> Outcome<T> {
    pub(crate) fn failed(error: Error) -> Self {
        Outcome {
            result: Err(error),
            receipt: None,
            denials: Vec::new(),
        }
    }

    /// Turns what it gave into something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome {
            result: self.result.map(change),
            receipt: self.receipt,
            denials: self.denials,
        }
    }
}

impl<S: InstanceState> Prepared<S> {
    /// Takes a store for a fresh instance, its limits armed.
    pub fn store(&self, state: S) -> wasmtime::Result<Store<S>> {
        let engine = match &self.pre {
            Pre::Module(pre) => pre.module().engine(),
            Pre::Component(pre) => pre.engine(),
            Pre::Threads(module, _) => module.engine(),
        };
        let mut store = Store::try_new(engine, state)?;
        store.limiter(|state| &mut state.core().budget);
        let meter = store.data_mut().core().budget.meter.clone();
        let allowance = meter.allowance();
        // The engine's own defaults stay where there is no limit.
        if allowance.handles != usize::MAX {
            store.set_max_component_handles(allowance.handles);
        }
        if allowance.call_data != usize::MAX {
            store.set_hostcall_fuel(allowance.call_data);
        }
        if self.artifact.key.fuel {
            store.fuel_async_yield_interval(Some(FUEL_BETWEEN_YIELDS))?;
            store.set_fuel(allowance.fuel.unwrap_or(u64::MAX))?;
        }
        if self.artifact.key.interruptible {
            crate::ticker::polled();
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(move |_| Ok(meter.tick()?));
        }
        Ok(store)
    }

    /// Runs the program in it: `_start` or `wasi:cli/run`. Gives the exit code, or what went wrong.
    pub async fn run(&self, make: MakeState<S>) -> Outcome<i32> {
        let began = Instant::now();
        let mut store = match make().and_then(|state| self.store(state)) {
            Ok(store) => store,
            Err(error) => return Outcome::failed(cannot_start(&error)),
        };
        let meter = store.data_mut().core().budget.meter.clone();
        let timeout = store.data_mut().core().budget.allowance().timeout;
        let (result, mut state) = match &self.pre {
            Pre::Threads(module, linker) => {
                crate::threads::run(store, module, linker, make, timeout).await
            }
            _ => {
                let stop = store.data_mut().core().stop.clone();
                let result = metered(&meter, timeout, self.start(&mut store));
                let result = stoppable(stop, result).await;
                count_fuel(&mut store);
                (result, store.into_data())
            }
        };
        let ended = match result {
            Ok(()) => Ended::Exit(0),
            Err(error) => explain(error, state.core()),
        };
        Outcome {
            result: match ended {
                Ended::Exit(code) => Ok(code),
                Ended::Fault(error) => Err(*error),
            },
            receipt: Some(receipt(&mut state, began)),
            denials: state.core().denials.list(),
        }
    }

    /// Runs the program in a store of its own, on the caller's clocks; an exit is an error.
    pub async fn start(&self, store: &mut Store<S>) -> wasmtime::Result<()> {
        match &self.pre {
            Pre::Module(pre) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                start_module(store, instance).await
            }
            // Their main thread is started like the others: see `threads::run`.
            Pre::Threads(..) => Err(NotAProgram.into()),
            Pre::Component(pre) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                let Some((index, generation)) =
                    self.export(store, &instance, "wasi:cli/run@", "run")
                else {
                    return Err(NotAProgram.into());
                };
                let run = instance
                    .get_typed_func::<(), (std::result::Result<(), ()>,)>(&mut *store, index)?;
                let (outcome,) = match generation {
                    Generation::P2 => run.call_async(&mut *store, ()).await?,
                    Generation::P3 => {
                        store
                            .run_concurrent(async |store| run.call_concurrent(store, ()).await)
                            .await??
                    }
                };
                outcome.map_err(|()| wasmtime_wasi::I32Exit(1).into())
            }
        }
    }

    /// An exported function by its interface's name without the version.
    pub(crate) fn export(
        &self,
        store: &mut Store<S>,
        instance: &wasmtime::component::Instance,
        interface: &str,
        function: &str,
    ) -> Option<(wasmtime::component::ComponentExportIndex, Generation)> {
        let exports = self.artifact.exports();
        let (generation, name) = exports
            .iter()
            .filter_map(|name| Some((Generation::of(name.strip_prefix(interface)?), name)))
            .max()?;
        let outer = instance.get_export_index(&mut *store, None, name)?;
        let index = instance.get_export_index(&mut *store, Some(&outer), function)?;
        Some((index, generation))
    }
}

/// Starts a 0.1 module: `_initialize` where it is a reactor, then `_start`.
pub(crate) async fn start_module<S: Send>(
    store: &mut Store<S>,
    instance: wasmtime::Instance,
) -> wasmtime::Result<()> {
    if let Some(initialize) = instance.get_func(&mut *store, "_initialize") {
        initialize
            .typed::<(), ()>(&*store)?
            .call_async(&mut *store, ())
            .await?;
    }
    let start = instance
        .get_func(&mut *store, "_start")
        .or_else(|| instance.get_func(&mut *store, ""));
    match start {
        Some(start) => {
            start
                .typed::<(), ()>(&*store)?
                .call_async(&mut *store, ())
                .await
        }
        None => Err(NotAProgram.into()),
    }
}

/// The file exports nothing that `holm run` could start.
#[derive(Debug)]
pub(crate) struct NotAProgram;

impl std::fmt::Display for NotAProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it exports neither `_start` nor `wasi:cli/run`")
    }
}

impl std::error::Error for NotAProgram {}

/// An instance could not be made: pools that are full, memory that is short.
pub fn cannot_start(error: &wasmtime::Error) -> Error {
    Error::ours("no instance could be made").caused_by(format!("{error:#}"))
}

/// Closes the account of an event.
pub fn close<S: InstanceState>(store: &mut Store<S>, began: Instant) -> Receipt {
    count_fuel(store);
    receipt(store.data_mut(), began)
}

/// Makes an instance ready for another event.
pub fn renew<S: InstanceState>(store: &mut Store<S>) -> wasmtime::Result<()> {
    store.data_mut().links().end();
    store.data_mut().core().renew();
    match store.data_mut().core().budget.allowance().fuel {
        Some(fuel) => store.set_fuel(fuel),
        None => Ok(()),
    }
}

/// Asks the engine how much fuel the event has burnt, where it counts any.
fn count_fuel<S: InstanceState>(store: &mut Store<S>) {
    if let Some(fuel) = store.data_mut().core().budget.allowance().fuel
        && let Ok(left) = store.get_fuel()
    {
        let burnt = fuel.saturating_sub(left);
        store.data_mut().core().budget.meter.burnt(burnt);
    }
}

fn receipt<S: InstanceState>(state: &mut S, began: Instant) -> Receipt {
    let core = state.core();
    Receipt::close(
        &core.component,
        &core.budget,
        began.elapsed(),
        &core.flows,
        &core.seam,
    )
}

/// Drives a served event on its clocks: [`WallClock`] says which, and CPU time is counted over its
/// polls.
pub async fn event<T>(
    meter: &Arc<Meter>,
    flows: &Flows,
    event: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let mut polls = std::pin::pin!(Metered {
        meter: meter.clone(),
        event
    });
    let mut clock = WallClock::new(meter, flows);
    while let Some(until) = clock.next() {
        if let Ok(result) = tokio::time::timeout_at(until.into(), &mut polls).await {
            return result;
        }
        if let Some(limit) = clock.over(Instant::now()) {
            return Err(meter.reach(limit).into());
        }
    }
    polls.await
}

/// Drives an event on its own clocks: CPU time is counted over its polls, wall time by a timer.
pub async fn metered<T>(
    meter: &Arc<Meter>,
    timeout: Option<Duration>,
    event: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let mut polls = std::pin::pin!(Metered {
        meter: meter.clone(),
        event,
    });
    let Some(timeout) = timeout else {
        return polls.await;
    };
    // Most calls end in their first poll: there is a timer for those that do not.
    let mut timer = std::pin::pin!(None::<tokio::time::Sleep>);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = polls.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if timer.is_none() {
            let left = timeout.saturating_sub(meter.since_poll());
            timer.set(Some(tokio::time::sleep(left)));
        }
        match timer.as_mut().as_pin_mut().map(|timer| timer.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(meter.reach(Limit::Timeout).into())),
            _ => Poll::Pending,
        }
    })
    .await
}

/// Drives a run until it ends or somebody asks it to.
pub(crate) async fn stoppable<T>(
    stop: Option<Stop>,
    run: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let Some(stop) = stop else {
        return run.await;
    };
    tokio::select! {
        result = run => result,
        () = stop.asked() => Err(Stopped.into()),
    }
}

/// Somebody asked for an early end.
#[derive(Debug)]
pub(crate) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it was asked to end")
    }
}

impl std::error::Error for Stopped {}

struct Metered<F> {
    meter: Arc<Meter>,
    event: F,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `event` is structurally pinned: it is never moved out of `self`, `Metered` has no
        // `Drop`, and it is `Unpin` only when `F` is. `meter` is not pinned.
        let (meter, event) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.meter, Pin::new_unchecked(&mut this.event))
        };
        meter.poll_begins();
        let poll = event.poll(cx);
        meter.poll_ends();
        poll
    }
}
