//! What became of the messages of one trigger, and of the runs of one job, for metrics. All versions of
//! an app share one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Messages by what became of them, and how the connection is.
#[derive(Debug, Default)]
pub struct Counts {
    /// The handler succeeded, and the broker knows.
    pub done: AtomicU64,
    /// A try that failed.
    pub failed: AtomicU64,
    /// Given up, and sent to the topic of dead letters.
    pub dead: AtomicU64,
    /// Given up, with no topic for it.
    pub dropped: AtomicU64,
    /// Given back to the broker, because the host or the version ended.
    pub given_back: AtomicU64,
    /// Done, but the broker could not be told: it may come again.
    pub untold: AtomicU64,
    /// The connection was made, the first time or again.
    pub connections: AtomicU64,
    /// Connections that stand at this moment: two while one version takes another's place.
    pub connected: AtomicU64,
}

impl Counts {
    /// Counts one more.
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// The outcomes by name, in a fixed order.
    pub fn outcomes(&self) -> [(&'static str, u64); 6] {
        [
            ("done", &self.done),
            ("failed", &self.failed),
            ("dead", &self.dead),
            ("dropped", &self.dropped),
            ("given_back", &self.given_back),
            ("untold", &self.untold),
        ]
        .map(|(name, counter)| (name, counter.load(Relaxed)))
    }
}

/// Runs of a job by what became of them.
#[derive(Debug, Default)]
pub struct Runs {
    /// It succeeded, at the first try or a later one.
    pub ok: AtomicU64,
    /// It failed, however often it was tried.
    pub error: AtomicU64,
    /// It was not begun when it was due: it was still at work, or its app was drained.
    pub skipped: AtomicU64,
    /// Its time had passed by when the host looked: the machine slept, or its clock was set.
    pub missed: AtomicU64,
}

impl Runs {
    /// The outcomes by name, in a fixed order.
    pub fn outcomes(&self) -> [(&'static str, u64); 4] {
        [
            ("ok", &self.ok),
            ("error", &self.error),
            ("skipped", &self.skipped),
            ("missed", &self.missed),
        ]
        .map(|(name, counter)| (name, counter.load(Relaxed)))
    }
}
