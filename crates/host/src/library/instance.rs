//! One instance in an embedder's hands: one call at a time, and the resources that live in it.

use super::drive::{Outside, Stopped, drive};
use super::pool::Shared;
use holm_capabilities::State;
use holm_runtime::Error;
use holm_runtime::values::{Session, Signature, Value};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;
use tokio::runtime::Handle;
use wasmtime::component::ResourceAny;

/// Who waits for an instance looks up so often, to ask whether to go on.
const LOOK_UP: Duration = Duration::from_millis(50);

/// One instance of a component.
pub struct Instance {
    pool: Arc<Shared>,
    kept: Kept,
    state: Mutex<Is>,
    /// Somebody may take it.
    free: Condvar,
    /// Who waits for that: to wake nobody takes as long as to wake somebody.
    waiting: AtomicUsize,
    /// Resources in it that the embedder holds.
    held: AtomicUsize,
    /// It waits in the pool already.
    waits: AtomicBool,
    /// Resources that were forgotten; dropped with the next call.
    forgotten: Mutex<Vec<ResourceAny>>,
    /// There are some.
    forgot: AtomicBool,
}

/// Who keeps an instance between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    ByPool,
    ByOwner,
}

enum Is {
    /// Not made yet: that runs guest code, and so belongs to the first call.
    New,
    /// Waiting for a call.
    Idle(Box<Live>),
    /// In a call that this thread makes.
    Busy(ThreadId),
    /// Gone, and why.
    Over(&'static str),
}

struct Live {
    session: Session<State>,
    served: u32,
}

/// Why a call did not give a result.
pub enum Refused {
    /// The instance is in a call that waits for this one.
    Reentered,
    /// The instance is gone: why.
    Over(&'static str),
    /// The outside did not want to go on.
    Stopped,
    /// The guest failed, or could not be started.
    Failed(Box<Error>),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Failed(Box::new(error))
    }
}

impl From<Stopped> for Refused {
    fn from(_: Stopped) -> Self {
        Refused::Stopped
    }
}

impl Instance {
    pub(super) fn new(pool: Arc<Shared>, kept: Kept) -> Self {
        Instance {
            pool,
            kept,
            state: Mutex::new(Is::New),
            free: Condvar::new(),
            waiting: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            waits: AtomicBool::new(false),
            forgotten: Mutex::default(),
            forgot: AtomicBool::new(false),
        }
    }

    /// Calls a function in it, after whoever calls it now.
    pub fn call(
        self: &Arc<Self>,
        threads: &Handle,
        signature: &Signature,
        arguments: Vec<Value>,
        outside: &mut dyn Outside,
    ) -> Result<Option<Value>, Refused> {
        self.with(
            threads,
            outside,
            async move |session: &mut Session<State>| session.value(signature, arguments).await,
        )
    }

    /// Calls a function in it and hands its result on at once; ends when all streams and futures of
    /// the result have ended, or are dropped.
    pub fn call_open(
        self: &Arc<Self>,
        threads: &Handle,
        signature: &Signature,
        arguments: Vec<Value>,
        on_result: impl FnOnce(Option<Value>) + Send,
        outside: &mut dyn Outside,
    ) -> Result<(), Refused> {
        self.with(
            threads,
            outside,
            async move |session: &mut Session<State>| {
                session
                    .call_open(signature, arguments, on_result)
                    .await
                    .result
            },
        )
    }

    /// Drops a resource in it: its destructor runs.
    pub fn drop_resource(
        self: &Arc<Self>,
        threads: &Handle,
        resource: ResourceAny,
        outside: &mut dyn Outside,
    ) -> Result<(), Refused> {
        let dropped = self.with(
            threads,
            outside,
            async move |session: &mut Session<State>| session.drop_resource(resource).await,
        );
        self.let_go();
        dropped
    }

    /// The embedder holds a resource in it.
    pub fn hold(&self) {
        self.held.fetch_add(1, SeqCst);
    }

    /// The embedder holds one less: it was dropped, or given away.
    pub fn let_go(self: &Arc<Self>) {
        if self.held.fetch_sub(1, SeqCst) == 1 {
            self.give_back();
        }
    }

    /// Whoever held a resource forgot it, on a thread that cannot wait now.
    pub fn forget(self: &Arc<Self>, resource: ResourceAny) {
        self.forgotten().push(resource);
        self.forgot.store(true, SeqCst);
        self.let_go();
    }

