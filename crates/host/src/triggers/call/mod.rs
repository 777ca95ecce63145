//! Calls: functions of a component, by name, with JSON over HTTP.
//!
//! ```toml
//! [[call]]
//! route = "/api/..."
//! component = "payments"
//! functions = ["example:payments/processor.*"]
//! ```

pub mod config;
mod media;
mod openapi;
mod page;
mod query;
mod respond;

pub use config::CallRoute;

use super::http::access_log::AccessRecord;
use super::http::answer::{Fault, Said};
use super::http::bounds::{Collected, collect, said_length};
use super::http::path;
use crate::body::{self, Body};
use crate::component::{Component, Loaded};
use crate::event::Failure;
use crate::functions::{
    self, Arguments, COLLECTED_MAX, Call, Exposed, Function, Given, Input, Refused, Selection,
};
use crate::paced::Paced;
use holm_manifest::{Problem, Value};
use holm_runtime::limits::{Amount, Limit};
use holm_runtime::values::{Mismatch, Surface, callable};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use media::Sent;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The functions of one table.
pub struct Calls {
    /// Whose they are.
    pub component: Arc<Component>,
    selection: Selection,
    /// Where the functions are listed in the manifest.
    written: Value,
    openapi: bool,
    page: bool,
    /// Whether the table says for which host they are.
    hosted: bool,
    /// The path that they are below: empty for all of it.
    base: Box<str>,
    /// What that comes to, of the code that is in memory.
    exposed: Mutex<Option<(Weak<Loaded>, Arc<Exposed>)>>,
}

/// Why there is no answer of a function's.
pub enum NoAnswer {
    /// The client is told this.
    Said(Fault, Said),
    /// The guest has none.
    Failure(Failure),
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        NoAnswer::Failure(failure)
    }
}

impl From<Fault> for NoAnswer {
    fn from(fault: Fault) -> Self {
        NoAnswer::Said(fault, Said::default())
    }
}

impl Calls {
    /// What a table says, or what is wrong with it; the manifest's own check has passed it.
    pub fn new(
        route: &CallRoute,
        component: &Arc<Component>,
        table: &Value,
    ) -> Result<Arc<Calls>, Problem> {
        let written = table.get("functions").unwrap_or(table).clone();
        let selection = Selection::parse(route.functions.iter().map(String::as_str));
        let selection =
            selection.map_err(|(_, bad)| Problem::error(bad.to_string()).at(written.span))?;
        let base = route.route.trim_end_matches("/...");
        Ok(Arc::new(Calls {
            component: component.clone(),
            selection,
            written,
            openapi: route.openapi,
            page: route.page,
            hosted: route.host.is_some(),
            base: base.into(),
            exposed: Mutex::default(),
        }))
    }

