//! The two bodies of a call on their way, counted and bounded; and what a head may hold.

use bytes::{Bytes, BytesMut};
use holm_runtime::limits::{Allowance, HeldMemory, Limit, Meter};
use holm_runtime::receipt::Flows;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

/// The limit that the head of a guest's answer is over, before any of it is sent.
pub(super) fn over<B: HttpBody>(response: &Response<B>, most: &Allowance) -> Option<Limit> {
    if response.headers().len() > most.header_count {
        return Some(Limit::HeaderCount);
    }
    let length = response.body().size_hint().lower();
    let length = length.max(content_length(response.headers()));
    (length > most.response_body).then_some(Limit::ResponseBody)
}

/// The length that the head promises.
fn content_length(headers: &HeaderMap) -> u64 {
    let value = headers.get(http::header::CONTENT_LENGTH);
    let length = value.and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

/// The least that a request's body will hold, as far as its head says.
pub(crate) fn said_length<B: HttpBody>(body: &B) -> u64 {
    body.size_hint().lower()
}

/// What came of collecting a body.
pub(crate) enum Collected {
    /// All of it.
    Whole(Bytes),
    /// It is longer than that.
    TooLong,
    /// Its tenant has no memory for it.
    NoMemory(Limit),
}

/// The whole of a body of at most so many bytes; what there is of it is `held` in memory.
pub(crate) async fn collect<B>(
    mut body: B,
    most: u64,
    held: &mut HeldMemory,
) -> Result<Collected, B::Error>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut first = None;
    let mut all = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length > most {
            return Ok(Collected::TooLong);
        }
        if let Err(limit) = held.take(data.len() as u64) {
            return Ok(Collected::NoMemory(limit));
        }
        // Most come in one piece, which nobody need copy.
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(before) => {
                all.extend_from_slice(&before);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(Collected::Whole(first.unwrap_or_else(|| all.freeze())))
}

/// What an event and its two bodies know of each other: a body may still be on its way when the event
/// has ended and its instance serves another.
pub(super) struct Traffic {
    /// The event's counters, as long as they are its.
    flows: Mutex<Option<Arc<Flows>>>,
    /// Bytes of the request's body so far, and of the answer's.
    bytes: [AtomicU64; 2],
    /// Set before the instance of a guest that failed is dropped.
    broken: AtomicBool,
}

impl Traffic {
    /// Of an event that has these counters.
    pub(super) fn new(flows: Arc<Flows>) -> Arc<Self> {
        Arc::new(Traffic {
            flows: Mutex::new(Some(flows)),
            bytes: Default::default(),
            broken: AtomicBool::new(false),
        })
    }

    /// The counters are another event's from now on.
    pub(super) fn let_go(&self) {
        *self.flows.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The guest has failed: what it answered so far is not all.
    pub(super) fn breaks(&self) {
        self.broken.store(true, Relaxed);
    }

    /// Bytes of the request's body so far, and of the answer's.
    pub(super) fn bytes(&self) -> [u64; 2] {
        self.bytes.each_ref().map(|bytes| bytes.load(Relaxed))
    }

    fn received(&self, bytes: usize) {
        self.bytes[0].fetch_add(bytes as u64, Relaxed);
        self.of_event(|flows| Flows::add(&flows.request_in, bytes));
    }

    fn sent(&self, bytes: usize) {
        self.bytes[1].fetch_add(bytes as u64, Relaxed);
        self.of_event(|flows| Flows::add(&flows.response_out, bytes));
    }

    /// Does something while the event lasts.
    fn of_event(&self, what: impl FnOnce(&Flows)) {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flows) = &*flows {
            what(flows);
        }
    }
}

/// The request's body on its way to the guest.
pub(super) struct Received<B> {
    body: B,
    traffic: Arc<Traffic>,
    meter: Arc<Meter>,
    size: u64,
    over: bool,
}

impl<B> Received<B> {
    pub(super) fn new(body: B, traffic: Arc<Traffic>, meter: Arc<Meter>) -> Self {
        Received {
            body,
            traffic,
            meter,
            size: 0,
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
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let most = this.meter.allowance().request_body;
            this.size = this.size.saturating_add(data.len() as u64);
            if this.size > most {
                this.over = true;
                this.traffic
                    .of_event(|_| this.meter.hit(Limit::RequestBody));
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(most)))));
            }
            this.traffic.received(data.len());
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
    traffic: Arc<Traffic>,
    /// Its limits; not the event's account, which may be that of the instance's next event by now.
    size_most: u64,
    trailers_most: usize,
    size: u64,
    /// Told of the limit that cuts it; dropped with the body otherwise.
    sent: Option<oneshot::Sender<Limit>>,
}

impl Sent {
    pub(super) fn new(
        body: WasiBody,
        traffic: Arc<Traffic>,
        most: &Allowance,
        sent: oneshot::Sender<Limit>,
    ) -> Self {
        Sent {
            body,
            traffic,
            size_most: most.response_body,
            trailers_most: most.header_count,
            size: 0,
            sent: Some(sent),
        }
    }

    /// Counts a frame; the limit that cuts the body, if it is over one.
    fn count(&mut self, frame: &Frame<Bytes>) -> Option<Limit> {
        if let Some(trailers) = frame.trailers_ref() {
            return (trailers.len() > self.trailers_most).then_some(Limit::HeaderCount);
        }
        let length = frame.data_ref().map_or(0, Bytes::len);
        self.size = self.size.saturating_add(length as u64);
        if self.size > self.size_most {
            return Some(Limit::ResponseBody);
        }
        self.traffic.sent(length);
        None
    }

