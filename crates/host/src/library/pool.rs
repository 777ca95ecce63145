//! Instances of one component, kept between calls.

use super::instance::{Instance, Kept};
use holm_capabilities::State;
use holm_runtime::Prepared;
use holm_runtime::call::MakeState;
use std::sync::{Arc, Mutex, PoisonError};

/// The most instances that wait for a call: each holds its memory.
const IDLE_MOST: usize = 64;

/// Instances of one component. Who calls takes one that waits, or a fresh one.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

pub(super) struct Shared {
    pub(super) prepared: Prepared<State>,
    pub(super) make: MakeState<State>,
    pub(super) reuse: Option<u32>,
    idle: Mutex<Vec<Arc<Instance>>>,
}

impl Pool {
    pub(super) fn new(
        prepared: Prepared<State>,
        make: MakeState<State>,
        reuse: Option<u32>,
    ) -> Self {
        Pool(Arc::new(Shared {
            prepared,
            make,
            reuse,
            idle: Mutex::default(),
        }))
    }

    /// An instance of the pool, for as long as this is held, and then for as long as resources in
    /// it are.
    pub fn take(&self) -> Taken {
        let idle = self.0.idle().pop();
        let instance =
            idle.unwrap_or_else(|| Arc::new(Instance::new(self.0.clone(), Kept::ByPool)));
        instance.taken();
        Taken(instance)
    }

    /// An instance of one's own.
    pub fn own(&self) -> Arc<Instance> {
        Arc::new(Instance::new(self.0.clone(), Kept::ByOwner))
    }

    /// Lets go of the instances that wait.
    pub fn drop_idle(&self) {
        let idle = std::mem::take(&mut *self.0.idle());
        drop(idle);
    }
}

/// An instance that was taken out of its pool; it goes back when this is dropped.
pub struct Taken(Arc<Instance>);

impl Taken {
    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Instance>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an instance back that nobody uses.
    pub(super) fn give_back(&self, instance: Arc<Instance>) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MOST {
            idle.push(instance);
            return;
        }
        // Dropping it takes a while: not under the lock.
        drop(idle);
        drop(instance);
    }
}
