//! One request through a guest: take an instance, call its handler, stream the answer, close the
//! receipt, give the instance back.

use super::access_log::AccessRecord;
use super::bounds::{Received, Sent, over};
use crate::body::{Body, BoxError};
use crate::component::{Component, Instance, Loaded, Proxy};
use crate::event::{Account as _, Failure, fault, left, taken};
use crate::paced::Paced;
use crate::queue::Turn;
use bytes::Bytes;
use holm_capabilities::State;
use holm_runtime::call::{close, event};
use holm_runtime::limits::{Amount, Limit};
use holm_runtime::receipt::{Flows, Receipt};
use holm_runtime::{Error, InstanceState as _};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _, p3};

/// How long a finished answer is held back for its receipt, where the client is to be told in a
/// header; past that the receipt follows as a trailer.
const TIMING_GRACE: Duration = Duration::from_millis(5);

/// The guest's own answer: a response, or the name of a `wasi:http` error code; with the counters
/// of its event.
struct Answer {
    response: Result<Response<WasiBody>, String>,
    flows: Arc<Flows>,
    /// The limit that the event had reached by then.
    limit: Option<Limit>,
}

/// Calls a component's handler. The answer is there as soon as its head is; the body streams on
/// while the guest works.
pub async fn call(
    component: Arc<Component>,
    request: Request<Paced<Incoming>>,
    tls: bool,
    record: AccessRecord,
    timing: bool,
) -> Result<Response<Body>, Failure> {
    // Said before the whole of it is sent: the guest need not be asked.
    let most = component
        .limits
        .request_body
        .0
        .map_or(u64::MAX, |size| size.0);
    if request.body().size_hint().lower() > most {
        let error = Limit::RequestBody.error(&component.name, Amount::Bytes(most));
        return Err(Failure::Error(Box::new(error)));
    }
    let turn = component.queue.enter().await.map_err(Failure::Busy)?;
    let loaded = component.loaded().await.map_err(Failure::Error)?;
    if !loaded.serves_http() {
        let what = format!("component `{}` does not handle HTTP", component.label);
        return Err(Error::yours(what).into());
    }
    let mut instance = taken(component.take(&loaded, &turn).await)?;
    let meter = instance.store.data_mut().core().budget.meter.clone();
    let (answer, head) = oneshot::channel();
    let (sent, body_sent) = oneshot::channel::<Limit>();
    let (cost, receipt) = oneshot::channel();
    let (waiting, client) = oneshot::channel();
    let broken = Arc::new(AtomicBool::new(false));
    // A task of its own: it may go on after the response's last byte, and hyper may go away first.
    let task = component.tenant.spawn(run(Event {
        component: component.clone(),
        loaded,
        instance,
        request,
        tls,
        record,
        answer,
        body_sent,
        client,
        cost,
        timing,
        turn,
        broken: broken.clone(),
    }));
    let (response, flows) = match head.await {
        // Whatever it says, it speaks of half a request.
        Ok(Answer {
            limit: Some(Limit::RequestBody),
            ..
        }) => {
            let error = meter.error(Limit::RequestBody, &component.name);
            return Err(Failure::Error(Box::new(error)));
        }
        Ok(Answer {
            response: Ok(response),
            ..
        }) if response.status().is_informational() => {
            return Err(not_final(&component.name, response.status()));
        }
        Ok(Answer {
            response: Ok(response),
            flows,
            ..
        }) => (response, flows),
        Ok(Answer {
            response: Err(code),
            ..
        }) => {
            let name = &component.name;
            let error = Error::guest(format!("{name} answered with the error {code}"));
            return Err(Failure::NoAnswer(Box::new(error)));
        }
        // The guest is gone without an answer: its task knows why, and must not wait for a body.
        Err(_) => {
            drop(sent);
            return Err(match task.await {
                Ok(Err(error)) => Failure::Error(error),
                Ok(Ok(())) => Failure::NoAnswer(Box::new(
                    Error::guest(format!("{} returned without an answer", component.name))
                        .help("it must call response-outparam.set before it returns"),
                )),
                Err(error) => Error::ours("the task of a request failed")
                    .caused_by(error.to_string())
                    .into(),
            });
        }
    };
    let _ = waiting.send(());
    let most = meter.allowance();
    if let Some(limit) = over(&response, most) {
        let _ = sent.send(limit);
        return Err(Failure::Error(Box::new(
            meter.error(limit, &component.name),
        )));
    }
    let response = response.map(|body| Sent::new(body, flows, most, broken, sent));
    Ok(respond(response, receipt, timing).await)
}

