//! A tenant: whose events these are, and what they used of late.

use super::shares::{Tally, window};
use super::{Lanes, fast};
use crate::ticker;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use tokio::task::JoinHandle;

/// CPU time is entered in the windows in pieces of this size, so that workers do not fight for the
/// words that all tenants share.
const PIECE_NS: u64 = 250_000;

/// A greedy tenant stays in the slow lane for so long. Its clients wait for their answers there and
/// ask no more; let back at the first empty queue, they would all ask at once in the fast lane.
const GREEDY_MS: u64 = 1_000;

/// Somebody who shares the machine with others; one for each app.
pub struct Tenant {
    pub(super) id: u64,
    lanes: Arc<Lanes>,
    /// The last window with an event of its.
    seen: AtomicU64,
    /// CPU time that is not entered yet.
    unentered_ns: AtomicU64,
    /// CPU time in microseconds.
    used: Tally,
    /// When it last wanted more than it got while it had more than its part; 0 is never.
    greedy_ms: AtomicU64,
    /// Events that wait for a turn in the slow lane.
    pub(super) waiting: AtomicU32,
    /// What it had used of the slow lane when it left.
    pub(super) left_at: AtomicU64,
}

impl Tenant {
    pub(super) fn new(id: u64, lanes: Arc<Lanes>) -> Self {
        Tenant {
            id,
            lanes,
            seen: AtomicU64::new(u64::MAX),
            unentered_ns: AtomicU64::new(0),
            used: Tally::default(),
            greedy_ms: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            left_at: AtomicU64::new(0),
        }
    }

    /// Runs an event of this tenant's as a task of the tokio runtime that this is called in.
    pub fn spawn<F>(self: &Arc<Self>, event: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let tenant = self.clone();
        let arrived_ms = self.arrives();
        // Boxed, so that it can go from one lane to the other in the middle of its work.
        let mut event = Box::pin(event);
        tokio::spawn(async move {
            match fast::drive(&tenant, &mut event, arrived_ms).await {
                Some(output) => output,
                None => tenant.lanes.slow.clone().drive(tenant, event).await,
            }
        })
    }

    /// An event arrives; gives when.
    fn arrives(&self) -> u64 {
        let now_ms = ticker::now_ms();
        if self.seen.load(Relaxed) != window(now_ms) {
            self.seen.store(window(now_ms), Relaxed);
            ticker::set_period_ms(self.lanes.shares.seen(self.id, now_ms));
        }
        now_ms
    }

    /// An event that arrived then is about to be polled for the first time.
    pub(super) fn begins(&self, arrived_ms: u64) {
        let now_ms = ticker::now_ms();
        if now_ms.saturating_sub(arrived_ms) >= 2 * ticker::period_ms() {
            self.lanes.shares.late(now_ms);
        }
    }

    /// Its events have used so much.
    pub(super) fn charge(&self, ns: u64) {
        let unentered = self.unentered_ns.fetch_add(ns, Relaxed) + ns;
        if unentered >= PIECE_NS {
            self.enter(ticker::now_ms());
        }
    }

    fn enter(&self, now_ms: u64) {
        let us = self.unentered_ns.swap(0, Relaxed) / 1_000;
        self.used.add(window(now_ms), us);
        self.lanes.shares.used.add(window(now_ms), us);
    }

    /// Whether its events have to go to the slow lane: somebody waits, and it is not this tenant's
    /// part that is missing.
    pub(super) fn has_to_wait(&self) -> bool {
        self.has_to_wait_at(ticker::now_ms()) && self.slow_lane_is_open()
    }

    fn has_to_wait_at(&self, now_ms: u64) -> bool {
        let shares = &self.lanes.shares;
        let waiting = self.waiting.load(Relaxed) as usize;
        let greedy_ms = self.greedy_ms.load(Relaxed);
        let late = shares.were_late(now_ms);
        // In nearly every host at nearly every time.
        if waiting == 0 && greedy_ms == 0 && !late {
            return false;
        }
        if greedy_ms != 0 && now_ms.saturating_sub(greedy_ms) >= GREEDY_MS {
            self.greedy_ms.store(0, Relaxed);
        }
        let wants_more = late || waiting > self.lanes.slow.threads();
        let (now, before) = self.used.read(window(now_ms));
        if wants_more && shares.is_shared(now_ms) && shares.is_over(now + before, now_ms) {
            self.greedy_ms.store(now_ms.max(1), Relaxed);
        }
        self.greedy_ms.load(Relaxed) != 0
    }

    /// Whether there is a slow lane; its threads are made by the first who asks.
    pub(super) fn slow_lane_is_open(&self) -> bool {
        self.lanes.slow.open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tenants at work, one of which has used so many microseconds more.
    fn two(more_us: u64) -> (Arc<Lanes>, Arc<Tenant>, Arc<Tenant>) {
        let lanes = Lanes::with_threads(2);
        let (a, b) = (lanes.tenant(), lanes.tenant());
        for (tenant, us) in [(&a, 1_000), (&b, 1_000 + more_us)] {
            lanes.shares.seen(tenant.id, 1_000);
            tenant.unentered_ns.store(us * 1_000, Relaxed);
            tenant.enter(1_000);
        }
        (lanes, a, b)
    }

    #[test]
    fn nobody_has_to_wait_while_nobody_is_late() {
        let (lanes, a, b) = two(50_000);
        assert!(!a.has_to_wait_at(1_000) && !b.has_to_wait_at(1_000));
        lanes.shares.late(1_000);
        assert!(!a.has_to_wait_at(1_000), "who used little goes first");
        assert!(b.has_to_wait_at(1_000));
        assert!(b.has_to_wait_at(1_900), "for a while");
        assert!(!b.has_to_wait_at(2_000));
    }

    #[test]
    fn equals_are_not_told_apart() {
        let (lanes, a, b) = two(100);
        lanes.shares.late(1_000);
        assert!(!a.has_to_wait_at(1_000) && !b.has_to_wait_at(1_000));
    }

    #[test]
    fn who_waits_in_the_slow_lane_and_has_its_part_is_greedy() {
        let (_lanes, a, b) = two(50_000);
        for tenant in [&a, &b] {
            tenant.waiting.store(3, Relaxed);
        }
        assert!(b.has_to_wait_at(1_000), "more wait than there are threads");
        assert!(!a.has_to_wait_at(1_000), "its part is missing");
    }

    #[test]
    fn a_tenant_alone_never_has_to_wait() {
        let lanes = Lanes::with_threads(2);
        let alone = lanes.tenant();
        lanes.shares.seen(alone.id, 1_000);
        alone.unentered_ns.store(100_000_000, Relaxed);
        alone.enter(1_000);
        lanes.shares.late(1_000);
        alone.waiting.store(100, Relaxed);
        assert!(!alone.has_to_wait_at(1_000));
    }
}