    /// Drops it and all that lives in it; one that is in a call ends with the call.
    pub fn close(&self) {
        let was = std::mem::replace(&mut *self.state(), Is::Over("it was closed"));
        self.wake();
        drop(was);
    }

    /// Whether this thread makes a call in it.
    pub fn is_called_here(&self) -> bool {
        matches!(*self.state(), Is::Busy(thread) if thread == std::thread::current().id())
    }

    /// Whether it is gone.
    pub fn is_over(&self) -> bool {
        matches!(*self.state(), Is::Over(_))
    }

    /// It is out of the pool, and somebody holds it.
    pub(super) fn taken(&self) {
        self.waits.store(false, SeqCst);
        self.hold();
    }

    /// Wakes who waits for it. They count themselves under the lock, so that none is missed.
    fn wake(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.free.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, Is> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forgotten(&self) -> MutexGuard<'_, Vec<ResourceAny>> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        self: &Arc<Self>,
        threads: &Handle,
        outside: &mut dyn Outside,
        work: impl AsyncFnOnce(&mut Session<State>) -> Result<T, Error>,
    ) -> Result<T, Refused> {
        let waiting = self.take(outside)?;
        // Whatever happens in between, others must not wait for ever.
        let busy = Busy(self);
        let mut live = match waiting {
            Some(live) => live,
            None => Box::new(Live {
                session: self.pool.prepared.session(&self.pool.make)?,
                served: 0,
            }),
        };
        if self.forgot.swap(false, SeqCst) {
            let forgotten = std::mem::take(&mut *self.forgotten());
            for resource in forgotten {
                drive(threads, live.session.drop_resource(resource), outside)??;
            }
        }
        let driven = drive(threads, pin!(work(&mut live.session)), outside);
        if driven.is_err() {
            // Its streams end with the session: told before, so that nobody takes that for the end.
            outside.failed(&Error::guest("the call was stopped"));
        }
        let result = driven?;
        if let Err(error) = &result {
            outside.failed(error);
        }
        busy.done(live);
        result.map_err(Refused::from)
    }

    /// Takes what is in it, if that was made yet.
    fn take(&self, outside: &mut dyn Outside) -> Result<Option<Box<Live>>, Refused> {
        let me = std::thread::current().id();
        let mut state = self.state();
        loop {
            match &*state {
                Is::Busy(thread) if *thread == me => return Err(Refused::Reentered),
                Is::Busy(_) => {
                    self.waiting.fetch_add(1, SeqCst);
                    let (guard, waited) = self
                        .free
                        .wait_timeout(state, LOOK_UP)
                        .unwrap_or_else(PoisonError::into_inner);
                    self.waiting.fetch_sub(1, SeqCst);
                    state = guard;
                    if waited.timed_out() {
                        drop(state);
                        if !outside.go_on() {
                            return Err(Refused::Stopped);
                        }
                        state = self.state();
                    }
                }
                Is::Over(why) => return Err(Refused::Over(why)),
                Is::New | Is::Idle(_) => {
                    return Ok(match std::mem::replace(&mut *state, Is::Busy(me)) {
                        Is::Idle(live) => Some(live),
                        _ => None,
                    });
                }
            }
        }
    }

    /// Back to the pool, where it came from there and nobody needs it.
    fn give_back(self: &Arc<Self>) {
        if self.kept != Kept::ByPool || self.held.load(SeqCst) != 0 {
            return;
        }
        let mut state = self.state();
        let Is::Idle(live) = &*state else { return };
        if self.pool.reuse.is_some_and(|most| live.served >= most) {
            let was = std::mem::replace(&mut *state, Is::Over("it has served all of its calls"));
            drop(state);
            drop(was);
            return;
        }
        drop(state);
        if !self.waits.swap(true, SeqCst) {
            self.pool.give_back(self.clone());
        }
    }
}

/// An instance that this thread has taken.
struct Busy<'a>(&'a Arc<Instance>);

impl Busy<'_> {
    /// Puts it back, if it lives.
    fn done(self, mut live: Box<Live>) {
        let Busy(instance) = &self;
        live.served = live.served.saturating_add(1);
        let next = match live.session.is_over() {
            true => Is::Over("a trap or a limit has ended it"),
            false => Is::Idle(live),
        };
        {
            let mut state = instance.state();
            // Closed in between: it ends here.
            if matches!(*state, Is::Busy(_)) {
                *state = next;
            }
        }
        instance.wake();
        instance.give_back();
        std::mem::forget(self);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(*state, Is::Busy(_)) {
            *state = Is::Over("a call of it was cut off");
        }
        drop(state);
        self.0.wake();
    }
}
