//! Streams that count what passes: `core.flows` is told, the stream below does the work.

use bytes::Bytes;
use holm_runtime::Core;
use holm_runtime::limits::{Limit, LimitHit, Meter};
use holm_runtime::receipt::Flows;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::pipe::{ClosedInputStream, ClosedOutputStream};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

/// One of an instance's counters, and the limit on what it counts where there is one.
#[derive(Clone)]
pub(crate) struct Counter {
    flows: Arc<Flows>,
    which: fn(&Flows) -> &AtomicU64,
    limit: Option<(Limit, Arc<Meter>)>,
}

impl Counter {
    pub(crate) fn new(core: &Core, which: fn(&Flows) -> &AtomicU64) -> Self {
        Counter {
            flows: core.flows.clone(),
            which,
            limit: None,
        }
    }

    /// The same, whose bytes are held to a limit.
    pub(crate) fn within(core: &Core, limit: Limit, which: fn(&Flows) -> &AtomicU64) -> Self {
        Counter {
            limit: Some((limit, core.budget.meter.clone())),
            ..Counter::new(core, which)
        }
    }

    /// Whether so many more bytes may pass.
    pub(crate) fn room(&self, bytes: usize) -> Result<(), LimitHit> {
        match &self.limit {
            Some((limit, meter)) => meter.room(*limit, &self.flows, bytes),
            None => Ok(()),
        }
    }

    pub(crate) fn add(&self, bytes: usize) {
        Flows::add((self.which)(&self.flows), bytes);
    }

    /// From now on counts what is read from a stream that has its place in the table already.
    pub(crate) fn watch_input(self, place: &mut DynInputStream) {
        let stream = std::mem::replace(place, Box::new(ClosedInputStream));
        *place = Box::new(Counted::new(stream, self));
    }

    /// From now on counts what is written to a stream that has its place in the table already.
    pub(crate) fn watch_output(self, place: &mut DynOutputStream) {
        let stream = std::mem::replace(place, Box::new(ClosedOutputStream));
        *place = Box::new(Counted::new(stream, self));
    }

    fn count<T>(
        &self,
        result: StreamResult<T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> StreamResult<T> {
        if let Ok(value) = &result {
            self.add(bytes(value));
        }
        result
    }

    /// The same for what comes in: how much that is, is known only then.
    fn count_input<T>(
        &self,
        result: StreamResult<T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> StreamResult<T> {
        if let Ok(value) = &result {
            let size = bytes(value);
            self.pass(size)?;
            self.add(size);
        }
        result
    }

    /// The error of a stream that would go over the limit; it names the limit.
    fn pass(&self, bytes: usize) -> StreamResult<()> {
        self.room(bytes)
            .map_err(|hit| StreamError::LastOperationFailed(hit.into()))
    }
}

/// A stream and the counter of what passes through it.
pub(crate) struct Counted<S> {
    stream: S,
    counter: Counter,
}

impl<S> Counted<S> {
    pub(crate) fn new(stream: S, counter: Counter) -> Self {
        Counted { stream, counter }
    }
}

impl<S: IsTerminal> IsTerminal for Counted<S> {
    fn is_terminal(&self) -> bool {
        self.stream.is_terminal()
    }
}

impl<S: StdinStream> StdinStream for Counted<S> {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        let stream = Pin::from(self.stream.async_stream());
        Box::new(Counted::new(stream, self.counter.clone()))
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Counted::new(self.stream.p2_stream(), self.counter.clone()))
    }
}

impl<S: StdoutStream> StdoutStream for Counted<S> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        let stream = Pin::from(self.stream.async_stream());
        Box::new(Counted::new(stream, self.counter.clone()))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Counted::new(self.stream.p2_stream(), self.counter.clone()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted<DynInputStream> {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

// The defaults of these traits are overridden by some streams, so every method is passed on.
#[wasmtime_wasi::async_trait]
impl InputStream for Counted<DynInputStream> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.counter.count_input(self.stream.read(size), Bytes::len)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        let result = self.stream.blocking_read(size).await;
        self.counter.count_input(result, Bytes::len)
    }

    fn skip(&mut self, size: usize) -> StreamResult<usize> {
        self.counter.count_input(self.stream.skip(size), |n| *n)
    }

    async fn blocking_skip(&mut self, size: usize) -> StreamResult<usize> {
        let result = self.stream.blocking_skip(size).await;
        self.counter.count_input(result, |n| *n)
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted<DynOutputStream> {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Counted<DynOutputStream> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let size = bytes.len();
        self.counter.pass(size)?;
        self.counter.count(self.stream.write(bytes), |()| size)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        let size = bytes.len();
        self.counter.pass(size)?;
        let result = self.stream.blocking_write_and_flush(bytes).await;
        self.counter.count(result, |()| size)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }

    fn write_zeroes(&mut self, size: usize) -> StreamResult<()> {
        self.counter.pass(size)?;
        self.counter
            .count(self.stream.write_zeroes(size), |()| size)
    }

    async fn write_ready(&mut self) -> StreamResult<usize> {
        self.stream.write_ready().await
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

impl<S: AsyncRead + ?Sized> AsyncRead for Counted<Pin<Box<S>>> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.stream.as_mut().poll_read(cx, buf))?;
        self.counter.add(buf.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + ?Sized> AsyncWrite for Counted<Pin<Box<S>>> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = ready!(self.stream.as_mut().poll_write(cx, buf))?;
        self.counter.add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
