//! Requests that are sent again when they failed on their way: what was written of a body is kept for as
//! long as it may be needed.

use super::fault::Fault;
use bytes::Bytes;
use holm_manifest::Time;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use schemars::JsonSchema;
use serde::Deserialize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use wasmtime_wasi_http::{Error, WasiBody};

/// A body that is longer is sent once.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The longest wait between two tries.
const DELAY_MAX: Duration = Duration::from_secs(10);

/// How often a request is sent again that failed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// Jobs have a `Retry` of their own in the schema.
#[schemars(rename = "OriginRetry")]
pub struct Retry {
    /// So many times more.
    #[schemars(range(min = 1, max = 10))]
    pub times: u32,
    /// The wait before the first of them; it doubles from try to try, up to 10 s.
    #[serde(default = "a_tenth")]
    pub delay: Time,
    /// Also requests that change something each time that they arrive: POST, PATCH. Without this GET, HEAD,
    /// OPTIONS, TRACE, PUT and DELETE alone.
    #[serde(default)]
    pub any_method: bool,
}

fn a_tenth() -> Time {
    Time(Duration::from_millis(100))
}

impl Retry {
    /// Whether it is about such requests.
    pub fn is_for(&self, method: &Method) -> bool {
        self.any_method || method.is_idempotent()
    }

    /// How long to wait before the try of this number; the first again is number 1.
    pub fn delay(&self, number: u32) -> Duration {
        let factor = 1u32
            .checked_shl(number.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.delay.0.saturating_mul(factor).min(DELAY_MAX)
    }
}

/// Whether it may be better the next time: nobody was there, or whoever was has not answered.
pub fn passes(fault: &Fault) -> bool {
    let error = match fault {
        Fault::Prohibited(..) => return false,
        Fault::Beyond(_, error) | Fault::Error(error) => error,
    };
    matches!(
        error,
        Error::DnsTimeout
            | Error::DnsError { .. }
            | Error::DestinationUnavailable
            | Error::DestinationIpUnroutable
            | Error::ConnectionRefused
            | Error::ConnectionTerminated
            | Error::ConnectionTimeout
            | Error::ConnectionReadTimeout
            | Error::ConnectionWriteTimeout
            | Error::HttpResponseIncomplete
            | Error::HttpResponseTimeout
    )
}

/// Whether an answer says that: a gateway has found nobody, or nobody has time.
pub fn passes_with(status: StatusCode) -> bool {
    [
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ]
    .contains(&status)
}

/// A guest's body that can be read again from its beginning.
pub struct Kept(Arc<Mutex<Inner>>);

struct Inner {
    guest: WasiBody,
    ended: bool,
    /// All that came so far, unless it was too much.
    seen: Vec<Piece>,
    bytes: usize,
    /// It was too much.
    over: bool,
    /// Who reads; those before do no longer.
    reader: u32,
}

enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Kept {
    /// Nothing of it was read.
    pub fn new(guest: WasiBody) -> Self {
        Kept(Arc::new(Mutex::new(Inner {
            guest,
            ended: false,
            seen: Vec::new(),
            bytes: 0,
            over: false,
            reader: 0,
        })))
    }

    /// The body from its beginning; nothing if that is not there any more. Whoever read it before gets an
    /// error.
    pub fn again(&self) -> Option<Again> {
        let mut inner = lock(&self.0);
        if inner.over {
            return None;
        }
        inner.reader += 1;
        Some(Again {
            kept: self.0.clone(),
            reader: inner.reader,
            at: 0,
        })
    }

    /// Whether it can be read again.
    pub fn is_there(&self) -> bool {
        !lock(&self.0).over
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One reading of a body.
pub struct Again {
    kept: Arc<Mutex<Inner>>,
    reader: u32,
    at: usize,
}

impl Inner {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.bytes = self.bytes.saturating_add(data.len());
        }
        if self.over || self.bytes > KEPT_BYTES_MAX {
            self.over = true;
            self.seen = Vec::new();
            return;
        }
        match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => self.seen.push(Piece::Data(data.clone())),
            (None, Some(fields)) => self.seen.push(Piece::Trailers(fields.clone())),
            (None, None) => {}
        }
    }
}

