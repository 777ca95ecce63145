//! The clock and the account of one event, shared by all who watch over it.

use super::clock::Poll;
use super::{Allowance, Limit, LimitHit, Reached};
use crate::error::Error;
use crate::receipt::Flows;
use crate::ticker;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// The CPU clock of one event: thread CPU time over its polls, so that an innocent that was
/// preempted is not charged for it. Also remembers which limit was reached, and knows how much each allows.
pub struct Meter {
    allowance: Allowance,
    spent_ns: AtomicU64,
    poll: Poll,
    limit_ns: u64,
    fuel: AtomicU64,
    answered: AtomicBool,
    hit: AtomicU8,
    reached: Reached,
    /// Of the event that this one is a part of.
    caller: Option<Arc<Meter>>,
    /// Whether it is polled in a task of its own, and not within its caller's polls.
    apart: bool,
    /// What of `spent_ns` others have spent for this one.
    lent_ns: AtomicU64,
}

impl Meter {
    pub(super) fn new(allowance: Allowance) -> Self {
        Meter {
            spent_ns: AtomicU64::new(0),
            poll: Poll::default(),
            limit_ns: allowance.cpu.map_or(u64::MAX, |d| d.as_nanos() as u64),
            fuel: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            hit: AtomicU8::new(0),
            reached: Reached::default(),
            caller: None,
            apart: false,
            lent_ns: AtomicU64::new(0),
            allowance,
        }
    }

    /// The clock of a part of another event.
    pub(super) fn under(allowance: Allowance, caller: Arc<Meter>, apart: bool) -> Self {
        Meter {
            caller: Some(caller),
            apart,
            ..Meter::new(allowance)
        }
    }

    /// What the event may use.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// A poll of the event begins on this thread.
    pub fn poll_begins(&self) {
        ticker::polled();
        self.poll.begins();
    }

    /// The poll has ended on the same thread.
    pub fn poll_ends(&self) {
        let used = self.poll.used();
        self.spent_ns.fetch_add(used, Relaxed);
        if let Some(caller) = &self.caller {
            caller.lent(used, self.apart);
        }
        // Else its caller's own poll goes on, and counts this one's time.
        if self.caller.is_none() || self.apart {
            METERED.with(|metered| metered.set(metered.get() + used));
        }
    }

    /// Wall time since the latest poll began.
    pub(crate) fn since_poll(&self) -> Duration {
        Duration::from_nanos(self.poll.elapsed())
    }

    /// Within a poll, at a tick: whether the guest may go on, and whether it must let others go
    /// first. The tick only asks; the answer is the event's own CPU clock. One that had only begun
    /// when the tick came goes on.
    pub fn tick(&self) -> Result<UpdateDeadline, LimitHit> {
        ticker::polled();
        let running = self.running();
        self.check(running)?;
        let half_a_period = ticker::period_ms() * 500_000;
        Ok(match running < half_a_period {
            true => UpdateDeadline::Continue(1),
            false => UpdateDeadline::Yield(1),
        })
    }

    /// Another one has used so much for this event; `apart` from its own polls, which then do not
    /// count it.
    fn lent(&self, used: u64, apart: bool) {
        self.lent_ns.fetch_add(used, Relaxed);
        if !apart {
            return;
        }
        self.spent_ns.fetch_add(used, Relaxed);
        if let Some(caller) = &self.caller {
            caller.lent(used, true);
        }
    }

    /// Whether its time is up, or that of an event that it is a part of.
    fn check(&self, running: u64) -> Result<(), LimitHit> {
        let mut apart = self.apart;
        let mut above = self.caller.as_ref();
        while let Some(caller) = above {
            // Apart, its poll may go on at the same time on another thread, whose clock is another.
            let running = if apart { running } else { caller.running() };
            if caller.is_over(running) {
                return Err(caller.reach(Limit::Cpu));
            }
            apart |= caller.apart;
            above = caller.caller.as_ref();
        }
        match self.is_over(running) {
            true => Err(self.reach(Limit::Cpu)),
            false => Ok(()),
        }
    }

    /// CPU time of the poll that is going on.
    fn running(&self) -> u64 {
        self.poll.used()
    }

    fn is_over(&self, running: u64) -> bool {
        self.spent_ns.load(Relaxed).saturating_add(running) > self.limit_ns
    }

