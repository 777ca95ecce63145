//! A stream or a future outside of a guest: items that come in pieces.

use super::Value;
use futures::channel::mpsc;
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
pub struct Flow(Arc<Mutex<Option<mpsc::Receiver<Value>>>>);

/// The writing end of a flow. The flow ends when all clones of it are dropped.
#[derive(Clone, Debug)]
pub struct FlowSender(pub(super) mpsc::Sender<Value>);

/// The pieces of a flow, as they come.
#[derive(Debug)]
pub struct Pieces(mpsc::Receiver<Value>);

impl Flow {
    /// Both ends of a new flow.
    pub fn new() -> (FlowSender, Flow) {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        (
            FlowSender(sender),
            Flow(Arc::new(Mutex::new(Some(receiver)))),
        )
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
        self.0
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .take()
            .map(Pieces)
    }

    /// Whether two are the same flow.
    pub fn is(&self, other: &Flow) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
