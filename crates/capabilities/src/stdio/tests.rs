//! Output cut into lines: whole, bounded, and told of when lost.

use super::lines::Writer;
use super::{AppRate, LINE_BYTES_MAX, Level, LineSink, Lines, Message, Stream};
use bytes::Bytes;
use holm_runtime::limits::LimitHit;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use wasmtime_wasi::cli::StdoutStream;

#[derive(Default)]
struct Sink {
    lines: Mutex<Vec<(Stream, Vec<u8>)>>,
    dropped: Mutex<Vec<(u64, u64)>>,
    over: Mutex<Option<String>>,
}

impl LineSink for Sink {
    fn line(&self, stream: Stream, line: &[u8]) {
        self.lines.lock().unwrap().push((stream, line.to_vec()));
    }

    fn message(&self, message: Message<'_>) {
        let said = format!(
            "{} {}: {}",
            message.level.name(),
            message.context,
            message.text
        );
        let line = (Stream::Stderr, said.into_bytes());
        self.lines.lock().unwrap().push(line);
    }

    fn dropped(&self, lines: u64, bytes: u64, over: LimitHit) {
        *self.over.lock().unwrap() = Some(over.to_string());
        self.dropped.lock().unwrap().push((lines, bytes));
    }
}

impl Sink {
    fn text(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .map(|(_, line)| String::from_utf8_lossy(line).into_owned())
            .collect()
    }
}

fn log(rate: u64) -> (Arc<Sink>, Lines) {
    let sink = Arc::new(Sink::default());
    (sink.clone(), Lines::new(sink, rate, None))
}

fn write(writer: &Writer, text: &str) {
    writer
        .p2_stream()
        .write(Bytes::copy_from_slice(text.as_bytes()))
        .unwrap();
}

#[test]
fn lines_are_whole_across_writes_and_handles_and_the_last_one_comes_at_the_end() {
    let (sink, lines) = log(1 << 20);
    let (out, err) = (lines.writer(Stream::Stdout), lines.writer(Stream::Stderr));
    write(&out, "one\ntw");
    write(&err, "oh");
    write(&out, "o\n\nthr");
    assert_eq!(sink.text(), ["one", "two", ""]);
    write(&out, "ee");
    drop(out);
    drop(err);
    assert_eq!(sink.text(), ["one", "two", "", "three", "oh"]);
    assert_eq!(sink.lines.lock().unwrap()[4].0, Stream::Stderr);
}

#[tokio::test]
async fn the_streams_of_0_3_write_the_same_line() {
    let (sink, lines) = log(1 << 20);
    let out = lines.writer(Stream::Stdout);
    write(&out, "one ");
    Box::into_pin(out.async_stream())
        .write_all(b"line\n")
        .await
        .unwrap();
    assert_eq!(sink.text(), ["one line"]);
}

#[test]
fn long_lines_are_split() {
    let (sink, lines) = log(1 << 20);
    let out = lines.writer(Stream::Stdout);
    write(&out, &"x".repeat(LINE_BYTES_MAX));
    write(&out, "\n");
    write(&out, &"y".repeat(2 * LINE_BYTES_MAX + 3));
    drop(out);
    let sizes: Vec<_> = sink.text().iter().map(String::len).collect();
    assert_eq!(sizes, [LINE_BYTES_MAX, LINE_BYTES_MAX, LINE_BYTES_MAX, 3]);
}

#[test]
fn a_flood_is_cut_and_told_of_once() {
    let (sink, lines) = log(LINE_BYTES_MAX as u64 + 1);
    let out = lines.writer(Stream::Stdout);
    for _ in 0..100_000 {
        write(&out, "0123456789abcdef\n");
    }
    drop(out);
    drop(lines);
    let passed = sink.lines.lock().unwrap().len() as u64;
    let dropped = sink.dropped.lock().unwrap();
    let lost: u64 = dropped.iter().map(|(lines, _)| lines).sum();
    assert_eq!(passed + lost, 100_000);
    assert!(lost > 0);
    assert_eq!(
        dropped.iter().map(|(_, bytes)| bytes).sum::<u64>(),
        lost * 17
    );
    // One at the end, and one for each second that it took.
    assert!(dropped.len() < 20, "{} notices", dropped.len());
}

#[test]
fn the_longest_line_passes_at_the_lowest_rate() {
    let (sink, lines) = log(0);
    let out = lines.writer(Stream::Stdout);
    write(&out, &"x".repeat(LINE_BYTES_MAX));
    drop(out);
    assert_eq!(sink.text().len(), 1);
}

proptest! {
    /// However output is cut into writes, the lines are those of the whole.
    #[test]
    fn the_cut_of_writes_does_not_show(pieces in prop::collection::vec("[ab\n]{0,40}", 0..40)) {
        let (sink, lines) = log(1 << 30);
        let out = lines.writer(Stream::Stdout);
        for piece in &pieces {
            write(&out, piece);
        }
        drop(out);
        let whole = pieces.concat();
        prop_assert_eq!(sink.text(), whole.lines().collect::<Vec<_>>());
    }
}

#[test]
fn components_of_an_app_share_its_rate() {
    let rate = AppRate::of(LINE_BYTES_MAX as u64 + 1);
    let log = || {
        let sink = Arc::new(Sink::default());
        (sink.clone(), Lines::new(sink, 1 << 20, Some(rate.clone())))
    };
    let ((one, first), (two, second)) = (log(), log());
    let long = "x".repeat(LINE_BYTES_MAX);
    write(&first.writer(Stream::Stdout), &long);
    assert_eq!(one.text().len(), 1);
    write(&second.writer(Stream::Stdout), &long);
    drop(second);
    assert_eq!(two.text(), [""; 0]);
    assert_eq!(
        two.dropped.lock().unwrap()[..],
        [(1, long.len() as u64 + 1)]
    );
    let over = two.over.lock().unwrap().clone().unwrap();
    assert_eq!(over, "the app_log_rate limit of 8193 B was reached");
}

fn message<'a>(context: &'a str, text: &'a str) -> Message<'a> {
    Message {
        level: Level::Warn,
        context,
        text,
        is_collected: false,
    }
}

#[test]
fn messages_are_cut_where_lines_are_and_come_no_faster() {
    let (sink, lines) = log(1 << 20);
    assert!(lines.message(message("db", "slow\nvery")));
    let long = "ü".repeat(LINE_BYTES_MAX);
    assert!(lines.message(message("db", &long)));
    let said = sink.text();
    assert_eq!(said[0], "warn db: slow\nvery");
    assert!(said.iter().all(|piece| piece.len() < LINE_BYTES_MAX + 16));
    let pieces = said[1..].iter().map(|piece| &piece["warn db: ".len()..]);
    assert_eq!(pieces.collect::<String>(), long);
    // A context is a word, not a text.
    assert!(lines.message(message(&"c".repeat(1000), "x")));
    assert!(sink.text().last().unwrap().len() < 300);

    let (sink, lines) = log(0);
    let passed = (0..10).filter(|_| lines.message(message("", &long[..4000])));
    assert_eq!(passed.count(), 2);
    drop(lines);
    assert_eq!(sink.dropped.lock().unwrap()[0].0, 8);
}
