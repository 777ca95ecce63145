//! A callee in a task of its own, where async functions, streams or futures are linked: both sides
//! then go on at once, and the engine runs the event loop of one store alone at a time on a thread.
//!
//! The caller's host functions send commands; the task runs the callee's event loop and answers. It
//! is dropped when the caller's event is over, whatever it waits for. What may have to end it is
//! beside the event loop and not within: a guest that blocks in a function of the host holds up all
//! that is within.
//!
//! Calls that a caller gives up run on, because the engine has no way to end them yet. What they
//! borrow is kept for them, and what they give is dropped.

use super::callee::{Callee, Crossing, Inner};
use super::fault::End;
use super::passage::{Passage, Within};
use super::plan::{Function, Target};
use super::values::Handle;
use super::{MakeFresh, Provide};
use crate::call::metered;
use crate::core::InstanceState;
use crate::limits::{Limit, Meter};
use crate::values::Straight;
use futures::StreamExt as _;
use futures::channel::{mpsc, oneshot};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime::{AsContextMut as _, Result, bail};

/// The caller's end of a callee in a task of its own.
pub(super) struct Apart<S: 'static> {
    commands: mpsc::UnboundedSender<Command<S>>,
    passage: Arc<Passage>,
    /// The task ends when the last of these is dropped.
    _alive: Arc<oneshot::Sender<Infallible>>,
}

impl<S> Clone for Apart<S> {
    fn clone(&self) -> Self {
        Apart {
            commands: self.commands.clone(),
            passage: self.passage.clone(),
            _alive: self._alive.clone(),
        }
    }
}

/// What a caller asks of it.
enum Command<S: 'static> {
    Call(Call<S>),
    /// Its handle of a resource is gone. Nobody waits for it.
    Drop(Handle),
}

struct Call<S: 'static> {
    way: Within,
    crossing: Crossing<S>,
    answer: oneshot::Sender<Crossing<S>>,
}

impl<S: InstanceState> Apart<S> {
    /// Starts the task; `fresh` makes the callee's store.
    pub(super) fn start(target: &Arc<Target<S>>, caller: &Arc<Meter>, fresh: MakeFresh<S>) -> Self {
        let (commands, arriving) = mpsc::unbounded();
        let (alive, over) = oneshot::channel();
        let passage = Passage::new(caller);
        let live = live(target.clone(), fresh, arriving, passage.clone());
        let task = Box::pin(async move {
            tokio::select! {
                biased;
                _ = over => {}
                () = live => {}
            }
        });
        Provide::spawn(&*target.callee, task);
        Apart {
            commands,
            passage,
            _alive: Arc::new(alive),
        }
    }

    /// The way of what a call of this function carries.
    pub(super) fn way(&self, function: &Arc<Function>) -> Within {
        Within {
            passage: self.passage.clone(),
            function: function.clone(),
        }
    }

    /// Calls a function of it.
    pub(super) async fn call(&self, way: Within, crossing: Crossing<S>) -> Result<Crossing<S>> {
        let (answer, answered) = oneshot::channel();
        let function = way.function.clone();
        let call = Call {
            way,
            crossing,
            answer,
        };
        // One that has ended drops the answer's sender, and that is seen below.
        let _ = self.commands.unbounded_send(Command::Call(call));
        answered.await.map_err(|_| self.passage.told(&function))
    }

    /// Tells it that a handle is gone.
    pub(super) fn drop_resource(&self, handle: Handle) {
        // With one that has ended the resource has ended too.
        let _ = self.commands.unbounded_send(Command::Drop(handle));
    }
}

/// The callee's life.
async fn live<S: InstanceState>(
    of: Arc<Target<S>>,
    fresh: MakeFresh<S>,
    mut commands: mpsc::UnboundedReceiver<Command<S>>,
    passage: Arc<Passage>,
) {
    let callee = match fresh.await {
        Ok(fresh) => Callee::new(&of, fresh).await,
        Err(error) => Err(error),
    };
    // Commands and store are dropped after this: whoever waits for them then finds the reason.
    match callee {
        Ok(mut callee) => {
            let error = run(&mut callee, &mut commands).await;
            passage.close(End::of(error, callee.store.data_mut().core()));
        }
        Err(error) => passage.close(End::of_start(error)),
    }
}

/// What is to be done in a callee.
struct Work {
    /// The calls under way by their numbers, with when they began.
    calls: watch::Sender<BTreeMap<u64, Instant>>,
    /// Resources that nobody has a handle of any more.
    drops: Mutex<VecDeque<Handle>>,
}

impl Work {
    fn drops(&self) -> MutexGuard<'_, VecDeque<Handle>> {
        self.drops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next resource to be dropped: not one that a call borrows.
    fn next_drop(&self, inner: &Inner) -> Option<Handle> {
        let mut drops = self.drops();
        let held = inner.held();
        let at = drops.iter().position(|handle| !held.is_lent(*handle))?;
        drops.remove(at)
    }

