//! How often servers failed those who called them, for whoever watches this process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static FAILURES: [(&str, AtomicU64); 7] = [
    ("redis", AtomicU64::new(0)),
    ("mqtt", AtomicU64::new(0)),
    ("postgres", AtomicU64::new(0)),
    ("mysql", AtomicU64::new(0)),
    ("messaging", AtomicU64::new(0)),
    ("keyvalue", AtomicU64::new(0)),
    ("blobs", AtomicU64::new(0)),
];

/// Notes that a server could not be reached, let nobody in, broke off or kept silent, by the grant that
/// names it.
pub(crate) fn note(grant: &str) {
    for (_, count) in FAILURES.iter().filter(|(known, _)| *known == grant) {
        count.fetch_add(1, Relaxed);
    }
}

/// Calls that failed with their server since this process began, by the grant's name: connections that
/// could not be made or broke, answers that did not come in time. What a server refuses in its own words
/// is none.
pub fn failures() -> impl Iterator<Item = (&'static str, u64)> {
    FAILURES
        .iter()
        .map(|(grant, count)| (*grant, count.load(Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_for_its_own_kind() {
        let of = |name| failures().find(|(known, _)| *known == name).unwrap().1;
        let before = of("mqtt");
        note("mqtt");
        note("http");
        assert!(of("mqtt") > before);
        assert_eq!(failures().count(), 7);
    }
}
