//! One HTTP request of a case, over a connection of its own.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::operation::Request;

/// Makes the request of `authority` and compares what comes back with what the case expects.
pub async fn request(authority: &str, request: &Request) -> Result<()> {
    let socket = TcpStream::connect(authority)
        .await
        .with_context(|| format!("cannot connect to {authority}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Its errors show up as errors of the request.
    let connection = tokio::spawn(connection);

    let mut outgoing = hyper::Request::builder()
        .method(request.method.as_str())
        .uri(&request.path)
        .header("host", authority);
    for (name, value) in &request.headers {
        outgoing = outgoing.header(name, value);
    }
    let body = Full::new(Bytes::from(request.body.clone()));
    let outgoing = outgoing.body(body).context("the case's request is none")?;

    let response = sender.send_request(outgoing).await.context("no response")?;
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .context("the response's body broke off")?
        .to_bytes();
    connection.abort();

    let expected = &request.response;
    let shown = String::from_utf8_lossy(&body);
    ensure!(
        parts.status.as_u16() == expected.status,
        "expected status {}, got {} with body {shown:?}",
        expected.status,
        parts.status.as_u16()
    );
    for (name, value) in &expected.headers {
        match parts.headers.get(name) {
            Some(actual) if actual.as_bytes() == value.as_bytes() => {}
            actual => bail!("expected header {name}: {value}, got {actual:?}"),
        }
    }
    ensure!(
        shown == expected.body.as_str(),
        "expected body {:?}, got {shown:?}",
        expected.body
    );
    Ok(())
}
