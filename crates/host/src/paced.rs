//! A request's body that must come at a pace, or it ends with an error. Time counts only while
//! the guest waits for the client, never while the client waits for the guest.

use crate::stall::{Pace, Stall};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::Error;

/// A body with limited patience; its error is what `wasi:http` tells the guest.
pub struct Paced<B> {
    body: B,
    pace: Pace,
    stall: Stall,
}

impl<B> Paced<B> {
    /// Wraps a body.
    pub fn new(body: B, pace: Pace) -> Self {
        Paced {
            body,
            pace,
            stall: Stall::default(),
        }
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                let data = frame
                    .as_ref()
                    .and_then(|frame| frame.as_ref().ok()?.data_ref());
                this.stall.moved(this.pace, data.map_or(0, Bytes::len));
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                ready!(this.stall.poll(this.pace, cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
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
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use std::time::Duration;
    use tokio::time::sleep;

    /// A body of ten-byte chunks, so many milliseconds apart.
    fn chunks(apart: u64) -> Paced<impl HttpBody<Data = Bytes, Error = Error> + Unpin> {
        let chunks = stream::unfold(0, move |count| async move {
            sleep(Duration::from_millis(apart)).await;
            (count < 20).then(|| {
                (
                    Ok(Frame::data(Bytes::from_static(b"0123456789"))),
                    count + 1,
                )
            })
        });
        let pace = Pace {
            time: Duration::from_millis(400),
            bytes: 50,
        };
        Paced::new(StreamBody::new(Box::pin(chunks)), pace)
    }

    #[tokio::test]
    async fn a_dribble_ends_and_a_steady_body_does_not() {
        assert_eq!(chunks(5).collect().await.unwrap().to_bytes().len(), 200);
        let error = chunks(150).collect().await.unwrap_err();
        assert!(matches!(error, Error::ConnectionReadTimeout));
    }

    #[tokio::test]
    async fn a_guest_may_take_its_time() {
        let mut body = chunks(5);
        for _ in 0..10 {
            body.frame().await.unwrap().unwrap();
            sleep(Duration::from_millis(80)).await;
        }
    }
}
