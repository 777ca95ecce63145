//! Who may have a thread for blocking work: SQL that takes long must not take them all.

use super::connection::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// The most statements that a component runs at once, all its instances and stores together.
pub const COMPONENT_TURNS: usize = 16;
/// The most that all components of this process run at once: half of the threads that there are.
const ALL_TURNS: usize = 256;

static ALL: Semaphore = Semaphore::const_new(ALL_TURNS);

/// One component's turns.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Turns(Arc::new(Semaphore::new(COMPONENT_TURNS)))
    }
}

/// Leave to run; it ends when it is dropped.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'static>,
}

impl Turns {
    /// Waits for a turn, and no longer than `patience`.
    pub(super) async fn take(&self, patience: Duration) -> Result<Turn, Error> {
        let both = async {
            // The own one first: who has many waiting keeps nobody else's place.
            let own = self.0.clone().acquire_owned().await.ok()?;
            let all = ALL.acquire().await.ok()?;
            Some(Turn {
                _own: own,
                _all: all,
            })
        };
        match timeout(patience, both).await {
            Ok(Some(turn)) => Ok(turn),
            Ok(None) | Err(_) => Err(Error::told(
                "the component runs as many statements at once as it may, and none has ended in time",
            )),
        }
    }
}
