//! What a guest reads: the value, and the stream of it.

use super::container::{Bytes, Read};
use super::error::Error;
use super::limits::SYNC_BYTES_MAX;
use futures::StreamExt as _;
use holm_runtime::receipt::Flows;
use std::sync::Arc;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// A value that is being read.
pub struct Incoming {
    pub(super) container: Arc<str>,
    pub(super) read: Read,
}

impl Incoming {
    /// All of it in one piece.
    pub(super) async fn whole(self) -> Result<Vec<u8>, Error> {
        let Read { size, mut bytes } = self.read;
        let over = || {
            Error::new(format!(
                "a value of {size} bytes is over the limit of {SYNC_BYTES_MAX} for one piece; read it as a stream"
            ))
        };
        if size > SYNC_BYTES_MAX {
            return Err(over());
        }
        let mut whole = Vec::new();
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            // Whatever was said of the size.
            if (whole.len() + piece.len()) as u64 > SYNC_BYTES_MAX {
                return Err(over());
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The stream of it.
    pub(super) fn stream(self, flows: Arc<Flows>) -> Body {
        Body {
            bytes: self.read.bytes,
            next: Some(Ok(bytes::Bytes::new())),
            flows,
        }
    }
}

/// The stream of a value.
pub(super) struct Body {
    bytes: Bytes,
    /// What came last and was not read yet; `None` after the end.
    next: Option<Result<bytes::Bytes, Error>>,
    flows: Arc<Flows>,
}

#[async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {
        while let Some(Ok(piece)) = &self.next {
            if !piece.is_empty() {
                return;
            }
            self.next = self.bytes.next().await;
        }
    }
}

#[async_trait]
impl InputStream for Body {
    fn read(&mut self, size: usize) -> StreamResult<bytes::Bytes> {
        match &mut self.next {
            None => Err(StreamError::Closed),
            Some(Err(error)) => {
                error.count();
                let told = wasmtime::Error::msg(error.told.clone());
                self.next = None;
                Err(StreamError::LastOperationFailed(told))
            }
            Some(Ok(piece)) => {
                let read = piece.split_to(size.min(piece.len()));
                Flows::add(&self.flows.blobs_in, read.len());
                Ok(read)
            }
        }
    }
}
