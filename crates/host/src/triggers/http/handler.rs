//! A request's way through the host: route, target, answer; one line each.

use super::access_log::{AccessRecord, AccessSink};
use super::answer::{self, Fault, Said};
use super::asked::Asked;
use super::edge::{self, After, Edge};
use super::guest;
use super::host_name;
use super::metadata::{self, Metadata, Told};
use super::route::RouteTable;
use crate::app::{Answer, App, Route};
use crate::body::Body;
use crate::event::{Account as _, Failure};
use crate::paced::Paced;
use crate::server::{Handler, Peer};
use crate::triggers::call::NoAnswer;
use crate::usage::Cause;
use holm_runtime::limits::Limit;
use holm_runtime::{Error, Kind, PoolFull};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Seconds after which a client that met a busy component may come again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The same of an app that is drained: somebody is at work on it.
const DRAINED_RETRY_AFTER_SECONDS: u32 = 5;

/// Serves the apps of a host; when one of them changes it is made anew, and swapped in whole.
pub struct HttpHandler {
    routes: RouteTable,
    /// What answers each route, by its index in the table.
    targets: Vec<Target>,
    access: AccessSink,
    /// Answers for drained apps too: nobody outside asks.
    inside: bool,
}

/// Why the answer is the host's.
struct Refusal {
    fault: Fault,
    /// What whoever called a function is told beside that.
    said: Option<Box<Said>>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Refusal { fault, said: None }
    }
}

/// What answers a route, and whose it is.
struct Target {
    app: Arc<App>,
    answer: Answer,
    metadata: Option<Metadata>,
    edge: Option<Arc<Edge>>,
}

impl Target {
    /// The address of a request's client, as far as the app trusts those that say so.
    fn client(&self, peer: &Peer, headers: &HeaderMap) -> IpAddr {
        let proxies = self.app.manifest.serve.proxies.as_ref();
        edge::client::client(proxies, peer.addr.ip(), headers)
    }
}

