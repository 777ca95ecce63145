//! How long a connection waits for its client: for the first and the next request, for the rest
//! of a header, and for a response to be taken. A slow client costs a timer, never a worker.

use crate::stall::{Pace, Stall, poll_timer};
use bytes::{Buf, Bytes};
use holm_manifest::Serve;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// So long a client may go on sending what nobody reads any more, once its answer is written.
const LINGER: Duration = Duration::from_secs(2);

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a TLS handshake, for the first byte, and from a header's first byte to its last.
    pub header: Duration,
    /// For the next request on a connection.
    pub idle: Duration,
    /// How fast a response must be taken.
    pub pace: Pace,
}

impl From<&Serve> for Patience {
    fn from(serve: &Serve) -> Self {
        Patience {
            header: serve.header_timeout.0,
            idle: serve.idle_timeout.0,
            pace: Pace::over(serve.body_timeout.0),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Patience::from(&Serve::default())
    }
}

/// What the requests of a connection tell its waiting side.
#[derive(Debug)]
pub struct Pulse {
    since: Instant,
    running: AtomicUsize,
    begun: AtomicU64,
    /// The last one has a body, of which some may not be read.
    has_body: AtomicBool,
    /// When the last one ended, in milliseconds after `since`.
    ended: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse {
            since: Instant::now(),
            running: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            has_body: AtomicBool::new(false),
            ended: AtomicU64::new(0),
        }
    }
}

impl Pulse {
    /// The head of a request has been read; whether there is a body too.
    pub fn begins(&self, has_body: bool) {
        self.has_body.store(has_body, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        self.running.fetch_add(1, Relaxed);
    }

    /// Its response has been sent or dropped.
    pub fn ends(&self) {
        let after = self.since.elapsed().as_millis() as u64;
        self.ended.store(after, Relaxed);
        self.running.fetch_sub(1, Relaxed);
    }

    fn idle_since(&self) -> Instant {
        self.since + Duration::from_millis(self.ended.load(Relaxed))
    }

    /// How many requests have begun so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }
}

/// A connection with limited patience.
pub struct Patient<S> {
    inner: S,
    /// Bytes that were read ahead to tell the protocol.
    ahead: Bytes,
    patience: Patience,
    pulse: Arc<Pulse>,
    /// Whether bytes outside of a request are a header; HTTP/2 also has pings and settings.
    bytes_are_header: bool,
    begun_seen: u64,
    header_since: Option<Instant>,
    read_timer: Option<Pin<Box<Sleep>>>,
    writing: Stall,
    /// All is written; until then the client may go on sending.
    lingers: Option<Instant>,
}

impl<S> Patient<S> {
    /// Wraps a connection of which `ahead` has been read already.
    pub fn new(
        inner: S,
        ahead: Bytes,
        patience: Patience,
        pulse: Arc<Pulse>,
        bytes_are_header: bool,
    ) -> Self {
        Patient {
            inner,
            patience,
            pulse,
            bytes_are_header,
            begun_seen: 0,
            header_since: (!ahead.is_empty()).then(Instant::now),
            ahead,
            read_timer: None,
            writing: Stall::default(),
            lingers: None,
        }
    }

    /// Forgets what it waited for when a request has begun meanwhile; is one running?
    fn is_running(&mut self) -> bool {
        let begun = self.pulse.begun();
        let running = self.pulse.running.load(Relaxed) > 0;
        if running || begun != self.begun_seen {
            self.begun_seen = begun;
            self.header_since = None;
        }
        running
    }

