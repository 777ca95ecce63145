//! What there is once in a process: engines, threads, and how they bear its end and a fork.

use holm_capabilities::State;
use holm_host::library::Embedding;
use holm_runtime::Runtime;
use holm_runtime::artifact::{Cache, Loader};
use holm_runtime::engines::Engines;
use holm_runtime::pools::PoolSize;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

struct Process {
    runtime: Arc<Runtime<State>>,
    /// What apps need beside; made for the first of them.
    embedding: OnceLock<Embedding>,
    threads: tokio::runtime::Runtime,
}

static PROCESS: OnceLock<Process> = OnceLock::new();
static FORKED: AtomicBool = AtomicBool::new(false);

/// Python's main thread, where it was the one that imported this module.
static MAIN: OnceLock<ThreadId> = OnceLock::new();

/// The thread that ends the interpreter, once it does.
static ENDING: OnceLock<ThreadId> = OnceLock::new();
/// Threads between their look at [`ENDING`] and the interpreter's lock.
static RETURNING: AtomicUsize = AtomicUsize::new(0);
/// Frames of ours that may run code of Python's.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// So long the end of the interpreter waits for those.
const LEAVING: Duration = Duration::from_secs(2);

thread_local! {
    /// Those of [`INSIDE`] that are this thread's.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

fn process() -> PyResult<&'static Process> {
    if forked() {
        return Err(PyRuntimeError::new_err(
            "this process was forked from one that had loaded components, and their threads are \
             not in it; load them after the fork, or start processes by \
             multiprocessing.get_context(\"spawn\")",
        ));
    }
    if let Some(process) = PROCESS.get() {
        return Ok(process);
    }
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .thread_name("holm")
        .build()
        .map_err(|error| PyOSError::new_err(format!("no threads can be started: {error}")))?;
    let loader = Loader::new(Engines::new(PoolSize::of_one_app()), Cache::of_user());
    let runtime = Arc::new(Runtime::new(loader));
    Ok(PROCESS.get_or_init(|| Process {
        runtime,
        embedding: OnceLock::new(),
        threads,
    }))
}

/// The engines and the cache.
pub fn runtime() -> PyResult<Arc<Runtime<State>>> {
    Ok(process()?.runtime.clone())
}

/// What apps share.
pub fn embedding() -> PyResult<&'static Embedding> {
    let process = process()?;
    if let Some(embedding) = process.embedding.get() {
        return Ok(embedding);
    }
    let embedding = Embedding::new(process.runtime.clone())
        .map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(process.embedding.get_or_init(|| embedding))
}

/// The threads that wait for timers and sockets.
pub fn threads() -> PyResult<&'static Handle> {
    Ok(process()?.threads.handle())
}

/// Whether this is the child of a process that had begun to use Holm.
pub fn forked() -> bool {
    FORKED.load(SeqCst)
}

/// Whether this is the thread that Python began with, which alone hears signals.
pub fn is_main() -> bool {
    MAIN.get()
        .is_some_and(|main| *main == std::thread::current().id())
}

/// Called once, by the thread that imports this module.
#[pyfunction]
pub fn _main() {
    // The first one stays it.
    let _ = MAIN.set(std::thread::current().id());
}

/// Called in the child after a fork.
#[pyfunction]
pub fn _forked() {
    if PROCESS.get().is_some() {
        FORKED.store(true, SeqCst);
    }
    // Of the other threads none is here.
    RETURNING.store(0, SeqCst);
    INSIDE.store(HERE.get(), SeqCst);
}

/// Called when the interpreter is about to end: from now on no other thread comes back into it, and those
/// that are in it have left our code. Up to 3.13 the interpreter tears down whoever wants its lock after
/// its end, and our frames with it, which do not bear that.
#[pyfunction]
pub fn _ending(py: Python<'_>) {
    let me = std::thread::current().id();
    if ENDING.set(me).is_err() {
        return;
    }
    py.detach(|| {
        if let Some(process) = PROCESS.get().filter(|_| !forked())
            && let Some(embedding) = process.embedding.get()
        {
            embedding.flush();
        }
        while RETURNING.load(SeqCst) > 0 {
            std::thread::yield_now();
        }
        // Code of Python's that does not end is not waited for.
        let begun = Instant::now();
        while INSIDE.load(SeqCst) > HERE.get() && begun.elapsed() < LEAVING {
            std::thread::yield_now();
        }
    });
}

/// A frame of ours that may run code of Python's: it holds the interpreter's lock, and may lose it to
/// other threads while that code runs.
pub struct Inside(());

impl Inside {
    /// Enters; never where another thread ends the interpreter.
    pub fn enter(py: Python<'_>) -> Self {
        if is_ending() {
            py.detach(stay_away);
        }
        Inside::count(1);
        Inside(())
    }

    fn count(more: usize) {
        HERE.set(HERE.get() + more);
        INSIDE.fetch_add(more, SeqCst);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        HERE.set(HERE.get() - 1);
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// The frames of a thread that gave up the interpreter's lock, until it is back.
struct Away(usize);

impl Away {
    fn go() -> Self {
        let frames = HERE.take();
        INSIDE.fetch_sub(frames, SeqCst);
        Away(frames)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        Inside::count(self.0);
    }
}

/// Whether another thread ends the interpreter.
fn is_ending() -> bool {
    let me = std::thread::current().id();
    ENDING.get().is_some_and(|thread| *thread != me)
}

fn stay_away() {
    loop {
        std::thread::park();
    }
}

/// Counts as returning to the interpreter, or stays away from it for ever: a thread that waits for
/// its lock while it ends would be torn down in the middle of our code.
fn returning() {
    RETURNING.fetch_add(1, SeqCst);
    if is_ending() {
        RETURNING.fetch_sub(1, SeqCst);
        stay_away();
    }
}

fn returned() {
    RETURNING.fetch_sub(1, SeqCst);
}

/// Runs without the interpreter's lock.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let away = Away::go();
    let value = py.detach(|| {
        let value = work();
        returning();
        value
    });
    drop(away);
    returned();
    value
}

/// Runs with the interpreter's lock, on a thread that gave it up.
pub fn attached<T>(work: impl for<'py> FnOnce(Python<'py>) -> T) -> T {
    returning();
    Python::attach(|py| {
        Inside::count(1);
        let _inside = Inside(());
        returned();
        work(py)
    })
}

/// What is not dropped in the child of a fork: locks within it may be held by threads that are not
/// there.
pub struct Kept<T>(ManuallyDrop<T>);

impl<T> Kept<T> {
    /// Keeps it.
    pub fn new(value: T) -> Self {
        Kept(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if !forked() {
            // SAFETY: it is dropped here alone, and nobody can reach it any more.
            unsafe { ManuallyDrop::drop(&mut self.0) }
        }
    }
}
