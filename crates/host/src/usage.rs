//! What receipts tell, summed for each component: kept in atomics, added to at the end of an event.
//! An app's sum is made when somebody asks for it.

use holm_runtime::Core;
use holm_runtime::limits::Limit;
use holm_runtime::receipt::Flows;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the times that are told apart, in seconds: those that OpenTelemetry's semantic
/// conventions give for `http.server.request.duration`. What took longer has a place of its own.
pub const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The same in microseconds.
const BOUNDS_US: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// How many times are told apart.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The place of requests and answers among the kinds of traffic.
const SERVED: usize = 0;

/// Why a request got no good answer of the component's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The guest trapped, exited, or hit a limit.
    Guest = 1,
    /// It answered with an error code, or with nothing.
    NoAnswer,
    /// It failed over something that it was not granted.
    Denied,
    /// The app is set up wrongly: it does not load.
    Yours,
    /// A bug of ours.
    Ours,
    /// As many of its instances as may be were at work.
    Busy,
    /// As many instances as the machine may have were at work, or they had all the memory.
    Full,
    /// The app is drained.
    Drained,
    /// The client left before there was an answer.
    Left,
    /// Its client has asked too often.
    TooMany,
}

impl Cause {
    /// All of them, in their order.
    pub const ALL: [Cause; 10] = [
        Cause::Guest,
        Cause::NoAnswer,
        Cause::Denied,
        Cause::Yours,
        Cause::Ours,
        Cause::Busy,
        Cause::Full,
        Cause::Drained,
        Cause::Left,
        Cause::TooMany,
    ];

    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Guest => "guest",
            Cause::NoAnswer => "no_answer",
            Cause::Denied => "denied",
            Cause::Yours => "yours",
            Cause::Ours => "ours",
            Cause::Busy => "busy",
            Cause::Full => "full",
            Cause::Drained => "drained",
            Cause::Left => "left",
            Cause::TooMany => "too_many",
        }
    }
}

impl From<holm_runtime::Kind> for Cause {
    fn from(kind: holm_runtime::Kind) -> Self {
        match kind {
            holm_runtime::Kind::Yours => Cause::Yours,
            holm_runtime::Kind::Guest => Cause::Guest,
            holm_runtime::Kind::Denied => Cause::Denied,
            holm_runtime::Kind::Ours => Cause::Ours,
        }
    }
}

/// What the events of one component used so far, all its versions together.
#[derive(Debug, Default)]
pub struct Usage {
    cpu_ns: AtomicU64,
    wall_ns: AtomicU64,
    memory_peak: AtomicU64,
    request_us: AtomicU64,
    classes: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BUCKETS],
    bytes: [[AtomicU64; 2]; Flows::KINDS],
    failures: [AtomicU64; Cause::ALL.len()],
    /// Rare, and there may be any number of limits: a map will do.
    limits: Mutex<BTreeMap<&'static str, u64>>,
}

impl Usage {
    /// A guest has ended its event. The bytes of its answer come with [`answered`](Self::answered),
    /// because they may still be on their way.
    pub fn event(&self, core: &Core, wall: Duration) {
        let meter = &core.budget.meter;
        add(&self.cpu_ns, meter.own().as_nanos() as u64);
        add(&self.wall_ns, wall.as_nanos() as u64);
        let memory = core.budget.memory_peak();
        // Mostly it is not more than before, and then nobody has to wait for the line of cache.
        if memory > self.memory_peak.load(Relaxed) {
            self.memory_peak.fetch_max(memory, Relaxed);
        }
        let rows = self.bytes.iter().zip(core.flows.rows()).enumerate();
        for (kind, (sums, (_, into, out))) in rows {
            add(&sums[0], into.load(Relaxed));
            if kind != SERVED {
                add(&sums[1], out.load(Relaxed));
            }
        }
    }

    /// A request met a limit, or what the component printed did.
    pub fn limit(&self, limit: Limit) {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        *limits.entry(limit.name()).or_default() += 1;
    }

    /// An answer was sent, or what could be sent of it: its status, how long the request took from
    /// its head to the answer's last byte, and the bytes of the component's own answer.
    pub fn answered(&self, status: u16, took: Duration, bytes: u64) {
        let us = took.as_micros() as u64;
        add(&self.request_us, us);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Relaxed);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.classes[class].fetch_add(1, Relaxed);
        add(&self.bytes[SERVED][1], bytes);
    }

    /// A request got no good answer of the component's.
    pub fn failed(&self, cause: Cause) {
        self.failures[cause as usize - 1].fetch_add(1, Relaxed);
    }

    /// All of it at this moment.
    pub fn sum(&self) -> Sum {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let seen = |names: &[&'static str], counters: &[AtomicU64]| {
            let pairs = names.iter().copied().zip(counters.iter().map(load));
            pairs.filter(|(_, count)| *count > 0).collect()
        };
        let kinds = Flows::default().rows().map(|(kind, ..)| kind);
        let bytes = kinds.into_iter().zip(&self.bytes);
        let bytes: BTreeMap<_, _> = bytes
            .map(|(kind, [into, out])| (kind, [load(into), load(out)]))
            .filter(|(_, pair)| *pair != [0, 0])
            .collect();
        let buckets = std::array::from_fn(|i| load(&self.buckets[i]));
        Sum {
            requests: buckets.iter().sum(),
            responses: seen(&CLASSES, &self.classes),
            failures: seen(&Cause::ALL.map(Cause::name), &self.failures),
            limits: self
                .limits
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            cpu_us: load(&self.cpu_ns) / 1000,
            wall_us: load(&self.wall_ns) / 1000,
            memory_peak: load(&self.memory_peak),
            bytes_in: bytes.values().map(|pair| pair[0]).sum(),
            bytes_out: bytes.values().map(|pair| pair[1]).sum(),
            bytes,
            latency: Latency {
                buckets,
                sum_us: load(&self.request_us),
            },
        }
    }
}

