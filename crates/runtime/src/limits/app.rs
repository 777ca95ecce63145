//! What all instances of one app hold together: each takes what it wants from the app's room, too.

use super::{Budget, Limit, Meter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is counted for a whole app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Outbound requests under way, and open sockets.
    Connections,
    /// Open files and folders.
    OpenFiles,
}

impl Kind {
    /// The limit that is reached when there is no more.
    fn limit(self) -> Limit {
        match self {
            Kind::Connections => Limit::AppConnections,
            Kind::OpenFiles => Limit::AppOpenFiles,
        }
    }
}

/// The room of an app: so many of each kind for all its instances.
#[derive(Debug)]
pub struct AppRoom {
    connections: Count,
    open_files: Count,
}

#[derive(Debug)]
struct Count {
    most: usize,
    taken: AtomicUsize,
}

impl AppRoom {
    /// A room of so many connections, and so many open files.
    pub fn new(connections: usize, open_files: usize) -> Arc<Self> {
        let count = |most| Count {
            most,
            taken: AtomicUsize::new(0),
        };
        Arc::new(AppRoom {
            connections: count(connections),
            open_files: count(open_files),
        })
    }

    /// How many there are of a kind.
    pub fn most(&self, kind: Kind) -> usize {
        self.count(kind).most
    }

    fn count(&self, kind: Kind) -> &Count {
        match kind {
            Kind::Connections => &self.connections,
            Kind::OpenFiles => &self.open_files,
        }
    }
}

/// What one holder has of its app's room; all of it is given back when this is dropped. An instance of
/// no app takes as much as it likes.
#[derive(Debug)]
pub struct Share {
    room: Option<Arc<AppRoom>>,
    kind: Kind,
    taken: usize,
}

impl Share {
    /// Nothing yet, of the room that this budget's app has.
    pub fn of(budget: &Budget, kind: Kind) -> Self {
        Share {
            room: budget.app.clone(),
            kind,
            taken: 0,
        }
    }

    /// Another one of the same room and kind, with nothing yet.
    pub fn fresh(&self) -> Self {
        Share {
            room: self.room.clone(),
            kind: self.kind,
            taken: 0,
        }
    }

    /// Takes one; if there is none, the limit is reached and this says no.
    pub fn take(&mut self, meter: &Meter) -> bool {
        let Some(room) = &self.room else { return true };
        let count = room.count(self.kind);
        let one_more = |taken| (taken < count.most).then_some(taken + 1);
        if count
            .taken
            .fetch_update(Relaxed, Relaxed, one_more)
            .is_err()
        {
            meter.hit(self.kind.limit());
            return false;
        }
        self.taken += 1;
        true
    }

    /// Gives one back.
    pub fn give_back(&mut self) {
        if self.taken > 0 {
            self.taken -= 1;
            self.less(1);
        }
    }

    fn less(&self, by: usize) {
        if let Some(room) = &self.room {
            room.count(self.kind).taken.fetch_sub(by, Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.less(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Allowance;

    #[test]
    fn an_app_holds_no_more_than_its_room() {
        let room = AppRoom::new(2, 1);
        let budget = || Budget::new(Allowance::UNLIMITED).in_app(room.clone());
        let (one, other) = (budget(), budget());
        let mut first = Share::of(&one, Kind::Connections);
        let mut second = Share::of(&other, Kind::Connections);
        assert!(first.take(&one.meter) && second.take(&other.meter));
        assert!(!second.take(&other.meter));
        assert_eq!(other.meter.limit_hit(), Some(Limit::AppConnections));
        assert_eq!(one.meter.limit_hit(), None, "its neighbour met it");
        // The other kind is another count.
        let mut file = Share::of(&one, Kind::OpenFiles);
        assert!(file.take(&one.meter));
        assert!(!file.take(&one.meter));
        assert_eq!(one.meter.limit_hit(), Some(Limit::AppOpenFiles));
        first.give_back();
        first.give_back();
        assert!(second.take(&other.meter), "one came back, and only one");
        assert!(!first.take(&one.meter));
        drop(second);
        assert!(first.take(&one.meter) && first.take(&one.meter));
    }

    #[test]
    fn without_an_app_there_is_no_end() {
        let budget = Budget::new(Allowance::UNLIMITED);
        let mut share = Share::of(&budget, Kind::OpenFiles);
        assert!((0..100_000).all(|_| share.take(&budget.meter)));
    }
}
