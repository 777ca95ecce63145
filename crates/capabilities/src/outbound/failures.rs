//! How often servers failed those who called them, for whoever watches this process.

use crate::network::Service;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static FAILURES: [(Service, AtomicU64); 4] = [
    (Service::Redis, AtomicU64::new(0)),
    (Service::Mqtt, AtomicU64::new(0)),
    (Service::Postgres, AtomicU64::new(0)),
    (Service::Mysql, AtomicU64::new(0)),
];

/// Notes that a server could not be reached, let nobody in, broke off or kept silent.
pub(super) fn note(service: Service) {
    for (_, count) in FAILURES.iter().filter(|(known, _)| *known == service) {
        count.fetch_add(1, Relaxed);
    }
}

/// Calls that failed with their server since this process began, by the grant's name: connections that
/// could not be made or broke, answers that did not come in time. What a server refuses in its own words
/// is none.
pub fn failures() -> impl Iterator<Item = (&'static str, u64)> {
    FAILURES
        .iter()
        .map(|(service, count)| (service.grant(), count.load(Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_for_its_own_kind() {
        let of = |name| failures().find(|(known, _)| *known == name).unwrap().1;
        let before = of("mqtt");
        note(Service::Mqtt);
        note(Service::Http);
        assert!(of("mqtt") > before);
        assert_eq!(failures().count(), 4);
    }
}
