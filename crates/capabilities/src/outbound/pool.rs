//! The connections of one component to servers of one kind. A guest's handle has one for itself; when
//! it is closed the connection is kept for the next handle with the same address and log-in.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// A connection that can be kept.
pub trait Pooled: Send + 'static {
    /// Whether the server still holds it.
    fn is_open(&self) -> bool;
}

/// The connections. `K` is the address together with the log-in, so that nobody gets a connection
/// that somebody else has logged in on.
pub struct Pool<K, C> {
    idle: Mutex<Idle<K, C>>,
    seats: Arc<Semaphore>,
}

struct Kept<C> {
    connection: C,
    since: Instant,
    _seat: OwnedSemaphorePermit,
}

struct Idle<K, C> {
    kept: HashMap<K, Vec<Kept<C>>>,
    /// Somebody comes to put old ones away.
    swept: bool,
}

/// A connection in use.
pub struct Lease<K: Eq + Hash + Clone + Send + 'static, C: Pooled> {
    key: K,
    /// Empty only while it is dropped.
    held: Option<(C, OwnedSemaphorePermit)>,
    pool: Weak<Pool<K, C>>,
    /// Whether somebody else may have it afterwards: no call is under way, and no state is left.
    fit: bool,
}

impl<K: Eq + Hash + Clone + Send + 'static, C: Pooled> Pool<K, C> {
    /// A pool of so many connections at most.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Pool {
            idle: Mutex::new(Idle {
                kept: HashMap::new(),
                swept: false,
            }),
            seats: Arc::new(Semaphore::new(most)),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle<K, C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection, the one used last.
    pub fn take(self: &Arc<Self>, key: &K) -> Option<Lease<K, C>> {
        let mut idle = self.idle();
        let kept = idle.kept.get_mut(key)?;
        while let Some(one) = kept.pop() {
            if one.connection.is_open() && one.since.elapsed() < IDLE_FOR {
                let held = Some((one.connection, one._seat));
                drop(idle);
                return Some(Lease {
                    key: key.clone(),
                    held,
                    pool: Arc::downgrade(self),
                    fit: true,
                });
            }
        }
        None
    }

    /// A place for a fresh connection. Where all are taken an idle one makes room; where none is
    /// idle, it waits for as long as `patience`.
    pub async fn seat(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        if let Ok(seat) = self.seats.clone().try_acquire_owned() {
            return Some(seat);
        }
        self.drop_one();
        let seat = self.seats.clone().acquire_owned();
        tokio::time::timeout(patience, seat).await.ok()?.ok()
    }

    /// A fresh connection in its seat.
    pub fn lease(
        self: &Arc<Self>,
        key: K,
        connection: C,
        seat: OwnedSemaphorePermit,
    ) -> Lease<K, C> {
        Lease {
            key,
            held: Some((connection, seat)),
            pool: Arc::downgrade(self),
            fit: true,
        }
    }

    /// Closes the connection that has been idle for longest.
    fn drop_one(&self) {
        let mut idle = self.idle();
        let first = |kept: &Vec<Kept<C>>| kept.first().map(|kept| kept.since);
        let oldest = idle
            .kept
            .iter()
            .filter_map(|(key, kept)| Some((first(kept)?, key.clone())))
            .min_by_key(|(since, _)| *since);
        if let Some((_, key)) = oldest
            && let Some(kept) = idle.kept.get_mut(&key)
        {
            kept.remove(0);
        }
    }

    fn give(self: &Arc<Self>, key: K, connection: C, seat: OwnedSemaphorePermit) {
        let mut idle = self.idle();
        idle.kept.entry(key).or_default().push(Kept {
            connection,
            since: Instant::now(),
            _seat: seat,
        });
        if std::mem::replace(&mut idle.swept, true) {
            return;
        }
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE_FOR).await;
                let Some(pool) = pool.upgrade() else { return };
                let mut idle = pool.idle();
                idle.kept.retain(|_, kept| {
                    kept.retain(|kept| {
                        kept.connection.is_open() && kept.since.elapsed() < IDLE_FOR
                    });
                    !kept.is_empty()
                });
                if idle.kept.is_empty() {
                    idle.swept = false;
                    return;
                }
            }
        });
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, C: Pooled> Lease<K, C> {
    /// A call begins, or leaves state behind: from now on the connection is closed with its handle.
    pub fn spoil(&mut self) {
        self.fit = false;
    }

    /// The call has ended, and nothing of it is left.
    pub fn mend(&mut self) {
        self.fit = true;
    }

    /// Whether it would be kept.
    pub fn is_fit(&self) -> bool {
        self.fit
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, C: Pooled> Deref for Lease<K, C> {
    type Target = C;

    fn deref(&self) -> &C {
        match &self.held {
            Some((connection, _)) => connection,
            None => unreachable!("it is empty only while it is dropped"),
        }
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, C: Pooled> DerefMut for Lease<K, C> {
    fn deref_mut(&mut self) -> &mut C {
        match &mut self.held {
            Some((connection, _)) => connection,
            None => unreachable!("it is empty only while it is dropped"),
        }
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, C: Pooled> Drop for Lease<K, C> {
    fn drop(&mut self) {
        let Some((connection, seat)) = self.held.take() else {
            return;
        };
        // Without a runtime nobody would come to put it away.
        let kept =
            self.fit && connection.is_open() && tokio::runtime::Handle::try_current().is_ok();
        match self.pool.upgrade() {
            Some(pool) if kept => pool.give(self.key.clone(), connection, seat),
            _ => drop(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[derive(Clone)]
    struct Fake(Arc<AtomicBool>, u8);

    impl Pooled for Fake {
        fn is_open(&self) -> bool {
            self.0.load(Relaxed)
        }
    }

    fn fake(number: u8) -> Fake {
        Fake(Arc::new(AtomicBool::new(true)), number)
    }

    async fn fresh(
        pool: &Arc<Pool<&'static str, Fake>>,
        key: &'static str,
        one: Fake,
    ) -> Lease<&'static str, Fake> {
        let seat = pool.seat(Duration::from_secs(1)).await.unwrap();
        pool.lease(key, one, seat)
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_its_own_address_alone() {
        let pool = Pool::new(2);
        drop(fresh(&pool, "a", fake(1)).await);
        assert!(pool.take(&"b").is_none());
        assert_eq!(pool.take(&"a").unwrap().1, 1);
    }

    #[tokio::test]
    async fn what_is_closed_or_spoilt_is_not_kept() {
        let pool = Pool::new(2);
        let mut lease = fresh(&pool, "a", fake(1)).await;
        lease.spoil();
        drop(lease);
        assert!(pool.take(&"a").is_none());
        let closed = fake(2);
        drop(fresh(&pool, "a", closed.clone()).await);
        closed.0.store(false, Relaxed);
        assert!(pool.take(&"a").is_none());
        assert_eq!(pool.seats.available_permits(), 2);
    }

    #[tokio::test]
    async fn an_idle_one_makes_room_and_one_in_use_does_not() {
        let pool = Pool::new(1);
        drop(fresh(&pool, "a", fake(1)).await);
        let held = fresh(&pool, "b", fake(2)).await;
        assert!(pool.take(&"a").is_none());
        assert!(pool.seat(Duration::from_millis(1)).await.is_none());
        drop(held);
        assert!(pool.seat(Duration::from_millis(1)).await.is_some());
    }
}
