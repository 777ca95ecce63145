//! `compress`: answers made smaller for clients that take them so.

use crate::body::{Body, BoxError};
use async_compression::Level;
use async_compression::brotli::EncoderParams;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use bytes::Bytes;
use futures::FutureExt as _;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt as _;

/// What is smaller gains nothing.
const SMALL_BYTES: u64 = 1024;

/// Answers of one route that are compressed at a time; each holds up to a megabyte. The others go as they
/// are.
const AT_ONCE_MAX: usize = 256;

/// Bytes that are read in one go, before somebody else has his turn.
const GO_BYTES: usize = 64 * 1024;

/// Two to the power of this is how far back a repetition may lie: it bounds the memory.
const WINDOW_LOG: u32 = 18;

/// How an answer may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Brotli,
    /// Gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// From the one that is preferred to the one that is liked least.
    const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// The one that a client likes best (RFC 9110, 12.5.3); none if it takes none.
    pub fn wanted(headers: &HeaderMap) -> Option<Coding> {
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        // In thousandths: what is said of each, and of all that nothing is said of.
        let mut said = [None; 3];
        let mut others = None;
        let mut plain = None;
        for item in texts.flat_map(|text| text.split(',')) {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight_of(weight);
            match name.trim() {
                "*" => others = Some(weight),
                name if name.eq_ignore_ascii_case("identity") => plain = Some(weight),
                name => {
                    let at = Self::ALL
                        .iter()
                        .position(|coding| name.eq_ignore_ascii_case(coding.name()));
                    // The old name of gzip.
                    let old = name.eq_ignore_ascii_case("x-gzip").then_some(2);
                    if let Some(at) = at.or(old) {
                        said[at] = Some(weight);
                    }
                }
            }
        }
        let weight = |at: usize| said[at].or(others).unwrap_or(0);
        let best = (0..3).rev().max_by_key(|at| weight(*at))?;
        // Who likes it plain better gets it plain.
        let enough = weight(best) > 0 && weight(best) >= plain.unwrap_or(0);
        enough.then(|| Self::ALL[best])
    }
}

/// `q=0.5` in thousandths; what cannot be read is 0.
fn weight_of(text: &str) -> u16 {
    let text = text.trim();
    if text.is_empty() {
        return 1000;
    }
    let value = text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="));
    let value = value.and_then(|value| value.trim().parse::<f32>().ok());
    value.map_or(0, |value| (value.clamp(0.0, 1.0) * 1000.0) as u16)
}

/// How many answers are being compressed.
#[derive(Clone, Debug, Default)]
pub struct Compressor(Arc<AtomicUsize>);

impl Compressor {
    /// The answer, smaller where the client wants that, it is worth it, and there is room. That of `head`
    /// has no body, and promises what a GET's would have.
    pub fn answer(
        &self,
        mut response: Response<Body>,
        wanted: Option<Coding>,
        head: bool,
    ) -> Response<Body> {
        let is_empty = response.body().is_end_stream();
        if (is_empty && !head) || !is_worth_it(&response) {
            return response;
        }
        response
            .headers_mut()
            .append(VARY, HeaderValue::from_static("accept-encoding"));
        let Some(coding) = wanted else {
            return response;
        };
        let Some(place) = self.place() else {
            return response;
        };
        let (mut parts, body) = response.into_parts();
        parts
            .headers
            .insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.remove(ACCEPT_RANGES);
        weaken(&mut parts.headers);
        if is_empty {
            return Response::from_parts(parts, body);
        }
        let body = Compressed {
            body,
            encoder: Encoder::new(coding),
            held: false,
            trailers: None,
            state: State::Reading,
            _place: place,
        };
        Response::from_parts(parts, body.boxed_unsync())
    }

    fn place(&self) -> Option<Place> {
        let one_more = |now| (now < AT_ONCE_MAX).then_some(now + 1);
        let taken = self.0.fetch_update(AcqRel, Acquire, one_more);
        taken.is_ok().then(|| Place(self.0.clone()))
    }
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

/// Whether compressing it is allowed, and makes it smaller.
fn is_worth_it(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let status = response.status();
    if status.is_informational()
        || [
            StatusCode::NO_CONTENT,
            StatusCode::NOT_MODIFIED,
            StatusCode::PARTIAL_CONTENT,
        ]
        .contains(&status)
        || headers.contains_key(CONTENT_ENCODING)
        || headers.contains_key(CONTENT_RANGE)
    {
        return false;
    }
    let mut cache = headers.get_all(CACHE_CONTROL).iter();
    let words = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',')
            .any(|word| word.trim().eq_ignore_ascii_case("no-transform"))
    };
    if cache.any(words) {
        return false;
    }
    let said = headers.get(CONTENT_LENGTH);
    let said = said.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let length = response.body().size_hint().exact().filter(|n| *n > 0);
    if said.or(length).is_some_and(|length| length < SMALL_BYTES) {
        return false;
    }
    let kind = headers.get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(is_compressible)
}

