//! Async functions, streams and futures.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::holm::flows::flows::Guest;
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
    async fn ask(question: String) -> String {
        holm::flows::host::ask(question).await
    }

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

    async fn both(to: u32) -> (StreamReader<u32>, u32) {
        (counted(to, false), to)
    }

    fn passed(values: StreamReader<u32>) -> StreamReader<u32> {
        values
    }

    async fn breaks(after: u32) -> StreamReader<u32> {
        counted(after, true)
    }
}
