//! Whether an app takes requests, and how many it is answering; all its versions share one.

use crate::usage::Usage;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Where an app stands.
#[derive(Debug)]
pub struct Standing {
    since: Instant,
    drained: AtomicBool,
    in_flight: AtomicUsize,
    none_left: Notify,
    /// What its routes of files were asked for; made when they are.
    files: OnceLock<Arc<Usage>>,
}

impl Default for Standing {
    fn default() -> Self {
        Standing {
            since: Instant::now(),
            drained: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            none_left: Notify::new(),
            files: OnceLock::new(),
        }
    }
}

impl Standing {
    /// A request comes in; none where the app is drained.
    pub fn enter(self: &Arc<Self>) -> Option<InFlight> {
        // Counted first: whoever drains sets the flag and then counts, so one of the two sees the
        // other.
        self.in_flight.fetch_add(1, SeqCst);
        let request = InFlight(self.clone());
        (!self.is_drained()).then_some(request)
    }

    /// Whether it takes no requests.
    pub fn is_drained(&self) -> bool {
        self.drained.load(SeqCst)
    }

    /// Requests that are being answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    /// Since when it is counted.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// What its routes of files were asked for.
    pub fn files(&self) -> &Arc<Usage> {
        self.files.get_or_init(Arc::default)
    }

    /// The same, where there is anything.
    pub fn files_so_far(&self) -> Option<&Arc<Usage>> {
        self.files.get()
    }

    /// Takes no new requests, and waits until those in flight have ended, or so long. Gives the
    /// number of those that are left.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.drained.store(true, SeqCst);
        let none_left = async {
            loop {
                let ended = self.none_left.notified();
                if self.in_flight() == 0 || !self.is_drained() {
                    return;
                }
                ended.await;
            }
        };
        let _ = tokio::time::timeout(patience, none_left).await;
        self.in_flight()
    }

    /// Takes requests again.
    pub fn resume(&self) {
        self.drained.store(false, SeqCst);
        self.none_left.notify_waiters();
    }
}

/// A request that is being answered, until the last who works for it is done.
#[derive(Debug)]
pub struct InFlight(Arc<Standing>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, SeqCst) == 1 && self.0.is_drained() {
            self.0.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_those_in_flight_and_lets_nobody_in() {
        let standing = Arc::new(Standing::default());
        let first = standing.enter().unwrap();
        assert_eq!(standing.drain(Duration::from_millis(10)).await, 1);
        assert!(standing.enter().is_none());
        assert_eq!(standing.in_flight(), 1);
        let draining = tokio::spawn({
            let standing = standing.clone();
            async move { standing.drain(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(draining.await.unwrap(), 0);
        standing.resume();
        assert!(standing.enter().is_some());
    }

    #[tokio::test]
    async fn to_resume_ends_a_drain() {
        let standing = Arc::new(Standing::default());
        let _held = standing.enter().unwrap();
        let draining = tokio::spawn({
            let standing = standing.clone();
            async move { standing.drain(Duration::from_secs(60)).await }
        });
        while !standing.is_drained() {
            tokio::task::yield_now().await;
        }
        standing.resume();
        assert_eq!(draining.await.unwrap(), 1);
    }
}