    /// The path that they are below: empty for all of it.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What may be called of loaded code.
    fn exposed(&self, loaded: &Arc<Loaded>) -> Result<Arc<Exposed>, Failure> {
        let mut slot = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, exposed)) = &*slot
            && Weak::ptr_eq(of, &Arc::downgrade(loaded))
        {
            return Ok(exposed.clone());
        }
        let signatures = loaded.signatures().map_err(Failure::Error)?;
        let exposed = Arc::new(Exposed::new(&signatures, &self.selection));
        *slot = Some((Arc::downgrade(loaded), exposed.clone()));
        Ok(exposed)
    }

    /// Whether they answer under a host's name. A web page whose own name was made to lead to this
    /// machine calls us by that name; where only this machine can call, none but its own is right,
    /// unless the table says another.
    pub fn answers_to(&self, host: Option<&str>, local: bool) -> bool {
        self.hosted || !local || host.is_none_or(media::is_local)
    }

    /// What is wrong with the list of functions, now that the component is loaded.
    pub fn check(&self, loaded: &Loaded) -> Vec<Problem> {
        let name = &self.component.name;
        match loaded.signatures() {
            Ok(signatures) => {
                // A resource lives in a session; what nothing can call is named here.
                for not in Exposed::new(&signatures, &self.selection).refused {
                    if let Err(reason) = callable::check(&not.signature, Surface::SESSION) {
                        let function = not.signature.name();
                        tracing::warn!("`{function}` of `{name}` cannot be called: {reason}");
                    }
                }
                self.selection.check(&signatures, name, &self.written)
            }
            Err(error) => vec![crate::app::problem(&error, self.written.span)],
        }
    }

    /// Answers a request; `rest` is what stands behind the route.
    pub async fn answer(
        self: &Arc<Self>,
        request: Request<Paced<Incoming>>,
        rest: &str,
        record: &AccessRecord,
        timing: bool,
    ) -> Result<Response<Body>, NoAnswer> {
        let bytes: Vec<u8> = path::decode(rest).collect();
        let Ok(rest) = std::str::from_utf8(&bytes) else {
            return Err(Fault::NoFunction.into());
        };
        match rest.trim_start_matches('/') {
            "" if self.page => return self.page(request.method(), rest),
            "openapi.json" if self.openapi => return self.openapi(request.method()).await,
            _ => {}
        }
        let loaded = self.component.loaded().await.map_err(Failure::Error)?;
        let exposed = self.exposed(&loaded)?;
        let function = find(&exposed, rest.trim_matches('/'))?;
        if request.method() != Method::POST {
            return Err(Fault::CallMethod { allow: "POST" }.into());
        }
        let Some(sent) = Sent::of(request.headers(), function) else {
            return Err(Fault::MediaType.into());
        };
        self.call(loaded, function.clone(), sent, request, record, timing)
            .await
    }

    async fn call(
        &self,
        loaded: Arc<Loaded>,
        function: Arc<Function>,
        sent: Sent,
        request: Request<Paced<Incoming>>,
        record: &AccessRecord,
        timing: bool,
    ) -> Result<Response<Body>, NoAnswer> {
        let component = &self.component;
        let limit = component.limits.request_body.0;
        let limit = limit.map_or(u64::MAX, |size| size.0);
        let most = match sent {
            Sent::Stream => limit,
            Sent::Json => limit.min(COLLECTED_MAX),
        };
        // Said before the whole of it is sent: nobody need wait for it.
        if said_length(request.body()) > most {
            return Err(self.too_large(most, limit).into());
        }
        let others = match sent {
            Sent::Stream => Some(query::others(&function.signature, request.uri().query())),
            Sent::Json => None,
        };
        let others = others.transpose().map_err(misfit)?;
        let turn = component.queue.enter().await.map_err(Failure::Busy)?;
        let open = media::takes_stream(request.headers(), &function);
        let call = |account| Call {
            component: component.clone(),
            loaded,
            turn,
            function,
            account,
        };
        let input = match others {
            Some(others) => Input::Stream(others, request.into_body()),
            None => Input::Whole(self.collected(request, most, limit).await?),
        };
        let given = match (open, input) {
            (false, Input::Whole(arguments)) => functions::call(call(record.clone()), arguments)
                .await
                .map(Given::Whole),
            (_, input) => functions::call_streamed(call(record.clone()), input).await,
        };
        match given {
            Ok(Given::Whole(returned)) => Ok(respond::whole(returned, record, timing)),
            Ok(Given::Stream(answer)) => Ok(respond::streamed(answer)),
            Err(Refused::Failure(failure)) => Err(failure.into()),
            Err(Refused::Arguments(mismatch)) => Err(misfit(mismatch)),
        }
    }

    /// The arguments, all in memory; with a turn, so that no more are than calls may be at work.
    async fn collected(
        &self,
        request: Request<Paced<Incoming>>,
        most: u64,
        limit: u64,
    ) -> Result<Arguments, NoAnswer> {
        let mut held = self.component.held();
        match collect(request.into_body(), most, &mut held).await {
            Ok(Collected::Whole(text)) => Ok(Arguments::Text(text, held)),
            Ok(Collected::TooLong) => Err(self.too_large(most, limit).into()),
            Ok(Collected::NoMemory(limit)) => {
                Err(Failure::Error(Box::new(self.component.no_memory(limit))).into())
            }
            Err(_) => Err(Fault::BadRequest.into()),
        }
    }

    /// The body is longer than `most`, which is the component's limit or our own.
    fn too_large(&self, most: u64, limit: u64) -> Failure {
        let mut error = Limit::RequestBody.error(&self.component.name, Amount::Bytes(most));
        if most < limit {
            error.help = vec![
                "JSON is read as a whole, and so is bounded; a `stream<u8>` takes as much as \
                 limits.request_body says"
                    .into(),
            ];
        }
        Failure::Error(Box::new(error))
    }

    fn page(&self, method: &Method, rest: &str) -> Result<Response<Body>, NoAnswer> {
        only_read(method)?;
        // The page asks for its neighbours, so it must be in the folder.
        if rest.is_empty() && !self.base.is_empty() {
            let mut moved = Response::new(body::empty());
            *moved.status_mut() = StatusCode::PERMANENT_REDIRECT;
            let there = HeaderValue::try_from(format!("{}/", self.base));
            let there = there.map_err(|_| Fault::BadRequest)?;
            moved.headers_mut().insert(LOCATION, there);
            return Ok(moved);
        }
        Ok(page::page())
    }

    async fn openapi(&self, method: &Method) -> Result<Response<Body>, NoAnswer> {
        only_read(method)?;
        let loaded = self.component.loaded().await.map_err(Failure::Error)?;
        let exposed = self.exposed(&loaded)?;
        let document = openapi::document(&self.component, &exposed, &self.base);
        let mut response = respond::json(StatusCode::OK, document.to_string());
        let fresh = HeaderValue::from_static("no-cache");
        response.headers_mut().insert(CACHE_CONTROL, fresh);
        Ok(response)
    }
}

fn only_read(method: &Method) -> Result<(), NoAnswer> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Fault::CallMethod { allow: "GET, HEAD" }.into()),
    }
}

/// The function of a path, or why there is none.
fn find<'a>(exposed: &'a Exposed, path: &str) -> Result<&'a Arc<Function>, NoAnswer> {
    if let Some(function) = exposed.at(path) {
        return Ok(function);
    }
    match exposed.refused_at(path) {
        Some(refused) => {
            let said = Said {
                detail: Some(refused.reason.clone()),
                ..Said::default()
            };
            Err(NoAnswer::Said(Fault::NotCallable, said))
        }
        None => Err(Fault::NoFunction.into()),
    }
}

/// Arguments that do not fit, as whoever sent them is told.
fn misfit(mismatch: Mismatch) -> NoAnswer {
    let path = Some(mismatch.path).filter(|path| !path.is_empty());
    let detail = match mismatch.help {
        Some(help) => format!("{}; {help}", mismatch.problem),
        None => mismatch.problem,
    };
    let said = Said {
        detail: Some(detail),
        path,
        error: None,
    };
    NoAnswer::Said(Fault::Arguments, said)
}
