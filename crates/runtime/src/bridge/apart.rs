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
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
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
    /// A call has ended, by the task itself: it may have borrowed what is to be dropped.
    Look,
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
        let live = live(
            target.clone(),
            fresh,
            arriving,
            commands.clone(),
            passage.clone(),
        );
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
    own: mpsc::UnboundedSender<Command<S>>,
    passage: Arc<Passage>,
) {
    let callee = match fresh.await {
        Ok(fresh) => Callee::new(&of, fresh).await,
        Err(error) => Err(error),
    };
    // Commands and store are dropped after this: whoever waits for them then finds the reason.
    match callee {
        Ok(mut callee) => {
            let error = run(&mut callee, &mut commands, own).await;
            passage.close(End::of(error, callee.store.data_mut().core()));
        }
        Err(error) => passage.close(End::of_start(error)),
    }
}

/// What is to be done in a callee.
struct Work<S: 'static> {
    calls: Mutex<Calls>,
    /// A call has begun where there was none.
    begun: Notify,
    /// Resources that nobody has a handle of any more.
    drops: Mutex<VecDeque<Handle>>,
    commands: mpsc::UnboundedSender<Command<S>>,
}

/// The calls under way.
#[derive(Default)]
struct Calls {
    /// When each began, by its number: the first is the oldest.
    began: BTreeMap<u64, Instant>,
    /// The number of the next.
    next: u64,
}

impl<S> Work<S> {
    fn drops(&self) -> MutexGuard<'_, VecDeque<Handle>> {
        self.drops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins; its number.
    fn begin(&self) -> u64 {
        let mut calls = self.calls();
        let number = calls.next;
        calls.next += 1;
        calls.began.insert(number, Instant::now());
        if calls.began.len() == 1 {
            self.begun.notify_one();
        }
        number
    }

    /// It has ended.
    fn end(&self, number: u64) {
        self.calls().began.remove(&number);
        if !self.drops().is_empty() {
            // Nobody takes commands any more where this fails.
            let _ = self.commands.unbounded_send(Command::Look);
        }
    }

    /// The next resource to be dropped: not one that a call borrows.
    fn next_drop(&self, inner: &Inner) -> Option<Handle> {
        let mut drops = self.drops();
        if drops.is_empty() {
            return None;
        }
        let held = inner.held();
        let at = drops.iter().position(|handle| !held.is_lent(*handle))?;
        drops.remove(at)
    }

    /// Waits until a call has been under way for too long. The clock is set for the oldest call, and
    /// looked at again when that time has come: calls that come and go meanwhile set none.
    async fn overdue(&self, timeout: Option<Duration>) {
        let Some(timeout) = timeout else {
            return pending().await;
        };
        loop {
            let oldest = self.calls().began.values().next().copied();
            match oldest {
                Some(began) if began.elapsed() >= timeout => return,
                Some(began) => sleep_until(began + timeout).await,
                None => self.begun.notified().await,
            }
        }
    }
}

/// Runs the event loop until the callee fails; gives why.
async fn run<S: InstanceState>(
    callee: &mut Callee<S>,
    commands: &mut mpsc::UnboundedReceiver<Command<S>>,
    own: mpsc::UnboundedSender<Command<S>>,
) -> wasmtime::Error {
    let (meter, timeout) = callee.clocks();
    let work = Arc::new(Work {
        calls: Mutex::default(),
        begun: Notify::new(),
        drops: Mutex::default(),
        commands: own,
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
    work: &Arc<Work<S>>,
    commands: &mut mpsc::UnboundedReceiver<Command<S>>,
) -> Result<Handle> {
    loop {
        if let Some(handle) = work.next_drop(inner) {
            return Ok(handle);
        }
        match commands.next().await {
            // The caller's event is over, and so is this task.
            None => return pending().await,
            Some(Command::Look) => {}
            Some(Command::Drop(handle)) => work.drops().push_back(handle),
            Some(Command::Call(call)) => {
                inner.held().lend(&call.crossing.handles(false), true);
                accessor.spawn(UnderWay {
                    number: work.begin(),
                    call,
                    inner: inner.clone(),
                    work: work.clone(),
                })?;
            }
        }
    }
}

/// A call in the callee's event loop, which it belongs to from here on.
struct UnderWay<S: 'static> {
    number: u64,
    call: Call<S>,
    inner: Arc<Inner>,
    work: Arc<Work<S>>,
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
        self.work.end(self.number);
        Ok(())
    }
}
