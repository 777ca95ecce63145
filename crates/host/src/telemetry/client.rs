//! How telemetry is sent: by requests of the host's own to the collector.

use crate::exchange;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use opentelemetry_http::{HttpClient, HttpError};
use std::time::Duration;
use tokio::runtime::Handle;

/// A collector that takes longer is not waited for; what it was sent is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most of a collector's answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends from threads that are not the server's: the exporters have their own.
#[derive(Debug)]
pub(super) struct Client(pub Handle);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The clock is the runtime's, and this thread is not one of its own.
        let sent = self
            .0
            .spawn(async move { tokio::time::timeout(PATIENCE, send(request)).await });
        sent.await??.map_err(HttpError::from)
    }
}

/// A connection for each request: there is one every few seconds.
async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let mut answer = exchange::send(request).await?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = answer.response.body_mut().frame().await {
        let frame = frame.map_err(|e| e.to_string())?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too long".to_owned());
        }
    }
    let mut whole = Response::new(bytes.freeze());
    *whole.status_mut() = answer.response.status();
    *whole.headers_mut() = std::mem::take(answer.response.headers_mut());
    Ok(whole)
}
