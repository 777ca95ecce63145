//! Which limits there are, what each is called, and what it means to reach it: the one table.

use super::Allowance;
use crate::error::Error;
use holm_manifest::{ByteSize, Time};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// So many of what the limit counts.
    Count(u64),
    /// So long.
    Time(Duration),
    /// As much as there is.
    None,
}

impl Amount {
    /// So many bytes; the largest number means as much as there is.
    pub fn bytes(most: u64) -> Self {
        match most {
            u64::MAX => Amount::None,
            most => Amount::Bytes(most),
        }
    }

    fn count(most: usize) -> Self {
        match most {
            usize::MAX => Amount::None,
            most => Amount::Count(most as u64),
        }
    }

    fn time(most: Option<Duration>) -> Self {
        most.map_or(Amount::None, Amount::Time)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Bytes(bytes) => ByteSize(*bytes).fmt(f),
            Amount::Count(count) => count.fmt(f),
            Amount::Time(time) => Time(*time).fmt(f),
            Amount::None => f.write_str("none"),
        }
    }
}

/// Makes the table into the type, its names, its words and its amounts.
macro_rules! limits {
    ($($(#[$doc:meta])+ $limit:ident = $name:literal, $words:literal, $amount:expr;)+) => {
        /// A limit that an event can reach.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Limit {
            $($(#[$doc])+ $limit,)+
        }

        impl Limit {
            /// All of them.
            pub const ALL: &[Limit] = &[$(Limit::$limit,)+];

            /// The key under `limits` in the manifest.
            pub fn name(self) -> &'static str {
                match self { $(Limit::$limit => $name,)+ }
            }

            /// What whoever reached it did: "web … (64 MiB)".
            fn words(self) -> &'static str {
                match self { $(Limit::$limit => $words,)+ }
            }

            /// How much of it an allowance gives.
            pub fn amount(self, allowance: &Allowance) -> Amount {
                let amount: fn(&Allowance) -> Amount = match self { $(Limit::$limit => $amount,)+ };
                amount(allowance)
            }
        }
    };
}

limits! {
    /// Linear memory.
    Memory = "memory", "wanted more memory than its limit", |a| Amount::bytes(a.memory);
    /// Linear memories.
    Memories = "memories", "has more memories than its limit", |a| Amount::count(a.memories);
    /// Table elements.
    TableElements = "table_elements", "wanted more table elements than its limit",
        |a| Amount::count(a.table_elements);
    /// Tables.
    Tables = "tables", "has more tables than its limit", |a| Amount::count(a.tables);
    /// Core instances.
    Instances = "instances", "is made of more instances than its limit",
        |a| Amount::count(a.instances);
    /// The stack of calls.
    Stack = "stack", "called itself deeper than its stack", |a| Amount::bytes(a.stack as u64);
    /// CPU time.
    Cpu = "cpu", "used up its CPU time", |a| Amount::time(a.cpu);
    /// Fuel.
    Fuel = "fuel", "used up its fuel", |a| a.fuel.map_or(Amount::None, Amount::Count);
    /// Wall time, in which nothing moved where the event is a served one.
    Timeout = "timeout", "took longer than its timeout", |a| Amount::time(a.timeout);
    /// Wall time to the head of the answer.
    FirstByte = "first_byte", "took longer to begin its answer than its limit",
        |a| Amount::time(a.first_byte);
    /// Wall time in all.
    Duration = "duration", "took longer in all than its limit", |a| Amount::time(a.duration);
    /// Calls that wait for others to end.
    Queue = "queue", "is busy, and as many calls wait as its limit", |a| Amount::count(a.queue);
    /// Wall time for which a call waits for others to end.
    QueueTime = "queue_time", "was busy for longer than a call waits",
        |a| Amount::time(a.queue_time);
    /// A request's body.
    RequestBody = "request_body", "was sent a larger body than its limit",
        |a| Amount::bytes(a.request_body);
    /// A response's body.
    ResponseBody = "response_body", "answered with a larger body than its limit",
        |a| Amount::bytes(a.response_body);
    /// Bytes of one set of headers or trailers.
    Headers = "headers", "made larger headers than its limit", |a| Amount::bytes(a.headers);
    /// Fields in one set of headers or trailers.
    HeaderCount = "header_count", "sent more header fields than its limit",
        |a| Amount::count(a.header_count);
    /// Handles: what the host holds for the guest.
    Handles = "handles", "held more handles than its limit", |a| Amount::count(a.handles);
    /// Bytes of strings and lists in one call of the host.
    CallData = "call_data", "passed more data in one call than its limit",
        |a| Amount::bytes(a.call_data as u64);
    /// Outbound HTTP requests under way.
    Outbound = "outbound", "had more requests under way than its limit",
        |a| Amount::count(a.outbound);
    /// Bytes over the network, in both directions.
    OutboundBytes = "outbound_bytes", "moved more bytes over the network than its limit",
        |a| Amount::bytes(a.outbound_bytes);
    /// Open sockets.
    Sockets = "sockets", "held more sockets than its limit", |a| Amount::count(a.sockets);
    /// Open files and folders.
    OpenFiles = "open_files", "held more files open than its limit",
        |a| Amount::count(a.open_files);
    /// Bytes written to files and objects.
    BytesWritten = "bytes_written", "wrote more to files and objects than its limit",
        |a| Amount::bytes(a.bytes_written);
    /// A value of a key-value store.
    ValueSize = "value_size", "wrote a larger value to a store than its limit",
        |a| Amount::bytes(a.value_size);
    /// Lines of standard output and error in a second, all instances together.
    LogRate = "log_rate", "printed more in a second than its limit", |a| Amount::bytes(a.log_rate);
    /// The memory of all instances of the host; not a component's, but the operator's.
    HostMemory = "host_memory", "wanted more memory than the host has left for its app",
        |a| Amount::bytes(a.host_memory);
    /// The memory of all instances of its app.
    AppMemory = "app_memory", "wanted more memory than its app may have",
        |a| Amount::bytes(a.app_memory);
    /// Outbound requests under way and open sockets of all instances of its app.
    AppConnections = "app_connections", "wanted a connection more than its app may have",
        |a| Amount::count(a.app_connections);
    /// Open files and folders of all instances of its app.
    AppOpenFiles = "app_open_files", "wanted to open a file more than its app may",
        |a| Amount::count(a.app_open_files);
    /// Lines of standard output and error in a second, of all instances of its app.
    AppLogRate = "app_log_rate", "printed more in a second than its app may",
        |a| Amount::bytes(a.app_log_rate);
}

/// Some limits: those that an event has reached.
#[derive(Debug, Default)]
pub struct Reached(AtomicU64);

// A bit for each.
const _: () = assert!(Limit::ALL.len() <= u64::BITS as usize);

impl Reached {
    /// This one too.
    pub fn note(&self, limit: Limit) {
        self.0.fetch_or(1 << limit as u8, Relaxed);
    }

    /// These too.
    pub fn note_all(&self, others: &Reached) {
        let bits = others.0.load(Relaxed);
        // Mostly there are none.
        if bits != 0 {
            self.0.fetch_or(bits, Relaxed);
        }
    }

    /// None any more.
    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// All of them.
    pub fn list(&self) -> impl Iterator<Item = Limit> {
        let bits = self.0.load(Relaxed);
        let all = Limit::ALL.iter().copied();
        all.filter(move |limit| bits & (1 << *limit as u8) != 0)
    }
}

impl Limit {
    /// A number for it; none is 0.
    pub(super) fn code(self) -> u8 {
        self as u8 + 1
    }

    /// The limit with this number.
    pub(super) fn of_code(code: u8) -> Option<Limit> {
        Limit::ALL
            .iter()
            .copied()
            .find(|limit| limit.code() == code)
    }

    /// The flag of `holm run` that sets it.
    fn flag(self) -> Option<&'static str> {
        match self {
            Limit::Memory => Some("--memory"),
            Limit::Cpu => Some("--cpu"),
            Limit::Timeout => Some("--timeout"),
            _ => None,
        }
    }

    /// How it is raised for an app.
    fn of_app(self, key: &str) -> String {
        format!(
            "raise it in the manifest, for the app: limits = {{ {key} = … }}, before the first table"
        )
    }

    /// The error of `who` that reached it.
    pub fn error(self, who: &str, amount: Amount) -> Error {
        let what = format!("{who} {} ({amount})", self.words());
        let mut error = match self {
            // Nobody's fault but the settings'.
            Limit::HostMemory => {
                Error::yours(what).help("raise what all instances may have: holm up --memory …")
            }
            Limit::AppMemory => Error::yours(what).help(self.of_app("memory")),
            Limit::AppConnections => Error::guest(what).help(self.of_app("connections")),
            Limit::AppOpenFiles => Error::guest(what).help(self.of_app("open_files")),
            Limit::AppLogRate => Error::guest(what).help(self.of_app("log_rate")),
            _ => Error::guest(what).help(format!(
                "raise it in the manifest: limits = {{ {} = … }}",
                self.name()
            )),
        };
        if let Some(flag) = self.flag() {
            error = error.help(format!("or for `holm run`: {flag}"));
        }
        error.limit = Some(self);
        error
    }
}

