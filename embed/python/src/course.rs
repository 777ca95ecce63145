//! How a call goes: it may be stopped from outside, and whoever reads its streams is told why it failed.

use crate::flows::Sender;
use holm_runtime::Error;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The course of one call.
#[derive(Default)]
pub struct Course {
    stopped: AtomicBool,
    /// Why it failed.
    pub failure: Failure,
    /// Senders whose source raised: dropped with the call, because to the component that is the end
    /// of what they send, as if it were whole.
    broken: Mutex<Vec<Py<Sender>>>,
}

impl Course {
    /// Stops it, if it is under way.
    pub fn stop(&self) {
        self.stopped.store(true, SeqCst);
    }

    /// Whether it is to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// Stops it: what it is sent by `sender` has raised, or nobody sends it any more.
    pub fn fail(&self, sender: Py<Sender>, error: Option<Py<PyAny>>) {
        sender.get().leave();
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.push(sender);
        self.failure.raise(error);
        self.stop();
    }
}

/// Why a call failed after its result was handed on, or while Python still sent to it or read from it.
#[derive(Clone, Default)]
pub struct Failure {
    /// What the call came to.
    pub error: Arc<OnceLock<Error>>,
    /// The call has ended, so that there will be no error any more.
    pub over: Arc<OnceLock<()>>,
    /// What raised in Python, where that is why.
    raised: Arc<OnceLock<Py<PyAny>>>,
}

impl Failure {
    /// What raised in Python; the first is the cause.
    pub fn raise(&self, error: Option<Py<PyAny>>) {
        if let Some(error) = error {
            let _ = self.raised.set(error);
        }
    }

    /// What raised in Python.
    pub fn raised(&self, py: Python<'_>) -> Option<PyErr> {
        let raised = self.raised.get()?;
        Some(PyErr::from_value(raised.bind(py).clone()))
    }
}
