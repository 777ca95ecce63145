//! What a request cost, told to its client: in a header where the receipt is there in time, else in a
//! trailer.

use super::bounds::Sent;
use crate::body::{Body, BoxError};
use bytes::Bytes;
use holm_runtime::receipt::Receipt;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a finished answer is held back for its receipt, where the client is to be told in a
/// header; past that the receipt follows as a trailer.
const TIMING_GRACE: Duration = Duration::from_millis(5);

/// Makes the guest's answer the server's: bytes counted, its cost told where that was asked for.
pub(super) async fn respond(
    response: Response<Sent>,
    mut receipt: oneshot::Receiver<Receipt>,
    timing: bool,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if !timing {
        return Response::from_parts(parts, body.map_err(BoxError::from).boxed_unsync());
    }
    match tokio::time::timeout(TIMING_GRACE, &mut receipt).await {
        Ok(Ok(receipt)) => {
            parts
                .headers
                .append(SERVER_TIMING.clone(), server_timing(&receipt));
            Response::from_parts(parts, body.map_err(BoxError::from).boxed_unsync())
        }
        Ok(Err(_)) => Response::from_parts(parts, body.map_err(BoxError::from).boxed_unsync()),
        Err(_) => {
            parts.headers.append(
                http::header::TRAILER,
                HeaderValue::from_static("server-timing"),
            );
            // What has a length has no trailers in HTTP/1.1.
            parts.headers.remove(http::header::CONTENT_LENGTH);
            let body = Timed {
                body: body.map_err(BoxError::from).boxed_unsync(),
                receipt: Some(receipt),
            };
            Response::from_parts(parts, body.boxed_unsync())
        }
    }
}

/// The header that tells a client what its request cost.
pub static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Its value.
pub fn server_timing(receipt: &Receipt) -> HeaderValue {
    let text = format!(
        "cpu;dur={:.3}, wall;dur={:.3}",
        receipt.cpu_us as f64 / 1000.0,
        receipt.wall_us as f64 / 1000.0
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("cpu"))
}

/// A body followed by what its request cost.
struct Timed {
    body: Body,
    receipt: Option<oneshot::Receiver<Receipt>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut trailers = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => trailers,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            },
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => HeaderMap::new(),
        };
        let Some(receipt) = &mut this.receipt else {
            return Poll::Ready(None);
        };
        let receipt = ready!(Pin::new(receipt).poll(cx));
        this.receipt = None;
        if let Ok(receipt) = receipt {
            trailers.append(SERVER_TIMING.clone(), server_timing(&receipt));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}
