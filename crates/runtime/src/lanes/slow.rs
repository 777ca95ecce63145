//! The slow lane: threads of low priority that take turns with the tenants' events.

use super::priority;
use super::task::{Running, Task};
use super::tenant::Tenant;
use super::turns::Turns;
use crate::limits::{take_metered, thread_cpu_ns};
use futures::FutureExt as _;
use std::cell::Cell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

/// How long the end waits for threads in the middle of a turn, which their next tick ends.
const END_WAIT: Duration = Duration::from_millis(500);

thread_local! {
    /// Whether this thread is one of a slow lane's.
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether the caller runs in the slow lane.
pub(super) fn is_here() -> bool {
    HERE.get()
}

/// The slow lane of a process.
pub(super) struct Slow {
    threads: usize,
    /// There are threads, and nobody has ended them: read on every worker.
    open: AtomicBool,
    board: Mutex<Board>,
    /// Told when there is something to do, or nothing any more.
    work: Condvar,
    /// Told when a thread has ended.
    ended: Condvar,
}

/// What all threads of the lane share.
#[derive(Default)]
struct Board {
    turns: Turns<Arc<Task>>,
    stage: Stage,
    /// Threads that are there.
    alive: usize,
    /// Threads that wait for work.
    idle: usize,
}

#[derive(Default)]
enum Stage {
    #[default]
    Unused,
    Open(Runtime),
    Closed,
}

impl Slow {
    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Slow {
            threads,
            open: AtomicBool::new(false),
            board: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
        })
    }

    /// How many threads it has once it is used.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether it takes tasks; makes the threads where there are none yet.
    pub fn open(self: &Arc<Self>) -> bool {
        self.open.load(Relaxed) || self.start()
    }

    #[cold]
    fn start(self: &Arc<Self>) -> bool {
        let mut board = self.board();
        if !matches!(board.stage, Stage::Unused) {
            return matches!(board.stage, Stage::Open(_));
        }
        // A runtime of its own: the threads that a guest's file operations need are made by the
        // thread that asks for them and inherit its priority, and priority once given away cannot
        // be had back. The fast lane's must not come from here.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("holm-slow-io")
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "no slow lane: guests that compute hold others up");
                board.stage = Stage::Closed;
                return false;
            }
        };
        for _ in 0..self.threads {
            let (lane, handle) = (self.clone(), runtime.handle().clone());
            let spawned = std::thread::Builder::new()
                .name("holm-slow".into())
                .spawn(move || lane.run(&handle));
            match spawned {
                Ok(_) => board.alive += 1,
                Err(error) => tracing::error!(%error, "the slow lane has a thread less"),
            }
        }
        let open = board.alive > 0;
        board.stage = match open {
            true => Stage::Open(runtime),
            false => {
                runtime.shutdown_background();
                Stage::Closed
            }
        };
        self.open.store(open, Relaxed);
        open
    }

    /// Drives an event to its end, and holds on to something until then.
    pub fn drive<F>(
        self: Arc<Self>,
        tenant: Arc<Tenant>,
        event: Pin<Box<F>>,
        held: impl Send + 'static,
    ) -> Running<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (done, result) = oneshot::channel();
        let job = Box::pin(async move {
            // Nobody waits any more where this fails.
            let _ = done.send(AssertUnwindSafe(event).catch_unwind().await);
            drop(held);
        });
        let task = Task::new(self.clone(), tenant, job);
        self.push(task.clone());
        Running::new(task, result)
    }

    /// A task waits for its turn.
    pub fn push(&self, task: Arc<Task>) {
        let mut board = self.board();
        if matches!(board.stage, Stage::Closed) {
            drop(board);
            task.abandon();
            return;
        }
        let tenant = task.tenant.clone();
        board.turns.push(&tenant, task);
        let idle = board.idle > 0;
        drop(board);
        if idle {
            self.work.notify_one();
        }
    }

    fn run(&self, runtime: &Handle) {
        HERE.set(true);
        priority::lower();
        while let Some(task) = self.next() {
            let began = thread_cpu_ns();
            let again = task.turn(runtime);
            let used = thread_cpu_ns().saturating_sub(began);
            // The meters have counted what this thread's own clock tells.
            take_metered();
            let tenant = task.tenant.clone();
            tenant.charge(used);
            let again = again.then_some(task);
            let used = used + tenant.take_around();
            self.board().turns.over(&tenant, used, again);
        }
        let mut board = self.board();
        board.alive -= 1;
        self.ended.notify_all();
    }

    /// The task whose turn it is, once there is one.
    fn next(&self) -> Option<Arc<Task>> {
        let mut board = self.board();
        loop {
            if matches!(board.stage, Stage::Closed) {
                return None;
            }
            if let Some(task) = board.turns.pop() {
                return Some(task);
            }
            board.idle += 1;
            board = self
                .work
                .wait(board)
                .unwrap_or_else(PoisonError::into_inner);
            board.idle -= 1;
        }
    }

    /// Takes nothing more and tells the threads; gives the runtime that turns may still use.
    pub fn stop(&self) -> Option<Runtime> {
        let mut board = self.board();
        self.open.store(false, Relaxed);
        let stage = std::mem::replace(&mut board.stage, Stage::Closed);
        drop(board);
        self.work.notify_all();
        match stage {
            Stage::Open(runtime) => Some(runtime),
            Stage::Unused | Stage::Closed => None,
        }
    }

    /// Ends the threads, waits a little until they are gone, and drops what waits.
    pub fn close(&self) {
        let runtime = self.stop();
        let board = self.board();
        let waited = self
            .ended
            .wait_timeout_while(board, END_WAIT, |board| board.alive > 0);
        drop(waited);
        let tasks = self.board().turns.take();
        for task in tasks {
            task.abandon();
        }
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Slow {
    /// Whether there is anything of it.
    pub fn has_threads(&self) -> bool {
        self.alive() > 0
    }

    /// How many threads there are.
    pub fn alive(&self) -> usize {
        self.board().alive
    }
}
