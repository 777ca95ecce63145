//! What `wasi:http` asks the host: may this request go out, and what came of it?

use super::body::Account;
use super::chain::{self, Chain};
use super::destination::Destination;
use super::fault::Fault;
use super::outbound::{Outbound, Patience, Peer, Slot};
use super::trace;
use crate::State;
use crate::network::{PRIVATE, Range, Target, needs_private};
use holm_runtime::limits::{Kind, Limit, Meter, Share};
use holm_runtime::receipt::Flows;
use holm_runtime::seam::Uses;
use holm_runtime::trace::Tracer;
use holm_runtime::{Core, Denial, Denials, InstanceState as _};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p3::bindings::http::types::HeaderError;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// One instance's side of outbound HTTP.
pub struct Hooks {
    outbound: Arc<Outbound>,
    flows: Arc<Flows>,
    meter: Arc<Meter>,
    denials: Denials,
    uses: Option<Uses>,
    /// Each request is a connection of its app's, too.
    connections: Share,
    /// Made with the first request: most instances send none.
    slots: Option<Arc<Semaphore>>,
    /// Who traces the event.
    tracer: Tracer,
    /// The components of its app.
    chain: Option<Chain>,
}

type Sent = Result<
    (
        Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl Hooks {
    /// The hooks of a fresh instance.
    pub(super) fn new(outbound: Arc<Outbound>, core: &Core) -> Self {
        Hooks {
            outbound,
            flows: core.flows.clone(),
            meter: core.budget.meter.clone(),
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
            connections: Share::of(&core.budget, Kind::Connections),
            slots: None,
            tracer: None,
            chain: None,
        }
    }

    /// Which components it reaches by name from now on.
    pub(super) fn chain(&mut self, chain: Option<Chain>) {
        self.chain = chain;
    }

    /// The same, for who calls on.
    pub(super) fn chained(&self) -> Option<Chain> {
        self.chain.clone()
    }

    /// Who requests are told to from now on.
    pub(super) fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// The same, for who calls on.
    pub(super) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Is this request granted, and is there room for it?
    fn admit(&mut self, request: &Request<WasiBody>) -> Result<(Destination, Slot), Error> {
        // A tunnel would be a connection that carries no requests.
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let to = Destination::of(request.uri())?;
        let policy = &self.outbound.connector.policy;
        if !policy.may_send(to.scheme, &to.target, to.port) {
            deny(
                &self.denials,
                &self.outbound,
                format!("send a request to {to}"),
                &to.to_string(),
            );
            return Err(Error::HttpRequestDenied);
        }
        let most = self.meter.allowance();
        if request.headers().len() > most.header_count {
            self.meter.hit(Limit::HeaderCount);
            return Err(Error::HttpRequestHeaderSectionSize(None));
        }
        let places = most.outbound.min(Semaphore::MAX_PERMITS);
        let slots = self
            .slots
            .get_or_insert_with(|| Arc::new(Semaphore::new(places)));
        let own = slots.clone().try_acquire_owned().map_err(|_| {
            self.meter.hit(Limit::Outbound);
            Error::ConnectionLimitReached
        })?;
        let mut of_app = self.connections.fresh();
        if !of_app.take(&self.meter) {
            return Err(Error::ConnectionLimitReached);
        }
        let slot = Slot {
            _own: own,
            _of_app: of_app,
        };
        Ok((to, slot))
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_read: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        chain::to_self(&mut request);
        let admitted = self.admit(&request);
        let span = admitted
            .as_ref()
            .ok()
            .and_then(|(to, _)| trace::begin(&self.tracer, to, &mut request));
        let outbound = self.outbound.clone();
        let account = Account {
            flows: self.flows.clone(),
            meter: self.meter.clone(),
        };
        let (denials, uses) = (self.denials.clone(), self.uses.clone());
        // Nobody is looked up who is no stranger.
        let chain = admitted.as_ref().ok().and_then(|(to, _)| {
            let name = to.target.name()?.as_str();
            self.chain.as_ref().filter(|chain| chain.beside.has(name))
        });
        let chain = chain.cloned();
        Box::new(async move {
            let (to, slot) = admitted?;
            let patience = Patience::of(options);
            let settings = outbound.connector.settings(&to);
            let patience = settings.map_or(patience, |(one, _)| one.within(patience));
            if let Some(chain) = chain
                && let Some(name) = to.target.name()
            {
                let sent = chain
                    .answer(name.as_str(), request, patience, account, slot)
                    .await
                    .map_err(Fault::Error);
                trace::end(span, &sent);
                note(uses, &to, None);
                return Ok((sent?, Box::new(std::future::ready(Ok(()))) as Box<_>));
            }
            let sent = outbound
                .send(to.clone(), request, patience, account, slot)
                .await;
            trace::end(span, &sent);
            match sent {
                Ok(response) => {
                    let peer = response.extensions().get();
                    note(uses, &to, peer.map(|peer: &Peer| peer.0));
                    let response = response.map(BodyExt::boxed_unsync);
                    Ok((response, Box::new(std::future::ready(Ok(()))) as Box<_>))
                }
                Err(fault) => {
                    // What failed was granted all the same.
                    match fault {
                        Fault::Prohibited(ip, range) => {
                            deny_address(&denials, &outbound, &to, ip, range);
                        }
                        Fault::Beyond(ip, _) => note(uses, &to, Some(ip)),
                        Fault::Error(Error::HttpRequestDenied) => {}
                        Fault::Error(_) => note(uses, &to, None),
                    }
                    Err(fault.into())
                }
            }
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        4
    }
}

/// Before a call of which only the result counts.
pub(super) fn any<A>(_: &mut State, _: A) {}

/// After fields were made or have grown in 0.3: a guest reads of the limit, and so does the log.
pub(super) fn grown<T>(
    state: &mut State,
    (): (),
    result: &mut Result<T, TrappableError<HeaderError>>,
) {
    if let Err(error) = result
        && matches!(error.downcast_ref(), Some(HeaderError::SizeExceeded))
    {
        state.core().budget.meter.hit(Limit::Headers);
    }
}

fn note(uses: Option<Uses>, to: &Destination, peer: Option<IpAddr>) {
    let Some(uses) = uses else { return };
    uses.note("http", to.to_string(), "");
    if peer.is_some_and(|peer| needs_private(&to.target, peer)) {
        uses.note("http", PRIVATE, "");
    }
}

fn deny_address(
    denials: &Denials,
    outbound: &Outbound,
    to: &Destination,
    ip: IpAddr,
    range: Range,
) {
    let asked = match to.target.name() {
        Some(_) => format!("send a request to {to} ({ip}, {range})"),
        None => format!("send a request to {to}, {range}"),
    };
    let more = match to.target.name() {
        Some(_) if range.opened_by_private() => PRIVATE.to_owned(),
        // The word does not open it; the address itself has to be named.
        Some(_) => {
            let literal = Destination {
                target: Target::Ip(ip),
                ..to.clone()
            };
            literal.to_string()
        }
        None => to.to_string(),
    };
    deny(denials, outbound, asked, &more);
}

fn deny(denials: &Denials, outbound: &Outbound, asked: String, more: &str) {
    let line = outbound.connector.policy.line_with(more);
    denials.record(Denial {
        asked,
        grant: "http",
        line,
        flag: format!("--http {more}"),
    });
}
