//! Output cut into lines for a log: bounded in length, bounded in rate, never holding up the guest.

use bytes::Bytes;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A longer line is passed on in pieces of this size.
pub const LINE_BYTES_MAX: usize = 8 << 10;

/// What a write may hold at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// So long lost lines are added up before they are told of, or a flood of notices would follow.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Where lines go. Called while the guest waits and while a lock is held: it must not block.
pub trait LineSink: Send + Sync {
    /// One line without its end; not always UTF-8.
    fn line(&self, stream: Stream, line: &[u8]);

    /// So many lines came too fast and are lost: "… 12 lines (3456 bytes) dropped".
    fn dropped(&self, lines: u64, bytes: u64);
}

/// The log of one component, shared by its instances.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    sink: Arc<dyn LineSink>,
    rate: u64,
    flood: Mutex<Flood>,
}

/// A bucket of bytes that fills at the rate, and what did not fit.
struct Flood {
    left: u64,
    filled: Instant,
    lines: u64,
    bytes: u64,
    /// When the first of them was lost.
    since: Instant,
}

impl Lines {
    /// A log to this sink, of at most `rate` bytes per second, all instances together. As much again
    /// may come in one burst.
    pub fn new(sink: Arc<dyn LineSink>, rate: u64) -> Self {
        // Any one line must fit, or it would never pass.
        let rate = rate.max(LINE_BYTES_MAX as u64 + 1);
        let now = Instant::now();
        let flood = Flood {
            left: rate,
            filled: now,
            lines: 0,
            bytes: 0,
            since: now,
        };
        Lines(Arc::new(Shared {
            sink,
            rate,
            flood: Mutex::new(flood),
        }))
    }

    /// One stream of one instance.
    pub(super) fn writer(&self, stream: Stream) -> Writer {
        let line = Line {
            log: self.0.clone(),
            stream,
            pending: Vec::new(),
        };
        Writer(Arc::new(Mutex::new(line)))
    }
}

impl Shared {
    fn line(&self, stream: Stream, line: &[u8]) {
        let now = Instant::now();
        let mut flood = lock(&self.flood);
        flood.fill(self.rate, now);
        let size = line.len() as u64 + 1;
        if flood.left >= size {
            flood.left -= size;
            self.tell(&mut flood, now);
            self.sink.line(stream, line);
        } else {
            if flood.lines == 0 {
                flood.since = now;
            }
            flood.lines += 1;
            flood.bytes += size;
            self.tell(&mut flood, now);
        }
    }

    fn tell(&self, flood: &mut Flood, now: Instant) {
        if flood.lines > 0 && now.duration_since(flood.since) >= NOTICE_AFTER {
            self.sink.dropped(flood.lines, flood.bytes);
            (flood.lines, flood.bytes) = (0, 0);
        }
    }
}

impl Flood {
    fn fill(&mut self, rate: u64, now: Instant) {
        let elapsed = now.duration_since(self.filled);
        let earned = u128::from(rate) * elapsed.as_nanos() / 1_000_000_000;
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(u64::try_from(earned).unwrap_or(u64::MAX))
                .min(rate);
            self.filled = now;
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let flood = lock(&self.flood);
        if flood.lines > 0 {
            self.sink.dropped(flood.lines, flood.bytes);
        }
    }
}

/// The line that an instance is writing.
struct Line {
    log: Arc<Shared>,
    stream: Stream,
    pending: Vec<u8>,
}

impl Line {
    fn write(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.fill(&bytes[..end]);
            self.end();
            bytes = &bytes[end + 1..];
        }
        self.fill(bytes);
    }

    /// More of the line; passes on full pieces, but never an empty rest.
    fn fill(&mut self, mut bytes: &[u8]) {
        while self.pending.len() + bytes.len() > LINE_BYTES_MAX {
            let (now, later) = bytes.split_at(LINE_BYTES_MAX - self.pending.len());
            self.pending.extend_from_slice(now);
            self.end();
            bytes = later;
        }
        self.pending.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        self.log.line(self.stream, &self.pending);
        self.pending.clear();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            self.end();
        }
        self.log.tell(&mut lock(&self.log.flood), Instant::now());
    }
}

/// One stream of one instance; a guest may hold many handles to it, all write the same line.
#[derive(Clone)]
pub(super) struct Writer(Arc<Mutex<Line>>);

impl IsTerminal for Writer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Writer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        lock(&self.0).write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        lock(&self.0).write(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A panic in another thread must not take this one with it: the counters are whole at all times.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