    /// Waits until a call has been under way for too long.
    async fn overdue(&self, timeout: Option<Duration>) {
        let Some(timeout) = timeout else {
            return pending().await;
        };
        let mut calls = self.calls.subscribe();
        loop {
            let oldest = calls.borrow_and_update().values().next().copied();
            let changed = calls.changed();
            let changed = match oldest {
                Some(began) => match timeout_at(began + timeout, changed).await {
                    Ok(changed) => changed,
                    Err(_) => return,
                },
                None => changed.await,
            };
            if changed.is_err() {
                return pending().await;
            }
        }
    }
}

/// Runs the event loop until the callee fails; gives why.
async fn run<S: InstanceState>(
    callee: &mut Callee<S>,
    commands: &mut mpsc::UnboundedReceiver<Command<S>>,
) -> wasmtime::Error {
    let (meter, timeout) = callee.clocks();
    let work = Arc::new(Work {
        calls: watch::Sender::new(BTreeMap::new()),
        drops: Mutex::default(),
    });
    loop {
        let inner = callee.inner.clone();
        let serving = callee
            .store
            .run_concurrent(async |accessor| serve(accessor, &inner, &work, commands).await);
        let to_drop = tokio::select! {
            biased;
            served = metered(&meter, None, serving) => served.flatten(),
            () = work.overdue(timeout) => Err(meter.reach(Limit::Timeout).into()),
        };
        let dropped = match to_drop {
            Ok(handle) => callee.drop_raw(handle).await,
            Err(error) => Err(error),
        };
        if let Err(error) = dropped {
            return error;
        }
    }
}

/// Begins calls as they come. Ends when a resource is to be dropped, which needs the whole store; the
/// calls go on when this is entered again.
async fn serve<S: InstanceState>(
    accessor: &Accessor<S>,
    inner: &Arc<Inner>,
    work: &Arc<Work>,
    commands: &mut mpsc::UnboundedReceiver<Command<S>>,
) -> Result<Handle> {
    let mut calls = work.calls.subscribe();
    let mut number = calls
        .borrow_and_update()
        .keys()
        .last()
        .map_or(0, |last| last + 1);
    loop {
        if let Some(handle) = work.next_drop(inner) {
            return Ok(handle);
        }
        tokio::select! {
            biased;
            // A call has ended: it may have borrowed what is to be dropped, or leave something.
            _ = calls.changed() => {}
            command = commands.next() => match command {
                // The caller's event is over, and so is this task.
                None => return pending().await,
                Some(Command::Drop(handle)) => work.drops().push_back(handle),
                Some(Command::Call(call)) => {
                    inner.held().lend(&call.crossing.handles(false), true);
                    work.calls.send_modify(|calls| {
                        calls.insert(number, Instant::now());
                    });
                    accessor.spawn(UnderWay {
                        number,
                        call,
                        inner: inner.clone(),
                        work: work.clone(),
                    })?;
                    number += 1;
                }
            },
        }
    }
}

/// A call in the callee's event loop, which it belongs to from here on.
struct UnderWay<S: 'static> {
    number: u64,
    call: Call<S>,
    inner: Arc<Inner>,
    work: Arc<Work>,
}

impl<S: InstanceState> AccessorTask<S> for UnderWay<S> {
    async fn run(self, accessor: &Accessor<S>) -> Result<()> {
        let Call {
            way,
            mut crossing,
            answer,
        } = self.call;
        let (inner, function) = (&self.inner, &way.function);
        let lent = crossing.handles(false);
        // The arguments are on the way for as long as the engine may keep them.
        let _parked = crossing.parked.take();
        let (straight, arguments) = accessor.with(|mut access| {
            let mut store = access.as_context_mut();
            let arguments = inner.arguments(crossing, &mut store)?;
            let Some(func) = inner.instance.get_func(&mut store, function.export) else {
                bail!("{} does not export {}", inner.name, function.shown);
            };
            let shape = function.shape;
            let registers = shape.result.unwrap_or(0);
            let straight = Straight::within(&store, func, shape.is_async, registers)?;
            wasmtime::error::Ok((straight, arguments))
        })?;
        let result = straight.call_within(accessor, arguments).await?;
        let got = accessor.with(|mut access| {
            inner.result(result, function, &mut access.as_context_mut(), Some(&way))
        })?;
        inner.held().lend(&lent, false);
        if let Err(unheard) = answer.send(got) {
            self.work.drops().extend(unheard.handles(true));
        }
        self.work.calls.send_modify(|calls| {
            calls.remove(&self.number);
        });
        Ok(())
    }
}
