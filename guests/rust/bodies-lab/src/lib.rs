//! Bodies that are streams, and functions that read standard input and print.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::holm::bodies::bodies::Guest;
use std::io::Read as _;
use wit_bindgen::rt::async_support::spawn_local;
use wit_bindgen::{StreamReader, StreamResult};

struct Lab;
export!(Lab);

const PIECE: usize = 64 << 10;

impl Guest for Lab {
    async fn tally(
        label: String,
        times: Option<u32>,
        mut data: StreamReader<u8>,
    ) -> Result<String, String> {
        if label.is_empty() {
            return Err("no label".into());
        }
        let mut total = 0;
        loop {
            let (result, piece) = data.read(Vec::with_capacity(PIECE)).await;
            total += piece.len();
            if !matches!(result, StreamResult::Complete(_)) {
                break;
            }
        }
        let one = format!("{label}: {total}");
        Ok(vec![one; times.unwrap_or(1) as usize].join(", "))
    }

    async fn add_one(mut data: StreamReader<u8>) -> Result<StreamReader<u8>, String> {
        let (first, piece) = data.read(Vec::with_capacity(PIECE)).await;
        if piece.first() == Some(&255) {
            return Err("255 is the last".into());
        }
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            let (mut result, mut piece) = (first, piece);
            loop {
                let more = piece.iter().map(|byte| byte.wrapping_add(1)).collect();
                if !writer.write_all(more).await.is_empty() {
                    return;
                }
                if !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
                (result, piece) = data.read(Vec::with_capacity(PIECE)).await;
            }
        });
        Ok(reader)
    }

    async fn endless() -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move { while writer.write_all(vec![7; PIECE]).await.is_empty() {} });
        reader
    }

    fn input() -> String {
        let mut text = String::new();
        match std::io::stdin().read_to_string(&mut text) {
            Ok(_) => text,
            Err(error) => format!("error: {error}"),
        }
    }

    fn say(line: String) -> u32 {
        println!("{line}");
        line.len() as u32
    }
}