    /// CPU time of the polls that have ended.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Relaxed))
    }

    /// The same without what others spent for this event: what is its component's own.
    pub fn own(&self) -> Duration {
        let lent = self.lent_ns.load(Relaxed);
        Duration::from_nanos(self.spent_ns.load(Relaxed).saturating_sub(lent))
    }

    /// Notes how much fuel the event has burnt.
    pub(crate) fn burnt(&self, fuel: u64) {
        self.fuel.store(fuel, Relaxed);
    }

    /// How much fuel it has burnt; `None` where fuel is not counted.
    pub fn fuel(&self) -> Option<u64> {
        self.allowance.fuel.map(|_| self.fuel.load(Relaxed))
    }

    /// The head of the answer is there: `first_byte` is kept.
    pub fn answered(&self) {
        self.answered.store(true, Relaxed);
    }

    /// Whether the head of the answer is there.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Relaxed)
    }

    /// A new event begins on a reused instance: the clock starts anew.
    pub fn reset(&self) {
        self.spent_ns.store(0, Relaxed);
        self.lent_ns.store(0, Relaxed);
        self.fuel.store(0, Relaxed);
        self.answered.store(false, Relaxed);
        self.hit.store(0, Relaxed);
        self.reached.clear();
    }

    /// Notes the limit that was reached; the latest wins, because a guest may survive a refused
    /// growth.
    pub fn hit(&self, limit: Limit) {
        self.hit.store(limit.code(), Relaxed);
        self.reached.note(limit);
    }

    /// The same, with the error that says so.
    pub fn reach(&self, limit: Limit) -> LimitHit {
        self.hit(limit);
        LimitHit {
            limit,
            amount: limit.amount(&self.allowance),
        }
    }

    /// The error of `who` that reached it.
    pub fn error(&self, limit: Limit, who: &str) -> Error {
        limit.error(who, limit.amount(&self.allowance))
    }

    /// Whether `more` bytes are still within a limit on what the instance moves in one event.
    pub fn room(&self, limit: Limit, flows: &Flows, more: usize) -> Result<(), LimitHit> {
        let (used, most) = match limit {
            Limit::OutboundBytes => (flows.outbound(), self.allowance.outbound_bytes),
            Limit::BytesWritten => (flows.written(), self.allowance.bytes_written),
            _ => return Ok(()),
        };
        match used.saturating_add(more as u64) > most {
            true => Err(self.reach(limit)),
            false => Ok(()),
        }
    }

    /// The limit that was reached last, if any.
    pub fn limit_hit(&self) -> Option<Limit> {
        Limit::of_code(self.hit.load(Relaxed))
    }

    /// All that were reached.
    pub fn reached(&self) -> &Reached {
        &self.reached
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

#[cfg(test)]
mod tests {
    use super::super::thread_cpu_ns;
    use super::*;

    fn meter() -> Meter {
        Meter::new(Allowance {
            cpu: Some(Duration::from_millis(5)),
            bytes_written: 10,
            ..Allowance::UNLIMITED
        })
    }

    #[test]
    fn only_polls_are_charged() {
        let meter = meter();
        std::thread::sleep(Duration::from_millis(20));
        meter.poll_begins();
        assert!(meter.tick().is_ok());
        meter.poll_ends();
        assert!(meter.spent() < Duration::from_millis(5));
    }

    #[test]
    fn a_spinning_poll_is_over_its_limit() {
        let meter = meter();
        meter.poll_begins();
        let began = std::time::Instant::now();
        while meter.tick().is_ok() {
            assert!(began.elapsed() < Duration::from_secs(10));
        }
        meter.poll_ends();
        assert!(meter.spent() >= Duration::from_millis(5));
        assert_eq!(meter.limit_hit(), Some(Limit::Cpu));
    }

    #[test]
    fn a_poll_that_slept_is_not_charged_for_it() {
        let meter = meter();
        meter.poll_begins();
        std::thread::sleep(Duration::from_millis(20));
        assert!(meter.tick().is_ok());
        meter.poll_ends();
        assert!(meter.spent() < Duration::from_millis(5));
    }

    #[test]
    fn a_poll_within_another_is_part_of_it() {
        let outer = Arc::new(Meter::new(Allowance::UNLIMITED));
        let inner = Meter::under(Allowance::UNLIMITED, outer.clone(), false);
        let spin = |ns: u64| {
            let until = thread_cpu_ns() + ns;
            while thread_cpu_ns() < until {}
        };
        outer.poll_begins();
        spin(1_000_000);
        inner.poll_begins();
        spin(1_000_000);
        inner.poll_ends();
        outer.poll_ends();
        assert!(inner.spent() >= Duration::from_millis(1));
        assert!(outer.spent() >= inner.spent() + Duration::from_millis(1));
    }

    #[test]
    fn a_poll_that_has_just_begun_goes_on_at_a_tick() {
        let meter = Meter::new(Allowance::UNLIMITED);
        meter.poll_begins();
        let now = meter.tick();
        assert!(matches!(now, Ok(UpdateDeadline::Continue(1))));
        let began = std::time::Instant::now();
        while matches!(meter.tick(), Ok(UpdateDeadline::Continue(_))) {
            assert!(began.elapsed() < Duration::from_secs(10));
        }
    }

    #[test]
    fn bytes_are_allowed_up_to_the_last() {
        let (meter, flows) = (meter(), Flows::default());
        Flows::add(&flows.files_out, 9);
        assert_eq!(meter.room(Limit::BytesWritten, &flows, 1), Ok(()));
        assert_eq!(meter.limit_hit(), None);
        let hit = meter.room(Limit::BytesWritten, &flows, 2).unwrap_err();
        assert_eq!(
            hit.to_string(),
            "the bytes_written limit of 10 B was reached"
        );
        assert_eq!(meter.limit_hit(), Some(Limit::BytesWritten));
        meter.reset();
        assert_eq!(meter.limit_hit(), None);
        assert_eq!(meter.room(Limit::OutboundBytes, &flows, usize::MAX), Ok(()));
    }
}
