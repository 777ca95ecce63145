//! The cases that Holm is known to fail, each with its reason; one that starts to pass fails the run.

use libtest_mimic::Trial;

use super::cases::Case;

/// Name of the case, and why it fails today.
const EXPECTED_FAILURES: &[(&str, &str)] = &[(
    "wasip3/http-client-sent",
    "the engine's `request.new` reports a request that was never sent as transmitted \
         (bytecodealliance/wasmtime#14112)",
)];

/// Why the case is expected to fail, if it is
pub fn reason(name: &str) -> Option<&'static str> {
    EXPECTED_FAILURES
        .iter()
        .find(|(case, _)| *case == name)
        .map(|(_, reason)| *reason)
}

/// A failing trial for each entry that names no case: a renamed case must not leave a dead entry.
pub fn stale(cases: &[Case]) -> Vec<Trial> {
    EXPECTED_FAILURES
        .iter()
        .filter(|(name, _)| !cases.iter().any(|case| case.name == *name))
        .map(|(name, _)| {
            Trial::test(format!("{name} (expected failure)"), || {
                Err(
                    "xtask/src/conformance/expected.rs lists it, but the suite has no such case"
                        .into(),
                )
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
        assert!(
            EXPECTED_FAILURES
                .iter()
                .all(|(_, reason)| reason.len() > 20)
        );
    }
}
