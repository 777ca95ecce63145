//! Who used how much of late: the tenants of a host together.

use crate::ticker::{PERIOD_MS, SHARED_PERIOD_MS};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// What "of late" means: this window and the one before.
const WINDOW_MS: u64 = 50;

/// So long after two tenants were at work a host counts as shared: who comes now and then must not
/// find a queue in the fast lane.
const SHARED_MS: u64 = 10_000;

/// So many open events for each core are no crowd, whatever others have.
const CROWD_PER_CORE: u64 = 8;

/// The number of the window that a time lies in.
pub(super) fn window(now_ms: u64) -> u64 {
    now_ms / WINDOW_MS
}

/// All tenants together.
#[derive(Default)]
pub(super) struct Shares {
    /// Cores that they share.
    cores: u64,
    /// CPU time of all guests in microseconds.
    pub used: Tally,
    /// Events that have not ended.
    pub open: AtomicU32,
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
    /// Of so many cores.
    pub fn of(cores: usize) -> Self {
        Shares {
            cores: cores as u64,
            ..Shares::default()
        }
    }

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

    /// Whether a tenant that used so much of late, and has so many open events, has clearly more
    /// than its equal part.
    ///
    /// Of what all have used, and of the machine: who uses less than its part of the machine takes
    /// nothing from anybody, however little the others use. Or of the open events, as far as they
    /// cost anything: a crowd is in everybody's way before it has used much. With half of the
    /// machine unused, who had to wait did not wait for a tenant.
    pub fn is_over(&self, used_us: u64, open: u32, now_ms: u64) -> bool {
        let window = window(now_ms);
        let (now, before) = self.active.read(window);
        let tenants = now.max(before).max(2);
        let (now, before) = self.used.read(window);
        let all_us = now + before;
        let there_was_us = self.cores * (WINDOW_MS + now_ms % WINDOW_MS) * 1_000;
        if 2 * all_us < there_was_us {
            return false;
        }
        let takes_more = used_us * tenants * 4 > all_us * 5 && used_us * tenants >= there_was_us;
        let all_open = u64::from(self.open.load(Relaxed));
        let crowds = self.is_crowd(open) && u64::from(open) * tenants * 4 > all_open * 5;
        takes_more || crowds && used_us * tenants * 4 >= all_us
    }

    /// Whether so many open events of one tenant may be in others' way.
    pub fn is_crowd(&self, open: u32) -> bool {
        u64::from(open) > self.cores * CROWD_PER_CORE
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
        assert!(shares.is_over(700, 0, 1_000));
        assert!(!shares.is_over(600, 0, 1_000), "half of it, more or less");
        shares.seen(3, 1_000);
        shares.seen(4, 1_000);
        assert!(shares.is_over(400, 0, 1_000));
        assert!(!shares.is_over(250, 0, 1_000));
    }

    /// Two tenants on two cores, which together used 60 ms of 50 to 100 ms on each.
    fn busy(open: u32) -> Shares {
        let shares = Shares::of(2);
        for tenant in [1, 2] {
            shares.seen(tenant, 1_000);
        }
        shares.used.add(window(950), 30_000);
        shares.used.add(window(1_000), 30_000);
        shares.open.store(open, Relaxed);
        shares
    }

    #[test]
    fn who_has_less_than_its_part_of_the_machine_is_not_over() {
        let shares = busy(0);
        assert!(shares.is_over(51_000, 0, 1_000));
        assert!(!shares.is_over(49_000, 0, 1_000), "whatever the other used");
    }

    #[test]
    fn a_crowd_that_costs_something_is_over() {
        let shares = busy(40);
        assert!(shares.is_over(20_000, 30, 1_000));
        assert!(!shares.is_over(20_000, 20, 1_000), "as many as the other");
        assert!(!shares.is_over(5_000, 30, 1_000), "most of them sleep");
        let shares = busy(16);
        assert!(!shares.is_over(20_000, 16, 1_000), "few");
    }

    #[test]
    fn nobody_is_over_on_a_machine_with_little_to_do() {
        let shares = busy(40);
        assert!(!shares.is_over(60_000, 40, 1_040), "60 ms of 2 times 90");
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
