//! Async functions, streams and futures.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::holm::streams::flows::Guest;
use wit_bindgen::rt::async_support::spawn_local;
use wit_bindgen::{FutureReader, StreamReader};

struct Lab;
export!(Lab);

fn counted(to: u32, breaks: bool) -> StreamReader<u32> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        for n in 0..to {
            if writer.write_one(n).await.is_some() {
                return;
            }
        }
        assert!(!breaks, "it breaks");
    });
    reader
}

impl Guest for Lab {
    async fn count(to: u32) -> StreamReader<u32> {
        counted(to, false)
    }

    async fn bytes(n: u32) -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            let mut left = n as usize;
            while left > 0 {
                let piece = left.min(64 << 10);
                if !writer.write_all(vec![7; piece]).await.is_empty() {
                    return;
                }
                left -= piece;
            }
        });
        reader
    }

    async fn total(mut bytes: StreamReader<u8>) -> u64 {
        let mut total = 0;
        loop {
            let (result, piece) = bytes.read(Vec::with_capacity(64 << 10)).await;
            total += piece.len() as u64;
            if !matches!(result, wit_bindgen::StreamResult::Complete(_)) {
                return total;
            }
        }
    }

    async fn double(mut values: StreamReader<u32>) -> StreamReader<u32> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            while let Some(value) = values.next().await {
                if writer.write_one(value * 2).await.is_some() {
                    return;
                }
            }
        });
        reader
    }

    async fn words(words: StreamReader<String>) -> Vec<String> {
        words.collect().await
    }

    async fn later(text: String) -> FutureReader<String> {
        let (writer, reader) = wit_future::new(String::new);
        spawn_local(async move {
            let _ = writer.write(text).await;
        });
        reader
    }

    async fn brought(text: FutureReader<String>) -> String {
        text.await
    }

    async fn both(to: u32) -> Result<(StreamReader<u32>, StreamReader<bool>), String> {
        if to == 0 {
            return Err("nothing to count".into());
        }
        let (mut numbers, first) = wit_stream::new();
        let (mut evens, second) = wit_stream::new();
        spawn_local(async move {
            evens.write_all((0..to).map(|n| n % 2 == 0).collect()).await;
            drop(evens);
            numbers.write_all((0..to).collect()).await;
        });
        Ok((first, second))
    }

    fn at_once(to: u32) -> StreamReader<u32> {
        counted(to, false)
    }

    async fn breaks(after: u32) -> StreamReader<u32> {
        counted(after, true)
    }

    async fn pairs() -> StreamReader<(u32, u32)> {
        let (_writer, reader) = wit_stream::new();
        reader
    }

    async fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
}
