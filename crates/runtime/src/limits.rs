//! Limits enforced: memory and tables through the engine's limiter, CPU time by the event's own
//! clock, wall time by a timer. Which limit exists and what its default is, `holm-manifest` says.

use crate::ticker;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// The limit that stopped an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Linear memory.
    Memory,
    /// CPU time.
    Cpu,
    /// Wall time.
    Timeout,
    /// Table elements.
    Table,
}

impl Limit {
    /// The key under `limits` in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Memory => "memory",
            Limit::Cpu => "cpu",
            Limit::Timeout => "timeout",
            Limit::Table => "table_elements",
        }
    }
}

/// The error with which an event ends that a limit stopped.
#[derive(Clone, Copy, Debug)]
pub struct LimitHit(pub Limit);

impl std::fmt::Display for LimitHit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} limit was reached", self.0.name())
    }
}

impl std::error::Error for LimitHit {}

/// What an instance may use. `None`: unlimited.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Linear memory in bytes, all memories of the instance together.
    pub memory: u64,
    /// CPU time of one event.
    pub cpu: Option<Duration>,
    /// Wall time of one event.
    pub timeout: Option<Duration>,
    /// Elements of all tables together.
    pub table_elements: usize,
}

/// An instance's budget: what it may use, and what it has used.
pub struct Budget {
    allowance: Allowance,
    memory: u64,
    memory_peak: u64,
    table_elements: usize,
    /// The clock that the epoch callback and the caller share.
    pub meter: Arc<Meter>,
}

impl Budget {
    /// A fresh budget.
    pub fn new(allowance: Allowance) -> Self {
        Budget {
            memory: 0,
            memory_peak: 0,
            table_elements: 0,
            meter: Arc::new(Meter::new(allowance.cpu)),
            allowance,
        }
    }

