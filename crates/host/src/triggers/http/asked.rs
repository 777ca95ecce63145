//! The body of a request to a guest: a client's, or one of another component of the app.

use crate::paced::Paced;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime_wasi_http::WasiBody;

/// A request's body, wherever it comes from.
pub enum Asked {
    /// From a client.
    Client(Paced<Incoming>),
    /// From a component of the same app.
    Beside(WasiBody),
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Asked::Client(body) => Pin::new(body).poll_frame(cx),
            Asked::Beside(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Asked::Client(body) => body.is_end_stream(),
            Asked::Beside(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Asked::Client(body) => body.size_hint(),
            Asked::Beside(body) => body.size_hint(),
        }
    }
}
