//! What `link-caller-p3` calls over a link: see `guests/wit/linked-async`.
use exports::holm::linked_async::api::{Guest, GuestJob};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, spawn_local};

wit_bindgen::generate!({ path: "../../wit/linked-async", world: "callee" });

struct Callee;
export!(Callee);

thread_local! {
    static DROPPED: Cell<u32> = const { Cell::new(0) };
    static MET: Cell<u32> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

struct Job(u32);

impl Drop for Job {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
        WAITING.take().into_iter().for_each(Waker::wake);
    }
}

impl GuestJob for Job {
    fn new(n: u32) -> Self {
        Job(n)
    }

    async fn run(&self) -> u32 {
        self.0 + 1
    }

    async fn hang(&self) {
        std::future::pending().await
    }
}

impl Guest for Callee {
    type Job = Job;

    fn plain(n: u32) -> u32 {
        n + 1
    }

    async fn double(n: u32) -> u32 {
        n * 2
    }

    async fn upper(mut text: StreamReader<u8>) -> StreamReader<u8> {
        let (mut out, reader) = wit_stream::new();
        spawn_local(async move {
            loop {
                let (status, mut piece) = text.read(Vec::with_capacity(1000)).await;
                piece.make_ascii_uppercase();
                if !out.write_all(piece).await.is_empty() {
                    return;
                }
                if !matches!(status, StreamResult::Complete(_)) {
                    return;
                }
            }
        });
        reader
    }

    async fn sum(numbers: StreamReader<u32>) -> u64 {
        numbers.collect().await.into_iter().map(u64::from).sum()
    }

    async fn count(to: u32) -> StreamReader<u32> {
        let (mut out, reader) = wit_stream::new();
        spawn_local(async move {
            for n in 1..=to {
                if !out.write_all(vec![n]).await.is_empty() {
                    return;
                }
            }
        });
        reader
    }

    async fn later(n: u32) -> FutureReader<String> {
        let (writer, reader) = wit_future::new(String::new);
        spawn_local(async move {
            let _ = writer.write(format!("number {n}")).await;
        });
        reader
    }

    async fn meet() -> u32 {
        MET.set(MET.get() + 1);
        WAITING.take().into_iter().for_each(Waker::wake);
        poll_fn(|cx| match MET.get() {
            0 | 1 => {
                WAITING.with_borrow_mut(|waiting| waiting.push(cx.waker().clone()));
                Poll::Pending
            }
            met => Poll::Ready(met),
        })
        .await
    }

    async fn trap() {
        panic!("on purpose");
    }

    async fn spin() {
        let mut number = 1u64;
        loop {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }

    async fn count_and_trap(to: u32) -> StreamReader<u32> {
        let (mut out, reader) = wit_stream::new();
        spawn_local(async move {
            out.write_all((1..=to).collect()).await;
            panic!("on purpose");
        });
        reader
    }

    async fn trap_at_zero(mut numbers: StreamReader<u32>) {
        spawn_local(async move {
            while let Some(number) = numbers.next().await {
                assert!(number != 0, "on purpose");
            }
        });
    }

    async fn sleep(millis: u32) {
        std::thread::sleep(std::time::Duration::from_millis(millis.into()));
    }

    async fn dropped() -> u32 {
        DROPPED.get()
    }

    async fn a_drop() -> u32 {
        poll_fn(|cx| match DROPPED.get() {
            0 => {
                WAITING.with_borrow_mut(|waiting| waiting.push(cx.waker().clone()));
                Poll::Pending
            }
            dropped => Poll::Ready(dropped),
        })
        .await
    }
}

impl exports::holm::linked_async::plain::Guest for Callee {
    fn triple(n: u32) -> u32 {
        n * 3
    }
}
