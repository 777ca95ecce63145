//! One case from start to end: a folder with its `spin.toml`, `holm up` in it, and each request.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::session::Program;
use super::super::workdir::Workdir;
use super::case::{Case, Header, Invocation, Response, Test};
use super::servers::Servers;

/// A case takes at most this long; the first to load a guest compiles it.
const CASE_WALL_MAX: Duration = Duration::from_secs(120);

/// Runs one case; the error says what came in the place of what, and what the host had printed.
pub async fn run(case: &Case, holm: &Path) -> Result<()> {
    let preconditions = case.test(&Ok)?.preconditions;
    let servers = Servers::start(&preconditions).await?;
    let port = |usual| Ok(servers.port(usual));
    let test = case.test(&port)?;
    let workdir = Workdir::new()?;
    let (manifest, guests) = case.render(&case.manifest, &port)?;
    std::fs::write(workdir.path().join("spin.toml"), manifest)?;
    for (file, from) in guests {
        let copied = std::fs::copy(&from, workdir.path().join(file));
        copied.with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let arguments = ["up", "--listen", "127.0.0.1:0"].map(OsString::from);
    let mut program = Program::start(holm, &arguments, workdir.path())?;
    let asked = timeout(CASE_WALL_MAX, ask(&mut program, &test)).await;
    match asked.unwrap_or_else(|_| Err(anyhow!("timed out after {CASE_WALL_MAX:?}"))) {
        Ok(()) => Ok(()),
        Err(error) => Err(anyhow!("{error:#}{}", program.report().await)),
    }
}

async fn ask(program: &mut Program, test: &Test) -> Result<()> {
    let authority = program.authority().await?;
    for (index, invocation) in test.invocations.iter().enumerate() {
        let asked = invoke(&authority, invocation).await;
        asked.with_context(|| format!("request {}", index + 1))?;
    }
    Ok(())
}

async fn invoke(authority: &str, invocation: &Invocation) -> Result<()> {
    let Invocation { request, response } = invocation;
    let socket = TcpStream::connect(authority)
        .await
        .with_context(|| format!("cannot connect to {authority}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Its errors show up as errors of the request.
    let connection = tokio::spawn(connection);
    let mut outgoing = hyper::Request::builder()
        .method(request.method.to_uppercase().as_str())
        .uri(&request.path);
    let names = |name: &str| {
        request
            .headers
            .iter()
            .any(|h| h.name.eq_ignore_ascii_case(name))
    };
    if !names("host") {
        outgoing = outgoing.header("host", authority);
    }
    for Header { name, value, .. } in &request.headers {
        outgoing = outgoing.header(name, value.as_deref().unwrap_or_default());
    }
    let body = Full::new(Bytes::from(request.body.clone()));
    let outgoing = outgoing.body(body).context("the case's request is none")?;
    let answer = sender.send_request(outgoing).await.context("no response")?;
    let (parts, body) = answer.into_parts();
    let body = body
        .collect()
        .await
        .context("the response's body broke off")?;
    connection.abort();
    compare(response, &parts, &body.to_bytes())
}

fn compare(expected: &Response, parts: &hyper::http::response::Parts, body: &[u8]) -> Result<()> {
    let shown = String::from_utf8_lossy(body);
    let status = parts.status.as_u16();
    ensure!(
        status == expected.status,
        "expected status {}, got {status} with body {shown:?}",
        expected.status,
    );
    for header in &expected.headers {
        match (parts.headers.get(&header.name), &header.value) {
            (None, _) if header.optional => {}
            (None, _) => bail!("the header {} is missing", header.name),
            (Some(_), None) => {}
            (Some(actual), Some(value)) => ensure!(
                actual.as_bytes().eq_ignore_ascii_case(value.as_bytes()),
                "expected header {}: {value}, got {actual:?}",
                header.name
            ),
        }
    }
    let known = |name: &str| {
        expected
            .headers
            .iter()
            .any(|h| h.name.eq_ignore_ascii_case(name))
    };
    if let Some(unknown) = parts.headers.keys().find(|name| !known(name.as_str())) {
        bail!("the header {unknown} is not expected");
    }
    ensure!(
        shown == expected.body,
        "expected body {:?}, got {shown:?}",
        expected.body
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expected: &str, headers: &[(&str, &str)], body: &str) -> Result<()> {
        let mut response = hyper::Response::builder().status(200);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (parts, ()) = response.body(())?.into_parts();
        compare(&json5::from_str(expected)?, &parts, body.as_bytes())
    }

    #[test]
    fn what_is_not_expected_fails() {
        let expected = "{ headers: [{ name: 'Content-Length', value: '1' }, \
                        { name: 'date', optional: true }], body: 'x' }";
        let length = ("content-length", "1");
        compared(expected, &[length], "x").unwrap();
        compared(expected, &[length, ("date", "now")], "x").unwrap();
        for (headers, body) in [
            (&[][..], "x"),
            (&[("content-length", "2")][..], "x"),
            (&[length, ("server", "s")][..], "x"),
            (&[length][..], "y"),
            (&[length, ("date", "a"), ("x", "b")][..], "x"),
        ] {
            assert!(compared(expected, headers, body).is_err(), "{headers:?}");
        }
        assert!(compared("{ status: 500 }", &[], "").is_err());
    }
}
