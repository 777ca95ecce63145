//! What two sides that go on at once share of their link: how it ended, and how much is on the way.

use super::fault::End;
use super::plan::Function;
use crate::limits::{Limit, LimitHit, Meter};
use crate::values::Value;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// What a call under way takes of the host beside its values, about. A guest may give calls up that
/// go on at the other side, and has nothing of them any more.
const PER_CALL: usize = 2 << 10;

/// The way between a caller and a callee in a task of its own.
pub(super) struct Passage {
    /// Why the callee has ended, where it did so before its caller.
    end: OnceLock<End>,
    /// Bytes that have left one side and are not at the other: nobody's memory has them, so they are
    /// the host's to bound.
    parked: AtomicUsize,
    /// Whose limit that is.
    caller: Arc<Meter>,
}

/// Bytes on the way; dropped when they have arrived.
pub(super) struct Parked {
    passage: Arc<Passage>,
    bytes: usize,
}

/// A way, and the function that what goes on it belongs to.
#[derive(Clone)]
pub(super) struct Within {
    pub passage: Arc<Passage>,
    pub function: Arc<Function>,
}

impl Passage {
    pub(super) fn new(caller: &Arc<Meter>) -> Arc<Self> {
        Arc::new(Passage {
            end: OnceLock::new(),
            parked: AtomicUsize::new(0),
            caller: caller.clone(),
        })
    }

    /// The callee has ended; to be said before its store is dropped, which ends its streams.
    pub(super) fn close(&self, end: End) {
        // The first is the cause of all others.
        let _ = self.end.set(end);
    }

    /// What a call of `function` is told when nobody is there to answer it.
    pub(super) fn told(&self, function: &Function) -> wasmtime::Error {
        match self.end.get() {
            Some(end) => end.clone().told(&function.shown),
            None => wasmtime::Error::msg(format!("{}: nobody answers", function.shown)),
        }
    }

    /// Takes so many bytes on: all that is on the way at once is within the limit on one call.
    pub(super) fn park(self: &Arc<Self>, bytes: usize) -> Result<Parked, LimitHit> {
        let before = self.parked.fetch_add(bytes, Relaxed);
        let parked = Parked {
            passage: self.clone(),
            bytes,
        };
        match before.saturating_add(bytes) > self.caller.allowance().call_data {
            true => Err(self.caller.reach(Limit::CallData)),
            false => Ok(parked),
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.passage.parked.fetch_sub(self.bytes, Relaxed);
    }
}

impl Within {
    /// Takes values on.
    pub(super) fn park(&self, values: &[Value]) -> Result<Parked, LimitHit> {
        let bytes: u64 = values.iter().map(Value::bytes).sum();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.passage.park(bytes.saturating_add(PER_CALL))
    }

    /// Nothing comes any more: whether that is because the callee has failed.
    pub(super) fn check(&self) -> wasmtime::Result<()> {
        match self.passage.end.get() {
            Some(_) => Err(self.passage.told(&self.function)),
            None => Ok(()),
        }
    }
}
