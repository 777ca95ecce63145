//! The bytes of a server's answers, weighed by what the library makes of them: a value takes many times
//! the bytes that say it where it is small, and lists can hold as many as there are bytes.

use crate::outbound::Wire;
use redis::Value;
use std::io;
use std::mem::size_of;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a value takes in memory besides its bytes: its place in a list that grows by doubling, and what
/// it becomes for the guest.
const VALUE_BYTES: u64 = 2 * size_of::<Value>() as u64;

/// A stream whose lines count, for each value ends at least one.
pub(super) struct Weighed<S> {
    stream: S,
    wire: Arc<Wire>,
    /// Whether the last byte was a carriage return.
    returned: bool,
}

impl<S> Weighed<S> {
    pub(super) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Weighed {
            stream,
            wire,
            returned: false,
        }
    }

    /// How many lines end in these bytes.
    fn lines(&mut self, bytes: &[u8]) -> u64 {
        let before = std::mem::replace(&mut self.returned, bytes.last() == Some(&b'\r'));
        let first = u64::from(before && bytes.first() == Some(&b'\n'));
        let within = bytes.windows(2).filter(|two| two == b"\r\n").count();
        first + within as u64
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Weighed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let Some(more) = buf.filled().get(before..).filter(|more| !more.is_empty()) else {
            return Poll::Ready(Ok(()));
        };
        let lines = self.lines(more);
        Poll::Ready(self.wire.weigh(lines.saturating_mul(VALUE_BYTES)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Weighed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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

    #[test]
    fn a_line_counts_once_wherever_it_is_cut() {
        let text = b"*3\r\n:1\r\n$2\r\n\n\r\r\n_\r\n";
        for cut in 0..=text.len() {
            let mut weighed = Weighed::new(tokio::io::empty(), Arc::default());
            let (one, other) = text.split_at(cut);
            let parts = [one, other].into_iter().filter(|part| !part.is_empty());
            let lines: u64 = parts.map(|part| weighed.lines(part)).sum();
            assert_eq!(lines, 5, "{cut}");
        }
    }
}