/// An informational status comes before an answer; with nothing behind it, a client waits for more.
fn not_final(name: &str, status: StatusCode) -> Failure {
    let what = format!(
        "{name} answered with status {}, which is not a final answer",
        status.as_u16()
    );
    Failure::NoAnswer(Box::new(
        Error::guest(what).help("an answer has a status of 200 or above"),
    ))
}

/// All that one event needs.
struct Event {
    component: Arc<Component>,
    loaded: Arc<Loaded>,
    instance: Instance,
    request: Request<Paced<Incoming>>,
    tls: bool,
    record: AccessRecord,
    answer: oneshot::Sender<Answer>,
    /// Dropped when the body is through, or what cut it.
    body_sent: oneshot::Receiver<Limit>,
    client: oneshot::Receiver<()>,
    cost: oneshot::Sender<Receipt>,
    timing: bool,
    turn: Turn,
    /// Set before the instance of a guest that failed is dropped.
    broken: Arc<AtomicBool>,
}

async fn run(event: Event) -> Result<(), Box<Error>> {
    let Event {
        component,
        loaded,
        mut instance,
        request,
        tls,
        record,
        answer,
        body_sent,
        client,
        cost,
        timing,
        turn,
        broken,
    } = event;
    let began = Instant::now();
    let core = instance.store.data_mut().core();
    let (flows, meter) = (core.flows.clone(), core.budget.meter.clone());
    // Of a reused instance also where there is none: it has the one of the request before.
    instance.store.data_mut().trace(record.tracer());
    let request = request.map(|body| Received::new(body, flows.clone(), meter.clone()));
    let answer = Arc::new(Mutex::new(Some(answer)));
    let result = tokio::select! {
        result = event_of(&loaded, &mut instance, request, tls, answer.clone()) => result.map(|()| true),
        () = left(client) => Ok(false),
    };
    let unanswered = take(&answer).is_some();
    let result = match result {
        Ok(finished) => Ok(finished && !unanswered),
        // An exit with success after the answer is an ordinary end.
        Err(error) => {
            fault(error, &component.name, instance.store.data_mut().core()).map(|()| false)
        }
    };
    record.reached(meter.reached());
    component
        .usage()
        .event(instance.store.data_mut().core(), began.elapsed());
    // A receipt that nobody reads is not written: it costs some microseconds.
    let receipt = (timing || record.is_kept()).then(|| {
        record.denials(&instance.store.data_mut().core().denials.list());
        close(&mut instance.store, began)
    });
    if let Err(error) = &result {
        record.error(error);
        broken.store(true, Relaxed);
    }
    // From here on the instance is free, and so is whoever waits for an answer that it still holds.
    let result = match result {
        Ok(true) => {
            component.give_back(&loaded, instance);
            Ok(())
        }
        ended => {
            drop(instance);
            ended.map(|_| ())
        }
    };
    drop((loaded, turn));
    if let Some(mut receipt) = receipt {
        let _ = cost.send(receipt.clone());
        // What the guest wrote may still be on its way, and the receipt counts it.
        if let Ok(cut) = body_sent.await {
            receipt.reached(cut, meter.allowance());
            record.error(&meter.error(cut, &component.name));
        }
        receipt.bytes_from(&flows);
        record.receipt(receipt);
    }
    result
}

/// Where the answer is to be sent; empty once it was.
type AnswerTo = Arc<Mutex<Option<oneshot::Sender<Answer>>>>;

