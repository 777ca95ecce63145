//! The ticker: one thread that makes guests look up while they compute, and one coarse clock.
//!
//! A tick raises the epoch of all engines, and each guest that runs asks its meter whether it may
//! go on ([`crate::limits::Meter::tick`]). There are no ticks while no guest is polled: an idle
//! process is woken by nobody.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};
use wasmtime::{Engine, EngineWeak};

/// Between ticks while guests of one tenant are polled, or of nobody in particular.
pub const PERIOD_MS: u64 = 10;

/// Between ticks while tenants share the machine: so long one may hold up another.
pub const SHARED_PERIOD_MS: u64 = 1;

/// So long after the last poll of a guest the ticks go on; waking the ticker for each request of a
/// server with little to do would cost more than some ticks.
const LINGER_MS: u64 = 50;

/// What [`Ticker::polled`] holds while the ticker sleeps, so that every poll sees a difference.
const NOBODY: u64 = u64::MAX;

static TICKER: Ticker = Ticker {
    now_ms: AtomicU64::new(1),
    polled: AtomicU64::new(NOBODY),
    asleep: AtomicBool::new(false),
    period_ms: AtomicU64::new(PERIOD_MS),
    engines: Mutex::new(Vec::new()),
    thread: OnceLock::new(),
};

/// There is one in a process, because an epoch is a time and not a property of an engine.
struct Ticker {
    /// Milliseconds since the first engine, at the last tick.
    now_ms: AtomicU64,
    /// `now_ms` when a guest was last polled.
    polled: AtomicU64,
    asleep: AtomicBool,
    period_ms: AtomicU64,
    engines: Mutex<Vec<EngineWeak>>,
    thread: OnceLock<Thread>,
}

/// From now on the engine's guests look up at each tick.
pub(crate) fn add(engine: &Engine) {
    let mut engines = TICKER
        .engines
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    engines.push(engine.weak());
    if TICKER.thread.get().is_some() {
        return;
    }
    let spawned = std::thread::Builder::new()
        .name("holm-ticker".into())
        .spawn(|| TICKER.run());
    match spawned {
        Ok(thread) => {
            let _ = TICKER.thread.set(thread.thread().clone());
        }
        Err(error) => tracing::error!(%error, "no ticker thread: CPU limits are not enforced"),
    }
}

/// A guest is polled: there must be ticks. Two loads of what changes once in a tick.
pub(crate) fn polled() {
    let now = TICKER.now_ms.load(Relaxed);
    if TICKER.polled.load(Relaxed) != now {
        TICKER.first_since_tick(now);
    }
}

/// Milliseconds at the last tick: a clock that costs nothing to read and stands still while no
/// guest is polled.
pub fn now_ms() -> u64 {
    TICKER.now_ms.load(Relaxed)
}

/// How long a tick lasts at present.
pub fn period_ms() -> u64 {
    TICKER.period_ms.load(Relaxed)
}

/// Sets how long a tick lasts.
pub fn set_period_ms(period: u64) {
    if TICKER.period_ms.load(Relaxed) == period {
        return;
    }
    TICKER.period_ms.store(period, Relaxed);
    // It may have begun a longer sleep.
    TICKER.wake();
}

impl Ticker {
    #[cold]
    fn first_since_tick(&self, now: u64) {
        self.polled.store(now, SeqCst);
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn run(&self) {
        let start = Instant::now();
        loop {
            let now = 1 + start.elapsed().as_millis() as u64;
            self.now_ms.store(now, Relaxed);
            self.tick();
            let polled = self.polled.load(SeqCst);
            if polled == NOBODY {
                // It has just slept.
                self.polled.store(now, SeqCst);
            } else if now.saturating_sub(polled) > LINGER_MS {
                self.sleep(polled);
                continue;
            }
            self.pause();
        }
    }

    /// Until a guest is polled; the last time was at `polled`.
    fn sleep(&self, polled: u64) {
        self.asleep.store(true, SeqCst);
        // Who was polled since has not seen that anybody sleeps.
        let nobody_since = self
            .polled
            .compare_exchange(polled, NOBODY, SeqCst, SeqCst)
            .is_ok();
        if !nobody_since {
            self.asleep.store(false, SeqCst);
            return;
        }
        // Who is polled from here on wakes the ticker. Who is in the middle of a poll, perhaps in a
        // host function, is met by one more tick, and wakes it from there.
        self.pause();
        self.tick();
        while self.asleep.load(SeqCst) {
            std::thread::park();
        }
        self.polled.store(NOBODY, SeqCst);
    }

    fn pause(&self) {
        std::thread::park_timeout(Duration::from_millis(self.period_ms.load(Relaxed)));
    }

    fn tick(&self) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|weak| match weak.upgrade() {
            Some(engine) => {
                engine.increment_epoch();
                true
            }
            None => false,
        });
    }
}