impl Body for Again {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let mut inner = lock(&this.kept);
        if inner.reader != this.reader {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        if let Some(piece) = inner.seen.get(this.at) {
            this.at += 1;
            return Poll::Ready(Some(Ok(match piece {
                Piece::Data(data) => Frame::data(data.clone()),
                Piece::Trailers(fields) => Frame::trailers(fields.clone()),
            })));
        }
        if inner.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut inner.guest).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                inner.keep(frame);
                this.at = inner.seen.len();
            }
            // What the guest could not write to its end nobody writes again.
            Some(Err(_)) => inner.over = true,
            None => inner.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let inner = lock(&self.kept);
        self.at >= inner.seen.len() && (inner.ended || inner.guest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let inner = lock(&self.kept);
        let kept = inner.seen.iter().skip(self.at).map(|piece| match piece {
            Piece::Data(data) => data.len() as u64,
            Piece::Trailers(_) => 0,
        });
        let kept: u64 = kept.sum();
        let rest = inner.guest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::stream;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    fn body(pieces: &[&'static str]) -> WasiBody {
        let frames = pieces
            .iter()
            .map(|text| Ok(Frame::data(Bytes::from(*text))));
        StreamBody::new(stream::iter(frames.collect::<Vec<_>>())).boxed_unsync()
    }

    #[test]
    fn a_body_is_read_again_from_its_beginning() {
        let kept = Kept::new(body(&["one ", "two ", "three"]));
        let mut first = kept.again().unwrap();
        block_on(first.frame()).unwrap().unwrap();
        let mut second = kept.again().unwrap();
        let late = block_on(first.frame()).unwrap();
        assert!(matches!(late, Err(Error::ConnectionTerminated)));
        block_on(second.frame()).unwrap().unwrap();
        block_on(second.frame()).unwrap().unwrap();
        for _ in 0..2 {
            let all = block_on(kept.again().unwrap().collect()).unwrap();
            assert_eq!(all.to_bytes(), "one two three");
        }
    }

    #[test]
    fn what_is_long_is_read_once() {
        let kept = Kept::new(
            Full::new(Bytes::from(vec![b'x'; KEPT_BYTES_MAX + 1]))
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
        let first = kept.again().unwrap();
        assert_eq!(first.size_hint().exact(), Some(KEPT_BYTES_MAX as u64 + 1));
        let all = block_on(first.collect()).unwrap().to_bytes();
        assert_eq!(all.len(), KEPT_BYTES_MAX + 1);
        assert!(!kept.is_there() && kept.again().is_none());
    }

    #[test]
    fn an_end_is_known_where_it_was_known() {
        let empty = Kept::new(
            http_body_util::Empty::new()
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
        let again = empty.again().unwrap();
        assert!(again.is_end_stream());
        assert_eq!(again.size_hint().exact(), Some(0));
    }

    #[test]
    fn which_requests_and_when() {
        let retry = |any_method| Retry {
            times: 9,
            delay: a_tenth(),
            any_method,
        };
        assert!(retry(false).is_for(&Method::PUT) && !retry(false).is_for(&Method::POST));
        assert!(retry(true).is_for(&Method::POST));
        let waits = [1, 2, 3, 30].map(|number| retry(false).delay(number).as_millis());
        assert_eq!(waits, [100, 200, 400, 10_000]);
        assert!(passes(&Fault::Error(Error::ConnectionRefused)));
        assert!(!passes(&Fault::Error(Error::HttpRequestDenied)));
        assert!(!passes(&Fault::Error(Error::TlsCertificateError)));
        assert!(passes_with(StatusCode::BAD_GATEWAY) && !passes_with(StatusCode::NOT_FOUND));
    }
}