    /// Ready once the client has made us wait for too long. The timer is set once in an idle
    /// time, not once in a request: hyper does not read again when a request ends, so a timer
    /// that was set while it ran has to bring it here.
    fn poll_impatience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let running = self.is_running();
        let deadline = match self.header_since {
            _ if running => None,
            Some(since) if self.bytes_are_header => Some(since + patience.header),
            _ => Some(self.pulse.idle_since() + patience.idle),
        };
        if let Some(timer) = &mut self.read_timer
            && deadline.is_none_or(|deadline| timer.deadline() <= deadline)
        {
            ready!(timer.as_mut().poll(cx));
        }
        match deadline {
            Some(deadline) if deadline <= Instant::now() => Poll::Ready(()),
            Some(deadline) => poll_timer(&mut self.read_timer, deadline, cx),
            None => {
                let _ = poll_timer(&mut self.read_timer, Instant::now() + patience.idle, cx);
                Poll::Pending
            }
        }
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => self.writing.moved(self.patience.pace, bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                ready!(self.writing.poll(self.patience.pace, cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        result
    }
}

impl<S: AsyncRead + Unpin> Patient<S> {
    /// Takes what the client still sends of a body that nobody reads, for a while. A socket that is
    /// closed with unread bytes resets its connection, and the client may lose the answer with it.
    fn poll_linger(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut unread = [0; 4096];
        while Instant::now() < until {
            let mut buf = ReadBuf::new(&mut unread);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return poll_timer(&mut self.read_timer, until, cx),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let bytes = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..bytes]);
            this.ahead.advance(bytes);
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Pending => {
                ready!(this.poll_impatience(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            done => {
                if this.bytes_are_header && !this.is_running() && !buf.filled().is_empty() {
                    this.header_since.get_or_insert_with(Instant::now);
                }
                done
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.after_write(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.after_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_flush(cx).map_ok(|()| 0);
        this.after_write(cx, result).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let until = match this.lingers {
            Some(until) => until,
            None => {
                let result = Pin::new(&mut this.inner).poll_shutdown(cx).map_ok(|()| 0);
                ready!(this.after_write(cx, result))?;
                // Frames of HTTP/2 are read whatever becomes of them.
                if !this.bytes_are_header || !this.pulse.has_body.load(Relaxed) {
                    return Poll::Ready(Ok(()));
                }
                *this.lingers.insert(Instant::now() + LINGER)
            }
        };
        this.poll_linger(until, cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// Short enough for a test, and far enough apart to be told from each other.
    const PATIENCE: Patience = Patience {
        header: Duration::from_millis(200),
        idle: Duration::from_secs(2),
        pace: Pace {
            time: Duration::from_millis(500),
            bytes: 50_000,
        },
    };

    fn pair(ahead: &'static [u8]) -> (Patient<DuplexStream>, DuplexStream, Arc<Pulse>) {
        let (ours, theirs) = duplex(1024);
        let pulse = Arc::new(Pulse::default());
        let ahead = Bytes::from_static(ahead);
        (
            Patient::new(ours, ahead, PATIENCE, pulse.clone(), true),
            theirs,
            pulse,
        )
    }

    async fn read_all(mut from: Patient<DuplexStream>) -> (Vec<u8>, io::Result<usize>, Duration) {
        let began = Instant::now();
        let mut bytes = Vec::new();
        let end = from.read_to_end(&mut bytes).await;
        (bytes, end, began.elapsed())
    }

    #[tokio::test]
    async fn an_idle_client_is_waited_for_longer_than_a_header() {
        let (ours, _theirs, _) = pair(b"");
        let (bytes, end, took) = read_all(ours).await;
        assert_eq!(bytes.len(), 0);
        assert!(took >= PATIENCE.idle, "{took:?}");
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_dribbled_header_is_cut() {
        let (ours, mut theirs, _) = pair(b"GET ");
        let dribble = async {
            while theirs.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ((bytes, end, took), ()) = tokio::join!(read_all(ours), dribble);
        assert!(end.is_err() && bytes.starts_with(b"GET xx"));
        assert!((PATIENCE.header..PATIENCE.idle).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn a_running_request_is_not_hurried() {
        let (ours, mut theirs, pulse) = pair(b"");
        pulse.begins(false);
        let work = async {
            theirs.write_all(b"GET").await.unwrap();
            tokio::time::sleep(PATIENCE.idle + PATIENCE.header).await;
            pulse.ends();
            theirs.write_all(b"GET").await.unwrap();
            drop(theirs);
        };
        let ((_, end, _), ()) = tokio::join!(read_all(ours), work);
        assert_eq!(end.unwrap(), 6);
    }

    #[tokio::test]
    async fn who_sends_a_body_may_finish_after_its_answer() {
        for has_body in [true, false] {
            let (mut ours, mut theirs, pulse) = pair(b"");
            pulse.begins(has_body);
            let answer = async {
                ours.write_all(b"no").await.unwrap();
                pulse.ends();
                ours.shutdown().await.unwrap();
                drop(ours);
            };
            let client = async {
                let sent = theirs.write_all(&[0; 100_000]).await;
                // It keeps its end open, as who reads the answer late does.
                (sent, theirs)
            };
            let began = Instant::now();
            let ((), (sent, mut theirs)) = tokio::join!(answer, client);
            assert_eq!(sent.is_ok(), has_body);
            assert!(began.elapsed() < LINGER * 2);
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"no");
        }
    }

    #[tokio::test]
    async fn a_response_that_is_not_taken_is_cut_and_a_slow_one_is_not() {
        let (mut ours, _theirs, _) = pair(b"");
        let began = Instant::now();
        let end = ours.write_all(&[0; 4096]).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= PATIENCE.pace.time);

        // Bytes taken every 10 ms: some five times what is asked for, and a tenth of it.
        for (bytes, fine) in [(5000, true), (100, false)] {
            let (mut ours, mut theirs, _) = pair(b"");
            let take = async {
                let mut buffer = vec![0; bytes];
                while theirs.read_exact(&mut buffer).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let write = async {
                let end = ours.write_all(&[0; 300_000]).await;
                drop(ours);
                end
            };
            let (end, ()) = tokio::join!(write, take);
            assert_eq!(end.is_ok(), fine, "{bytes} bytes at a time");
        }
    }
}
