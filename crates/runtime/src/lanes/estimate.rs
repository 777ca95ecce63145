//! What work costs that no meter counts, without reading a clock each time: one piece in so many is
//! measured, and counts for all.

use crate::limits::thread_cpu_ns;
use std::cell::Cell;

/// One piece of work in so many is measured: two readings of the clock (700 ns) for each would be a
/// twentieth of what a small request costs. A prime, because work comes in a pattern: a request's
/// head, its guest, its answer.
pub(super) const EVERY: u64 = 31;

/// A measured piece counts for others like it only up to this; else one long piece that happened to
/// be measured would make its tenant greedy.
const LIKE_NS: u64 = 200_000;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Does some work; gives also what is to be charged for it: mostly nothing, sometimes the cost of
/// many such pieces. `known` is asked afterwards what of it was charged elsewhere, in nanoseconds.
pub(super) fn estimate<T>(work: impl FnOnce() -> T, known: impl FnOnce() -> u64) -> (T, u64) {
    let count = COUNT.get() + 1;
    if count < EVERY {
        COUNT.set(count);
        return (work(), 0);
    }
    COUNT.set(0);
    let began = thread_cpu_ns();
    let done = work();
    let cost = thread_cpu_ns().saturating_sub(began);
    (done, stands_for(cost.saturating_sub(known())))
}

/// What a measured piece stands for.
fn stands_for(cost_ns: u64) -> u64 {
    cost_ns + (EVERY - 1) * cost_ns.min(LIKE_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(ns: u64) {
        let until = thread_cpu_ns() + ns;
        while thread_cpu_ns() < until {}
    }

    #[test]
    fn one_in_so_many_counts_for_all() {
        let mut charged = Vec::new();
        for _ in 0..4 * EVERY {
            charged.push(estimate(|| compute(20_000), || 0).1);
        }
        let measured = charged.iter().filter(|ns| **ns > 0).count();
        assert_eq!(measured, 4);
        assert!(charged.iter().sum::<u64>() >= 4 * EVERY * 20_000);
    }

    #[test]
    fn what_was_charged_elsewhere_is_not_charged_twice() {
        for _ in 0..EVERY {
            assert_eq!(estimate(|| compute(1_000), || u64::MAX).1, 0);
        }
    }

    #[test]
    fn a_long_piece_does_not_stand_for_as_many_long_ones() {
        assert_eq!(stands_for(1_000), EVERY * 1_000);
        assert_eq!(stands_for(5_000_000), 5_000_000 + (EVERY - 1) * LIKE_NS);
    }
}
