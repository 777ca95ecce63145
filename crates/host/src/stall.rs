//! How long a client may keep us waiting while bytes should move: time is counted only while we
//! wait, so that a slow guest is never taken for a slow client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The least pace: so many bytes in so much time of waiting.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// In this much time of waiting
    pub time: Duration,
    /// at least this many bytes must move.
    pub bytes: usize,
}

impl Pace {
    /// A kilobyte per second, on average over so much time.
    pub fn over(time: Duration) -> Self {
        Pace {
            time,
            bytes: (time.as_millis() * 1024 / 1000)
                .try_into()
                .unwrap_or(usize::MAX),
        }
    }
}

/// Watches one direction of a connection, or one body.
#[derive(Default)]
pub struct Stall {
    since: Option<Instant>,
    waited: Duration,
    moved: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// Bytes have moved.
    pub fn moved(&mut self, pace: Pace, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        if !self.waited.is_zero() {
            self.moved += bytes;
            if self.moved >= pace.bytes {
                (self.waited, self.moved) = (Duration::ZERO, 0);
            }
        }
    }

    /// Nothing can move now; ready once the client has kept us waiting for too long.
    pub fn poll(&mut self, pace: Pace, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        poll_timer(
            &mut self.timer,
            since + pace.time.saturating_sub(self.waited),
            cx,
        )
    }
}

/// Polls a timer that is made when it is first needed and moved when its deadline does.
pub fn poll_timer(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(cx)
}
