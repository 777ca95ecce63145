//! What a guest writes: the value, and the stream into it.

use super::error::Error;
use super::limits::WAITING_BYTES_MAX;
use super::upload::{self, Ended, Upload};
use bytes::{Bytes, BytesMut};
use holm_runtime::limits::{Limit, Meter};
use holm_runtime::receipt::Flows;
use holm_runtime::trace::Span;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that may be written at once.
const PERMIT: usize = 64 << 10;

/// Pieces that wait for the upload to take them.
const PIECES: usize = 8;

/// A value that is being written.
pub struct Outgoing {
    pipe: Arc<Pipe>,
    taken: bool,
    going: Option<Going>,
}

/// An upload that takes it.
struct Going {
    container: Arc<str>,
    all: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
    span: Option<Box<dyn Span>>,
}

/// Between the stream and the upload.
#[derive(Default)]
pub(super) struct Pipe {
    state: Mutex<State>,
    failed: Ended,
}

enum State {
    /// Nobody knows yet where to.
    Waiting(BytesMut),
    /// An upload takes it.
    Flowing(mpsc::Sender<Bytes>),
    /// Nothing more may be written.
    Ended,
}

impl Default for State {
    fn default() -> Self {
        State::Waiting(BytesMut::new())
    }
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> Option<Error> {
        let failed = self.failed.lock();
        failed.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What all values of an instance share.
#[derive(Clone)]
pub(super) struct Account {
    pub flows: Arc<Flows>,
    pub meter: Arc<Meter>,
    /// Bytes that wait for their values' places.
    pub waiting: Arc<AtomicUsize>,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Outgoing {
            pipe: Arc::default(),
            taken: false,
            going: None,
        }
    }

    /// The stream into it, once.
    pub(super) fn body(&mut self, account: &Account) -> Option<Body> {
        if std::mem::replace(&mut self.taken, true) {
            return None;
        }
        Some(Body {
            pipe: self.pipe.clone(),
            account: account.clone(),
        })
    }

    /// Whether it has a place already.
    pub(super) fn is_placed(&self) -> bool {
        self.going.is_some()
    }

    /// Says where it goes: what was written and what will be.
    pub(super) fn place(
        &mut self,
        container: Arc<str>,
        upload: Upload,
        account: &Account,
        span: Option<Box<dyn Span>>,
    ) {
        let (pieces, received) = mpsc::channel(PIECES);
        let (all, told) = oneshot::channel();
        let mut state = self.pipe.state();
        let first = match std::mem::replace(&mut *state, State::Flowing(pieces)) {
            State::Waiting(bytes) => bytes.freeze(),
            State::Flowing(_) | State::Ended => Bytes::new(),
        };
        drop(state);
        account.waiting.fetch_sub(first.len(), Relaxed);
        let failed = self.pipe.failed.clone();
        let task = tokio::spawn(upload::run(upload, first, received, told, failed));
        self.going = Some(Going {
            container,
            all,
            task,
            span,
        });
    }

    /// All was written: waits until the object is in place. The container that it went to is told
    /// beside the result.
    pub(super) async fn finish(mut self) -> (Arc<str>, Result<(), Error>) {
        *self.pipe.state() = State::Ended;
        let Some(going) = self.going.take() else {
            let told = "the value has no place: `write-data` comes before `finish`";
            return ("".into(), Err(Error::new(told)));
        };
        // Who has failed does not listen any more; the task says why.
        let _ = going.all.send(());
        let done = match going.task.await {
            Ok(done) => done,
            Err(error) => Err(Error::with_detail(
                "the value could not be written",
                error.to_string(),
            )),
        };
        if let (Some(mut span), Err(_)) = (going.span, &done) {
            span.failed("other".to_owned());
        }
        (going.container, done)
    }

    /// Nobody will finish it: what waits is let go.
    pub(super) fn forget(self, account: &Account) {
        let state = std::mem::replace(&mut *self.pipe.state(), State::Ended);
        if let State::Waiting(bytes) = state {
            account.waiting.fetch_sub(bytes.len(), Relaxed);
        }
    }
}

/// The stream into a value.
pub(super) struct Body {
    pipe: Arc<Pipe>,
    account: Account,
}

fn last(error: impl Into<wasmtime::Error>) -> StreamError {
    StreamError::LastOperationFailed(error.into())
}

#[async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {
        let pieces = match &*self.pipe.state() {
            State::Flowing(pieces) => pieces.clone(),
            State::Waiting(_) | State::Ended => return,
        };
        // Room for one, or nobody who takes any.
        let _ = pieces.reserve().await;
    }
}

#[async_trait]
impl OutputStream for Body {
    fn check_write(&mut self) -> StreamResult<usize> {
        if let Some(error) = self.pipe.failed() {
            return Err(last(wasmtime::Error::msg(error.told)));
        }
        match &*self.pipe.state() {
            State::Waiting(_) => Ok(PERMIT),
            State::Flowing(pieces) if pieces.is_closed() => Err(StreamError::Closed),
            State::Flowing(pieces) if pieces.capacity() == 0 => Ok(0),
            State::Flowing(_) => Ok(PERMIT),
            State::Ended => Err(StreamError::Closed),
        }
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let Account {
            flows,
            meter,
            waiting,
        } = &self.account;
        let count = bytes.len();
        if count > PERMIT {
            return Err(StreamError::trap(
                "more was written than `check-write` allows",
            ));
        }
        if let Err(hit) = meter.room(Limit::BytesWritten, flows, count) {
            return Err(last(hit));
        }
        match &mut *self.pipe.state() {
            State::Waiting(held) => {
                if waiting.fetch_add(count, Relaxed) + count > WAITING_BYTES_MAX {
                    waiting.fetch_sub(count, Relaxed);
                    return Err(last(wasmtime::Error::msg(format!(
                        "more than {WAITING_BYTES_MAX} bytes before `write-data` said where they go"
                    ))));
                }
                held.extend_from_slice(&bytes);
            }
            State::Flowing(pieces) => match pieces.try_send(bytes) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(StreamError::Closed),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Err(StreamError::trap("written without a permit"));
                }
            },
            State::Ended => return Err(StreamError::Closed),
        }
        Flows::add(&flows.blobs_out, count);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }
}
