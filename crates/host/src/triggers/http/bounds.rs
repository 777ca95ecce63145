//! The two bodies of a call on their way, counted and bounded; and what a head may hold.

use super::guest::Failure;
use bytes::Bytes;
use holm_runtime::limits::{Limit, Meter};
use holm_runtime::receipt::Flows;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

/// Refuses the head of a guest's answer that is over a limit, before any of it is sent.
pub(super) fn check_head<B: HttpBody>(
    component: &str,
    response: &Response<B>,
    meter: &Meter,
) -> Result<(), Failure> {
    let most = meter.allowance();
    let limit = if response.headers().len() > most.header_count {
        Limit::HeaderCount
    } else if response.body().size_hint().lower() > most.response_body
        || content_length(response.headers()) > most.response_body
    {
        Limit::ResponseBody
    } else {
        return Ok(());
    };
    meter.hit(limit);
    Err(Failure::Error(Box::new(meter.error(limit, component))))
}

/// The length that the head promises.
fn content_length(headers: &HeaderMap) -> u64 {
    let value = headers.get(http::header::CONTENT_LENGTH);
    let length = value.and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

/// The request's body on its way to the guest.
pub(super) struct Received<B> {
    body: B,
    flows: Arc<Flows>,
    meter: Arc<Meter>,
    over: bool,
}

impl<B> Received<B> {
    pub(super) fn new(body: B, flows: Arc<Flows>, meter: Arc<Meter>) -> Self {
        Received {
            body,
            flows,
            meter,
            over: false,
        }
    }
}

impl<B: HttpBody<Data = Bytes, Error = Error> + Unpin> HttpBody for Received<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let room = self.meter.room(Limit::RequestBody, &self.flows, data.len());
            if room.is_err() {
                self.over = true;
                let most = self.meter.allowance().request_body;
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(most)))));
            }
            Flows::add(&self.flows.request_in, data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The response's body on its way to the client; its end tells the event that all was sent.
pub(super) struct Sent {
    body: WasiBody,
    flows: Arc<Flows>,
    meter: Arc<Meter>,
    /// Set before the instance of a guest that failed is dropped.
    broken: Arc<AtomicBool>,
    _sent: oneshot::Sender<()>,
}

impl Sent {
    pub(super) fn new(
        body: WasiBody,
        flows: Arc<Flows>,
        meter: Arc<Meter>,
        broken: Arc<AtomicBool>,
        sent: oneshot::Sender<()>,
    ) -> Self {
        Sent {
            body,
            flows,
            meter,
            broken,
            _sent: sent,
        }
    }

    /// Counts a frame, if there is room for it.
    fn count(&self, frame: &Frame<Bytes>) -> Result<(), Error> {
        if let Some(data) = frame.data_ref() {
            let room = self
                .meter
                .room(Limit::ResponseBody, &self.flows, data.len());
            room.map_err(|_| {
                Error::HttpResponseBodySize(Some(self.meter.allowance().response_body))
            })?;
            Flows::add(&self.flows.response_out, data.len());
        }
        if let Some(trailers) = frame.trailers_ref()
            && trailers.len() > self.meter.allowance().header_count
        {
            self.meter.hit(Limit::HeaderCount);
            return Err(Error::HttpResponseTrailerSectionSize(None));
        }
        Ok(())
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Err(error) = self.count(frame)
        {
            return Poll::Ready(Some(Err(error)));
        }
        // The engine ends the body of a guest that is gone as if it had finished it; a client must
        // not take half an answer for a whole one.
        if frame.is_none() && self.broken.load(Relaxed) {
            return Poll::Ready(Some(Err(Error::HttpProtocolError)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
