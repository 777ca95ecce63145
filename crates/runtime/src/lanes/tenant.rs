//! A tenant: whose events these are, and what they used of late.

use super::event::Event;
use super::greed::Greed;
use super::place::Place;
use super::shares::{Shares, Tally, window};
use super::slow::{self, Slow};
use super::{Lanes, fast};
use crate::ticker;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// CPU time is entered in the windows in pieces of this size, so that workers do not fight for the
/// words that all tenants share.
const PIECE_NS: u64 = 250_000;

/// So many events of one tenant may stand in line for their first poll in the fast lane of a host
/// that is shared; more at once are a wave, which waits in the tenant's own line in the slow lane.
/// Two cores need a third of a millisecond for so many small ones.
pub(super) const LINE_MOST: u32 = 32;

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
    /// Whether it wants more than it gets while it has more than its part.
    pub(super) greed: Greed,
    /// Events that stand in line for their first poll in the fast lane.
    pub(super) line: AtomicU32,
    /// Events that have not ended, while the host is shared.
    pub(super) open: AtomicU32,
    /// CPU time of what was done around its events, not yet taken for a part of its turns.
    around_ns: AtomicU64,
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
            greed: Greed::default(),
            line: AtomicU32::new(0),
            open: AtomicU32::new(0),
            around_ns: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            left_at: AtomicU64::new(0),
        }
    }

    /// Runs an event of this tenant's as a task of the tokio runtime that this is called in.
    pub fn spawn<F>(self: &Arc<Self>, event: F) -> Event<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let tenant = self.clone();
        let now_ms = self.arrives();
        let place = Place::new(self, now_ms);
        // Boxed, so that it can go from one lane to the other in the middle of its work.
        let mut event = Box::pin(event);
        // The slow lane's threads have a tokio runtime of their own, which is not the fast lane.
        if slow::is_here() || self.line_is_full(now_ms) || self.has_to_wait() {
            return Event::slow(self.slow_lane().clone().drive(tenant, event, place));
        }
        let mut place = place.in_line();
        Event::fast(tokio::spawn(async move {
            place.begins();
            match fast::drive(&tenant, &mut event).await {
                Some(output) => output,
                None => {
                    let slow = tenant.slow_lane().clone();
                    slow.drive(tenant, event, place).await
                }
            }
        }))
    }

    /// Whether no more of its events may stand in line in the fast lane. One tenant alone may have
    /// all of it.
    fn line_is_full(&self, now_ms: u64) -> bool {
        self.line.load(Relaxed) >= LINE_MOST
            && self.lanes.shares.is_shared(now_ms)
            && self.slow_lane_is_open()
    }

    /// What it shares with the others.
    pub(super) fn shares(&self) -> &Shares {
        &self.lanes.shares
    }

    /// Its lanes' slow one.
    pub(super) fn slow_lane(&self) -> &Arc<Slow> {
        &self.lanes.slow
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

    /// Its events have used so much.
    pub(super) fn charge(&self, ns: u64) {
        let unentered = self.unentered_ns.fetch_add(ns, Relaxed) + ns;
        if unentered >= PIECE_NS {
            self.enter(ticker::now_ms());
        }
    }

    /// So much was done around its events.
    pub(super) fn charge_around(&self, ns: u64) {
        self.around_ns.fetch_add(ns, Relaxed);
        self.charge(ns);
    }

    /// What was done around its events since this was last asked.
    pub(super) fn take_around(&self) -> u64 {
        match self.around_ns.load(Relaxed) {
            0 => 0,
            _ => self.around_ns.swap(0, Relaxed),
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
        let late = shares.were_late(now_ms);
        // In nearly every host at nearly every time.
        if waiting == 0 && self.greed.is_none() && !late {
            return false;
        }
        let lasts = self.greed.lasts(now_ms);
        let wants_more = late || waiting > self.lanes.slow.threads();
        if wants_more && shares.is_shared(now_ms) {
            let (now, before) = self.used.read(window(now_ms));
            let open = self.open.load(Relaxed);
            // A crowd that was greedy just now is not given the time to show it once more.
            let is_known = self.greed.is_on_parole(now_ms) && shares.is_crowd(open);
            if is_known || shares.is_over(now + before, open, now_ms) {
                self.greed.shows(now_ms);
                return true;
            }
        }
        lasts
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
    fn who_was_greedy_just_now_need_not_show_it_again() {
        let (lanes, a, b) = two(50_000);
        lanes.shares.late(1_000);
        assert!(b.has_to_wait_at(1_000) && !b.has_to_wait_at(2_000));
        // What they used is forgotten by now, and somebody is late again.
        lanes.shares.late(2_500);
        assert!(!b.has_to_wait_at(2_500), "it asks for little now");
        for tenant in [&a, &b] {
            tenant.open.store(17, Relaxed);
        }
        assert!(b.has_to_wait_at(2_500));
        assert!(!a.has_to_wait_at(2_500));
        assert!(b.has_to_wait_at(4_400), "for longer than the first time");
    }

    #[test]
    fn what_is_done_around_events_counts_too() {
        let (_lanes, a, b) = two(0);
        a.charge_around(200_000);
        a.enter(1_000);
        assert_eq!(a.used.read(window(1_000)).0, 1_200);
        assert_eq!(b.used.read(window(1_000)).0, 1_000);
        assert_eq!(a.take_around(), 200_000);
        assert_eq!(a.take_around(), 0);
    }

    #[test]
    fn equals_are_not_told_apart() {
        let (lanes, a, b) = two(100);
        lanes.shares.late(1_000);
        assert!(!a.has_to_wait_at(1_000) && !b.has_to_wait_at(1_000));
    }

    #[test]
    fn who_waits_in_the_slow_lane_and_has_its_part_is_greedy() {
        let (_lanes, a, b) = two(60_000);
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
