//! Output cut into lines for a log: bounded in length, bounded in rate, never holding up the guest.

use super::message::Message;
use bytes::Bytes;
use holm_runtime::limits::{Amount, Limit, LimitHit};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A longer line is passed on in pieces of this size.
pub const LINE_BYTES_MAX: usize = 8 << 10;

/// More of a message's context is cut off.
const CONTEXT_BYTES_MAX: usize = 256;

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

    /// One message.
    fn message(&self, message: Message<'_>);

    /// So many lines came too fast for this limit and are lost: "… 12 lines (3456 bytes) dropped".
    fn dropped(&self, lines: u64, bytes: u64, over: LimitHit);
}

/// The log of one component, shared by its instances.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    sink: Arc<dyn LineSink>,
    flood: Mutex<Flood>,
    /// What all components of its app may print together.
    app: Option<AppRate>,
}

/// What may pass, and what did not.
struct Flood {
    own: Bucket,
    lines: u64,
    bytes: u64,
    /// When the first of them was lost.
    since: Instant,
    /// What the last of them did not fit into.
    over: LimitHit,
}

/// A bucket of bytes that fills at a rate.
struct Bucket {
    rate: u64,
    left: u64,
    filled: Instant,
}

/// How fast all components of an app may print together.
#[derive(Clone)]
pub struct AppRate {
    hit: LimitHit,
    bucket: Arc<Mutex<Bucket>>,
}

fn over(limit: Limit, rate: u64) -> LimitHit {
    LimitHit {
        limit,
        amount: Amount::bytes(rate),
    }
}

impl AppRate {
    /// So many bytes per second.
    pub fn of(rate: u64) -> Self {
        AppRate {
            hit: over(Limit::AppLogRate, rate),
            bucket: Arc::new(Mutex::new(Bucket::of(rate))),
        }
    }

    fn take(&self, size: u64, now: Instant) -> Result<(), LimitHit> {
        let fits = lock(&self.bucket).take(size, now);
        fits.then_some(()).ok_or(self.hit)
    }
}

impl Lines {
    /// A log to this sink, of at most `rate` bytes per second, all instances together, and no faster
    /// than its app may print. As much again may come in one burst.
    pub fn new(sink: Arc<dyn LineSink>, rate: u64, app: Option<AppRate>) -> Self {
        let flood = Flood {
            own: Bucket::of(rate),
            lines: 0,
            bytes: 0,
            since: Instant::now(),
            over: over(Limit::LogRate, rate),
        };
        Lines(Arc::new(Shared {
            sink,
            flood: Mutex::new(flood),
            app,
        }))
    }

    /// Logs a message, in pieces if it is longer than a line may be. Says whether all of it passed.
    pub fn message(&self, message: Message<'_>) -> bool {
        let context = cut(message.context, CONTEXT_BYTES_MAX).0;
        let mut rest = message.text;
        loop {
            let (text, more) = cut(rest, LINE_BYTES_MAX - context.len());
            let size = (context.len() + text.len()) as u64 + 1;
            let piece = Message {
                context,
                text,
                ..message
            };
            if !self.0.pass(size, |sink| sink.message(piece)) {
                return false;
            }
            if more.is_empty() {
                return true;
            }
            rest = more;
        }
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

/// The text's beginning, of so many bytes at most, and its rest.
fn cut(text: &str, most: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(most))
}

impl Shared {
    fn line(&self, stream: Stream, line: &[u8]) {
        self.pass(line.len() as u64 + 1, |sink| sink.line(stream, line));
    }

    /// Tells the sink something of this size, unless it comes too fast.
    fn pass(&self, size: u64, tell: impl FnOnce(&dyn LineSink)) -> bool {
        let now = Instant::now();
        let mut flood = lock(&self.flood);
        match self.take(&mut flood, size, now) {
            Ok(()) => {
                self.tell(&mut flood, now);
                tell(&*self.sink);
                true
            }
            Err(over) => {
                if flood.lines == 0 {
                    flood.since = now;
                }
                flood.over = over;
                flood.lines += 1;
                flood.bytes += size;
                self.tell(&mut flood, now);
                false
            }
        }
    }

    fn take(&self, flood: &mut Flood, size: u64, now: Instant) -> Result<(), LimitHit> {
        if !flood.own.take(size, now) {
            return Err(over(Limit::LogRate, flood.own.rate));
        }
        self.app.as_ref().map_or(Ok(()), |app| app.take(size, now))
    }

    fn tell(&self, flood: &mut Flood, now: Instant) {
        if flood.lines > 0 && now.duration_since(flood.since) >= NOTICE_AFTER {
            self.sink.dropped(flood.lines, flood.bytes, flood.over);
            (flood.lines, flood.bytes) = (0, 0);
        }
    }
}

impl Bucket {
    fn of(rate: u64) -> Self {
        // Any one line must fit, or it would never pass.
        let rate = rate.max(LINE_BYTES_MAX as u64 + 1);
        Bucket {
            rate,
            left: rate,
            filled: Instant::now(),
        }
    }

    fn take(&mut self, size: u64, now: Instant) -> bool {
        // Another thread may have looked at the clock later and come first.
        let elapsed = now.saturating_duration_since(self.filled);
        let earned = u128::from(self.rate) * elapsed.as_nanos() / 1_000_000_000;
        if earned > 0 {
            let earned = u64::try_from(earned).unwrap_or(u64::MAX);
            self.left = self.left.saturating_add(earned).min(self.rate);
            self.filled = now;
        }
        let fits = self.left >= size;
        if fits {
            self.left -= size;
        }
        fits
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let flood = lock(&self.flood);
        if flood.lines > 0 {
            self.sink.dropped(flood.lines, flood.bytes, flood.over);
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
