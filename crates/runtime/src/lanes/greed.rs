//! For how long a tenant is greedy: a term, and a longer one each time it comes back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A first term. Its clients wait for their answers in the slow lane and ask no more; let back at
/// the first empty queue, they would all ask at once in the fast lane.
const FIRST_MS: u64 = 1_000;

/// Terms double up to this: a flood that never ends is let back so seldom that nobody notices.
const LONGEST_MS: u64 = 32_000;

/// Whether a tenant is greedy, and since when. Words that any worker may write: who is a little
/// late does no harm.
#[derive(Default)]
pub(super) struct Greed {
    /// When it last wanted more than its part; 0 while it is not greedy.
    since_ms: AtomicU64,
    /// How long it stays greedy after that.
    term_ms: AtomicU64,
    /// When its last term ended; 0 is never.
    left_ms: AtomicU64,
}

impl Greed {
    /// Whether it is not greedy for certain: one load, which tells it of nearly all tenants.
    pub fn is_none(&self) -> bool {
        self.since_ms.load(Relaxed) == 0
    }

    /// Whether it is greedy; a term that is over ends here.
    pub fn lasts(&self, now_ms: u64) -> bool {
        let since_ms = self.since_ms.load(Relaxed);
        if since_ms == 0 {
            return false;
        }
        if now_ms.saturating_sub(since_ms) < self.term_ms.load(Relaxed) {
            return true;
        }
        self.since_ms.store(0, Relaxed);
        self.left_ms.store(now_ms.max(1), Relaxed);
        false
    }

    /// Whether its last term ended not longer ago than it was: on parole.
    pub fn is_on_parole(&self, now_ms: u64) -> bool {
        let left_ms = self.left_ms.load(Relaxed);
        left_ms != 0 && now_ms.saturating_sub(left_ms) < self.term_ms.load(Relaxed)
    }

    /// It wants more than its part now.
    pub fn shows(&self, now_ms: u64) {
        if self.since_ms.swap(now_ms.max(1), Relaxed) != 0 {
            return;
        }
        let term_ms = match self.is_on_parole(now_ms) {
            true => (2 * self.term_ms.load(Relaxed)).min(LONGEST_MS),
            false => FIRST_MS,
        };
        self.term_ms.store(term_ms, Relaxed);
    }
}

#[cfg(test)]
impl Greed {
    /// As if it had never been greedy.
    pub fn ends(&self) {
        self.since_ms.store(0, Relaxed);
        self.left_ms.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_a_term_after_it_was_last_shown() {
        let greed = Greed::default();
        assert!(greed.is_none() && !greed.lasts(5));
        greed.shows(10);
        assert!(greed.lasts(10 + FIRST_MS - 1));
        greed.shows(500);
        assert!(greed.lasts(500 + FIRST_MS - 1), "the same term, renewed");
        assert!(!greed.lasts(500 + FIRST_MS));
        assert!(greed.is_none());
    }

    #[test]
    fn terms_double_on_parole_and_begin_anew_after_it() {
        let greed = Greed::default();
        let mut now = 10;
        let mut terms = Vec::new();
        for _ in 0..8 {
            greed.shows(now);
            let began = now;
            while greed.lasts(now) {
                now += 100;
            }
            terms.push(now - began);
            assert!(greed.is_on_parole(now));
        }
        let seconds = [1, 2, 4, 8, 16, 32, 32, 32];
        assert_eq!(terms, seconds.map(|s| s * 1_000));
        now += LONGEST_MS;
        assert!(!greed.is_on_parole(now));
        greed.shows(now);
        assert!(!greed.lasts(now + FIRST_MS));
    }
}
