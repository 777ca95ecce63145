//! Service chaining: a request for a component of the same app, or for the app itself, stays in the
//! process. It is granted as every other: what is asked is whether the grant names the host.

use super::body::{Account, Progress, RequestBody};
use super::outbound::{Patience, Slot, stalled};
use crate::State;
use bytes::Bytes;
use futures::future::BoxFuture;
use holm_runtime::cross;
use holm_runtime::limits::Limit;
use holm_runtime::receipt::Flows;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttp, WasiHttpView as _};

/// The host that means the app itself.
pub const SELF: &str = "self";

/// The same for SDKs that take no host without a dot.
const SELF_WITH_DOT: &str = "self.alt";

/// Calls within calls that one request may lead to: a component that calls itself without end is
/// told so before it has taken all places of its app.
const DEPTH_MAX: u32 = 16;

/// What an answer within the process comes as.
pub type Answered = BoxFuture<'static, Result<Response<WasiBody>, Error>>;

/// The components of an app, as those that one of them calls by name.
pub trait Beside: Send + Sync {
    /// Whether this host name is one of theirs, or the app's own.
    fn has(&self, host: &str) -> bool;

    /// The answer of whoever has this host name. `depth` is how many calls have led here.
    fn answer(self: Arc<Self>, host: &str, request: Request<WasiBody>, depth: u32) -> Answered;
}

/// The way of an instance to the components beside it.
#[derive(Clone)]
pub struct Chain {
    /// Who they are.
    pub beside: Arc<dyn Beside>,
    /// How many calls have led to the instance.
    pub depth: u32,
}

impl Chain {
    /// Hands a request over to the one of them that has this host name.
    pub(super) async fn answer(
        &self,
        host: &str,
        request: Request<WasiBody>,
        patience: Patience,
        account: Account,
        slot: Slot,
    ) -> Result<Response<WasiBody>, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::LoopDetected);
        }
        let progress = Arc::new(Progress::new());
        let (counted, moved) = (account.clone(), progress.clone());
        let request = request.map(|guest| {
            RequestBody {
                guest,
                account: counted,
                progress: moved,
            }
            .boxed_unsync()
        });
        let beside = self.beside.clone();
        let response = tokio::select! {
            answer = beside.answer(host, request, self.depth + 1) => answer?,
            () = stalled(&progress, patience.first_byte) => {
                return Err(Error::ConnectionReadTimeout);
            }
        };
        Ok(response.map(|guest| {
            let body = AnswerBody {
                guest,
                account,
                patience: patience.between_bytes,
                waiting: None,
                _slot: slot,
            };
            body.boxed_unsync()
        }))
    }
}

/// The body of an answer from within the process, counted and held to the caller's limits as one from
/// outside is.
struct AnswerBody {
    guest: WasiBody,
    account: Account,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    _slot: Slot,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let body = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut body.guest).poll_frame(cx) else {
            let patience = body.patience;
            let waiting = body
                .waiting
                .get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(waiting.as_mut().poll(cx));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        body.waiting = None;
        if let Some(Ok(frame)) = &frame {
            let size = frame.data_ref().map_or(0, Bytes::len);
            let Account { flows, meter } = &body.account;
            if meter.room(Limit::OutboundBytes, flows, size).is_err() {
                let most = meter.allowance().outbound_bytes;
                return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(most)))));
            }
            Flows::add(&flows.http_in, size);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.guest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.guest.size_hint()
    }
}

/// Gives a request without a host the one that it means, in the one spelling that grants have.
pub(super) fn to_self<B>(request: &mut Request<B>) {
    match request.uri().authority().map(Authority::host) {
        // SDKs of Spin write a port alone.
        None | Some("" | SELF_WITH_DOT) => {}
        Some(_) => return,
    }
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::from_static(SELF));
    parts
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Links the row of 0.2 that sends, in place of the generated one.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    cross!(linker, "wasi:http/outgoing-handler", "@0.2.12", WasiHttp, State::http, {
        sync fallible(types::Host::convert_error_code) "handle" =
            outgoing_handler::Host::handle { a, b }, note with_host;
    });
    Ok(())
}

type SentArgs<'a> = (
    &'a Resource<HostOutgoingRequest>,
    &'a Option<Resource<types::RequestOptions>>,
);

/// Before a request is sent: the engine refuses one without a host, which means the app itself.
fn with_host(state: &mut State, (request, _): SentArgs<'_>) {
    if let Ok(request) = state.table_and_parts().0.get_mut(request)
        && request.authority.is_none()
    {
        request.authority = Some(SELF_WITH_DOT.to_owned());
    }
}
