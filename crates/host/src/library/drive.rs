//! A call driven by the thread that makes it. Functions that the embedder provides run on that
//! thread and on its own stack, not on the guest's: an interpreter measures how deep it is.

use holm_runtime::Error;
use holm_runtime::provide::Call;
use holm_runtime::values::Value;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// So often whoever waits for a call is asked whether to go on.
const ASKED: Duration = Duration::from_millis(50);

/// Whoever makes a call, while it is under way.
pub trait Outside {
    /// Calls a function that the embedder provides: the one that [`asked`] gave this number. The
    /// guest, or what else of it may go on, goes on until there is a reply, from whichever thread.
    fn answer(&mut self, function: usize, arguments: Vec<Value>, reply: Reply);

    /// Whether to go on: asked some times a second, so that a key press can end a call.
    fn go_on(&mut self) -> bool;

    /// The call has gone on a little: its result may be there while its streams still flow.
    fn polled(&mut self) {}

    /// The call has failed. Told before the instance is dropped, which ends its streams.
    fn failed(&mut self, _why: &Error) {}
}

/// The outside did not want to go on; the instance is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Where the answer of a provided function goes. The call fails where none is given.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<wasmtime::Result<Option<Value>>>);

impl Reply {
    /// Gives the answer. Who asked may be gone.
    pub fn give(self, answer: wasmtime::Result<Option<Value>>) {
        let _ = self.0.send(answer);
    }

    /// Whether who asked still waits.
    pub fn is_awaited(&self) -> bool {
        !self.0.is_closed()
    }
}

/// A call of a provided function that waits for its answer.
struct Request {
    function: usize,
    arguments: Vec<Value>,
    reply: Reply,
}

thread_local! {
    /// What the guest that this thread polls asks for.
    static REQUESTS: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
    /// What wakes this thread. Calls within calls share it: the outer one looks again anyway, when
    /// it has answered.
    static SLEEPER: (Arc<Sleeper>, Waker) = {
        let sleeper = Arc::new(Sleeper {
            thread: std::thread::current(),
            woken: AtomicBool::new(false),
        });
        (sleeper.clone(), Waker::from(sleeper))
    };
}

/// A function that is answered by [`Outside::answer`] of whoever drives the call.
pub fn asked(function: usize) -> Call {
    Arc::new(move |arguments| {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let request = Request {
                function,
                arguments,
                reply: Reply(answer),
            };
            REQUESTS.with_borrow_mut(|all| all.push(request));
            match answered.await {
                Ok(result) => result,
                Err(_) => Err(wasmtime::Error::msg("the call was given up")),
            }
        })
    })
}

/// Drives a call on this thread until it ends.
///
/// # Errors
/// The outside did not want to go on.
pub fn drive<T>(
    threads: &Handle,
    call: impl Future<Output = T>,
    outside: &mut dyn Outside,
) -> Result<T, Stopped> {
    let _entered = threads.enter();
    let mut call = pin!(call);
    SLEEPER.with(|(sleeper, waker)| drive_by(sleeper, waker, call.as_mut(), outside))
}

fn drive_by<T>(
    sleeper: &Sleeper,
    waker: &Waker,
    mut call: Pin<&mut impl Future<Output = T>>,
    outside: &mut dyn Outside,
) -> Result<T, Stopped> {
    let mut context = Context::from_waker(waker);
    let mut asked: Option<Instant> = None;
    // A poll that panicked has left them: they are none of this call's.
    drop(REQUESTS.take());
    loop {
        let polled = call.as_mut().poll(&mut context);
        // At once: what the outside does may drive another call on this thread.
        let requests = REQUESTS.take();
        outside.polled();
        let idle = requests.is_empty();
        for request in requests {
            outside.answer(request.function, request.arguments, request.reply);
        }
        // Not before the answers: a guest may give its result and ask in one poll.
        if let Poll::Ready(value) = polled {
            return Ok(value);
        }
        if idle && !sleeper.woken.swap(false, AcqRel) {
            std::thread::park_timeout(ASKED);
            sleeper.woken.store(false, Release);
        }
        let last = asked.get_or_insert_with(Instant::now);
        if last.elapsed() >= ASKED {
            *last = Instant::now();
            if !outside.go_on() {
                return Err(Stopped);
            }
        }
    }
}

struct Sleeper {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Asked(Vec<usize>);

    impl Outside for Asked {
        fn answer(&mut self, function: usize, _: Vec<Value>, reply: Reply) {
            self.0.push(function);
            reply.give(Ok(None));
        }

        fn go_on(&mut self) -> bool {
            true
        }
    }

    /// Asks, and is done before there is an answer.
    async fn asks(function: Call) {
        assert!(futures::poll!(function(Vec::new())).is_pending());
    }

    fn threads() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    #[test]
    fn what_a_call_asks_in_its_last_poll_is_answered_by_its_own_outside() {
        let threads = threads();
        let (mut own, mut next) = (Asked::default(), Asked::default());
        drive(threads.handle(), asks(asked(7)), &mut own).unwrap();
        drive(threads.handle(), async {}, &mut next).unwrap();
        assert_eq!((own.0, next.0), (vec![7], vec![]));
    }

    #[test]
    fn what_a_call_that_panicked_asked_is_answered_by_nobody() {
        let threads = threads();
        let (mut own, mut next) = (Asked::default(), Asked::default());
        let broken = async {
            asks(asked(7)).await;
            panic!("a bug of ours");
        };
        let driven = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            drive::<()>(threads.handle(), broken, &mut own)
        }));
        assert!(driven.is_err());
        drive(threads.handle(), async {}, &mut next).unwrap();
        assert_eq!((own.0, next.0), (vec![], vec![]));
    }

    #[test]
    fn an_answer_may_come_later_and_from_another_thread() {
        #[derive(Default)]
        struct Later(Vec<std::thread::JoinHandle<()>>);

        impl Outside for Later {
            fn answer(&mut self, function: usize, _: Vec<Value>, reply: Reply) {
                self.0.push(std::thread::spawn(move || {
                    assert!(reply.is_awaited());
                    reply.give(Ok(Some(Value::U64(function as u64))));
                }));
            }

            fn go_on(&mut self) -> bool {
                true
            }
        }

        let threads = threads();
        let mut outside = Later::default();
        // Both are under way at once.
        let both = async { futures::join!(asked(1)(Vec::new()), asked(2)(Vec::new())) };
        let (one, two) = drive(threads.handle(), both, &mut outside).unwrap();
        assert_eq!(one.unwrap(), Some(Value::U64(1)));
        assert_eq!(two.unwrap(), Some(Value::U64(2)));
        outside
            .0
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn nobody_waits_for_a_call_that_was_given_up() {
        struct Keeps(Option<Reply>);

        impl Outside for Keeps {
            fn answer(&mut self, _: usize, _: Vec<Value>, reply: Reply) {
                self.0 = Some(reply);
            }

            fn go_on(&mut self) -> bool {
                false
            }
        }

        let threads = threads();
        let mut outside = Keeps(None);
        let driven = drive(threads.handle(), asked(1)(Vec::new()), &mut outside);
        assert!(matches!(driven, Err(Stopped)));
        assert!(!outside.0.unwrap().is_awaited());
    }
}
