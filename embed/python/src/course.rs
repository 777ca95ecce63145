//! How a call goes: it may be stopped from outside, and whoever reads its streams is told why it failed.

use crate::answer::Answer;
use crate::flows::Sender;
use crate::known;
use holm_host::library::Instance;
use holm_runtime::Error;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// The course of one call, which whoever has to do with the call shares. It is an object of Python's
/// because what was raised leads back to them by its traceback, and the collector must see that.
#[pyclass(frozen, weakref, module = "holm._holm")]
#[derive(Default)]
pub struct Course {
    stopped: AtomicBool,
    /// What the call came to, where it failed.
    error: OnceLock<Error>,
    /// The call has ended, so that there will be no error any more.
    over: OnceLock<()>,
    /// What raised in Python, where that is why.
    raised: OnceLock<Py<PyAny>>,
    /// Senders whose source raised: dropped with the call, because to the component that is the end
    /// of what they send, as if it were whole.
    broken: Mutex<Vec<Py<Sender>>>,
    /// Where the call is made, once that is known.
    instance: OnceLock<Weak<Instance>>,
}

#[pymethods]
impl Course {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.raised.get())
    }
}

impl Course {
    /// The call is made in this instance.
    pub fn is_of(&self, instance: &Arc<Instance>) {
        let _ = self.instance.set(Arc::downgrade(instance));
    }

    /// Whether the call is made in this instance, and has not ended.
    pub fn is_in(&self, instance: &Arc<Instance>) -> bool {
        let at = self.instance.get().map(Weak::as_ptr);
        at == Some(Arc::as_ptr(instance)) && self.over.get().is_none()
    }

    /// Stops it, if it is under way.
    pub fn stop(&self) {
        self.stopped.store(true, SeqCst);
    }

    /// Whether it is to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// Stops it: what it is sent by `sender` has raised, or nobody sends it any more.
    pub fn broke(&self, sender: Py<Sender>, error: Option<Py<PyAny>>) {
        sender.get().leave();
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.push(sender);
        if let Some(error) = error {
            self.raise(error);
        }
        self.stop();
    }

    /// What the call came to; the first is the cause.
    pub fn fail(&self, error: &Error) {
        let _ = self.error.set(error.clone());
    }

    /// What the call came to, where it failed.
    pub fn error(&self) -> Option<&Error> {
        self.error.get()
    }

    /// The call has ended.
    pub fn end(&self) {
        let _ = self.over.set(());
    }

    /// Waits until the call has ended.
    pub fn wait(&self) {
        self.over.wait();
    }

    /// What raised in Python; the first is the cause.
    pub fn raise(&self, error: Py<PyAny>) {
        let _ = self.raised.set(error);
    }

    /// What raised in Python.
    pub fn raised(&self, py: Python<'_>) -> Option<PyErr> {
        let raised = self.raised.get()?;
        Some(PyErr::from_value(raised.bind(py).clone()))
    }
}

/// Whether a call in this instance waits for whatever runs here: a call of it now would wait for that one.
pub fn waits_here(py: Python<'_>, instance: &Arc<Instance>) -> PyResult<bool> {
    for waits in known::waits(py)?.call0()?.try_iter()? {
        let waits = waits?.call0()?;
        if waits.is_none() {
            continue;
        }
        let is_in = match waits.cast::<Answer>() {
            Ok(answer) => answer.get().is_awaited_in(instance),
            Err(_) => waits.cast::<Course>()?.get().is_in(instance),
        };
        if is_in {
            return Ok(true);
        }
    }
    Ok(false)
}
