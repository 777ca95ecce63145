//! All limits of a component on one page: unit, default, and why that default.

mod app;
mod check;

pub use app::{AppBounds, AppLimits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, OrNone, Time};

// ---- what an instance is made of ----

// Room for a JavaScript or Python guest (they start at 30-100 MiB), while a machine
// of 16 GiB still holds sixty guests that use all of theirs.
const MEMORY: ByteSize = ByteSize::mib(256);

// Toolchains make one memory, or one for each language that was linked in; this is also the most that
// a slot of the instance pool holds.
const MEMORIES: u32 = 16;

// Function tables of large C++ and Go programs have some ten thousand entries; an
// element takes 8 bytes of the host's memory.
const TABLE_ELEMENTS: u32 = 100_000;

// A table for each core instance that calls through pointers; the most that a slot of the pool holds.
const TABLES: u32 = 64;

// A Python component with its native modules has some sixty; the most that a slot of the pool holds.
const INSTANCES: u32 = 256;

// Programs in languages of all kinds were fine with it; the engine's own default.
const STACK: ByteSize = ByteSize::kib(512);

// ---- time ----

// A request that computes for longer is stuck; a batch job says so in its manifest.
const CPU: OrNone<Time> = OrNone::some(Time::seconds(10));

// Counting costs a guest more than ticks do, and CPU time is what a machine runs out of; it
// is for operators who want the same number on each machine.
const FUEL: OrNone<u64> = OrNone::NONE;

// What browsers and proxies in front of us wait for (30-60 s); the same on both
// sides would race, and a client that gave up frees the instance anyway.
const TIMEOUT: Time = Time::seconds(60);

// An upload of the largest body at 300 kB/s is done by then, and nobody waits longer for an answer
// to begin.
const FIRST_BYTE: OrNone<Time> = OrNone::some(Time::hours(1));

// Streams of events live as long as a page is open; a client that lost one after a day opens another.
const DURATION: OrNone<Time> = OrNone::some(Time::hours(24));

// ---- calls at once ----

// One component must not take every slot of the instance pool (thousands); 512 in
// flight at 10 ms each are 50,000 requests a second.
const CONCURRENCY: u32 = 512;

// As many again may wait: at more than one generation of calls the last would only wait to be refused.
const QUEUE: u32 = 512;

// Long enough for a burst to pass, short enough that a client does not take us for dead.
const QUEUE_TIME: Time = Time::seconds(1);

// ---- HTTP ----

// The largest upload that browsers' forms are used for; it is streamed, so it is not memory.
const REQUEST_BODY: OrNone<ByteSize> = OrNone::some(ByteSize::gib(1));

// Larger than any file that is fetched in one piece; only an answer without end reaches it.
const RESPONSE_BODY: OrNone<ByteSize> = OrNone::some(ByteSize::gib(64));

// Twice the largest head of a request that the server takes (64 KiB), so that a guest can pass all of
// one on: the engine counts some 70 bytes for each field beside its text.
const HEADERS: ByteSize = ByteSize::kib(128);

// Twice the fields that a request may have; clients and proxies refuse more than about a hundred.
const HEADER_COUNT: u32 = 256;

// ---- what the host holds for a guest ----

// A guest that polls a thousand things at once needs a few thousand; each takes some hundred bytes.
const HANDLES: u32 = 10_000;

// The largest batch of a key-value store (64 MiB) with what its lists take beside.
const CALL_DATA: ByteSize = ByteSize::mib(96);

// Three times what a browser opens for a page full of pictures.
const OUTBOUND: u32 = 128;

// What `response_body` is for answers, for all that a call fetches and sends.
const OUTBOUND_BYTES: OrNone<ByteSize> = OrNone::some(ByteSize::gib(64));

// A pool of database connections has some ten; a file descriptor of the host each.
const SOCKETS: u32 = 256;

// A program has few files open at once; a file descriptor of the host each.
const OPEN_FILES: u32 = 256;

// Four of the largest uploads; a loop of writes ends before it has filled a disk.
const BYTES_WRITTEN: OrNone<ByteSize> = OrNone::some(ByteSize::gib(4));

// What the embedded store keeps in one piece; larger things are files.
const VALUE_SIZE: ByteSize = ByteSize::mib(16);

// A hundred lines of 600 characters a second: nobody reads faster, and a guest in a
// loop of prints fills no disk.
const LOG_RATE: ByteSize = ByteSize::kib(64);

