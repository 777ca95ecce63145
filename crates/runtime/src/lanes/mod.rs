//! Two lanes for guests, so that who computes without end holds up nobody else.
//!
//! The **fast lane** is tokio's own workers: each event begins there. The **slow lane** is a few
//! threads of low priority ([`slow`]): an event goes there when it has computed for a tick, and all
//! events of a tenant that uses more than its part while others wait begin there. In the slow lane
//! time is shared by tenant, not by event ([`turns`]).
//!
//! What is done around a tenant's events, above all reading its requests and writing its answers,
//! goes the same way: an [`Account`] charges it to the tenant, and drives it in the slow lane while
//! the tenant is greedy. So a flood of cheap requests waits in its own line, as long ones do.
//!
//! A host with one busy tenant notices little of this: nobody is moved but who computes for 10 ms.

mod account;
mod estimate;
mod event;
mod fast;
mod greed;
mod place;
mod priority;
mod shares;
mod slow;
mod task;
mod tenant;
#[cfg(test)]
mod tests;
mod turns;

pub use account::Account;
pub use event::{Event, Lost};
pub use priority::lower as lower_this_thread;
pub use tenant::Tenant;

use shares::Shares;
use slow::Slow;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The lanes of a process; cheap until the first event has to wait.
pub struct Lanes {
    shares: Shares,
    slow: Arc<Slow>,
    tenants: AtomicU64,
}

impl Lanes {
    /// Lanes for this machine: the slow one has a thread for each core, made on first use.
    pub fn new() -> Arc<Self> {
        Self::with_threads(std::thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn with_threads(threads: usize) -> Arc<Self> {
        Arc::new(Lanes {
            shares: Shares::of(threads),
            slow: Slow::new(threads),
            tenants: AtomicU64::new(0),
        })
    }

    /// Somebody who shares the machine with others: an app.
    pub fn tenant(self: &Arc<Self>) -> Arc<Tenant> {
        let id = 1 + self.tenants.fetch_add(1, Relaxed);
        Arc::new(Tenant::new(id, self.clone()))
    }

    /// Ends the slow lane's threads, at the latest at their next tick; what they had is dropped,
    /// and whoever waits for it is told that its task failed. Call this before the runtime ends.
    pub fn close(&self) {
        self.slow.close();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // Perhaps on a thread of the lane: it must not wait for itself.
        if let Some(runtime) = self.slow.stop() {
            runtime.shutdown_background();
        }
    }
}
