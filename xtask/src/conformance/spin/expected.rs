//! The cases that Holm is known to fail, each with its reason; one that starts to pass fails the run.

use libtest_mimic::Trial;

use super::case::Case;

/// Where this list is.
pub(super) const LIST: &str = "xtask/src/conformance/spin/expected.rs";

const CORE: &str = "core modules are not made components when they are loaded yet";
const KEY_VALUE: &str = "`fermyon:spin/key-value` is not among the interfaces yet";
const SERVICES: &str = "Redis, MQTT and PostgreSQL are not among the capabilities yet";
const SQLITE: &str = "SQLite is not among the capabilities yet";
const VARIABLES: &str = "apps have no `[variables]` yet";

/// Name of the case, and why it fails today.
const EXPECTED_FAILURES: &[(&str, &str)] = &[
    ("key-value", KEY_VALUE),
    ("key-value-no-permission", KEY_VALUE),
    ("key-value-no-permission.core", CORE),
    ("key-value.core", CORE),
    ("outbound-mqtt", SERVICES),
    ("outbound-mqtt-no-permission", SERVICES),
    ("outbound-mqtt-no-permission.core", CORE),
    ("outbound-mqtt.core", CORE),
    ("outbound-redis", SERVICES),
    ("outbound-redis-no-permission", SERVICES),
    ("outbound-redis-no-permission.core", CORE),
    ("outbound-redis-variable-permission", SERVICES),
    ("outbound-redis-variable-permission.core", CORE),
    ("outbound-redis.core", CORE),
    ("outbound-wasi-http-v0.2.0-no-perms.core", CORE),
    ("outbound-wasi-http-v0.2.0.core", CORE),
    ("postgres", SERVICES),
    ("postgres.core", CORE),
    ("request-shape.core", CORE),
    ("sqlite", SQLITE),
    ("sqlite-no-permission", SQLITE),
    ("sqlite-no-permission.core", CORE),
    ("sqlite.core", CORE),
    ("tcp-sockets-ip-range-variable-permission", VARIABLES),
    ("tcp-sockets-ip-range-variable-permission.core", CORE),
    ("tcp-sockets-ip-range.core", CORE),
    ("tcp-sockets-no-ip-permission.core", CORE),
    ("tcp-sockets-no-port-permission.core", CORE),
    ("tcp-sockets.core", CORE),
    ("variables", VARIABLES),
    ("variables.core", CORE),
];

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