    /// What it may use.
    pub fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// The most linear memory held at once, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .memory
            .saturating_add((desired as u64).saturating_sub(current as u64));
        if total > self.allowance.memory {
            self.meter.hit(Limit::Memory);
            return Ok(false);
        }
        self.memory = total;
        self.memory_peak = self.memory_peak.max(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if total > self.allowance.table_elements {
            self.meter.hit(Limit::Table);
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}

/// The CPU clock of one event: thread CPU time over its polls, so that an innocent that was
/// preempted is never charged. Also remembers which limit was hit first.
pub struct Meter {
    spent_ns: AtomicU64,
    poll_began_ns: AtomicU64,
    limit_ns: AtomicU64,
    hit: AtomicU8,
}

impl Meter {
    fn new(limit: Option<Duration>) -> Self {
        Meter {
            spent_ns: AtomicU64::new(0),
            poll_began_ns: AtomicU64::new(0),
            limit_ns: AtomicU64::new(limit.map_or(u64::MAX, |d| d.as_nanos() as u64)),
            hit: AtomicU8::new(0),
        }
    }

    /// A poll of the event begins on this thread.
    pub fn poll_begins(&self) {
        ticker::polled();
        self.poll_began_ns.store(thread_cpu_ns(), Relaxed);
    }

    /// The poll has ended on the same thread.
    pub fn poll_ends(&self) {
        let used = thread_cpu_ns().saturating_sub(self.poll_began_ns.load(Relaxed));
        self.spent_ns.fetch_add(used, Relaxed);
        METERED.with(|metered| metered.set(metered.get() + used));
    }

    /// Within a poll, at a tick: whether the guest may go on, and whether it must let others go
    /// first. The tick only asks; the answer is the event's own CPU clock. One that had only begun
    /// when the tick came goes on.
    pub fn tick(&self) -> Result<UpdateDeadline, LimitHit> {
        ticker::polled();
        let running = self.running();
        if self.is_over(running) {
            self.hit(Limit::Cpu);
            return Err(LimitHit(Limit::Cpu));
        }
        let half_a_period = ticker::period_ms() * 500_000;
        Ok(match running < half_a_period {
            true => UpdateDeadline::Continue(1),
            false => UpdateDeadline::Yield(1),
        })
    }

    /// CPU time of the poll that is going on.
    fn running(&self) -> u64 {
        thread_cpu_ns().saturating_sub(self.poll_began_ns.load(Relaxed))
    }

    fn is_over(&self, running: u64) -> bool {
        self.spent_ns.load(Relaxed).saturating_add(running) > self.limit_ns.load(Relaxed)
    }

    /// CPU time of the polls that have ended.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Relaxed))
    }

    /// A new event begins on a reused instance: the clock starts anew.
    pub fn reset(&self) {
        self.spent_ns.store(0, Relaxed);
        self.hit.store(0, Relaxed);
    }

    /// Notes the limit that was hit; the latest wins, because a guest may survive a refused growth.
    pub fn hit(&self, limit: Limit) {
        let code = match limit {
            Limit::Memory => 1,
            Limit::Cpu => 2,
            Limit::Timeout => 3,
            Limit::Table => 4,
        };
        self.hit.store(code, Relaxed);
    }

    /// The limit that was hit last, if any.
    pub fn limit_hit(&self) -> Option<Limit> {
        match self.hit.load(Relaxed) {
            1 => Some(Limit::Memory),
            2 => Some(Limit::Cpu),
            3 => Some(Limit::Timeout),
            4 => Some(Limit::Table),
            _ => None,
        }
    }
}

thread_local! {
    /// CPU time that the meters on this thread have counted and nobody has taken yet.
    static METERED: Cell<u64> = const { Cell::new(0) };
}

/// CPU time in nanoseconds that the meters of this thread have counted since this was last asked.
/// So who drives an event learns what its poll cost without reading the clock (360 ns) again.
pub(crate) fn take_metered() -> u64 {
    METERED.take()
}

/// CPU time of this thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance() -> Allowance {
        Allowance {
            memory: 100,
            cpu: Some(Duration::from_millis(5)),
            timeout: None,
            table_elements: 10,
        }
    }

    #[test]
    fn memories_share_one_allowance_and_the_peak_is_kept() {
        let mut budget = Budget::new(allowance());
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.memory_growing(0, 40, None).unwrap());
        assert!(!budget.memory_growing(40, 41, None).unwrap());
        assert_eq!(budget.memory_peak(), 100);
        assert_eq!(budget.meter.limit_hit(), Some(Limit::Memory));
    }

    #[test]
    fn only_polls_are_charged() {
        let budget = Budget::new(allowance());
        std::thread::sleep(Duration::from_millis(20));
        budget.meter.poll_begins();
        assert!(budget.meter.tick().is_ok());
        budget.meter.poll_ends();
        assert!(budget.meter.spent() < Duration::from_millis(5));
    }

    #[test]
    fn a_spinning_poll_is_over_its_limit() {
        let budget = Budget::new(allowance());
        budget.meter.poll_begins();
        let began = std::time::Instant::now();
        while budget.meter.tick().is_ok() {
            assert!(began.elapsed() < Duration::from_secs(10));
        }
        budget.meter.poll_ends();
        assert!(budget.meter.spent() >= Duration::from_millis(5));
        assert_eq!(budget.meter.limit_hit(), Some(Limit::Cpu));
    }

    #[test]
    fn a_poll_that_has_just_begun_goes_on_at_a_tick() {
        let budget = Budget::new(Allowance {
            cpu: None,
            ..allowance()
        });
        budget.meter.poll_begins();
        let now = budget.meter.tick();
        assert!(matches!(now, Ok(UpdateDeadline::Continue(1))));
        let began = std::time::Instant::now();
        while matches!(budget.meter.tick(), Ok(UpdateDeadline::Continue(_))) {
            assert!(began.elapsed() < Duration::from_secs(10));
        }
    }
}
