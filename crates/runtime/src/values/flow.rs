//! A stream or a future outside of a guest: items that come in pieces.

use super::Value;
use futures::channel::mpsc;
use futures::stream::{AbortHandle, Abortable};
use futures::{SinkExt as _, Stream, StreamExt as _};
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

/// The pieces of a flow, as they come.
#[derive(Debug)]
pub struct Pieces(Abortable<mpsc::Receiver<Value>>);

impl Flow {
    /// Both ends of a new flow.
    pub fn new() -> (FlowSender, Flow) {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        let (pieces, end) = futures::stream::abortable(receiver);
        let pieces = Arc::new(Mutex::new(Some(Pieces(pieces))));
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

impl Stream for Pieces {
    type Item = Value;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Value>> {
        self.0.poll_next_unpin(cx)
    }
}