    fn cut(&mut self, limit: Limit) -> Error {
        if let Some(sent) = self.sent.take() {
            let _ = sent.send(limit);
        }
        match limit {
            Limit::ResponseBody => Error::HttpResponseBodySize(Some(self.size_most)),
            _ => Error::HttpResponseTrailerSectionSize(None),
        }
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
            && let Some(limit) = self.count(frame)
        {
            return Poll::Ready(Some(Err(self.cut(limit))));
        }
        // The engine ends the body of a guest that is gone as if it had finished it; a client must
        // not take half an answer for a whole one.
        if frame.is_none() && self.traffic.broken.load(Relaxed) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::stream;
    use holm_runtime::limits::{Budget, HostMemory, TenantMemory};
    use http_body_util::{Empty, StreamBody};

    fn allowance() -> Allowance {
        Allowance {
            request_body: 25,
            response_body: 25,
            header_count: 1,
            ..Allowance::UNLIMITED
        }
    }

    /// Three frames of ten bytes, then trailers of so many fields.
    fn body(trailers: usize) -> WasiBody {
        let ten = || Ok(Frame::data(Bytes::from_static(b"0123456789")));
        let mut fields = HeaderMap::new();
        for i in 0..trailers {
            let name = http::HeaderName::try_from(format!("x-{i}")).unwrap();
            fields.insert(name, http::HeaderValue::from_static("1"));
        }
        let frames = [ten(), ten(), ten(), Ok(Frame::trailers(fields))];
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    #[test]
    fn what_is_collected_is_bounded_and_held() {
        let host = HostMemory::of(25);
        let tenant = TenantMemory::new(&host, false, u64::MAX);
        let collected = |most| {
            let mut held = HeldMemory::of(&tenant);
            let collected = block_on(collect(body(0), most, &mut held)).unwrap();
            (collected, held)
        };
        assert!(matches!(collected(20).0, Collected::TooLong));
        assert!(matches!(
            collected(30).0,
            Collected::NoMemory(Limit::HostMemory)
        ));
        assert_eq!(host.used(), 0);
        let roomy = TenantMemory::new(&HostMemory::of(100), false, u64::MAX);
        let mut held = HeldMemory::of(&roomy);
        match block_on(collect(body(0), 30, &mut held)).unwrap() {
            Collected::Whole(all) => assert_eq!((all.len(), held.bytes()), (30, 30)),
            _ => panic!("there is room for it"),
        }
    }

    #[test]
    fn a_request_ends_with_an_error_and_nothing_after_it() {
        let budget = Budget::new(allowance());
        let (flows, meter) = (Arc::new(Flows::default()), budget.meter.clone());
        let mut received = Received::new(body(0), Traffic::new(flows.clone()), meter.clone());
        for _ in 0..2 {
            assert!(block_on(received.frame()).unwrap().is_ok());
        }
        let error = block_on(received.frame()).unwrap().unwrap_err();
        assert!(matches!(error, Error::HttpRequestBodySize(Some(25))));
        assert!(block_on(received.frame()).is_none());
        assert_eq!(flows.request_in.load(Relaxed), 20);
        assert_eq!(meter.limit_hit(), Some(Limit::RequestBody));
    }

    #[test]
    fn an_answer_is_cut_and_the_event_told() {
        for (most, trailers, limit) in [
            (25, 0, Some(Limit::ResponseBody)),
            (30, 2, Some(Limit::HeaderCount)),
            (30, 1, None),
        ] {
            let most = Allowance {
                response_body: most,
                ..allowance()
            };
            let (sent, told) = oneshot::channel();
            let traffic = Traffic::new(Arc::default());
            let body = Sent::new(body(trailers), traffic, &most, sent);
            assert_eq!(block_on(body.collect()).is_err(), limit.is_some());
            assert_eq!(block_on(told).ok(), limit);
        }
    }

    #[test]
    fn an_answer_on_its_way_does_not_count_for_the_next_event() {
        let flows = Arc::new(Flows::default());
        let traffic = Traffic::new(flows.clone());
        let (sent, _told) = oneshot::channel();
        let mut body = Sent::new(body(0), traffic.clone(), &Allowance::UNLIMITED, sent);
        assert!(block_on(body.frame()).unwrap().is_ok());
        assert_eq!(flows.response_out.load(Relaxed), 10);
        traffic.let_go();
        assert!(block_on(body.collect()).is_ok());
        assert_eq!(flows.response_out.load(Relaxed), 10);
        assert_eq!(traffic.bytes(), [0, 30]);
    }

    #[test]
    fn a_head_that_promises_too_much() {
        let response = |length: &str| {
            let response = Response::builder().header("content-length", length);
            response.body(Empty::<Bytes>::new()).unwrap()
        };
        assert_eq!(over(&response("25"), &allowance()), None);
        assert_eq!(
            over(&response("26"), &allowance()),
            Some(Limit::ResponseBody)
        );
        assert_eq!(over(&response("many"), &allowance()), None);
        let mut two = response("1");
        two.headers_mut()
            .insert("x-more", http::HeaderValue::from_static("1"));
        assert_eq!(over(&two, &allowance()), Some(Limit::HeaderCount));
    }
}
