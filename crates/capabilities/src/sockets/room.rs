//! How many sockets an instance may hold: each open one has a seat, and there are only so many.

use holm_runtime::Core;
use holm_runtime::limits::{Kind, Limit, Meter, Share};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// The seats of one instance.
#[derive(Clone)]
pub struct Room(Arc<Shared>);

struct Shared {
    /// Whose seats they are, for the log.
    component: Arc<str>,
    /// How many seats there are, and who is told that they are taken.
    meter: Arc<Meter>,
    seats: Mutex<Seats>,
    /// Each socket is a connection of its app's, too.
    app: Share,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    /// Listeners that would accept a connection if there were a seat for it.
    waiting: Vec<Waker>,
    /// The log was told; once is enough.
    told: bool,
}

impl Room {
    pub(super) fn new(core: &Core) -> Self {
        Room(Arc::new(Shared {
            component: core.component.clone(),
            meter: core.budget.meter.clone(),
            seats: Mutex::default(),
            app: Share::of(&core.budget, Kind::Connections),
        }))
    }

    fn most(&self) -> usize {
        self.0.meter.allowance().sockets
    }

    /// Takes a seat for one socket; `None`: there is none.
    pub(super) fn take(&self) -> Option<Seat> {
        let mut seats = self.seats();
        if seats.taken >= self.most() {
            self.tell(&mut seats);
            self.0.meter.hit(Limit::Sockets);
            return None;
        }
        let mut app = self.0.app.fresh();
        if !app.take(&self.0.meter) {
            return None;
        }
        seats.taken += 1;
        drop(seats);
        Some(Seat(Arc::new(Taken {
            room: self.clone(),
            _app: app,
        })))
    }

    /// Ready while there is a seat; else the task is woken when one comes free.
    pub(super) fn poll_free(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut seats = self.seats();
        if seats.taken < self.most() {
            return Poll::Ready(());
        }
        self.tell(&mut seats);
        // Not more wakers than there can be listeners: the old ones are of reads that were given up,
        // and whoever still waits comes back.
        if seats.waiting.len() >= self.most() {
            seats.waiting.drain(..).for_each(Waker::wake);
        }
        if !seats.waiting.iter().any(|w| w.will_wake(cx.waker())) {
            seats.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn tell(&self, seats: &mut Seats) {
        if !std::mem::replace(&mut seats.told, true) {
            let component = &*self.0.component;
            tracing::warn!(
                component,
                most = self.most(),
                "an instance holds as many sockets as it may"
            );
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The seat of one socket. All that keeps the socket open holds it; the last one gives it back.
#[derive(Clone)]
pub struct Seat(Arc<Taken>);

impl Seat {
    /// Where the seat stands.
    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }
}

struct Taken {
    room: Room,
    _app: Share,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let waiting = {
            let mut seats = self.room.seats();
            seats.taken -= 1;
            std::mem::take(&mut seats.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::core_with;
    use holm_runtime::limits::Allowance;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    const SOCKETS_MAX: usize = 256;

    fn room() -> Room {
        Room::new(&core_with(Allowance {
            sockets: SOCKETS_MAX,
            ..Allowance::UNLIMITED
        }))
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_seat_is_free_when_its_last_holder_is_gone() {
        let room = room();
        let mut seats: Vec<_> = (0..SOCKETS_MAX).map(|_| room.take().unwrap()).collect();
        assert!(room.take().is_none());
        let stream = seats[0].clone();
        seats.remove(0);
        assert!(room.take().is_none(), "the stream still has it open");
        drop(stream);
        assert!(room.take().is_some());
    }

    #[test]
    fn whoever_waits_is_woken_and_not_kept() {
        let room = room();
        let mut seats: Vec<_> = (0..SOCKETS_MAX).map(|_| room.take().unwrap()).collect();
        let wakes = Arc::new(Wakes::default());
        for _ in 0..2 {
            let waker = wakes.clone().into();
            assert!(
                room.poll_free(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        assert_eq!(room.seats().waiting.len(), 1, "the same task waits once");
        seats.pop();
        assert_eq!(wakes.0.load(Relaxed), 1);
        let waker = wakes.clone().into();
        assert!(room.poll_free(&mut Context::from_waker(&waker)).is_ready());

        seats.push(room.take().unwrap());
        for _ in 0..3 * SOCKETS_MAX {
            let waker = Arc::new(Wakes::default()).into();
            assert!(
                room.poll_free(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        assert!(room.seats().waiting.len() <= SOCKETS_MAX);
    }
}
