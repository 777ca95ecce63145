//! The cases that Holm is known to fail, each with its reason; one that starts to pass fails the run.

use libtest_mimic::Trial;

use super::case::Case;

/// Where this list is.
pub(super) const LIST: &str = "xtask/src/conformance/spin/expected.rs";

/// Name of the case, and why it fails today.
const EXPECTED_FAILURES: &[(&str, &str)] = &[];

/// Why the case is expected to fail, if it is
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let listed = EXPECTED_FAILURES.iter().find(|(case, _)| *case == name);
    listed.map(|(_, reason)| *reason)
}

/// A failing trial for each entry that names no case: a renamed case must not leave a dead entry.
pub(super) fn stale(cases: &[Case]) -> Vec<Trial> {
    let dead = |name: &str| !cases.iter().any(|case| case.name == name);
    let entries = EXPECTED_FAILURES.iter().filter(|(name, _)| dead(name));
    entries
        .map(|(name, _)| {
            Trial::test(format!("{name} (expected failure)"), || {
                Err(format!("{LIST} lists it, but the suite has no such case").into())
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::EXPECTED_FAILURES;

    #[test]
    fn sorted_unique_and_with_a_reason() {
        assert!(EXPECTED_FAILURES.is_sorted_by(|a, b| a.0 < b.0));
        let long = |(_, reason): &(&str, &str)| reason.len() > 20;
        assert!(EXPECTED_FAILURES.iter().all(long));
    }
}
