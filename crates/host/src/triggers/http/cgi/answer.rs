//! One request through a program: its body in, what it prints out.

use super::Gateway;
use super::head::{Head, Parsed};
use crate::component::{Component, Loaded};
use crate::event::Failure;
use crate::functions::COLLECTED_MAX;
use crate::triggers::http::asked::Asked;
use crate::triggers::http::bounds::{Collected, collect};
use bytes::Bytes;
use holm_capabilities::State;
use holm_capabilities::stdio::Ends;
use holm_runtime::Error;
use holm_runtime::limits::{Amount, HeldMemory, Limit};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt as _, Full};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;
use wasmtime::Store;
use wasmtime_wasi_http::WasiBody;

/// A request whose body's length is known before the program starts, as CGI wants it: where no header
/// says it, the body is collected first. What comes back beside it is the memory of that.
pub(in crate::triggers::http) async fn collected(
    component: &Arc<Component>,
    mut request: Request<Asked>,
) -> Result<(Request<Asked>, Option<HeldMemory>), Failure> {
    let known = request.headers().contains_key(CONTENT_LENGTH);
    if known || request.body().is_end_stream() {
        return Ok((request, None));
    }
    let most = component.limits.request_body.0;
    let most = most.map_or(COLLECTED_MAX, |size| size.0.min(COLLECTED_MAX));
    let mut held = component.held();
    let (parts, body) = request.into_parts();
    let whole = match collect(body, most, &mut held).await {
        Ok(Collected::Whole(whole)) => whole,
        Ok(Collected::TooLong) => {
            let error = Limit::RequestBody.error(&component.name, Amount::Bytes(most));
            return Err(error.into());
        }
        Ok(Collected::NoMemory(limit)) => return Err(component.no_memory(limit).into()),
        Err(error) => {
            let early = Error::yours("the request's body ended before its end");
            return Err(early.caused_by(error.to_string()).into());
        }
    };
    let mut parts = parts;
    if let Some(gateway) = parts.extensions.get_mut::<Gateway>() {
        gateway.length(whole.len());
    }
    let body = Full::new(whole).map_err(|never| match never {});
    request = Request::from_parts(parts, Asked::Beside(body.boxed_unsync()));
    Ok((request, Some(held)))
}

/// Runs the program. Its answer is given to `send` as soon as its head is there; the body goes on.
pub(in crate::triggers::http) async fn answer<B>(
    loaded: &Loaded,
    store: &mut Store<State>,
    ends: Ends,
    request: Request<B>,
    send: impl FnOnce(Result<Response<WasiBody>, String>),
) -> wasmtime::Result<()>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Ends { input, mut output } = ends;
    let mut body = request.into_body();
    let feed = async move {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            if !piece.is_empty() && input.send(piece).await.is_err() {
                break;
            }
        }
        // It reads the end from here on.
        drop(input);
        std::future::pending::<()>().await
    };
    let mut feed = pin!(feed);
    let mut run = pin!(loaded.prepared().start(store));
    let mut head = Head::default();
    let mut ended = None;
    let found = loop {
        let piece = tokio::select! {
            biased;
            piece = output.recv() => piece,
            ran = &mut run, if ended.is_none() => {
                ended = Some(ran);
                continue;
            }
            () = &mut feed => continue,
            () = std::future::ready(()), if ended.is_some() => None,
        };
        let Some(piece) = piece else {
            break Err("it ended before the empty line that ends a head of CGI".to_owned());
        };
        match head.push(&piece) {
            Ok(None) => {}
            Ok(Some(parsed)) => break Ok(parsed),
            Err(wrong) => break Err(format!("no head of CGI: {wrong}")),
        }
    };
    match (found, &ended) {
        // How it failed tells more.
        (Err(_), Some(Err(error))) if !is_success(error) => {}
        (Err(wrong), _) => {
            send(Err(wrong));
            // What else it does is of no use to anybody.
            return Ok(());
        }
        (Ok(parsed), _) => send(Ok(response(parsed, output))),
    }
    match ended {
        Some(ran) => ran,
        None => tokio::select! {
            ran = run => ran,
            () = feed => Ok(()),
        },
    }
}

/// Whether a program has only exited, and well.
fn is_success(error: &wasmtime::Error) -> bool {
    matches!(
        error.downcast_ref::<wasmtime_wasi::I32Exit>(),
        Some(wasmtime_wasi::I32Exit(0))
    )
}

fn response(parsed: Parsed, output: Receiver<Bytes>) -> Response<WasiBody> {
    let Parsed {
        status,
        headers,
        rest,
    } = parsed;
    let first = Some(rest).filter(|rest| !rest.is_empty());
    let mut response = Response::new(Printed { first, output }.boxed_unsync());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The rest of what a program prints.
struct Printed {
    first: Option<Bytes>,
    output: Receiver<Bytes>,
}

impl HttpBody for Printed {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let piece = self.output.poll_recv(cx);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
