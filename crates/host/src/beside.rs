//! The components of an app as those that one of them calls by name, and the app as one that it calls
//! itself: service chaining. Each call is an event of the one that is called, with its own grants,
//! limits, turn and account; no connection is made.

use crate::app::Answer;
use crate::body::Body;
use crate::component::Component;
use crate::server::Peer;
use crate::triggers::http::access_log::AccessRecord;
use crate::triggers::http::answer::{self, Fault};
use crate::triggers::http::asked::Asked;
use crate::triggers::http::edge;
use crate::triggers::http::guest;
use crate::triggers::http::handler::{accepted, fault_of};
use crate::triggers::http::metadata::{Metadata, Told};
use crate::triggers::http::{AccessSink, Edge, RouteTable};
use holm_capabilities::http::chain::{Answered, Beside, Chain, SELF};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};
use wasmtime_wasi_http::{Error, WasiBody};

/// What follows a component's name in the host name that it is called by, ours and Spin's.
const SUFFIXES: [&str; 2] = [".spin.internal", ".internal"];

/// Whom a component reaches without a connection.
pub struct Siblings {
    app: Arc<str>,
    /// Those with a route, whether or not clients reach it.
    named: Vec<Named>,
    routes: RouteTable,
    /// What answers each route, by its index in the table.
    targets: Vec<Target>,
    timing: bool,
    /// Where the lines of their requests go; nowhere before the app is served.
    access: OnceLock<AccessSink>,
}

/// A component that is called by name.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) component: Arc<Component>,
    pub(crate) metadata: Option<Metadata>,
}

/// What answers a route of the app's.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) answer: Answer,
    pub(crate) metadata: Option<Metadata>,
    /// Only what it makes of paths counts here: the rest is for clients.
    pub(crate) edge: Option<Arc<Edge>>,
}

impl Siblings {
    pub(crate) fn new(
        app: &Arc<str>,
        named: Vec<Named>,
        routes: RouteTable,
        targets: Vec<Target>,
        timing: bool,
    ) -> Arc<Self> {
        Arc::new(Siblings {
            app: app.clone(),
            named,
            routes,
            targets,
            timing,
            access: OnceLock::new(),
        })
    }

    /// Where the lines of their requests go from now on.
    pub(crate) fn log_to(&self, access: &AccessSink) {
        self.access.get_or_init(|| access.clone());
    }

    fn named(&self, host: &str) -> Option<&Named> {
        let name = SUFFIXES
            .iter()
            .find_map(|suffix| host.strip_suffix(suffix))?;
        self.named
            .iter()
            .find(|named| *named.component.name == *name)
    }

    fn record<B>(&self, request: &mut Request<B>) -> AccessRecord {
        let off = AccessSink::off();
        let record = AccessRecord::new(self.access.get().unwrap_or(&off), request, &peer());
        record.trace(request, &peer());
        record.app(&self.app);
        record
    }
}

/// Who asks: nobody outside.
fn peer() -> Peer {
    Peer {
        addr: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        local: true,
        tls: false,
        tls_version: None,
        sni: None,
        account: Arc::default(),
    }
}

/// The same as a component knows them, which does not keep them from being let go.
#[derive(Default)]
pub(crate) struct Way(OnceLock<Weak<Siblings>>);

impl Way {
    pub(crate) fn to(&self, siblings: &Arc<Siblings>) {
        // Once, when its app is made.
        let _ = self.0.set(Arc::downgrade(siblings));
    }

    /// The way of an instance that so many calls have led to. It keeps them for as long as its event
    /// lasts.
    pub(crate) fn at(&self, depth: u32) -> Option<Chain> {
        let beside = self.0.get()?.upgrade()?;
        Some(Chain { beside, depth })
    }
}

impl Beside for Siblings {
    fn has(&self, host: &str) -> bool {
        host == SELF || self.named(host).is_some()
    }

