//! The lanes with made-up events: who gets turns, and what wakes, ends and breaks them.

use super::slow::Slow;
use super::*;
use crate::call::metered;
use crate::limits::{Allowance, Budget, thread_cpu_ns};
use crate::ticker;
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// So long a test waits for what must come at once.
const SOON: Duration = Duration::from_secs(60);

/// Computes, lets others go first, and so on; counts its turns.
async fn turns(count: usize, turn: Duration, done: Arc<AtomicUsize>) {
    for _ in 0..count {
        let until = thread_cpu_ns() + turn.as_nanos() as u64;
        while thread_cpu_ns() < until {}
        done.fetch_add(1, Relaxed);
        yield_now().await;
    }
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// An event that is metered as a guest's is.
fn guest<T>(event: impl Future<Output = T>) -> impl Future<Output = T> {
    let budget = Budget::new(Allowance::UNLIMITED);
    async move {
        let event = async { Ok(event.await) };
        metered(&budget.meter, None, event).await.unwrap()
    }
}

impl Slow {
    /// Straight into the slow lane.
    fn begin<F>(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        event: F,
    ) -> impl Future<Output = F::Output> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        assert!(self.open());
        self.clone().drive(tenant.clone(), Box::pin(event))
    }
}

/// Lanes with so many threads, all held until the sender is dropped.
fn held(threads: usize) -> (Arc<Lanes>, Vec<mpsc::Sender<()>>) {
    let lanes = Lanes::with_threads(threads);
    let gates = (0..threads).map(|_| {
        let (gate, opened) = mpsc::channel::<()>();
        let tenant = lanes.tenant();
        let held = lanes.slow.begin(&tenant, async move {
            let _ = opened.recv();
        });
        tokio::spawn(held);
        gate
    });
    let gates = gates.collect();
    (lanes, gates)
}

#[tokio::test]
async fn turns_are_shared_by_tenant_and_not_by_event() {
    let (lanes, gate) = held(1);
    let (many, one) = (lanes.tenant(), lanes.tenant());
    let (of_many, of_one) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let turn = Duration::from_micros(200);
    let crowd: Vec<_> = (0..100)
        .map(|_| lanes.slow.begin(&many, turns(1_000, turn, of_many.clone())))
        .collect();
    let single = lanes.slow.begin(&one, turns(100, turn, of_one.clone()));
    drop(gate);
    timeout(SOON, single).await.unwrap();
    let had = of_many.load(Relaxed);
    assert!((50..200).contains(&had), "100 turns of one, {had} of many");
    drop(crowd);
}

#[tokio::test]
async fn who_computes_goes_on_in_the_slow_lane() {
    let lanes = Lanes::with_threads(1);
    let tenant = lanes.tenant();
    let done = Arc::default();
    let event = guest(async move {
        let first = thread();
        turns(1, Duration::from_millis(2 * ticker::PERIOD_MS), done).await;
        (first, thread())
    });
    let (first, then) = timeout(SOON, tenant.spawn(event)).await.unwrap().unwrap();
    assert_ne!(first, "holm-slow");
    assert_eq!(then, "holm-slow");
}

#[tokio::test]
async fn who_waits_stays_in_the_fast_lane() {
    let lanes = Lanes::with_threads(1);
    let tenant = lanes.tenant();
    let event = guest(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        yield_now().await;
        thread()
    });
    let last = timeout(SOON, tenant.spawn(event)).await.unwrap().unwrap();
    assert_ne!(last, "holm-slow");
    assert!(!lanes.slow.has_threads(), "nobody needed them");
}

#[tokio::test]
async fn a_greedy_tenant_s_events_begin_in_the_slow_lane() {
    let lanes = Lanes::with_threads(1);
    let (greedy, other) = (lanes.tenant(), lanes.tenant());
    let on = |tenant: &Arc<Tenant>| tenant.spawn(async { thread() });
    for _ in 0..2 {
        assert_ne!(on(&greedy).await.unwrap(), "holm-slow");
        assert_ne!(on(&other).await.unwrap(), "holm-slow");
    }
    greedy.charge(10_000_000);
    greedy.waiting.store(5, Relaxed);
    assert_eq!(on(&greedy).await.unwrap(), "holm-slow");
    assert_ne!(on(&other).await.unwrap(), "holm-slow");
}

