//! How a server is asked to end: first to finish what it began, then to stop at once.

use std::io;
use std::sync::Arc;
use tokio::sync::watch;

/// Where a server stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It takes requests.
    #[default]
    Serving,
    /// It takes no new ones and finishes those it has.
    Draining,
    /// It drops those it has.
    Stopping,
}

/// One handle for all listeners of a process; clones speak of the same server.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Shutdown {
    /// A server that serves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once more: the first time to drain, the second time to stop.
    pub fn ask(&self) {
        self.0.send_modify(|phase| {
            *phase = match phase {
                Phase::Serving => Phase::Draining,
                Phase::Draining | Phase::Stopping => Phase::Stopping,
            }
        });
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Returns once it was asked to drain.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Returns once it was asked to stop.
    pub async fn stopping(&self) {
        self.reached(Phase::Stopping).await;
    }

    async fn reached(&self, phase: Phase) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// From now on SIGTERM and SIGINT ask, each time they come.
    pub fn on_signals(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                shutdown.ask();
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_drain_then_stop() {
        let shutdown = Shutdown::new();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                shutdown.draining().await;
                shutdown.stopping().await;
            }
        });
        assert_eq!(shutdown.phase(), Phase::Serving);
        shutdown.ask();
        assert_eq!(shutdown.phase(), Phase::Draining);
        shutdown.draining().await;
        assert!(!waiter.is_finished());
        shutdown.ask();
        shutdown.ask();
        assert_eq!(shutdown.phase(), Phase::Stopping);
        waiter.await.unwrap();
    }
}
