//! Calls that wait for others to end: few at a time, not for long, first come, first served.
//!
//! A call needs a place among its component's (`limits.concurrency`), then one in the pool of
//! instances. For both it waits in the same queue, which has a length and a time of its own; a call
//! whose client leaves is dropped, and so is its place.

use holm_manifest::Limits;
use holm_runtime::limits::{Amount, Limit};
use holm_runtime::{Error, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The queue of one component.
pub struct Queue {
    name: Arc<str>,
    /// Calls that may be at work; the semaphore gives its permits out in order.
    places: Arc<Semaphore>,
    /// Those of all components of the app.
    app: Places,
    waiting: AtomicU32,
    most: u32,
    patience: Duration,
}

/// Calls that may be at work in all components of an app together.
#[derive(Clone)]
pub struct Places(Arc<Semaphore>);

impl Places {
    /// So many.
    pub fn of(most: u32) -> Self {
        Places(Arc::new(Semaphore::new(most as usize)))
    }
}

/// A call's place, and how long it may still wait for what else it needs.
pub struct Turn {
    /// Held while the call is at work.
    _place: OwnedSemaphorePermit,
    /// The same of its app; a call within another one has none of its own.
    _of_app: Option<OwnedSemaphorePermit>,
    until: Option<Instant>,
}

/// What to do where the app's places are what is waited for.
const OF_APP: &str = "let more calls of the app work at once: limits = { concurrency = … }, before \
                      the first table of the manifest";

fn closed() -> Box<Error> {
    Box::new(Error::ours("the queue of a component is closed"))
}

/// Gives a place in the queue up, whether its call got its turn or left.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Queue {
    /// An empty queue before `limits.concurrency` places, and those of the app.
    pub(crate) fn new(name: Arc<str>, limits: &Limits, app: &Places) -> Self {
        Queue {
            name,
            app: app.clone(),
            places: Arc::new(Semaphore::new(limits.concurrency as usize)),
            waiting: AtomicU32::new(0),
            most: limits.queue,
            patience: limits.queue_time.0,
        }
    }

    /// A place among the calls at work, at once or in turn.
    pub async fn enter(&self) -> Result<Turn, Box<Error>> {
        let mut turn = self.enter_within().await?;
        let until = turn.until.unwrap_or_else(|| Instant::now() + self.patience);
        // Nobody keeps one place while waiting for the other: a call within a call has its app's and
        // waits for its component's.
        loop {
            if let Ok(of_app) = self.app.0.clone().try_acquire_owned() {
                turn._of_app = Some(of_app);
                return Ok(turn);
            }
            drop(turn);
            let waited = self.wait(until, self.app.0.clone().acquire_owned()).await;
            let of_app = waited.map_err(|mut error| {
                error.help = vec![OF_APP.to_owned()];
                error
            })?;
            let of_app = of_app.map_err(|_| closed())?;
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Ok(Turn {
                    _place: place,
                    _of_app: Some(of_app),
                    until: Some(until),
                });
            }
            drop(of_app);
            let place = self
                .wait(until, self.places.clone().acquire_owned())
                .await?;
            turn = Turn {
                _place: place.map_err(|_| closed())?,
                _of_app: None,
                until: Some(until),
            };
        }
    }

    /// The same for a call within a call of the app's, which has its place: were each to have one,
    /// calls could wait for one another.
    pub async fn enter_within(&self) -> Result<Turn, Box<Error>> {
        let turn = |place, until| Turn {
            _place: place,
            _of_app: None,
            until,
        };
        // Whoever waits already is given what comes free, so nobody overtakes here.
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(turn(place, None));
        }
        let until = Instant::now() + self.patience;
        let place = self
            .wait(until, self.places.clone().acquire_owned())
            .await?;
        Ok(turn(place.map_err(|_| closed())?, Some(until)))
    }

    /// Waits for something else that the call needs, for as long as is left of its time.
    pub async fn wait_for<T>(
        &self,
        turn: &Turn,
        what: impl Future<Output = T>,
    ) -> Result<T, Box<Error>> {
        let until = turn.until.unwrap_or_else(|| Instant::now() + self.patience);
        self.wait(until, what).await
    }

    async fn wait<T>(
        &self,
        until: Instant,
        what: impl Future<Output = T>,
    ) -> Result<T, Box<Error>> {
        let before = self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most {
            let amount = Amount::Count(u64::from(self.most));
            return Err(self.busy(Limit::Queue, amount));
        }
        timeout_at(until, what).await.map_err(|_| {
            let amount = Amount::Time(self.patience);
            self.busy(Limit::QueueTime, amount)
        })
    }

    /// Nobody's fault but the settings'.
    fn busy(&self, limit: Limit, amount: Amount) -> Box<Error> {
        let mut error = limit
            .error(&self.name, amount)
            .help("or let more calls work at once: limits = { concurrency = … }");
        error.kind = Kind::Yours;
        Box::new(error)
    }

    /// Places that are free.
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// Calls that wait now.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_manifest::Time;

    fn queue(concurrency: u32, queue: u32, millis: u64) -> Arc<Queue> {
        let limits = Limits {
            concurrency,
            queue,
            queue_time: Time::millis(millis),
            ..Limits::default()
        };
        Arc::new(Queue::new("web".into(), &limits, &Places::of(8)))
    }

    #[tokio::test]
    async fn components_share_the_places_of_their_app() {
        let limits = Limits {
            queue_time: Time::millis(20),
            ..Limits::default()
        };
        let app = Places::of(1);
        let [one, two] = ["one", "two"].map(|name| Queue::new(name.into(), &limits, &app));
        let turn = one.enter().await.unwrap();
        let error = two.enter().await.err().unwrap();
        assert_eq!(error.limit, Some(Limit::QueueTime));
        assert_eq!(error.help, [OF_APP]);
        // Who waits for the app's keeps none of its own.
        assert_eq!(two.free(), 512);
        // Who calls on already has one.
        assert!(two.enter_within().await.is_ok());
        drop(turn);
        assert!(two.enter().await.is_ok());
    }

    fn limit<T>(result: Result<T, Box<Error>>) -> Option<Limit> {
        result.err().and_then(|error| error.limit)
    }

    /// Lets the others get as far as they can.
    async fn settle(queue: &Queue, waiting: u32) {
        while queue.waiting() != waiting {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn first_come_first_served() {
        let queue = queue(1, 3, 60_000);
        let first = queue.enter().await.unwrap();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut calls = Vec::new();
        for number in 1..=3 {
            let (own, order) = (queue.clone(), order.clone());
            calls.push(tokio::spawn(async move {
                let turn = own.enter().await.unwrap();
                order.lock().unwrap().push(number);
                drop(turn);
            }));
            settle(&queue, number).await;
        }
        assert_eq!(limit(queue.enter().await), Some(Limit::Queue));
        drop(first);
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let queue = queue(1, 1, 20);
        let turn = queue.enter().await.unwrap();
        let error = queue.enter().await.err().unwrap();
        assert_eq!(
            error.message,
            "web was busy for longer than a call waits (20 ms)"
        );
        // The same for what else a call may need.
        let waited = queue.wait_for(&turn, std::future::pending::<()>()).await;
        assert_eq!(limit(waited), Some(Limit::QueueTime));
    }

    #[tokio::test]
    async fn who_leaves_makes_room() {
        let queue = queue(1, 1, 60_000);
        let first = queue.enter().await.unwrap();
        let own = queue.clone();
        let impatient = tokio::spawn(async move { own.enter().await.map(|_| ()) });
        settle(&queue, 1).await;
        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled());
        assert_eq!(queue.waiting(), 0);
        drop(first);
        assert!(queue.enter().await.is_ok());
    }

    #[tokio::test]
    async fn a_queue_of_none() {
        let queue = queue(1, 0, 60_000);
        let _turn = queue.enter().await.unwrap();
        assert_eq!(limit(queue.enter().await), Some(Limit::Queue));
    }
}