    fn answer(self: Arc<Self>, host: &str, request: Request<WasiBody>, depth: u32) -> Answered {
        let siblings = self;
        match siblings.named(host).cloned() {
            Some(named) => Box::pin(call(siblings, named, request, depth)),
            None => Box::pin(itself(siblings, request, depth)),
        }
    }
}

/// A component is called by its name: by no route of the app's.
async fn call(
    siblings: Arc<Siblings>,
    named: Named,
    mut request: Request<WasiBody>,
    depth: u32,
) -> Result<Response<WasiBody>, Error> {
    let record = siblings.record(&mut request);
    if let Some(metadata) = named.metadata {
        let told = metadata.of(
            &request,
            &Told::by_name(request.uri().path()),
            &peer(),
            None,
        );
        told.onto(&mut request);
    }
    record.counts(named.component.usage().clone(), None);
    let asked = accepted(request.headers());
    let answered = event(&siblings, &named.component, request, &record, depth).await;
    finish(&record, answered, &asked)
}

/// The app is called by one of its own: by its routes that are for all hosts.
async fn itself(
    siblings: Arc<Siblings>,
    mut request: Request<WasiBody>,
    depth: u32,
) -> Result<Response<WasiBody>, Error> {
    let record = siblings.record(&mut request);
    let asked = accepted(request.headers());
    let answered = by_route(&siblings, request, &record, depth).await;
    finish(&record, answered, &asked)
}

async fn by_route(
    siblings: &Arc<Siblings>,
    mut request: Request<WasiBody>,
    record: &AccessRecord,
    depth: u32,
) -> Result<Response<Body>, Fault> {
    let path = request.uri().path().to_owned();
    let found = siblings.routes.find(None, &path);
    let found = found
        .map_err(|_| Fault::BadRequest)?
        .ok_or(Fault::NoRoute)?;
    record.route(found.component_route());
    let target = siblings.targets.get(found.index).ok_or(Fault::Ours)?;
    let edge = target.edge.as_ref();
    let inside = edge.and_then(|edge| edge.path(&found, request.uri()));
    match &target.answer {
        Answer::Component(component) => {
            record.counts(component.usage().clone(), None);
            if let Some(metadata) = target.metadata {
                let told = metadata.of(&request, &Told::by(&found), &peer(), None);
                told.onto(&mut request);
            }
            if let Some(inside) = inside {
                edge::repath(&mut request, inside);
            }
            event(siblings, component, request, record, depth).await
        }
        Answer::Files(files) => {
            let rest = found.trailing_wildcard().unwrap_or(&path);
            let rest = inside.as_ref().map_or(rest, |inside| inside.path());
            files.serve(&request, rest).await
        }
        Answer::Redirect(redirect) => redirect
            .answer(&found, request.uri())
            .ok_or(Fault::BadRequest),
        Answer::Fixed(fixed) => Ok(fixed.answer()),
        // Functions are called by links, which keep their types.
        Answer::Calls(_) => Err(Fault::NotCallable),
    }
}

async fn event(
    siblings: &Siblings,
    component: &Arc<Component>,
    request: Request<WasiBody>,
    record: &AccessRecord,
    depth: u32,
) -> Result<Response<Body>, Fault> {
    record.component(&component.name);
    let request = request.map(Asked::Beside);
    let (component, kept) = (component.clone(), record.clone());
    let answer = guest::call(component, request, false, kept, siblings.timing, depth).await;
    answer.map_err(|failure| fault_of(failure, record))
}

/// What went wrong with the one that was called is an answer to the one that calls, as it would be over
/// a connection.
fn finish(
    record: &AccessRecord,
    answered: Result<Response<Body>, Fault>,
    asked: &http::HeaderMap,
) -> Result<Response<WasiBody>, Error> {
    let response = match answered {
        Ok(response) => record.answer(response),
        Err(fault) => record.answer_for(answer::answer(fault, record.id(), asked)),
    };
    Ok(response.map(|body| {
        body.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::InternalError(Some(error.to_string())),
        })
        .boxed_unsync()
    }))
}
