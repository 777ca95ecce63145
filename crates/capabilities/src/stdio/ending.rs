//! How a stream of WASI 0.3 tells its end: by a future that the guest got together with it.

use tokio::sync::oneshot;
use wasmtime::component::StreamResult;

/// The sending side of that future. It is told once; without an error the stream ended well,
/// however early.
pub(crate) struct Ending<E>(Option<oneshot::Sender<Result<(), E>>>);

impl<E> Ending<E> {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<(), E>>) {
        let (sender, receiver) = oneshot::channel();
        (Ending(Some(sender)), receiver)
    }

    /// What the stream has to answer then comes back.
    pub(crate) fn tell(&mut self, result: Result<(), E>) -> StreamResult {
        if let Some(sender) = self.0.take() {
            // The guest may have dropped its end; then nobody wants to know.
            let _ = sender.send(result);
        }
        StreamResult::Dropped
    }
}

impl<E> Drop for Ending<E> {
    fn drop(&mut self) {
        self.tell(Ok(()));
    }
}