/// What one call of a component may use. Every limit is on by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most memory of one instance.
    pub memory: ByteSize,
    /// Memories of one instance.
    #[schemars(range(max = 16))]
    pub memories: u32,
    /// Entries in all tables of one instance.
    pub table_elements: u32,
    /// Tables of one instance.
    #[schemars(range(max = 64))]
    pub tables: u32,
    /// Core instances that one instance is made of.
    #[schemars(range(min = 1, max = 256))]
    pub instances: u32,
    /// Stack of the guest's calls: 128 KiB, 512 KiB, 2 MiB or 8 MiB.
    pub stack: ByteSize,
    /// CPU time of one call, spent by the guest and by the host for it.
    pub cpu: OrNone<Time>,
    /// Fuel of one call, which counts what the guest computes, the same on every machine.
    pub fuel: OrNone<u64>,
    /// Wall time of one call without a byte moving in or out; it acts after one to two such times.
    pub timeout: Time,
    /// Wall time of one call to the head of its answer.
    pub first_byte: OrNone<Time>,
    /// Wall time of one call in all, its streams included.
    pub duration: OrNone<Time>,
    /// Calls of this component at the same time.
    #[schemars(range(min = 1))]
    pub concurrency: u32,
    /// Calls that wait for one of those to end, first come, first served.
    pub queue: u32,
    /// How long a call waits.
    pub queue_time: Time,
    /// Bytes of a request's body.
    pub request_body: OrNone<ByteSize>,
    /// Bytes of a response's body.
    pub response_body: OrNone<ByteSize>,
    /// Bytes of one set of headers or trailers that the guest makes.
    pub headers: ByteSize,
    /// Fields in one set of headers or trailers that the guest sends.
    pub header_count: u32,
    /// Handles of one instance: streams, timers, requests, files, all that the host holds for it.
    pub handles: u32,
    /// Bytes of strings and lists that the guest passes in one call of the host.
    pub call_data: ByteSize,
    /// Outbound HTTP requests of one instance under way at the same time.
    pub outbound: u32,
    /// Bytes of one call over outbound HTTP and sockets, both directions together.
    pub outbound_bytes: OrNone<ByteSize>,
    /// Open sockets of one instance.
    pub sockets: u32,
    /// Open files and folders of one instance.
    pub open_files: u32,
    /// Bytes that one call writes to files and objects.
    pub bytes_written: OrNone<ByteSize>,
    /// Bytes of a value that the guest writes to a key-value store.
    pub value_size: ByteSize,
    /// Bytes of standard output and error that are kept per second; the rest is dropped.
    pub log_rate: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            memories: MEMORIES,
            table_elements: TABLE_ELEMENTS,
            tables: TABLES,
            instances: INSTANCES,
            stack: STACK,
            cpu: CPU,
            fuel: FUEL,
            timeout: TIMEOUT,
            first_byte: FIRST_BYTE,
            duration: DURATION,
            concurrency: CONCURRENCY,
            queue: QUEUE,
            queue_time: QUEUE_TIME,
            request_body: REQUEST_BODY,
            response_body: RESPONSE_BODY,
            headers: HEADERS,
            header_count: HEADER_COUNT,
            handles: HANDLES,
            call_data: CALL_DATA,
            outbound: OUTBOUND,
            outbound_bytes: OUTBOUND_BYTES,
            sockets: SOCKETS,
            open_files: OPEN_FILES,
            bytes_written: BYTES_WRITTEN,
            value_size: VALUE_SIZE,
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
        let Ok(serde_json::Value::Object(values)) = serde_json::to_value(self) else {
            return Vec::new();
        };
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        values
            .into_iter()
            .map(|(name, value)| (name.clone(), text(value), meaning(&name)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_in_the_table_with_its_meaning() {
        let table = Limits::default().table();
        assert!(
            table
                .iter()
                .all(|(_, value, doc)| !value.is_empty() && !doc.is_empty())
        );
        let of = |name: &str| table.iter().find(|row| row.0 == name).unwrap().1.clone();
        assert_eq!(of("memory"), "256 MiB");
        assert_eq!(of("fuel"), "none");
        assert_eq!(of("cpu"), "10 s");
    }

    #[test]
    fn defaults_fit_each_other() {
        let Limits {
            memory,
            table_elements,
            cpu,
            timeout,
            first_byte,
            duration,
            request_body,
            bytes_written,
            ..
        } = Limits::default();
        // A guest that computes all the time meets the CPU limit, which names the cause,
        // before the wall clock, which does not.
        assert!(cpu.0.unwrap() < timeout && timeout < first_byte.0.unwrap());
        assert!(first_byte.0.unwrap() < duration.0.unwrap());
        // Filled tables are the host's memory on the guest's account: keep them small beside it.
        assert!(u64::from(table_elements) * 8 * 16 < memory.0);
        // What may be sent may be kept.
        assert!(request_body.0.unwrap() < bytes_written.0.unwrap());
    }
}