#[tokio::test]
async fn timers_channels_and_blocking_work_wake_it() {
    let lanes = Lanes::with_threads(2);
    let tenant = lanes.tenant();
    let (ask, asked) = oneshot::channel();
    let event = async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let name = tokio::task::spawn_blocking(thread).await.unwrap();
        tokio::spawn(async {}).await.unwrap();
        (asked.await.unwrap(), name, thread())
    };
    let running = tokio::spawn(lanes.slow.begin(&tenant, event));
    tokio::time::sleep(Duration::from_millis(50)).await;
    ask.send(7).unwrap();
    let (told, blocking, last) = timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!((told, last.as_str()), (7, "holm-slow"));
    assert_eq!(
        blocking, "holm-slow-io",
        "not a thread that the fast lane uses"
    );
}

#[tokio::test]
async fn a_panic_is_the_event_s_alone() {
    let lanes = Lanes::with_threads(1);
    let tenant = lanes.tenant();
    let broken = tokio::spawn(
        lanes
            .slow
            .begin(&tenant, async { panic!("as a test asks") }),
    );
    let error = timeout(SOON, broken).await.unwrap().unwrap_err();
    assert!(error.is_panic());
    struct Broken;
    impl Drop for Broken {
        fn drop(&mut self) {
            panic!("as a test asks, when dropped");
        }
    }
    let held = lanes.slow.begin(&tenant, async {
        let _broken = Broken;
        pending::<()>().await;
    });
    drop(held);
    let well = lanes.slow.begin(&tenant, async { thread() });
    assert_eq!(timeout(SOON, well).await.unwrap(), "holm-slow");
    assert_eq!(lanes.slow.alive(), 1);
}

/// Tells when it is dropped.
struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

fn told() -> (Told, oneshot::Receiver<()>) {
    let (tell, told) = oneshot::channel();
    (Told(Some(tell)), told)
}

#[tokio::test]
async fn what_nobody_waits_for_is_dropped() {
    let lanes = Lanes::with_threads(1);
    let tenant = lanes.tenant();
    for computes in [false, true] {
        let (token, dropped) = told();
        let task = tokio::spawn(lanes.slow.begin(&tenant, async move {
            let _token = token;
            while computes {
                yield_now().await;
            }
            pending::<()>().await;
        }));
        tokio::time::sleep(Duration::from_millis(20)).await;
        task.abort();
        timeout(SOON, dropped).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_end_drops_what_waits_and_ends_the_threads() {
    let lanes = Lanes::with_threads(2);
    let tenant = lanes.tenant();
    let mut events = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..10 {
        let (token, dropped) = told();
        ends.push(dropped);
        events.push(tokio::spawn(lanes.slow.begin(&tenant, async move {
            let _token = token;
            loop {
                yield_now().await;
            }
        })));
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    lanes.close();
    assert_eq!(lanes.slow.alive(), 0);
    for (event, end) in events.into_iter().zip(ends) {
        assert!(timeout(SOON, event).await.unwrap().is_err());
        timeout(SOON, end).await.unwrap().unwrap();
    }
    // Later events are the fast lane's.
    let done = Arc::default();
    let event = guest(turns(3, Duration::from_millis(ticker::PERIOD_MS), done));
    timeout(SOON, tenant.spawn(event)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost() {
    const ROUNDS: usize = 20_000;
    let lanes = Lanes::with_threads(4);
    let mut pairs = Vec::new();
    for i in 0..8 {
        let tenants = (lanes.tenant(), lanes.tenant());
        let (there, mut back) = tokio::sync::mpsc::channel::<usize>(1);
        let (answer, mut answers) = tokio::sync::mpsc::channel::<usize>(1);
        let ping = async move {
            for n in 0..ROUNDS {
                there.send(n).await.unwrap();
                assert_eq!(answers.recv().await, Some(n));
            }
        };
        let pong = async move {
            while let Some(n) = back.recv().await {
                answer.send(n).await.unwrap();
            }
        };
        // Between two events of the lane, and between the lane and tokio.
        pairs.push(match i % 2 {
            0 => tokio::spawn(lanes.slow.begin(&tenants.0, ping)),
            _ => tokio::spawn(ping),
        });
        pairs.push(tokio::spawn(lanes.slow.begin(&tenants.1, pong)));
    }
    for pair in pairs {
        timeout(SOON, pair).await.unwrap().unwrap();
    }
}
