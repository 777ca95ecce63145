//! The limits of an app: what all its components together may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::MEMORY_MIN;
use crate::{ByteSize, OrNone, Problem, Value};

// Two components that are both as busy as they may be.
pub(crate) const CONCURRENCY: u32 = 1_024;

// Among many apps none takes more than it leaves to others, whatever this says; an app alone may have
// the machine.
const MEMORY: OrNone<ByteSize> = OrNone::NONE;

/// What all components of an app may use together, beside what each of them may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AppLimits {
    /// Most memory of all instances together.
    pub memory: OrNone<ByteSize>,
    /// Calls at the same time; more wait in the queues of their components. The default is 1024, or as
    /// many as one of the components may have where that is more.
    #[schemars(range(min = 1))]
    pub concurrency: Option<u32>,
}

impl Default for AppLimits {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            concurrency: None,
        }
    }
}

impl AppLimits {
    /// What the schema cannot say about such a table that passed it.
    pub(crate) fn check(&self, value: &Value) -> Option<Problem> {
        let small = self.memory.0.is_some_and(|memory| memory < MEMORY_MIN);
        let written = value.as_table()?.get("memory").filter(|_| small)?;
        let problem = Problem::error(format!("`memory` must be at least {MEMORY_MIN}"));
        let help = "one page of WebAssembly memory has 64 KiB; most guests need some MiB";
        Some(
            problem
                .at(written.span)
                .label("of all instances")
                .help(help),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_page_is_refused() {
        for (memory, good) in [("1 KiB", false), ("64 KiB", true), ("none", true)] {
            let value = Value::table(vec![("memory", Value::string(memory))]);
            let limits: AppLimits = value.parse().unwrap();
            assert_eq!(limits.check(&value).is_none(), good, "{memory}");
        }
    }
}
