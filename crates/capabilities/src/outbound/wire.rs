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
    /// What the answers take in memory besides their bytes.
    weight: AtomicU64,
}

/// Bytes in and out.
pub type Moved = (usize, usize);

/// The bytes of one guest's calls, whatever became of them and of the connections that they were on.
#[derive(Debug, Default)]
pub struct Tally {
    wire: Option<Arc<Wire>>,
    /// What had gone over the wire when its bytes were taken last.
    then: (u64, u64),
    /// What went over earlier wires, and is not taken yet.
    before: Moved,
}

impl Tally {
    /// From now on the bytes of a fresh connection count, with those of its log-in.
    pub fn dialled(&mut self, wire: &Arc<Wire>) {
        self.before = self.take();
        self.wire = Some(wire.clone());
        self.then = (0, 0);
    }

    /// From now on the bytes of a connection count that somebody else has used.
    pub fn taken(&mut self, wire: &Arc<Wire>) {
        self.dialled(wire);
        self.then = wire.now();
    }

    /// Bytes since they were taken last.
    pub fn take(&mut self) -> Moved {
        let (mut read, mut written) = std::mem::take(&mut self.before);
        if let Some(wire) = &self.wire {
            let now = wire.now();
            let since = |now: u64, then| usize::try_from(now - then).unwrap_or(usize::MAX);
            read += since(now.0, self.then.0);
            written += since(now.1, self.then.1);
            self.then = now;
        }
        (read, written)
    }
}

impl Wire {
    /// A call begins: `bytes` may come from the server.
    pub fn begin(&self, bytes: u64) {
        let read = self.read.load(Relaxed);
        self.most.store(read.saturating_add(bytes), Relaxed);
        self.weight.store(0, Relaxed);
    }

    /// Notes what the answer takes in memory besides its bytes; an error where that is too much.
    pub fn weigh(&self, bytes: u64) -> io::Result<()> {
        self.weight.fetch_add(bytes, Relaxed);
        match self.is_over() {
            true => Err(io::Error::other(super::too_large())),
            false => Ok(()),
        }
    }

    /// Bytes in and out so far.
    fn now(&self) -> (u64, u64) {
        (self.read.load(Relaxed), self.written.load(Relaxed))
    }

    /// Whether the server has sent more than it may.
    pub fn is_over(&self) -> bool {
        let held = self
            .read
            .load(Relaxed)
            .saturating_add(self.weight.load(Relaxed));
        held > self.most.load(Relaxed)
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
        let mut tally = Tally::default();
        tally.dialled(&wire);
        wire.begin(4);
        near.write_all(b"ask").await.unwrap();
        far.write_all(b"1234").await.unwrap();
        let mut buf = [0; 4];
        near.read_exact(&mut buf).await.unwrap();
        assert_eq!((tally.take(), wire.is_over()), ((4, 3), false));
        far.write_all(b"5").await.unwrap();
        assert!(near.read_exact(&mut buf[..1]).await.is_err());
        assert!(wire.is_over());
        // What went over one wire counts also when it is another's turn.
        tally.taken(&Arc::default());
        assert_eq!((tally.take(), tally.take()), ((1, 0), (0, 0)));
        // The next call has a limit of its own.
        wire.begin(1);
        assert!(!wire.is_over());
    }
}
