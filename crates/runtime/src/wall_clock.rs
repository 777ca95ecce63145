//! The wall clocks of a served event: without a byte moving, to the head of its answer, in all.

use crate::limits::{Limit, Meter};
use crate::receipt::Flows;
use std::time::{Duration, Instant};

/// Says when to look at an event again, and then whether its time is up.
pub(crate) struct WallClock<'a> {
    meter: &'a Meter,
    flows: &'a Flows,
    began: Instant,
    /// When bytes are looked at next, so that a slow client or a long stream is not taken for a guest
    /// that hangs; absent where nothing bounds that.
    look: Option<Instant>,
    /// Bytes that had moved at the last look.
    moved: u64,
}

impl<'a> WallClock<'a> {
    /// The clocks of an event that begins now.
    pub(crate) fn new(meter: &'a Meter, flows: &'a Flows) -> Self {
        let began = Instant::now();
        let look = meter.allowance().timeout;
        WallClock {
            meter,
            flows,
            began,
            look: look.and_then(|timeout| began.checked_add(timeout)),
            moved: flows.total(),
        }
    }

    fn first_byte(&self) -> Option<Instant> {
        self.at(self.meter.allowance().first_byte)
            .filter(|_| !self.meter.has_answered())
    }

    fn in_all(&self) -> Option<Instant> {
        self.at(self.meter.allowance().duration)
    }

    /// A time that is too far for the clock is no limit.
    fn at(&self, after: Option<Duration>) -> Option<Instant> {
        self.began.checked_add(after?)
    }

    /// When to look next; `None`: never.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.look, self.first_byte(), self.in_all()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The limit that the event is over `now`.
    pub(crate) fn over(&mut self, now: Instant) -> Option<Limit> {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_past(self.in_all()) {
            return Some(Limit::Duration);
        }
        if is_past(self.first_byte()) {
            return Some(Limit::FirstByte);
        }
        if is_past(self.look) {
            let moved = self.flows.total();
            if moved == self.moved {
                return Some(Limit::Timeout);
            }
            self.moved = moved;
            let timeout = self.meter.allowance().timeout;
            self.look = timeout.and_then(|timeout| now.checked_add(timeout));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Allowance, Budget};

    const SECOND: Duration = Duration::from_secs(1);

    fn meter() -> std::sync::Arc<Meter> {
        let budget = Budget::new(Allowance {
            timeout: Some(10 * SECOND),
            first_byte: Some(25 * SECOND),
            duration: Some(60 * SECOND),
            ..Allowance::UNLIMITED
        });
        budget.meter.clone()
    }

    #[test]
    fn nothing_moves() {
        let (meter, flows) = (meter(), Flows::default());
        let mut clock = WallClock::new(&meter, &flows);
        let after = |seconds| clock.began + seconds * SECOND;
        let (nine, ten) = (after(9), after(10));
        assert_eq!(clock.next(), Some(ten));
        assert_eq!(clock.over(nine), None);
        assert_eq!(clock.over(ten), Some(Limit::Timeout));
    }

    #[test]
    fn bytes_move_and_no_answer_comes() {
        let (meter, flows) = (meter(), Flows::default());
        let mut clock = WallClock::new(&meter, &flows);
        let began = clock.began;
        for seconds in [10, 20] {
            Flows::add(&flows.request_in, 1);
            assert_eq!(clock.over(began + seconds * SECOND), None);
        }
        assert_eq!(clock.next(), Some(began + 25 * SECOND));
        assert_eq!(clock.over(began + 25 * SECOND), Some(Limit::FirstByte));
    }

    #[test]
    fn a_stream_ends_in_the_end() {
        let (meter, flows) = (meter(), Flows::default());
        meter.answered();
        let mut clock = WallClock::new(&meter, &flows);
        let began = clock.began;
        for seconds in (10..60).step_by(10) {
            Flows::add(&flows.response_out, 1);
            assert_eq!(clock.over(began + seconds * SECOND), None);
        }
        assert_eq!(clock.over(began + 60 * SECOND), Some(Limit::Duration));
    }

    #[test]
    fn without_limits_there_is_nothing_to_look_at() {
        let (budget, flows) = (Budget::new(Allowance::UNLIMITED), Flows::default());
        assert_eq!(WallClock::new(&budget.meter, &flows).next(), None);
    }
}