impl HttpHandler {
    /// A handler for some apps that logs to a sink.
    pub fn new<'a>(apps: impl IntoIterator<Item = &'a Arc<App>>, access: AccessSink) -> Self {
        // What several apps answer alike, the first of them answers.
        let mut shared = HashSet::new();
        let routes: Vec<(&Arc<App>, &Route)> = apps
            .into_iter()
            .flat_map(|app| app.routes.iter().map(move |route| (app, route)))
            .filter(|(_, route)| {
                route.fixed().is_none() || shared.insert((&route.pattern, &route.host))
            })
            .collect();
        let table = RouteTable::new(
            routes
                .iter()
                .map(|(_, route)| (&*route.pattern, route.host.as_deref())),
        );
        // Each app's own routes were checked when it was made, and against the others' when it was
        // put among them.
        let routes_table = table.unwrap_or_else(|error| {
            tracing::error!(%error, "the routes of all apps make no table");
            RouteTable::default()
        });
        let targets = routes
            .into_iter()
            .map(|(app, route)| Target {
                app: app.clone(),
                answer: route.answer.clone(),
                metadata: route.metadata,
                edge: route.edge.clone(),
            })
            .collect();
        HttpHandler {
            routes: routes_table,
            targets,
            access,
            inside: false,
        }
    }

    /// A handler for one app that the host asks itself, whether or not the app takes requests.
    pub fn inside(app: &Arc<App>) -> Self {
        HttpHandler {
            inside: true,
            ..Self::new([app], AccessSink::off())
        }
    }

    /// Counts the request, and lets it in unless the app is drained.
    fn enter(&self, target: &Target, record: &AccessRecord) -> Result<(), Fault> {
        let standing = &target.app.standing;
        let usage = match &target.answer {
            Answer::Files(_) | Answer::Fixed(_) | Answer::Redirect(_) => standing.files(),
            Answer::Component(component) => component.usage(),
            Answer::Calls(calls) => calls.component.usage(),
        };
        let place = standing.enter();
        let refused = place.is_none() && !self.inside;
        record.counts(usage.clone(), place);
        if refused {
            record.failed(Cause::Drained);
            record.fault("yours", "the app is drained: holm apps resume");
            return Err(Fault::Drained {
                retry_after_seconds: DRAINED_RETRY_AFTER_SECONDS,
            });
        }
        Ok(())
    }

    async fn target(
        &self,
        mut request: Request<Incoming>,
        peer: &Peer,
        record: &AccessRecord,
        after: &mut Option<Box<After>>,
    ) -> Result<Response<Body>, Refusal> {
        let host = host_name::requested(&request).map_err(|bad| {
            record.fault("yours", bad.to_string());
            Fault::BadRequest
        })?;
        let path = request.uri().path();
        let found = self.routes.find(host, path).map_err(|bad| {
            record.fault("yours", bad.to_string());
            Fault::BadRequest
        })?;
        let found = found.ok_or(Fault::NoRoute)?;
        record.route(found.component_route());
        let target = self.targets.get(found.index).ok_or(Fault::Ours)?;
        record.app(&target.app.name);
        peer.account.charge_to(&target.app.tenant);
        self.enter(target, record)?;
        if target.app.manifest.serve.proxies.is_some() {
            record.client(target.client(peer, request.headers()));
        }
        let mut inside = None;
        if let Some(edge) = &target.edge {
            if let Some(answer) = edge.preflight(&request) {
                return Ok(answer);
            }
            *after = edge.after(&request);
            let client = || target.client(peer, request.headers());
            if !self.inside {
                edge.admit(request.headers(), client)
                    .map_err(|wait| too_many(wait, record))?;
            }
            inside = edge.path(&found, request.uri());
        }
        match &target.answer {
            Answer::Files(files) => {
                let rest = found.trailing_wildcard().unwrap_or(path);
                let rest = inside.as_ref().map_or(rest, |inside| inside.path());
                Ok(files.serve(&request, rest).await?)
            }
            Answer::Redirect(redirect) => {
                let answer = redirect.answer(&found, request.uri());
                Ok(answer.ok_or(Fault::BadRequest)?)
            }
            Answer::Fixed(fixed) => Ok(fixed.answer()),
            Answer::Calls(calls) => {
                record.component(&calls.component.name);
                if !calls.answers_to(host, peer.local) {
                    let other = "the request names another host than this machine: if it is meant, \
                                 add a `host` to the table [[call]]";
                    record.fault("yours", other);
                    let none = NoAnswer::Said(Fault::Host, Said::default());
                    return Err(Self::no_answer(none, record));
                }
                let rest = found.trailing_wildcard().unwrap_or(path).to_owned();
                let request = request.map(|body| Paced::new(body, target.app.pace));
                let timing = target.app.server_timing;
                let answer = calls.answer(request, &rest, record, timing).await;
                answer.map_err(|none| Self::no_answer(none, record))
            }
            // HTTP/1.0 need not name a host; a guest's request has one always.
            Answer::Component(_) if host.is_none() => Err(Fault::BadRequest.into()),
            Answer::Component(component) => {
                record.component(&component.name);
                let timing = target.app.server_timing;
                if let Some(metadata) = target.metadata {
                    if host.is_some_and(metadata::is_inside) {
                        record.fault("yours", "the request claims to come from a component");
                        return Err(Fault::BadRequest.into());
                    }
                    let client = Some(target.client(peer, request.headers()));
                    let told = metadata.of(&request, &Told::by(&found), peer, client);
                    told.onto(&mut request);
                }
                if let Some(inside) = inside {
                    edge::repath(&mut request, inside);
                }
                let pace = target.app.pace;
                let request = request.map(|body| Asked::Client(Paced::new(body, pace)));
                guest::call(
                    component.clone(),
                    request,
                    peer.tls,
                    record.clone(),
                    timing,
                    0,
                )
                .await
                .map_err(|failure| fault_of(failure, record).into())
            }
        }
    }

    /// Why there is no answer of a function's: always JSON.
    fn no_answer(none: NoAnswer, record: &AccessRecord) -> Refusal {
        let (fault, said) = match none {
            NoAnswer::Said(fault, said) => (fault, said),
            NoAnswer::Failure(failure) => (fault_of(failure, record), Said::default()),
        };
        Refusal {
            fault,
            said: Some(Box::new(said)),
        }
    }
}