/// The error that a guest meets at a limit: it traps with it, or reads it in a stream's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// Which.
    pub limit: Limit,
    /// How much it allows.
    pub amount: Amount,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitHit { limit, amount } = self;
        write!(f, "the {} limit of {amount} was reached", limit.name())
    }
}

impl std::error::Error for LimitHit {}

/// What the engine and its WASI say where they enforce a limit of ours and have no type for it.
const ENGINES_WORDS: &[(&str, Limit)] = &[
    ("resource limit exceeded: instance count", Limit::Instances),
    ("resource limit exceeded: memory count", Limit::Memories),
    ("resource limit exceeded: table count", Limit::Tables),
    (
        "cannot allocate another handle: store handle",
        Limit::Handles,
    ),
    ("cannot lend resource: store handle", Limit::Handles),
    ("resource table has no free keys", Limit::Handles),
    ("total size of fields exceeds limit", Limit::Headers),
    ("too many fields in the field map", Limit::Headers),
    (
        "too much data is being copied between the host and the guest",
        Limit::CallData,
    ),
];

/// The limit that an error of the engine's is about.
pub(crate) fn of_engine(error: &wasmtime::Error) -> Option<Limit> {
    match error.downcast_ref() {
        Some(wasmtime::Trap::OutOfFuel) => return Some(Limit::Fuel),
        Some(wasmtime::Trap::StackOverflow) => return Some(Limit::Stack),
        _ => {}
    }
    let root = error.root_cause().to_string();
    let found = ENGINES_WORDS
        .iter()
        .find(|(words, _)| root.starts_with(words));
    found.map(|(_, limit)| *limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_manifest::Limits;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_a_name_of_its_own_that_the_manifest_knows() {
        let names: BTreeSet<&str> = Limit::ALL.iter().map(|limit| limit.name()).collect();
        assert_eq!(names.len(), Limit::ALL.len());
        let manifest = Limits::default().table();
        for name in &names {
            let known = manifest.iter().any(|(known, ..)| known == name);
            let of_others = *name == "host_memory" || name.starts_with("app_");
            assert!(known || of_others, "{name}");
        }
        // Nobody reaches the places of `concurrency`: who finds none waits.
        for (name, ..) in &manifest {
            assert!(names.contains(&**name) || name == "concurrency", "{name}");
        }
    }

    #[test]
    fn what_was_reached_is_remembered_once() {
        let (one, other) = (Reached::default(), Reached::default());
        assert_eq!(one.list().count(), 0);
        for limit in [Limit::LogRate, Limit::Memory, Limit::LogRate] {
            other.note(limit);
        }
        one.note(Limit::Stack);
        one.note_all(&other);
        let all: Vec<Limit> = one.list().collect();
        assert_eq!(all, [Limit::Memory, Limit::Stack, Limit::LogRate]);
        one.clear();
        assert_eq!(one.list().count(), 0);
    }

    #[test]
    fn codes_lead_back() {
        assert_eq!(Limit::of_code(0), None);
        for limit in Limit::ALL {
            assert_eq!(Limit::of_code(limit.code()), Some(*limit));
        }
    }

    #[test]
    fn what_is_said_of_each() {
        let mut text = String::new();
        let second = Some(Duration::from_secs(1));
        let allowance = Allowance {
            memory: 64 << 20,
            memories: 2,
            table_elements: 3,
            tables: 4,
            instances: 5,
            stack: 128 << 10,
            cpu: Some(Duration::from_millis(50)),
            fuel: Some(6),
            timeout: second,
            first_byte: second,
            duration: second,
            queue: 7,
            queue_time: second,
            request_body: 8,
            response_body: 1024,
            headers: 9,
            header_count: 10,
            handles: 11,
            call_data: 12,
            outbound: 13,
            outbound_bytes: 14,
            sockets: 15,
            open_files: 16,
            bytes_written: 17,
            value_size: 18,
            log_rate: 19,
            host_memory: 20,
            app_memory: 31,
            app_connections: 32,
            app_open_files: 33,
            app_log_rate: 34,
        };
        for limit in Limit::ALL {
            let amount = limit.amount(&allowance);
            let hit = LimitHit {
                limit: *limit,
                amount,
            };
            let error = limit.error("web", amount);
            text += &format!("{hit}\n  {error}\n");
        }
        insta::assert_snapshot!(text);
    }
}
