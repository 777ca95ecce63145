//! Who used how much of late: the tenants of a host together.

use crate::ticker::{PERIOD_MS, SHARED_PERIOD_MS};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What "of late" means: this window and the one before.
const WINDOW_MS: u64 = 50;

/// So long after two tenants were at work a host counts as shared: who comes now and then must not
/// find a queue in the fast lane.
const SHARED_MS: u64 = 10_000;

/// The number of the window that a time lies in.
pub(super) fn window(now_ms: u64) -> u64 {
    now_ms / WINDOW_MS
}

/// All tenants together.
#[derive(Default)]
pub(super) struct Shares {
    /// CPU time of all guests in microseconds.
    pub used: Tally,
    /// How many tenants had events.
    active: Tally,
    /// The tenant that was seen last.
    last: AtomicU64,
    /// When two tenants were last at work; 0 is never.
    shared_ms: AtomicU64,
    /// The window in which an event last waited for its first poll; 0 is never.
    late: AtomicU64,
}

impl Shares {
    /// A tenant has its first event in a window. Gives how long a tick should last.
    pub fn seen(&self, tenant: u64, now_ms: u64) -> u64 {
        self.active.add(window(now_ms), 1);
        let last = self.last.swap(tenant, Relaxed);
        if last != 0 && last != tenant {
            self.shared_ms.store(now_ms, Relaxed);
        }
        match self.is_shared(now_ms) {
            true => SHARED_PERIOD_MS,
            false => PERIOD_MS,
        }
    }

    /// Whether more than one tenant was at work within some seconds.
    pub fn is_shared(&self, now_ms: u64) -> bool {
        let shared_ms = self.shared_ms.load(Relaxed);
        shared_ms != 0 && now_ms.saturating_sub(shared_ms) < SHARED_MS
    }

    /// An event had to wait for its first poll: there is more to do than can be done.
    pub fn late(&self, now_ms: u64) {
        self.late.store(window(now_ms), Relaxed);
    }

    /// Whether an event had to wait of late.
    pub fn were_late(&self, now_ms: u64) -> bool {
        let late = self.late.load(Relaxed);
        late != 0 && window(now_ms).saturating_sub(late) <= 1
    }

    /// Whether so much is clearly more than a tenant's equal part of what all have used.
    pub fn is_over(&self, used_us: u64, now_ms: u64) -> bool {
        let window = window(now_ms);
        let (now, before) = self.active.read(window);
        let tenants = now.max(before).max(2);
        let (now, before) = self.used.read(window);
        used_us * tenants * 4 > (now + before) * 5
    }
}

/// A sum for the present window and for the one before, in one word: 16 bits of the window's
/// number, then 24 bits for each. No lock, because a thread of low priority would hold it.
#[derive(Default)]
pub(super) struct Tally(AtomicU64);

const BITS: u32 = 24;
const MOST: u64 = (1 << BITS) - 1;

impl Tally {
    /// Adds to the present window.
    pub fn add(&self, window: u64, amount: u64) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let (number, now, before) = at(word, window);
            let now = now.saturating_add(amount).min(MOST);
            Some(u64::from(number) << (2 * BITS) | now << BITS | before)
        });
    }

    /// The present window's sum, and that of the one before.
    pub fn read(&self, window: u64) -> (u64, u64) {
        let (_, now, before) = at(self.0.load(Relaxed), window);
        (now, before)
    }
}

/// A word as it reads in a window. Numbers wrap after an hour: who was away just so long is taken
/// for somebody who was here, for a window.
fn at(word: u64, window: u64) -> (u16, u64, u64) {
    let number = (word >> (2 * BITS)) as u16;
    let (now, before) = ((word >> BITS) & MOST, word & MOST);
    match (window as u16).wrapping_sub(number) {
        0 => (number, now, before),
        1 => (window as u16, 0, now),
        // Another thread has read the clock later than this one.
        u16::MAX => (number, now, before),
        _ => (window as u16, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_knows_two_windows() {
        let tally = Tally::default();
        tally.add(7, 10);
        tally.add(7, 5);
        assert_eq!(tally.read(7), (15, 0));
        tally.add(8, 1);
        assert_eq!(tally.read(8), (1, 15));
        // A thread that is a little behind neither loses nor clears anything.
        tally.add(7, 2);
        assert_eq!(tally.read(8), (3, 15));
        assert_eq!(tally.read(10), (0, 0));
        tally.add(70_000, MOST);
        tally.add(70_000, MOST);
        assert_eq!(tally.read(70_000), (MOST, 0));
    }

    #[test]
    fn one_tenant_shares_with_nobody() {
        let shares = Shares::default();
        assert_eq!(shares.seen(1, 100), PERIOD_MS);
        assert_eq!(shares.seen(1, 200), PERIOD_MS);
        assert_eq!(shares.seen(2, 250), SHARED_PERIOD_MS);
        assert_eq!(shares.seen(1, 300), SHARED_PERIOD_MS);
        assert_eq!(shares.seen(1, 9_000), SHARED_PERIOD_MS);
        assert_eq!(shares.seen(1, 10_301), PERIOD_MS);
    }

    #[test]
    fn over_is_clearly_more_than_an_equal_part() {
        let shares = Shares::default();
        shares.seen(1, 1_000);
        shares.seen(2, 1_000);
        shares.used.add(window(1_000), 1_000);
        assert!(shares.is_over(700, 1_000));
        assert!(!shares.is_over(600, 1_000), "half of it, more or less");
        shares.seen(3, 1_000);
        shares.seen(4, 1_000);
        assert!(shares.is_over(400, 1_000));
        assert!(!shares.is_over(250, 1_000));
    }

    #[test]
    fn lateness_is_forgotten() {
        let shares = Shares::default();
        assert!(!shares.were_late(0));
        shares.late(100);
        assert!(shares.were_late(100) && shares.were_late(199));
        assert!(!shares.were_late(200));
    }
}