/// Who has asked too often is told when to come again, in whole seconds.
fn too_many(wait: Duration, record: &AccessRecord) -> Fault {
    record.failed(Cause::TooMany);
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    Fault::TooMany {
        retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
    }
}

/// What the outside is told of a failure; the rest goes to the log.
pub(crate) fn fault_of(failure: Failure, record: &AccessRecord) -> Fault {
    match failure {
        Failure::Busy(error) => {
            record.error(&error);
            record.failed(Cause::Busy);
            Fault::Busy {
                retry_after_seconds: RETRY_AFTER_SECONDS,
            }
        }
        Failure::Full(PoolFull { instances }) => {
            record.failed(Cause::Full);
            record.fault("yours", full(instances));
            Fault::Busy {
                retry_after_seconds: RETRY_AFTER_SECONDS,
            }
        }
        Failure::NoAnswer(error) => {
            record.error(&error);
            record.failed(Cause::NoAnswer);
            Fault::GuestAnswer
        }
        Failure::Error(error) => {
            record.error(&error);
            if let Some(Limit::HostMemory | Limit::AppMemory) = error.limit {
                record.failed(Cause::Full);
            }
            blame(&error)
        }
    }
}

/// What the log says when the pool is full, and what to do about it.
fn full(instances: u32) -> String {
    let raise = holm_runtime::pools::to_raise();
    format!(
        "all {instances} instances that the pool holds are at work; raise --instances, and {raise}"
    )
}

impl Handler for HttpHandler {
    async fn handle(&self, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let record = AccessRecord::new(&self.access, &request, &peer);
        record.trace(&mut request, &peer);
        let asked = accepted(request.headers());
        let mut after = None;
        let answered = self.target(request, &peer, &record, &mut after).await;
        let finish = |response| match after {
            Some(after) => after.finish(response),
            None => response,
        };
        match answered {
            Ok(response) => record.answer(finish(response)),
            Err(Refusal { fault, said }) => {
                let answer = match said {
                    Some(said) => answer::problem(fault, record.id(), &said),
                    None => answer::answer(fault, record.id(), &asked),
                };
                record.answer_for(finish(answer))
            }
        }
    }
}

/// Whose fault an error is, as the outside may know it.
fn blame(error: &Error) -> Fault {
    match (error.kind, error.limit) {
        (_, Some(Limit::RequestBody)) => Fault::TooLarge,
        (_, Some(Limit::HostMemory | Limit::AppMemory)) => Fault::Busy {
            retry_after_seconds: RETRY_AFTER_SECONDS,
        },
        (
            _,
            Some(Limit::Cpu | Limit::Fuel | Limit::Timeout | Limit::FirstByte | Limit::Duration),
        ) => Fault::GuestTime,
        (Kind::Guest, _) => Fault::Guest,
        (Kind::Denied, _) => Fault::Denied,
        (Kind::Yours, _) => Fault::Yours,
        (Kind::Ours, _) => Fault::Ours,
    }
}

/// What an error's answer depends on, kept while the request goes to the guest.
pub(crate) fn accepted(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for value in headers.get_all(http::header::ACCEPT) {
        kept.append(http::header::ACCEPT, value.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_told_from_other_faults() {
        assert_eq!(
            blame(&Error {
                limit: Some(Limit::Cpu),
                ..Error::guest("")
            }),
            Fault::GuestTime
        );
        assert_eq!(
            blame(&Error {
                limit: Some(Limit::Memory),
                ..Error::guest("")
            }),
            Fault::Guest
        );
        assert_eq!(
            blame(&Error {
                limit: Some(Limit::RequestBody),
                ..Error::guest("")
            }),
            Fault::TooLarge
        );
        assert_eq!(blame(&Error::denied("")), Fault::Denied);
    }
}
