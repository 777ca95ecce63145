//! The fast lane: an event on a tokio worker, until it ends or has to go to the slow lane.

use super::estimate::estimate;
use super::tenant::Tenant;
use crate::limits::take_metered;
use crate::ticker;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Drives an event. `None`: it has to go on in the slow lane.
pub(super) async fn drive<F: Future>(
    tenant: &Tenant,
    event: &mut Pin<Box<F>>,
) -> Option<F::Output> {
    let mut recent = Recent::default();
    poll_fn(move |cx| {
        if tenant.has_to_wait() {
            return Poll::Ready(None);
        }
        let mut used = 0;
        let (poll, around) = estimate(
            || event.as_mut().poll(cx),
            || {
                used = take_metered();
                used
            },
        );
        // Unless it was measured just now.
        used += take_metered();
        tenant.charge(used + around);
        match poll {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if recent.is_long(used) && tenant.slow_lane_is_open() => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What an event used of late; a stream that does a little for hours has not computed long.
#[derive(Default)]
struct Recent {
    window: u64,
    used_ns: u64,
}

impl Recent {
    /// Whether, with what a poll has used, it has computed for a whole tick.
    fn is_long(&mut self, used_ns: u64) -> bool {
        let window = super::shares::window(ticker::now_ms());
        if self.window != window {
            *self = Recent { window, used_ns: 0 };
        }
        self.used_ns += used_ns;
        self.used_ns >= ticker::period_ms() * 1_000_000
    }
}
