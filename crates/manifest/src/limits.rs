//! All limits of a component on one page: unit, default, and why that default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Problem, Time, Value, ValueKind};

// One page of WebAssembly memory; less cannot hold anything.
const MEMORY_MIN: ByteSize = ByteSize::kib(64);

// Room for a JavaScript or Python guest (they start at 30-100 MiB), while a machine
// of 16 GiB still holds sixty guests that use all of theirs.
const MEMORY: ByteSize = ByteSize::mib(256);

// A request that computes for longer is stuck; a batch job says so in its manifest.
const CPU: Time = Time::seconds(10);

// What browsers and proxies in front of us wait for (30-60 s); the same on both
// sides would race, and a client that gave up frees the instance anyway.
const TIMEOUT: Time = Time::seconds(60);

// One component must not take every slot of the instance pool (thousands); 512 in
// flight at 10 ms each are 50,000 requests a second.
const CONCURRENCY: u32 = 512;

// Function tables of large C++ and Go programs have some ten thousand entries; an
// element takes 8 bytes of the host's memory.
const TABLE_ELEMENTS: u32 = 100_000;

// A hundred lines of 600 characters a second: nobody reads faster, and a guest in a
// loop of prints fills no disk.
const LOG_RATE: ByteSize = ByteSize::kib(64);

// A guest that computes all the time meets the CPU limit, which names the cause,
// before the wall clock, which does not.
const _: () = assert!(CPU.0.as_millis() < TIMEOUT.0.as_millis());
const _: () = assert!(TIMEOUT.0.as_secs() < Time::MAX.0.as_secs());
const _: () = assert!(MEMORY.0 >= MEMORY_MIN.0);
// Filled tables are the host's memory on the guest's account: keep them small beside it.
const _: () = assert!(TABLE_ELEMENTS as u64 * 8 * 16 < MEMORY.0);

/// What one call of a component may use. Every limit is on by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most memory of one instance.
    pub memory: ByteSize,
    /// CPU time of one call, spent by the guest and by the host for it.
    pub cpu: Time,
    /// Wall time of one call without a byte moving in or out; it acts after one to two such times.
    pub timeout: Time,
    /// Instances of this component that run at the same time.
    #[schemars(range(min = 1))]
    pub concurrency: u32,
    /// Entries in all tables of one instance.
    pub table_elements: u32,
    /// Bytes of standard output and error that are kept per second; the rest is dropped.
    pub log_rate: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            cpu: CPU,
            timeout: TIMEOUT,
            concurrency: CONCURRENCY,
            table_elements: TABLE_ELEMENTS,
            log_rate: LOG_RATE,
        }
    }
}

impl Limits {
    /// Name, value and meaning of each limit, for printing. The meaning is the one
    /// of the schema, which is the comment above.
    pub fn table(&self) -> Vec<(String, String, String)> {
        let schema = schemars::schema_for!(Self);
        let meaning = |name: &str| {
            let text = schema.pointer(&format!("/properties/{name}/description"));
            text.and_then(|text| text.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        [
            ("memory", self.memory.to_string()),
            ("cpu", self.cpu.to_string()),
            ("timeout", self.timeout.to_string()),
            ("concurrency", self.concurrency.to_string()),
            ("table_elements", self.table_elements.to_string()),
            ("log_rate", self.log_rate.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value, meaning(name)))
        .collect()
    }

    /// What the schema cannot say about a table of limits that passed it.
    pub(crate) fn check(value: &Value) -> Vec<Problem> {
        let ValueKind::Table(table) = &value.kind else {
            return Vec::new();
        };
        let limits = match value.parse::<Self>() {
            Ok(limits) => limits,
            Err(problem) => return vec![problem],
        };
        let mut problems = Vec::new();
        for (name, time) in [("cpu", limits.cpu), ("timeout", limits.timeout)] {
            if let Some(written) = table.get(name).filter(|_| time.is_zero()) {
                problems.push(
                    Problem::error(format!("`{name}` of zero would stop every call"))
                        .at(written.span)
                        .label("expected some time")
                        .help(format!(
                            "write {name} = \"10 s\", or leave it out for the default"
                        )),
                );
            }
        }
        if let Some(written) = table.get("memory").filter(|_| limits.memory < MEMORY_MIN) {
            problems.push(
                Problem::error(format!("`memory` must be at least {MEMORY_MIN}"))
                    .at(written.span)
                    .label(format!("this is {}", limits.memory))
                    .help("one page of WebAssembly memory has 64 KiB; most guests need some MiB"),
            );
        }
        if let (Some(cpu), Some(_)) = (table.get("cpu"), table.get("timeout"))
            && limits.cpu > limits.timeout
        {
            problems.push(
                Problem::warning("`cpu` is longer than `timeout`, so it can never be reached")
                    .at(cpu.span)
                    .label(format!("`timeout` stops the call after {}", limits.timeout)),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_in_the_table_with_its_meaning() {
        let table = Limits::default().table();
        let fields = serde_json::to_value(Limits::default()).unwrap();
        assert_eq!(table.len(), fields.as_object().unwrap().len());
        assert!(
            table
                .iter()
                .all(|(_, value, doc)| !value.is_empty() && !doc.is_empty())
        );
        assert_eq!(table[0].1, "256 MiB");
    }

    #[test]
    fn zero_and_tiny_are_refused() {
        let zero = Value::table(vec![
            ("cpu", Value::string("0 s")),
            ("memory", Value::string("1 KiB")),
        ]);
        assert_eq!(Limits::check(&zero).len(), 2);
    }
}