fn take(answer: &AnswerTo) -> Option<oneshot::Sender<Answer>> {
    answer.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Drives the guest on the event's clocks.
async fn event_of(
    loaded: &Loaded,
    instance: &mut Instance,
    request: Request<Received<Paced<Incoming>>>,
    tls: bool,
    answer: AnswerTo,
) -> wasmtime::Result<()> {
    let Instance { store, proxy, .. } = instance;
    let core = store.data_mut().core();
    let (meter, flows) = (core.budget.meter.clone(), core.flows.clone());
    event(&meter, &flows, async {
        let proxy = match proxy {
            Some(proxy) => proxy,
            None => proxy.insert(loaded.instantiate(store).await?),
        };
        match proxy {
            Proxy::P2(guest) => {
                let scheme = if tls { Scheme::Https } else { Scheme::Http };
                let mut view = store.data_mut().http();
                let request = view.new_incoming_request(scheme, request)?;
                let (counters, answered) = (flows.clone(), meter.clone());
                let out = view.new_response_outparam_from_callback(move |value| {
                    answered.answered();
                    let response = value.map_err(|code| format!("{code:?}"));
                    if let Some(answer) = take(&answer) {
                        let _ = answer.send(Answer {
                            response,
                            flows: counters,
                            limit: answered.limit_hit(),
                        });
                    }
                })?;
                guest
                    .wasi_http_incoming_handler()
                    .call_handle(store, request, out)
                    .await?;
            }
            Proxy::P3(guest) => {
                // Boxed, so that an event of 0.2 does not carry the room for it: 6 kB.
                let handled = Box::pin(store.run_concurrent(async |accessor| {
                    handle(guest, accessor, request, tls, answer).await
                }));
                handled.await??;
            }
        }
        Ok(())
    })
    .await
}

/// A 0.3 handler: its answer goes out, then whatever it still has to do is waited for.
async fn handle(
    guest: &p3::bindings::Service,
    accessor: &wasmtime::component::Accessor<State>,
    request: Request<Received<Paced<Incoming>>>,
    tls: bool,
    answer: AnswerTo,
) -> wasmtime::Result<()> {
    let request = absolute(request, tls);
    let (request, io) = accessor.with(|mut store| {
        let view = store.data_mut().http();
        let (request, io) = p3::Request::from_http(view.hooks, request);
        // Boxed: the engine's type borrows the hooks in name, though it holds nothing of them.
        let io: Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>> =
            Box::pin(io);
        (request, io)
    });
    let response = match guest.handle(accessor, request).await? {
        Ok(response) => {
            Ok(accessor.with(|store| response.into_http_with_getter(store, io, State::http))?)
        }
        Err(code) => Err(format!("{code:?}")),
    };
    let (flows, limit) = accessor.with(|mut store| {
        let core = store.data_mut().core();
        core.budget.meter.answered();
        (core.flows.clone(), core.budget.meter.limit_hit())
    });
    if let Some(answer) = take(&answer) {
        let _ = answer.send(Answer {
            response,
            flows,
            limit,
        });
    }
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    Ok(())
}

/// A request whose URI names scheme and authority, as 0.3 wants it; HTTP/1.1 has them elsewhere.
fn absolute<B>(mut request: Request<B>, tls: bool) -> Request<B> {
    let mut parts = request.uri().clone().into_parts();
    let host = request
        .headers()
        .get(http::header::HOST)
        .map(HeaderValue::as_bytes);
    let authority = parts
        .authority
        .take()
        .or_else(|| Authority::try_from(host?).ok());
    let Some(authority) = authority else {
        return request;
    };
    parts.authority = Some(authority);
    parts.scheme = Some(if tls {
        http::uri::Scheme::HTTPS
    } else {
        http::uri::Scheme::HTTP
    });
    parts
        .path_and_query
        .get_or_insert(http::uri::PathAndQuery::from_static("/"));
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Makes the guest's answer the server's: bytes counted, its cost told where that was asked for.
async fn respond(
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
