//! The lanes with made-up events: who gets turns, and what wakes, ends and breaks them.

use super::slow::Slow;
use super::tenant::LINE_MOST;
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
        self.clone().drive(tenant.clone(), Box::pin(event), ())
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
    greedy.charge(200_000_000);
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

/// Two tenants in a host that they share.
async fn shared(threads: usize) -> (Arc<Lanes>, Arc<Tenant>, Arc<Tenant>) {
    let lanes = Lanes::with_threads(threads);
    let tenants = (lanes.tenant(), lanes.tenant());
    for tenant in [&tenants.0, &tenants.1] {
        tenant.spawn(async {}).await.unwrap();
    }
    (lanes, tenants.0, tenants.1)
}

/// Greedy until somebody says otherwise.
fn greedy(tenant: &Tenant) {
    tenant.greed.shows(u64::MAX);
}

#[tokio::test]
async fn a_wave_of_one_tenant_waits_in_its_own_line() {
    let (_lanes, one, other) = shared(1).await;
    let wave: Vec<_> = (0..LINE_MOST + 10)
        .map(|_| one.spawn(async { thread() }))
        .collect();
    assert_ne!(other.spawn(async { thread() }).await.unwrap(), "holm-slow");
    let mut slow = 0;
    for event in wave {
        slow += u32::from(event.await.unwrap() == "holm-slow");
    }
    assert_eq!(slow, 10);

    let lanes = Lanes::with_threads(1);
    let alone = lanes.tenant();
    let wave: Vec<_> = (0..2 * LINE_MOST)
        .map(|_| alone.spawn(async { thread() }))
        .collect();
    for event in wave {
        assert_ne!(event.await.unwrap(), "holm-slow", "there is nobody else");
    }
}

#[tokio::test]
async fn a_connection_goes_where_its_payer_s_work_goes_and_comes_back() {
    let lanes = Lanes::with_threads(1);
    let (tenant, account) = (lanes.tenant(), Arc::new(Account::default()));
    let (ask, mut asked) = tokio::sync::mpsc::channel::<()>(1);
    let (answer, mut answers) = tokio::sync::mpsc::channel(1);
    let connection = async move {
        while asked.recv().await.is_some() {
            answer.send(thread()).await.unwrap();
        }
        "over"
    };
    let driven = tokio::spawn({
        let account = account.clone();
        async move { account.drive(connection).await }
    });
    let mut next = async || {
        ask.send(()).await.unwrap();
        timeout(SOON, answers.recv()).await.unwrap().unwrap()
    };
    assert_ne!(next().await, "holm-slow", "nobody pays yet");
    account.charge_to(&tenant);
    assert_ne!(next().await, "holm-slow");
    greedy(&tenant);
    for _ in 0..3 {
        assert_eq!(next().await, "holm-slow");
    }
    tenant.greed.ends();
    // It may be in the middle of a turn.
    while next().await == "holm-slow" {}
    for _ in 0..3 {
        assert_ne!(next().await, "holm-slow");
    }
    greedy(&tenant);
    assert_eq!(next().await, "holm-slow");
    drop(ask);
    assert_eq!(timeout(SOON, driven).await.unwrap().unwrap(), "over");
}

#[tokio::test]
async fn a_connection_that_is_dropped_is_dropped_in_the_slow_lane_too() {
    let lanes = Lanes::with_threads(1);
    let (tenant, account) = (lanes.tenant(), Arc::new(Account::default()));
    account.charge_to(&tenant);
    greedy(&tenant);
    let (token, dropped) = told();
    let (begin, begun) = oneshot::channel();
    let driven = tokio::spawn(async move {
        let connection = async move {
            let _token = token;
            begin.send(thread()).unwrap();
            pending::<()>().await;
        };
        account.drive(connection).await;
    });
    assert_eq!(begun.await.unwrap(), "holm-slow");
    driven.abort();
    timeout(SOON, dropped).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_known_late_pays_for_what_was_before() {
    let lanes = Lanes::with_threads(1);
    let (tenant, account) = (lanes.tenant(), Arc::new(Account::default()));
    let work = |turns_done: Arc<AtomicUsize>| turns(100, Duration::from_micros(50), turns_done);
    account.drive(work(Arc::default())).await;
    assert_eq!(tenant.take_around(), 0);
    account.charge_to(&tenant);
    let before = tenant.take_around();
    assert!(before >= 93 * 50_000, "{before}");
    account.drive(work(Arc::default())).await;
    let after = tenant.take_around();
    assert!(after >= 93 * 50_000, "{after}");
}

#[tokio::test]
async fn what_an_event_of_the_slow_lane_begins_stays_there() {
    let lanes = Lanes::with_threads(1);
    let tenant = lanes.tenant();
    let event = lanes.slow.begin(&tenant, {
        let tenant = tenant.clone();
        async move { tenant.spawn(async { thread() }).await.unwrap() }
    });
    assert_eq!(timeout(SOON, event).await.unwrap(), "holm-slow");
}

#[tokio::test]
async fn an_event_that_begins_in_the_slow_lane_is_an_event_like_others() {
    let lanes = Lanes::with_threads(1);
    let tenant = lanes.tenant();
    greedy(&tenant);
    let lost = tenant.spawn(async { panic!("as a test asks") }).await;
    assert_eq!(
        lost.unwrap_err().to_string(),
        "its task panicked: as a test asks"
    );
    // Nobody waits for it, and it goes on.
    let (begin, begun) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    drop(tenant.spawn(async move {
        begun.await.unwrap();
        end.send(thread()).unwrap();
    }));
    begin.send(()).unwrap();
    assert_eq!(timeout(SOON, ended).await.unwrap().unwrap(), "holm-slow");
}

#[tokio::test]
async fn events_are_open_until_they_end_however_they_end() {
    let (lanes, one, other) = shared(1).await;
    let (end, ended) = oneshot::channel::<()>();
    let waits = one.spawn(async {
        let _ = ended.await;
    });
    let panics = other.spawn(async { panic!("as a test asks") });
    assert_eq!(
        (one.open.load(Relaxed), lanes.shares.open.load(Relaxed)),
        (1, 2)
    );
    assert!(panics.await.is_err());
    greedy(&other);
    assert!(
        other
            .spawn(async { panic!("as a test asks") })
            .await
            .is_err()
    );
    other.spawn(async {}).await.unwrap();
    end.send(()).unwrap();
    waits.await.unwrap();
    // The slow lane's thread lets go after it has told the result.
    while lanes.shares.open.load(Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((one.open.load(Relaxed), other.open.load(Relaxed)), (0, 0));
}
