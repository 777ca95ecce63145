//! A stream or a future outside of a guest: items that come in pieces.

use super::Value;
use futures::channel::mpsc;
use futures::future::Pending;
use futures::stream::{AbortHandle, Abortable};
use futures::{FutureExt as _, SinkExt as _, Stream, StreamExt as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// Pieces that may wait in a flow before whoever fills it has to wait.
const PIECES_WAITING: usize = 2;

/// The reading end of a stream or a future. A piece is a list of items ([`Value::Numbers`] or
/// [`Value::List`]); of a future it is the one item itself.
///
/// Clones share it: whoever takes its pieces first has them all.
#[derive(Clone, Debug)]
pub struct Flow {
    pieces: Arc<Mutex<Option<Pieces>>>,
    end: AbortHandle,
}

/// The writing end of a flow. The flow ends when all clones of it are dropped.
#[derive(Clone, Debug)]
pub struct FlowSender(pub(super) mpsc::Sender<Value>);

/// The pieces of a flow, as they come. What was written before it was ended from outside still comes.
#[derive(Debug)]
pub struct Pieces {
    written: mpsc::Receiver<Value>,
    ended: Abortable<Pending<()>>,
}

impl Flow {
    /// Both ends of a new flow.
    pub fn new() -> (FlowSender, Flow) {
        let (sender, written) = mpsc::channel(PIECES_WAITING);
        let (ended, end) = futures::future::abortable(futures::future::pending());
        let pieces = Arc::new(Mutex::new(Some(Pieces { written, ended })));
        (FlowSender(sender), Flow { pieces, end })
    }

    /// A flow of one piece that is there already.
    pub fn of(piece: Value) -> Flow {
        let (mut sender, flow) = Flow::new();
        // It is empty, so there is room.
        let _ = sender.0.try_send(piece);
        flow
    }

    /// Takes its pieces; nothing where somebody took them before.
    pub fn pieces(&self) -> Option<Pieces> {
        self.pieces.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    /// Ends it from outside, whoever still holds its writing end: an instance that trapped never
    /// writes to its flows again, and does not close them either.
    pub(super) fn end(&self) -> AbortHandle {
        self.end.clone()
    }

    /// Whether two are the same flow.
    pub fn is(&self, other: &Flow) -> bool {
        Arc::ptr_eq(&self.pieces, &other.pieces)
    }
}

impl FlowSender {
    /// Sends a piece, waiting for room; false where nobody reads any more.
    pub async fn send(&mut self, piece: Value) -> bool {
        self.0.send(piece).await.is_ok()
    }
}

impl Pieces {
    /// Whether it was ended from outside, because the call that it is of has failed.
    pub fn is_cut(&self) -> bool {
        self.ended.is_aborted()
    }
}

impl Stream for Pieces {
    type Item = Value;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Value>> {
        match self.written.poll_next_unpin(cx) {
            Poll::Pending => self.ended.poll_unpin(cx).map(|_| None),
            written => written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_the_end_comes() {
        let flow = Flow::of(Value::Bool(true));
        let mut pieces = flow.pieces().unwrap();
        flow.end().abort();
        assert!(pieces.is_cut());
        let all = futures::executor::block_on(async { (pieces.next().await, pieces.next().await) });
        assert_eq!(all, (Some(Value::Bool(true)), None));
    }

    #[test]
    fn an_end_from_outside_wakes_who_waits() {
        // Its writing end is held, as by an instance that trapped.
        let (_sender, flow) = Flow::new();
        let mut pieces = flow.pieces().unwrap();
        let end = flow.end();
        let waits = std::thread::spawn(move || futures::executor::block_on(pieces.next()));
        end.abort();
        assert_eq!(waits.join().unwrap(), None);
    }
}
