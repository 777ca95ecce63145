//! A file as a body: one chunk in memory at a time, read when the client can take it.

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::poll_read_buf;

const CHUNK_BYTES: usize = 64 * 1024;

/// The next `length` bytes of a file.
pub struct FileBody {
    file: tokio::io::Take<tokio::fs::File>,
    chunk: BytesMut,
}

impl FileBody {
    /// From where the file stands.
    pub fn new(file: std::fs::File, length: u64) -> FileBody {
        let file = tokio::fs::File::from_std(file).take(length);
        FileBody {
            file,
            chunk: BytesMut::new(),
        }
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.file.limit() == 0 {
            return Poll::Ready(None);
        }
        if this.chunk.capacity() == 0 {
            this.chunk.reserve(CHUNK_BYTES);
        }
        Poll::Ready(Some(
            match ready!(poll_read_buf(Pin::new(&mut this.file), cx, &mut this.chunk)) {
                // It has become shorter; the client must not take what it got for all of it.
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => Ok(Frame::data(std::mem::take(&mut this.chunk).freeze())),
                Err(error) => Err(error),
            },
        ))
    }

    fn is_end_stream(&self) -> bool {
        self.file.limit() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.file.limit())
    }
}