/// Texts, and the formats that are made of such.
fn is_compressible(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("text/")
        || ["+json", "+xml", "+text"]
            .iter()
            .any(|end| kind.ends_with(end))
        || matches!(
            &*kind,
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/manifest"
                | "application/wasm"
                | "application/x-ndjson"
                | "application/x-javascript"
                | "application/rtf"
                | "application/vnd.ms-fontobject"
                | "font/ttf"
                | "font/otf"
                | "image/bmp"
                | "image/x-icon"
                | "image/vnd.microsoft.icon"
        )
}

/// The same page byte by byte it is no longer.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers
        .get(ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"))
    else {
        return;
    };
    let weak = [b"W/", tag.as_bytes()].concat();
    match HeaderValue::from_bytes(&weak) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}

/// Boxed: what they keep is large.
enum Encoder {
    Zstd(Box<ZstdEncoder<Vec<u8>>>),
    Brotli(Box<BrotliEncoder<Vec<u8>>>),
    Gzip(Box<GzipEncoder<Vec<u8>>>),
}

/// The same with each of them. They write to memory, and so never have to wait.
macro_rules! with {
    ($encoder:expr, $it:ident => $what:expr) => {
        match $encoder {
            Encoder::Zstd($it) => $what,
            Encoder::Brotli($it) => $what,
            Encoder::Gzip($it) => $what,
        }
    };
}

impl Encoder {
    fn new(coding: Coding) -> Self {
        let out = Vec::new();
        match coding {
            Coding::Zstd => {
                let window = [CParameter::window_log(WINDOW_LOG)];
                let level = Level::Precise(3);
                Encoder::Zstd(ZstdEncoder::with_quality_and_params(out, level, &window).into())
            }
            Coding::Brotli => {
                let params = EncoderParams::default()
                    .quality(Level::Precise(4))
                    .window_size(WINDOW_LOG as i32);
                Encoder::Brotli(BrotliEncoder::with_params(out, params).into())
            }
            Coding::Gzip => Encoder::Gzip(GzipEncoder::with_quality(out, Level::Precise(5)).into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        at_once(with!(self, it => it.write_all(bytes).now_or_never()))
    }

    fn flush(&mut self) -> io::Result<()> {
        at_once(with!(self, it => it.flush().now_or_never()))
    }

    fn finish(&mut self) -> io::Result<()> {
        at_once(with!(self, it => it.shutdown().now_or_never()))
    }

    fn take(&mut self) -> Bytes {
        with!(self, it => std::mem::take(it.get_mut())).into()
    }
}

fn at_once(done: Option<io::Result<()>>) -> io::Result<()> {
    done.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
}

/// A body on its way through an encoder.
struct Compressed {
    body: Body,
    encoder: Encoder,
    /// The encoder holds something that nobody has seen.
    held: bool,
    trailers: Option<HeaderMap>,
    state: State,
    _place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// All was read.
    Ending,
    Ended,
}

impl Compressed {
    fn end(&mut self) -> io::Result<()> {
        self.state = State::Ending;
        self.encoder.finish()
    }

    /// Reads what there is. Nothing if more has to come before there is something to send.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut read = 0;
        while read < GO_BYTES {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(data) => {
                        read += data.len();
                        self.held |= !data.is_empty();
                        self.encoder.write(&data)?;
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.end()?;
                        return Poll::Ready(Ok(()));
                    }
                },
                Poll::Ready(None) => {
                    self.end()?;
                    return Poll::Ready(Ok(()));
                }
                // Whoever waits for the next piece has had this one first.
                Poll::Pending if self.held => {
                    self.held = false;
                    self.encoder.flush()?;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.state == State::Reading {
                match this.read(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            let out = this.encoder.take();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
            match this.state {
                State::Reading => {
                    // Much went in and nothing came out: somebody else's turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Ending => {
                    this.state = State::Ended;
                    if let Some(trailers) = this.trailers.take() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
#[path = "compress_tests.rs"]
mod tests;
