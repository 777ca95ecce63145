//! One output of a child: always drained, so that no child blocks on it, and read step by step.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A child that prints without end is drained on, but not kept.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// After a child's end, how long its output is waited for (a grandchild may hold the pipe open)
const REST_WAIT: Duration = Duration::from_secs(2);

/// What a child has printed, and how much of it was read
pub struct Tap {
    chunks: mpsc::UnboundedReceiver<Vec<u8>>,
    printed: Vec<u8>,
    read: usize,
}

impl Tap {
    /// Starts to drain; must be called inside a runtime.
    pub fn new(mut output: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, chunks) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (mut buffer, mut kept) = (vec![0; 64 << 10], 0);
            while let Ok(count @ 1..) = output.read(&mut buffer).await {
                if kept < KEPT_BYTES_MAX && sender.send(buffer[..count].to_vec()).is_ok() {
                    kept += count;
                }
            }
        });
        Self {
            chunks,
            printed: Vec::new(),
            read: 0,
        }
    }

    /// The next bytes: as many as asked for, fewer only at the end
    pub async fn take(&mut self, count: usize) -> &[u8] {
        while self.printed.len() - self.read < count && self.more().await {}
        let start = self.read;
        self.read = self.printed.len().min(start + count);
        &self.printed[start..self.read]
    }

    /// The next line without its end; none when the output ends before one
    pub async fn line(&mut self) -> Option<String> {
        loop {
            let unread = &self.printed[self.read..];
            if let Some(length) = unread.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&unread[..length])
                    .trim_end()
                    .to_owned();
                self.read += length + 1;
                return Some(line);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Everything that was not read, up to the end
    pub async fn take_all(&mut self) -> &[u8] {
        while self.more().await {}
        let start = self.read;
        self.read = self.printed.len();
        &self.printed[start..]
    }

    /// All that was ever printed, for a report after the child's end
    pub async fn all(&mut self) -> &[u8] {
        let rest = async { while self.more().await {} };
        // Cut short or not, what came is worth showing.
        timeout(REST_WAIT, rest).await.ok();
        &self.printed
    }

    async fn more(&mut self) -> bool {
        match self.chunks.recv().await {
            Some(chunk) => {
                self.printed.extend_from_slice(&chunk);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tap;

    #[tokio::test]
    async fn reads_lines_counts_and_the_rest() {
        let mut tap = Tap::new(&b"one\r\ntwothree\nfour"[..]);
        assert_eq!(tap.line().await.as_deref(), Some("one"));
        assert_eq!(tap.take(3).await, b"two");
        assert_eq!(tap.line().await.as_deref(), Some("three"));
        assert_eq!(tap.line().await, None, "a line without its end is no line");
        assert_eq!(tap.take_all().await, b"four");
        assert_eq!(tap.take(1).await, b"");
        assert_eq!(tap.all().await, b"one\r\ntwothree\nfour");
    }
}
