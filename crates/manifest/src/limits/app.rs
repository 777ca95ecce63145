//! The limits of an app: what all its components together may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::MEMORY_MIN;
use crate::{ByteSize, Limits, OrNone, Problem, Value};

// Two components that are both as busy as they may be.
const CONCURRENCY: u32 = 1_024;

// Far from what a process may have open by most systems' settings, and far above what apps need.
const CONNECTIONS: u32 = 8_192;
const OPEN_FILES: u32 = 8_192;

// Sixteen components that all print as fast as they may.
const LOG_RATE: ByteSize = ByteSize(1 << 20);

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
    /// Outbound HTTP requests under way and open sockets, at the same time. The default is 8192, or as
    /// many as an instance of one of the components may have where that is more.
    #[schemars(range(min = 1))]
    pub connections: Option<u32>,
    /// Open files and folders. The default is 8192, or as many as an instance of one of the components
    /// may have where that is more.
    #[schemars(range(min = 1))]
    pub open_files: Option<u32>,
    /// Bytes of standard output and error that are kept per second; the rest is dropped. The default is
    /// 1 MiB, or as many as one of the components may print where that is more.
    pub log_rate: Option<ByteSize>,
}

impl Default for AppLimits {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            concurrency: None,
            connections: None,
            open_files: None,
            log_rate: None,
        }
    }
}

/// What the limits of an app come to: what is written, or what leaves room for each component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppBounds {
    /// Bytes of memory of all instances.
    pub memory: Option<ByteSize>,
    /// Calls at the same time.
    pub concurrency: u32,
    /// Outbound requests under way and open sockets.
    pub connections: u32,
    /// Open files and folders.
    pub open_files: u32,
    /// Bytes of printed lines per second.
    pub log_rate: ByteSize,
}

impl AppLimits {
    /// What they come to for an app whose components have these limits: where the app says nothing,
    /// what is written for a component holds.
    pub(crate) fn bounds<'a>(&self, of: impl Iterator<Item = &'a Limits> + Clone) -> AppBounds {
        let most = |one: fn(&Limits) -> u32, default| of.clone().map(one).fold(default, u32::max);
        let connections = |limits: &Limits| limits.outbound.saturating_add(limits.sockets);
        let rates = of.clone().map(|limits| limits.log_rate);
        AppBounds {
            memory: self.memory.0,
            concurrency: (self.concurrency).unwrap_or_else(|| most(|l| l.concurrency, CONCURRENCY)),
            connections: (self.connections).unwrap_or_else(|| most(connections, CONNECTIONS)),
            open_files: (self.open_files).unwrap_or_else(|| most(|l| l.open_files, OPEN_FILES)),
            log_rate: (self.log_rate).unwrap_or_else(|| rates.fold(LOG_RATE, Ord::max)),
        }
    }

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
