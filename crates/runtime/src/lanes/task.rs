//! One event in the slow lane: polled by one thread at a time, queued again when it is woken.

use super::slow::Slow;
use super::tenant::Tenant;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool, AtomicU8, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What a lane's thread polls.
pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// It is in the queue, or a thread polls it.
const TAKEN: u8 = 1;
/// It was woken since its last poll began.
const WOKEN: u8 = 2;

/// An event in the slow lane.
pub(super) struct Task {
    pub tenant: Arc<Tenant>,
    lane: Arc<Slow>,
    /// [`TAKEN`], [`WOKEN`]. Always changed by what reads and writes in one step: a waker that only
    /// looked could miss a poll that only looked.
    state: AtomicU8,
    unwanted: AtomicBool,
    /// Gone when it has ended.
    job: Mutex<Option<Job>>,
}

impl Task {
    /// A task that stands in the queue already: whoever makes it puts it there.
    pub fn new(lane: Arc<Slow>, tenant: Arc<Tenant>, job: Job) -> Arc<Self> {
        Arc::new(Task {
            tenant,
            lane,
            state: AtomicU8::new(TAKEN),
            unwanted: AtomicBool::new(false),
            job: Mutex::new(Some(job)),
        })
    }

    /// Polls it for one turn. Says whether it wants another one at once.
    pub fn turn(self: &Arc<Self>, runtime: &Handle) -> bool {
        self.state.fetch_and(!WOKEN, AcqRel);
        let mut job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = catch_unwind(AssertUnwindSafe(|| match &mut *job {
            Some(future) if !self.unwanted.load(Acquire) => {
                let waker = Waker::from(self.clone());
                let mut cx = Context::from_waker(&waker);
                // Not for waiting: so it has tokio's timers and sockets, and tokio's bound on how
                // much a poll may do.
                runtime.block_on(poll_fn(|_| Poll::Ready(future.as_mut().poll(&mut cx))))
            }
            _ => Poll::Ready(()),
        }));
        let ended = !matches!(polled, Ok(Poll::Pending));
        if ended {
            let job = job.take();
            // What its parts do when they are dropped is theirs; this thread goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _context = runtime.enter();
                drop(job);
            }));
        }
        drop(job);
        if ended {
            return false;
        }
        // Unless it was woken meanwhile, it is nobody's now.
        let slept = self.state.compare_exchange(TAKEN, 0, AcqRel, Acquire);
        slept.is_err()
    }

    /// Ends it without another turn.
    pub fn abandon(&self) {
        let job = self
            .job
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }

    /// Nobody waits for it any more: it is dropped at its next turn.
    fn cancel(self: &Arc<Self>) {
        self.unwanted.store(true, Release);
        self.wake_by_ref();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let before = self.state.fetch_or(TAKEN | WOKEN, AcqRel);
        if before & TAKEN == 0 {
            self.lane.push(self.clone());
        }
    }
}

/// A task as whoever waits for it has it; dropped, it ends the task.
pub(super) struct Running<T> {
    task: Arc<Task>,
    result: oneshot::Receiver<thread::Result<T>>,
    /// Whether the task goes on when this is dropped.
    kept: bool,
}

impl<T> Running<T> {
    /// A handle on a task whose job sends its result, or its panic.
    pub fn new(task: Arc<Task>, result: oneshot::Receiver<thread::Result<T>>) -> Self {
        Running {
            task,
            result,
            kept: false,
        }
    }

    /// One whose task goes on when nobody waits for it any more.
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Its result, or its panic.
    pub fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<T>> {
        let result = ready!(Pin::new(&mut self.result).poll(cx));
        Poll::Ready(result.unwrap_or_else(|_| Err(Box::new("the slow lane was closed"))))
    }
}

impl<T> Future for Running<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(self.poll_result(cx)) {
            Ok(output) => Poll::Ready(output),
            // As if it had been polled here: whoever has the join handle is told.
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if !self.kept {
            self.task.cancel();
        }
    }
}
