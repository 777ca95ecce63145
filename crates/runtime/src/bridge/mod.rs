//! The bridge: a component's imports provided by another component that runs as its own instance,
//! with grants and limits of its own.
//!
//! [`plan`] compares what one imports with what the other exports, when they are loaded; [`define`]
//! puts a host function onto the caller's linker for each function. At the first call of an event the
//! callee's instance is made, in a store of its own ([`callee`]); it lives in the caller's state and
//! ends with its event. Values are copied; a resource stays with the callee, and the caller holds a
//! handle of the host's that stands for it ([`values`]).
//!
//! The two stores know nothing of each other, and may be on different engines. What they share is
//! time: the callee's meter knows the caller's, so that the caller's limits bound the whole. A callee
//! is polled within its caller's polls; where async functions, streams or futures are linked, in a
//! task of its own ([`apart`]).

mod apart;
mod callee;
mod define;
mod fault;
mod passage;
mod plan;
mod same;
mod streams;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use define::define;
pub(crate) use fault::Failed;
pub use fault::refused;
pub(crate) use plan::bridges;

use crate::link::Prepared;
use callee::Place;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use wasmtime::Store;

/// An interface that a component imports, and who provides it.
pub struct Link<S: 'static> {
    /// The interface, with or without its version.
    pub interface: String,
    /// The component that provides it.
    pub callee: Arc<dyn Provide<S>>,
}

/// A component that others are linked to.
pub trait Provide<S: 'static>: Send + Sync {
    /// Its name.
    fn name(&self) -> &Arc<str>;

    /// Its code.
    fn prepared(&self) -> &Prepared<S>;

    /// A store for one event of a caller, with limits that [stand under](crate::limits::Budget::under)
    /// the caller's. What it needs of the caller's state it takes at once. `apart`: it is to run in a
    /// task of its own, and not within the polls of its caller.
    fn fresh(&self, caller: &mut S, apart: bool) -> MakeFresh<S>;

    /// Runs an instance's task beside its caller's. It ends by itself when the caller's event ends.
    fn spawn(&self, task: Task);
}

/// A callee's instance in a task of its own.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store on its way: it may have to wait for a place.
pub type MakeFresh<S> = Pin<Box<dyn Future<Output = wasmtime::Result<Fresh<S>>> + Send>>;

/// A store for an instance of a callee.
pub struct Fresh<S: 'static> {
    /// The store.
    pub store: Store<S>,
    /// Called when the instance's account is to be closed.
    pub at_end: Box<dyn FnOnce(&mut S) + Send>,
    /// Held for as long as the instance lives.
    pub held: Box<dyn Any + Send>,
}

/// The instances that an event of a component has of those that it is linked to.
pub struct Links<S: 'static>(Vec<Place<S>>);

impl<S> Default for Links<S> {
    fn default() -> Self {
        Links(Vec::new())
    }
}

impl<S> Links<S> {
    /// The instance of a callee, by its number among the component's callees.
    fn place(&mut self, number: usize) -> &mut Place<S> {
        while self.0.len() <= number {
            self.0.push(Place::default());
        }
        &mut self.0[number]
    }

    /// Ends all of them: the event is over.
    pub fn end(&mut self) {
        self.0.clear();
    }
}
