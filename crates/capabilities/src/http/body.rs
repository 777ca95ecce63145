//! Bodies on their way: counted in the instance's flows and held to its limits, and never waited for
//! without end.

use super::fault;
use super::outbound::Slot;
use super::pool::Lease;
use bytes::Bytes;
use holm_runtime::limits::{Limit, Meter};
use holm_runtime::receipt::Flows;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// When something last moved on a request.
pub struct Progress(Mutex<Instant>);

impl Progress {
    /// It moves now.
    pub fn new() -> Self {
        Progress(Mutex::new(Instant::now()))
    }

    /// When it last moved.
    pub fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn moved(&self) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Instant::now();
    }
}

/// Where bytes are counted, and what holds them to a limit.
#[derive(Clone)]
pub struct Account {
    /// The counters.
    pub flows: Arc<Flows>,
    /// The limits.
    pub meter: Arc<Meter>,
}

impl Account {
    /// The limit, where the code of an error has a place for it.
    fn most(&self) -> Option<u64> {
        Some(self.meter.allowance().outbound_bytes)
    }

    fn room(&self, bytes: usize) -> bool {
        self.meter
            .room(Limit::OutboundBytes, &self.flows, bytes)
            .is_ok()
    }
}

/// A request's body.
pub struct RequestBody {
    /// What the guest writes.
    pub guest: WasiBody,
    /// Where its bytes are counted.
    pub account: Account,
    /// Who waits for it to move.
    pub progress: Arc<Progress>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.guest).poll_frame(cx);
        if polled.is_ready() {
            self.progress.moved();
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(data) = frame.data_ref() {
                if !self.account.room(data.len()) {
                    return Poll::Ready(Some(Err(Error::HttpRequestBodySize(self.account.most()))));
                }
                Flows::add(&self.account.flows.http_out, data.len());
            }
            let most = self.account.meter.allowance().header_count;
            if frame.trailers_ref().is_some_and(|t| t.len() > most) {
                self.account.meter.hit(Limit::HeaderCount);
                return Poll::Ready(Some(Err(Error::HttpRequestTrailerSectionSize(None))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.guest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.guest.size_hint()
    }
}

/// A response's body. When it has ended the connection goes back to the pool; when it is dropped
/// before, the connection is closed.
pub struct ResponseBody {
    origin: Incoming,
    account: Account,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    lease: Option<Lease>,
    _slot: Slot,
}

impl ResponseBody {
    /// The body that comes from an origin over `lease`, at most `patience` between two frames.
    pub fn new(
        origin: Incoming,
        account: Account,
        patience: Duration,
        lease: Lease,
        slot: Slot,
    ) -> Self {
        let mut body = ResponseBody {
            origin,
            account,
            patience,
            waiting: None,
            lease: Some(lease),
            _slot: slot,
        };
        if body.origin.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        self.waiting
            .get_or_insert_with(|| Box::pin(sleep(patience)))
            .as_mut()
            .poll(cx)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let body = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut body.origin).poll_frame(cx) else {
            return match body.poll_patience(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
                Poll::Pending => Poll::Pending,
            };
        };
        if let Some(waiting) = &mut body.waiting {
            waiting.as_mut().reset(Instant::now() + body.patience);
        }
        match &frame {
            Some(Ok(frame)) => {
                let size = frame.data_ref().map_or(0, Bytes::len);
                if !body.account.room(size) {
                    body.lease = None;
                    return Poll::Ready(Some(Err(Error::HttpResponseBodySize(
                        body.account.most(),
                    ))));
                }
                Flows::add(&body.account.flows.http_in, size);
                if body.origin.is_end_stream() {
                    body.give_back();
                }
            }
            Some(Err(_)) => body.lease = None,
            None => body.give_back(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| fault::of_hyper(&error))))
    }

    fn is_end_stream(&self) -> bool {
        self.origin.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.origin.size_hint()
    }
}
