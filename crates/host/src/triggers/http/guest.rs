//! One request through a guest: take an instance, call its handler, stream the answer, close the
//! receipt, give the instance back.

use super::absolute::absolute;
use super::access_log::AccessRecord;
use super::asked::Asked;
use super::bounds::{Received, Sent, Traffic, over};
use super::cgi::{self, Gateway};
use super::timing::respond;
use crate::body::Body;
use crate::component::{Component, Instance, Loaded, Proxy};
use crate::event::{Account as _, Failure, fault, left, taken};
use crate::queue::Turn;
use holm_capabilities::State;
use holm_capabilities::stdio::{Ends, Pipes};
use holm_runtime::call::{close, event};
use holm_runtime::limits::{Amount, Limit, Meter};
use holm_runtime::receipt::Receipt;
use holm_runtime::{Error, InstanceState as _};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _, p3};

/// The guest's own answer: a response, or the name of a `wasi:http` error code; with what counts it,
/// and its event's clock and limits.
struct Answer {
    response: Result<Response<WasiBody>, String>,
    traffic: Arc<Traffic>,
    meter: Arc<Meter>,
    /// The limit that the event had reached by then.
    limit: Option<Limit>,
}

/// Calls a component's handler. The answer is there as soon as its head is; the body streams on
/// while the guest works. `depth` is how many calls of components have led here.
pub async fn call(
    component: Arc<Component>,
    request: Request<Asked>,
    tls: bool,
    record: AccessRecord,
    timing: bool,
    depth: u32,
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
    let turn = match depth {
        0 => component.queue.enter().await,
        // Its caller has a place of the app's already.
        _ => component.queue.enter_within().await,
    };
    let turn = turn.map_err(Failure::Busy)?;
    let (answer, head) = oneshot::channel();
    let (sent, body_sent) = oneshot::channel::<Limit>();
    let (cost, receipt) = oneshot::channel();
    let (waiting, client) = oneshot::channel();
    // A task of its own: it may go on after the response's last byte, and hyper may go away first.
    // All that the request costs beside HTTP itself is done in it, and so in the tenant's lane.
    let task = component.share.tenant.spawn(run(Event {
        component: component.clone(),
        request,
        tls,
        record,
        answer,
        body_sent,
        client,
        cost,
        timing,
        depth,
        turn,
    }));
    let (response, traffic, meter) = match head.await {
        // Whatever it says, it speaks of half a request.
        Ok(Answer {
            limit: Some(Limit::RequestBody),
            meter,
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
            traffic,
            meter,
            ..
        }) => (response, traffic, meter),
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
                Ok(Err(failure)) => failure,
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
    let response = response.map(|body| Sent::new(body, traffic, most, sent));
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
    request: Request<Asked>,
    tls: bool,
    record: AccessRecord,
    answer: oneshot::Sender<Answer>,
    /// Dropped when the body is through, or what cut it.
    body_sent: oneshot::Receiver<Limit>,
    client: oneshot::Receiver<()>,
    cost: oneshot::Sender<Receipt>,
    timing: bool,
    depth: u32,
    turn: Turn,
}

/// Code that is ready, and an instance of it; of a program with the ends of its pipes.
async fn ready(
    component: &Arc<Component>,
    turn: &Turn,
    gateway: Option<&Gateway>,
) -> Result<(Arc<Loaded>, Instance, Option<Ends>), Failure> {
    let loaded = match component.called() {
        Some(loaded) => loaded,
        // Boxed, so that an event whose code is there does not carry the room for it.
        None => Box::pin(component.loaded()).await.map_err(Failure::Error)?,
    };
    if let Some(gateway) = gateway {
        let (pipes, ends) = Pipes::new();
        let program = component.take_program(&loaded, turn, gateway.context(), pipes);
        let instance = taken(program.await)?;
        return Ok((loaded, instance, Some(ends)));
    }
    if !loaded.serves_http() {
        let what = format!("component `{}` does not handle HTTP", component.label);
        return Err(Error::yours(what).into());
    }
    let instance = taken(component.take(&loaded, turn).await)?;
    Ok((loaded, instance, None))
}

async fn run(event: Event) -> Result<(), Failure> {
    let Event {
        component,
        request,
        tls,
        record,
        answer,
        body_sent,
        client,
        cost,
        timing,
        depth,
        turn,
    } = event;
    let began = Instant::now();
    let mut left = pin!(left(client));
    let prepared = async {
        let (request, held) = match request.extensions().get::<Gateway>() {
            Some(_) => cgi::collected(&component, request).await?,
            None => (request, None),
        };
        let gateway = request.extensions().get::<Gateway>();
        let (loaded, instance, ends) = ready(&component, &turn, gateway).await?;
        Ok::<_, Failure>((loaded, instance, ends, request, held))
    };
    let (loaded, mut instance, ends, request, _held) = tokio::select! {
        prepared = prepared => prepared?,
        () = &mut left => return Ok(()),
    };
    let is_program = ends.is_some();
    let core = instance.store.data_mut().core();
    let (flows, meter) = (core.flows.clone(), core.budget.meter.clone());
    // Of a reused instance also where there is none: it has the one of the request before.
    instance.store.data_mut().trace(record.tracer());
    instance.store.data_mut().chain(component.beside.at(depth));
    let traffic = Traffic::new(flows.clone());
    let request = request.map(|body| Received::new(body, traffic.clone(), meter.clone()));
    let answer: AnswerTo = Arc::new(Mutex::new(Some((answer, traffic.clone()))));
    let result = tokio::select! {
        result = event_of(&loaded, &mut instance, ends, request, tls, answer.clone()) => result.map(|()| true),
        () = left => Ok(false),
    };
    let unanswered = take(&answer).is_some();
    let result = match result {
        Ok(finished) => Ok(finished && !unanswered && !is_program),
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
        traffic.breaks();
    }
    // From here on the instance is free, and so is whoever waits for an answer that it still holds.
    let is_reused = matches!(result, Ok(true)) && component.reuse() > 1;
    let result = match result {
        Ok(true) => {
            if is_reused {
                traffic.let_go();
            }
            component.give_back(&loaded, instance);
            Ok(())
        }
        ended => {
            drop(instance);
            ended.map(|_| ()).map_err(Failure::Error)
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
        match is_reused {
            true => receipt.bodies(traffic.bytes()),
            false => receipt.bytes_from(&flows),
        }
        record.receipt(receipt);
    }
    result
}

/// Where the answer is to be sent, and what counts it; empty once it was sent.
type AnswerTo = Arc<Mutex<Option<(oneshot::Sender<Answer>, Arc<Traffic>)>>>;

fn take(answer: &AnswerTo) -> Option<(oneshot::Sender<Answer>, Arc<Traffic>)> {
    answer.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Sends the answer, unless there was one.
fn send(to: &AnswerTo, response: Result<Response<WasiBody>, String>, meter: &Arc<Meter>) {
    meter.answered();
    if let Some((to, traffic)) = take(to) {
        let _ = to.send(Answer {
            response,
            traffic,
            limit: meter.limit_hit(),
            meter: meter.clone(),
        });
    }
}

/// Drives the guest on the event's clocks.
async fn event_of(
    loaded: &Loaded,
    instance: &mut Instance,
    ends: Option<Ends>,
    request: Request<Received<Asked>>,
    tls: bool,
    answer: AnswerTo,
) -> wasmtime::Result<()> {
    let Instance { store, proxy, .. } = instance;
    let core = store.data_mut().core();
    let (meter, flows) = (core.budget.meter.clone(), core.flows.clone());
    event(&meter, &flows, async {
        if let Some(ends) = ends {
            // Boxed, as that of 0.3 below.
            let tell = |response| send(&answer, response, &meter);
            return Box::pin(cgi::answer(loaded, store, ends, request, tell)).await;
        }
        let proxy = match proxy {
            Some(proxy) => proxy,
            None => proxy.insert(loaded.instantiate(store).await?),
        };
        match proxy {
            Proxy::P2(guest) => {
                let scheme = if tls { Scheme::Https } else { Scheme::Http };
                let mut view = store.data_mut().http();
                let request = view.new_incoming_request(scheme, request)?;
                let clock = meter.clone();
                let out = view.new_response_outparam_from_callback(move |value| {
                    let response = value.map_err(|code| format!("{code:?}"));
                    send(&answer, response, &clock);
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
    request: Request<Received<Asked>>,
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
    let meter = accessor.with(|mut store| store.data_mut().core().budget.meter.clone());
    send(&answer, response, &meter);
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    Ok(())
}
