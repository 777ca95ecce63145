//! What the schema cannot say about a table of limits.

use super::Limits;
use crate::{ByteSize, Problem, Time, Value, ValueKind};

// One page of WebAssembly memory; less cannot hold anything.
pub(super) const MEMORY_MIN: ByteSize = ByteSize::kib(64);

// A stack is of the engine: each size has an engine and a pool of its own.
const STACKS: [ByteSize; 4] = [
    ByteSize::kib(128),
    ByteSize::kib(512),
    ByteSize::mib(2),
    ByteSize::mib(8),
];

impl Limits {
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
        let times = [
            ("cpu", limits.cpu.0),
            ("timeout", Some(limits.timeout)),
            ("first_byte", limits.first_byte.0),
            ("duration", limits.duration.0),
        ];
        for (name, time) in times {
            let zero = time.is_some_and(Time::is_zero);
            if let Some(written) = table.get(name).filter(|_| zero) {
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
        if let Some(written) = table.get("fuel").filter(|_| limits.fuel.0 == Some(0)) {
            problems.push(
                Problem::error("`fuel` of zero would stop every call")
                    .at(written.span)
                    .label("expected some fuel")
                    .help("a million is about a millisecond; leave it out to count none"),
            );
        }
        if let Some(written) = table.get("memory").filter(|_| limits.memory < MEMORY_MIN) {
            problems.push(
                Problem::error(format!("`memory` must be at least {MEMORY_MIN}"))
                    .at(written.span)
                    .label(format!("this is {}", limits.memory))
                    .help("one page of WebAssembly memory has 64 KiB; most guests need some MiB"),
            );
        }
        if let Some(written) = table
            .get("stack")
            .filter(|_| !STACKS.contains(&limits.stack))
        {
            problems.push(
                Problem::error("`stack` must be 128 KiB, 512 KiB, 2 MiB or 8 MiB")
                    .at(written.span)
                    .label(format!("this is {}", limits.stack))
                    .help("each size has a pool of instances of its own, so there are only these"),
            );
        }
        let most = Self::default().value_size;
        if let Some(written) = table.get("value_size").filter(|_| limits.value_size > most) {
            problems.push(
                Problem::error(format!("`value_size` can be at most {most}"))
                    .at(written.span)
                    .label(format!("this is {}", limits.value_size))
                    .help("no store keeps larger values; files can be larger"),
            );
        }
        if let (Some(written), Some(_), Some(cpu)) =
            (table.get("cpu"), table.get("timeout"), limits.cpu.0)
            && cpu > limits.timeout
        {
            problems.push(
                Problem::warning("`cpu` is longer than `timeout`, so it can never be reached")
                    .at(written.span)
                    .label(format!("`timeout` stops the call after {}", limits.timeout)),
            );
        }
        if let (Some(written), Some(first), Some(all)) = (
            table.get("first_byte"),
            limits.first_byte.0,
            limits.duration.0,
        ) && first > all
        {
            problems.push(
                Problem::warning(
                    "`first_byte` is longer than `duration`, so it can never be reached",
                )
                .at(written.span)
                .label(format!("`duration` stops the call after {all}")),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_tiny_are_refused() {
        let zero = Value::table(vec![
            ("cpu", Value::string("0 s")),
            ("duration", Value::string("0 s")),
            ("memory", Value::string("1 KiB")),
            ("stack", Value::string("1 MiB")),
        ]);
        assert_eq!(Limits::check(&zero).len(), 4);
        for size in STACKS {
            let stack = Value::table(vec![("stack", Value::string(size.to_string()))]);
            assert_eq!(Limits::check(&stack).len(), 0, "{size}");
        }
    }

    #[test]
    fn what_is_switched_off_is_never_reached_and_never_zero() {
        let none = Value::table(vec![
            ("cpu", Value::string("none")),
            ("timeout", Value::string("1 s")),
            ("first_byte", Value::string("none")),
            ("duration", Value::string("1 s")),
        ]);
        assert_eq!(Limits::check(&none).len(), 0);
    }
}