/// Most kinds of traffic are none, and nothing is the cheapest thing to add.
fn add(counter: &AtomicU64, more: u64) {
    if more > 0 {
        counter.fetch_add(more, Relaxed);
    }
}

/// What was used up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Requests that were answered, well or not.
    pub requests: u64,
    /// The same by class of status: `2xx`.
    pub responses: BTreeMap<&'static str, u64>,
    /// Requests without a good answer of the component's, by cause.
    pub failures: BTreeMap<&'static str, u64>,
    /// Requests that met a limit, by its name.
    pub limits: BTreeMap<&'static str, u64>,
    /// CPU time of the guests and of the host's functions under them, in microseconds.
    pub cpu_us: u64,
    /// Wall time of the events, in microseconds.
    pub wall_us: u64,
    /// The most linear memory that one instance held, in bytes.
    pub memory_peak: u64,
    /// Bytes into the guests.
    pub bytes_in: u64,
    /// Bytes out of them.
    pub bytes_out: u64,
    /// The same by kind: `[in, out]`; kinds without traffic are absent.
    pub bytes: BTreeMap<&'static str, [u64; 2]>,
    /// How long requests took, from the head of each to the last byte of its answer.
    pub latency: Latency,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many took no longer than each of [`BOUNDS`] and longer than the one before; the last is
    /// of those that took longer than all.
    pub buckets: [u64; BUCKETS],
    /// All together, in microseconds.
    pub sum_us: u64,
}

impl Sum {
    /// Adds another's.
    pub fn add(&mut self, other: &Sum) {
        let maps = [
            (&mut self.responses, &other.responses),
            (&mut self.failures, &other.failures),
            (&mut self.limits, &other.limits),
        ];
        for (mine, others) in maps {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
        self.requests += other.requests;
        self.cpu_us += other.cpu_us;
        self.wall_us += other.wall_us;
        self.memory_peak = self.memory_peak.max(other.memory_peak);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        for (kind, [into, out]) in &other.bytes {
            let mine = self.bytes.entry(kind).or_default();
            mine[0] += into;
            mine[1] += out;
        }
        for (mine, others) in self.latency.buckets.iter_mut().zip(other.latency.buckets) {
            *mine += others;
        }
        self.latency.sum_us += other.latency.sum_us;
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        *self == Sum::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_runtime::Watch;
    use holm_runtime::limits::{Allowance, Budget};

    fn core() -> Core {
        let allowance = Allowance {
            memory: 1 << 20,
            table_elements: 10,
            ..Allowance::UNLIMITED
        };
        Core::new("web".into(), Budget::new(allowance), &Watch::default())
    }

    #[test]
    fn bounds_are_the_same_in_both_units() {
        for (seconds, us) in BOUNDS.into_iter().zip(BOUNDS_US) {
            assert_eq!(Duration::from_secs_f64(seconds).as_micros() as u64, us);
        }
    }

    #[test]
    fn an_event_and_its_answer_make_one_request() {
        let usage = Usage::default();
        let core = core();
        Flows::add(&core.flows.request_in, 10);
        Flows::add(&core.flows.response_out, 3);
        Flows::add(&core.flows.keyvalue_out, 7);
        usage.limit(Limit::Memory);
        usage.event(&core, Duration::from_millis(2));
        usage.answered(200, Duration::from_millis(5), 20);
        usage.answered(503, Duration::from_secs(60), 0);
        usage.failed(Cause::Left);
        let sum = usage.sum();
        assert_eq!(sum.requests, 2);
        assert_eq!(sum.responses, [("2xx", 1), ("5xx", 1)].into());
        assert_eq!(sum.failures, [("left", 1)].into());
        assert_eq!(sum.limits, [("memory", 1)].into());
        assert_eq!(
            sum.bytes,
            [("http-server", [10, 20]), ("keyvalue", [0, 7])].into()
        );
        assert_eq!((sum.bytes_in, sum.bytes_out, sum.wall_us), (10, 27, 2000));
        // A bound belongs to what is below it, as Prometheus has it.
        assert_eq!(sum.latency.buckets[0], 1);
        assert_eq!(sum.latency.buckets[BUCKETS - 1], 1);
        assert_eq!(sum.latency.sum_us, 60_005_000);
    }

    #[test]
    fn sums_add_up_and_peaks_do_not() {
        let usage = Usage::default();
        usage.answered(204, Duration::from_millis(80), 5);
        usage.memory_peak.store(9, Relaxed);
        let mut twice = usage.sum();
        assert!(!twice.is_empty());
        twice.add(&usage.sum());
        assert_eq!((twice.requests, twice.bytes_out), (2, 10));
        assert_eq!(twice.memory_peak, 9);
        assert_eq!(twice.responses, [("2xx", 2)].into());
        assert_eq!(twice.latency.buckets[5], 2);
        assert!(Usage::default().sum().is_empty());
    }

    #[test]
    fn each_cause_has_its_place() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index + 1);
        }
    }
}
