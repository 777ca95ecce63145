//! Streams and futures to functions of the host, and from them.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::holm::pipes::pipes::Guest;
use holm::pipes::host::{self, Job};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use wit_bindgen::rt::async_support::spawn_local;
use wit_bindgen::{StreamReader, StreamResult};

struct Lab;
export!(Lab);

/// Both at once, without a crate for it.
async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(move |cx| {
        poll(&mut a, &mut of_a, cx);
        poll(&mut b, &mut of_b, cx);
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

fn poll<T: Future>(future: &mut Pin<&mut T>, done: &mut Option<T::Output>, cx: &mut Context<'_>) {
    if done.is_none()
        && let Poll::Ready(value) = future.as_mut().poll(cx)
    {
        *done = Some(value);
    }
}

fn words(words: Vec<String>) -> StreamReader<String> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(words).await;
    });
    reader
}

impl Guest for Lab {
    async fn count(bytes: u32) -> u64 {
        let (mut writer, reader) = wit_stream::new();
        let (_, count) = join(
            async move {
                writer.write_all(vec![7; bytes as usize]).await;
            },
            host::count(reader),
        )
        .await;
        count
    }

    async fn upper(them: Vec<String>) -> Vec<String> {
        host::upper(words(them)).await.collect().await
    }

    async fn numbers(to: u32) -> Vec<u32> {
        host::numbers(to).await.collect().await
    }

    async fn some(to: u32, read: u32) -> Vec<u32> {
        let mut numbers = host::numbers(to).await;
        let mut all = Vec::new();
        while (all.len() as u32) < read {
            let (result, got) = numbers.read(Vec::with_capacity(1)).await;
            all.extend(got);
            if !matches!(result, StreamResult::Complete(_)) {
                break;
            }
        }
        all
    }

    async fn bits(them: Vec<bool>) -> Vec<bool> {
        host::bits(&them).collect().await
    }

    async fn brought(text: String) -> String {
        let (writer, reader) = wit_future::new(String::new);
        let (_, later) = join(writer.write(text), host::brought(reader)).await;
        later.await
    }

    async fn later(n: u32) -> u32 {
        host::later(n).await
    }

    async fn log(lines: Vec<String>) {
        host::log(words(lines));
    }

    async fn pair(n: u32) -> Vec<u32> {
        let (first, rest) = host::pair(n).await;
        let mut all = vec![first];
        if let Some(rest) = rest {
            all.extend(rest.collect().await);
        }
        all
    }

    async fn together(n: u32) -> u32 {
        let (a, (b, c)) = join(
            host::slow(n),
            join(host::slow(n + 1), async {
                host::numbers(n).await.collect().await.iter().sum::<u32>()
            }),
        )
        .await;
        a + b + c
    }

    async fn give_up() -> u32 {
        let mut slow = Box::pin(host::slow(1));
        let mut context = Context::from_waker(Waker::noop());
        let waits = slow.as_mut().poll(&mut context).is_pending();
        drop(slow);
        u32::from(waits)
    }

    async fn job(n: u32, input: Vec<u32>) -> u32 {
        let job = Job::new(n);
        let (mut writer, reader) = wit_stream::new();
        let (_, ran) = join(
            async move {
                writer.write_all(input).await;
            },
            job.run(reader),
        )
        .await;
        ran
    }

    async fn breaks(bytes: u32) -> u64 {
        let (mut writer, reader) = wit_stream::new();
        let (_, count) = join(
            async move {
                writer.write_all(vec![7; bytes as usize]).await;
                panic!("it breaks");
            },
            host::count(reader),
        )
        .await;
        count
    }

    async fn through(words: StreamReader<String>) -> StreamReader<String> {
        host::upper(words).await
    }

    async fn flood(most: u32) -> u32 {
        let (mut writer, reader) = wit_stream::new();
        let (took, rest) = join(
            async move {
                for n in 0..most {
                    if writer.write_one(n.to_string()).await.is_some() {
                        return n;
                    }
                }
                most
            },
            host::upper(reader),
        )
        .await;
        drop(rest);
        took
    }
}
