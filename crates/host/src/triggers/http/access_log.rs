//! The account of one request: kept while it is answered, one line when the last who held it is
//! done.

use super::access_line::AccessLine;
use super::request_id::RequestId;
use crate::body::{Body, BoxError};
use crate::event::Account;
use crate::log_writer::LogWriter;
use crate::server::Peer;
use crate::standing::InFlight;
use crate::telemetry::{RequestSpan, Telemetry};
use crate::usage::{Cause, Usage};
use bytes::Bytes;
use holm_runtime::limits::Reached;
use holm_runtime::receipt::Receipt;
use holm_runtime::trace::Tracer;
use holm_runtime::{Denial, Error};
use http::{Method, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

/// Longest path that is kept for the log, in bytes; a line stays a line.
const PATH_BYTES_MAX: usize = 2048;

/// Where the lines of requests go.
#[derive(Clone)]
pub struct AccessSink {
    writer: Option<LogWriter>,
    apps: bool,
    telemetry: Option<Arc<Telemetry>>,
}

impl AccessSink {
    /// To this writer.
    pub fn new(writer: LogWriter) -> Self {
        AccessSink {
            writer: Some(writer),
            apps: false,
            telemetry: None,
        }
    }

    /// Nowhere.
    pub fn off() -> Self {
        AccessSink {
            writer: None,
            apps: false,
            telemetry: None,
        }
    }

    /// With the app's name in each line, for a host of many.
    pub fn with_apps(self) -> Self {
        AccessSink { apps: true, ..self }
    }

    /// With a span for each request.
    pub fn with_telemetry(self, telemetry: Option<Arc<Telemetry>>) -> Self {
        AccessSink { telemetry, ..self }
    }
}

/// The account of one request; clones are of the same one. The response's body holds one, the
/// guest's task another.
#[derive(Clone)]
pub struct AccessRecord(Arc<Inner>);

struct Inner {
    id: RequestId,
    began: Instant,
    sink: AccessSink,
    entry: Mutex<Option<Box<AccessEntry>>>,
    tally: OnceLock<Tally>,
    /// The last [`Cause`] that was told; 0 is none.
    cause: AtomicU8,
    /// The limits that it met, before a guest had it or in one.
    limits: Reached,
    /// 0 before there is an answer.
    status: AtomicU16,
    span: OnceLock<Mutex<RequestSpan>>,
}

/// Whose request it is, and what counts it.
struct Tally {
    usage: Arc<Usage>,
    /// Given up with the account, when the last who works for the request is done.
    _place: Option<InFlight>,
}

/// All that is known of a request in the end.
#[derive(Clone, Debug)]
pub(super) struct AccessEntry {
    pub id: RequestId,
    pub time: SystemTime,
    pub method: Method,
    pub version: Version,
    pub tls: bool,
    pub host: Option<Box<str>>,
    pub path: Box<str>,
    pub peer: SocketAddr,
    /// Whom a trusted proxy asks for.
    pub client: Option<IpAddr>,
    /// Whose route it is; only where there are many apps.
    pub app: Option<Arc<str>>,
    pub component: Option<Arc<str>>,
    pub route: Option<Box<str>>,
    pub status: Option<u16>,
    /// Until the response's head.
    pub head: Option<Duration>,
    /// Until its last byte.
    pub duration: Option<Duration>,
    pub bytes_out: u64,
    /// The client left before the end.
    pub aborted: bool,
    pub receipt: Option<Receipt>,
    pub fault: Option<AccessFault>,
    pub denials: Vec<Denial>,
}

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) enum AccessFault {
    /// Said in words: who is at fault, and what happened.
    Said(&'static str, String),
    /// An error of the runtime.
    Error(Box<Error>),
}

impl AccessRecord {
    /// The account of a request that has just arrived.
    pub fn new<B>(sink: &AccessSink, request: &Request<B>, peer: &Peer) -> AccessRecord {
        let time = SystemTime::now();
        let id = RequestId::new(time);
        // Without a log there is nothing to remember.
        let entry = sink.writer.is_some().then(|| {
            let host = request
                .uri()
                .authority()
                .map(|authority| authority.as_str());
            let header = || request.headers().get(http::header::HOST)?.to_str().ok();
            Box::new(AccessEntry {
                id,
                time,
                method: request.method().clone(),
                version: request.version(),
                tls: peer.tls,
                host: host.or_else(header).map(Box::from),
                path: shortened(request.uri().path()),
                peer: peer.addr,
                client: None,
                app: None,
                component: None,
                route: None,
                status: None,
                head: None,
                duration: None,
                bytes_out: 0,
                aborted: false,
                receipt: None,
                fault: None,
                denials: Vec::new(),
            })
        });
        let began = Instant::now();
        AccessRecord(Arc::new(Inner {
            id,
            began,
            sink: sink.clone(),
            entry: Mutex::new(entry),
            tally: OnceLock::new(),
            cause: AtomicU8::new(0),
            limits: Reached::default(),
            status: AtomicU16::new(0),
            span: OnceLock::new(),
        }))
    }

    /// Begins its span, where somebody wants one; the guest finds it in the request's headers.
    pub fn trace<B>(&self, request: &mut Request<B>, peer: &Peer) {
        if let Some(telemetry) = &self.0.sink.telemetry
            && let Some(span) = telemetry.begin(request, peer, self.0.id)
        {
            let _ = self.0.span.set(Mutex::new(span));
        }
    }

    fn span(&self, note: impl FnOnce(&mut RequestSpan)) {
        if let Some(span) = self.0.span.get() {
            note(&mut span.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Who is charged for it; without a place it is not in flight.
    pub fn counts(&self, usage: Arc<Usage>, place: Option<InFlight>) {
        let _ = self.0.tally.set(Tally {
            usage,
            _place: place,
        });
    }

    /// Why it got no good answer of the component's.
    pub fn failed(&self, cause: Cause) {
        self.0.cause.store(cause as u8, Relaxed);
    }

    /// The name of this request, for the log and for whoever got an error.
    pub fn id(&self) -> RequestId {
        self.0.id
    }

    /// Whose route it is; noted where there are many apps.
    pub fn app(&self, name: &Arc<str>) {
        self.span(|span| span.app(name));
        if self.0.sink.apps {
            self.set(|entry| entry.app = Some(name.clone()));
        }
    }

    /// Who answers it.
    pub fn component(&self, name: &Arc<str>) {
        self.span(|span| span.component(name));
        self.set(|entry| entry.component = Some(name.clone()));
    }

    /// By which route.
    pub fn route(&self, pattern: &str) {
        self.span(|span| span.route(pattern));
        self.set(|entry| entry.route = Some(pattern.into()));
    }

    /// Whom a trusted proxy asks for; said in the log where it is another than who is connected.
    pub fn client(&self, client: IpAddr) {
        self.set(|entry| {
            entry.client = Some(client).filter(|ip| *ip != entry.peer.ip().to_canonical());
        });
    }

    /// What went wrong, in words; `kind` is `yours`, `guest`, `denied` or `ours`.
    pub fn fault(&self, kind: &'static str, text: impl Into<String>) {
        self.set(|entry| entry.fault = Some(AccessFault::Said(kind, text.into())));
    }

    /// The response's status; set by [`answer`](Self::answer).
    pub fn status(&self, status: u16) {
        let head = self.0.began.elapsed();
        self.0.status.store(status, Relaxed);
        self.set(|entry| {
            entry.status = Some(status);
            entry.head = Some(head);
        });
    }

    /// Notes the response's status and counts its body to the end. The last step before the
    /// response goes to the server.
    pub fn answer<B>(&self, response: Response<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        self.answered(response, true)
    }

    /// The same for an answer that is the host's own, which nobody is charged for.
    pub fn answer_for(&self, response: Response<Body>) -> Response<Body> {
        self.answered(response, false)
    }

    fn answered<B>(&self, response: Response<B>, charged: bool) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let status = response.status().as_u16();
        self.status(status);
        response.map(|body| {
            let length = body.size_hint().exact();
            let counted = Counted {
                length,
                body,
                record: self.clone(),
                status,
                charged,
                bytes: 0,
                ended: false,
            };
            counted.map_err(Into::into).boxed_unsync()
        })
    }

    fn set(&self, change: impl FnOnce(&mut AccessEntry)) {
        let mut entry = self.0.entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entry.as_mut() {
            change(entry);
        }
    }
}

impl Account for AccessRecord {
    fn tracer(&self) -> Tracer {
        let telemetry = self.0.sink.telemetry.as_ref()?;
        let span = self.0.span.get()?;
        let span = span.lock().unwrap_or_else(PoisonError::into_inner);
        telemetry.calls_of(&span)
    }

    fn is_kept(&self) -> bool {
        self.0.sink.writer.is_some()
    }

    fn denials(&self, denials: &[Denial]) {
        self.set(|entry| entry.denials.extend_from_slice(denials));
    }

    fn reached(&self, limits: &Reached) {
        self.0.limits.note_all(limits);
    }

    fn error(&self, error: &Error) {
        self.failed(error.kind.into());
        if let Some(limit) = error.limit {
            self.0.limits.note(limit);
        }
        self.set(|entry| entry.fault = Some(AccessFault::Error(Box::new(error.clone()))));
    }

    fn receipt(&self, receipt: Receipt) {
        self.set(|entry| entry.receipt = Some(receipt));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let entry = self
            .entry
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let status = *self.status.get_mut();
        let told = *self.cause.get_mut();
        let told = Cause::ALL.into_iter().find(|cause| *cause as u8 == told);
        let cause = told.or((status == 0).then_some(Cause::Left));
        if let (Some(tally), Some(cause)) = (self.tally.get(), cause) {
            tally.usage.failed(cause);
        }
        if let Some(tally) = self.tally.get() {
            self.limits
                .list()
                .for_each(|limit| tally.usage.limit(limit));
        }
        if let Some(span) = self.span.take() {
            let span = span.into_inner().unwrap_or_else(PoisonError::into_inner);
            span.end((status > 0).then_some(status), cause.map(Cause::name));
        }
        let (Some(mut entry), Some(writer)) = (entry, &self.sink.writer) else {
            return;
        };
        // Without a response there was no body: the client left first.
        entry.aborted |= entry.status.is_none();
        entry.duration.get_or_insert_with(|| self.began.elapsed());
        writer.submit(AccessLine(entry));
    }
}

fn shortened(path: &str) -> Box<str> {
    if path.len() <= PATH_BYTES_MAX {
        return path.into();
    }
    format!("{}…", &path[..path.floor_char_boundary(PATH_BYTES_MAX)]).into()
}

/// A response's body on its way to the client.
struct Counted<B> {
    body: B,
    record: AccessRecord,
    length: Option<u64>,
    status: u16,
    charged: bool,
    bytes: u64,
    ended: bool,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                // Nothing follows trailers, and nobody asks whether it does.
                this.ended |= frame.is_trailers();
            }
            Some(Err(_)) => {}
            None => this.ended = true,
        }
        this.ended |= this.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Counted<B> {
    fn drop(&mut self) {
        let ended = self.ended || self.length == Some(self.bytes);
        let duration = self.record.0.began.elapsed();
        if let Some(tally) = self.record.0.tally.get() {
            let bytes = if self.charged { self.bytes } else { 0 };
            tally.usage.answered(self.status, duration, bytes);
        }
        self.record.set(|entry| {
            entry.bytes_out = self.bytes;
            entry.duration = Some(duration);
            // The server does not read bodies that HTTP does not send.
            let sent = entry.method != Method::HEAD && !matches!(entry.status, Some(204 | 304));
            entry.aborted = sent && !ended;
        });
    }
}

#[cfg(test)]
#[path = "access_log_tests.rs"]
mod tests;
