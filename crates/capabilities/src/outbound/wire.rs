//! The bytes of a connection, counted, and bounded for each call: a server cannot answer with more
//! than the host is ready to hold.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What went over a connection so far, and how much may still come.
#[derive(Debug, Default)]
pub struct Wire {
    read: AtomicU64,
    written: AtomicU64,
    /// As much as this may have been read.
    most: AtomicU64,
}

impl Wire {
    /// A call begins: `bytes` may come from the server. The answer is what went before, for
    /// [`Wire::since`].
    pub fn begin(&self, bytes: u64) -> (u64, u64) {
        let read = self.read.load(Relaxed);
        self.most.store(read.saturating_add(bytes), Relaxed);
        (read, self.written.load(Relaxed))
    }

    /// Bytes in and out since then.
    pub fn since(&self, (read, written): (u64, u64)) -> (usize, usize) {
        let since = |now: &AtomicU64, then: u64| {
            usize::try_from(now.load(Relaxed).saturating_sub(then)).unwrap_or(usize::MAX)
        };
        (since(&self.read, read), since(&self.written, written))
    }

    /// Whether the server has sent more than it may.
    pub fn is_over(&self) -> bool {
        self.read.load(Relaxed) > self.most.load(Relaxed)
    }
}

/// A stream that counts on a [`Wire`].
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    wire: Arc<Wire>,
}

impl<S> Counted<S> {
    /// The stream, counting on `wire`.
    pub fn new(stream: S, wire: Arc<Wire>) -> Self {
        Counted { stream, wire }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let more = (buf.filled().len() - before) as u64;
        self.wire.read.fetch_add(more, Relaxed);
        match self.wire.is_over() {
            true => Poll::Ready(Err(io::Error::other(super::too_large()))),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.wire.written.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_are_counted_and_an_answer_ends_at_its_limit() {
        let (near, mut far) = tokio::io::duplex(64);
        let wire = Arc::<Wire>::default();
        let mut near = Counted::new(near, wire.clone());
        let then = wire.begin(4);
        near.write_all(b"ask").await.unwrap();
        far.write_all(b"1234").await.unwrap();
        let mut buf = [0; 4];
        near.read_exact(&mut buf).await.unwrap();
        assert_eq!((wire.since(then), wire.is_over()), ((4, 3), false));
        far.write_all(b"5").await.unwrap();
        assert!(near.read_exact(&mut buf[..1]).await.is_err());
        assert!(wire.is_over());
        // The next call has a limit of its own.
        wire.begin(1);
        assert!(!wire.is_over());
    }
}
