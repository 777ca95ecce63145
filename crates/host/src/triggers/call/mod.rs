//! Calls: functions of a component, by name, with JSON over HTTP.
//!
//! ```toml
//! [[call]]
//! route = "/api/..."
//! component = "payments"
//! functions = ["example:payments/processor.*"]
//! ```

pub mod config;
mod openapi;
mod page;

pub use config::CallRoute;

use super::http::access_log::AccessRecord;
use super::http::answer::{Fault, Said, problem};
use super::http::bounds::{collect, said_length};
use super::http::path;
use super::http::timing::{SERVER_TIMING, server_timing};
use crate::body::{self, Body};
use crate::component::{Component, Loaded};
use crate::event::Failure;
use crate::functions::{self, Arguments, Call, Exposed, Function, Refused, Returned, Selection};
use crate::paced::Paced;
use bytes::Bytes;
use holm_manifest::{Problem, Value};
use holm_runtime::limits::{Amount, Limit};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
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

    /// What is wrong with the list of functions, now that the component is loaded.
    pub fn check(&self, loaded: &Loaded) -> Vec<Problem> {
        let name = &self.component.name;
        match loaded.signatures() {
            Ok(signatures) => self.selection.check(&signatures, name, &self.written),
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
        let takes = !function.signature.params.is_empty();
        if !is_json(request.headers(), takes) {
            return Err(Fault::MediaType.into());
        }
        self.call(loaded, function.clone(), request, record, timing)
            .await
    }

    async fn call(
        &self,
        loaded: Arc<Loaded>,
        function: Arc<Function>,
        request: Request<Paced<Incoming>>,
        record: &AccessRecord,
        timing: bool,
    ) -> Result<Response<Body>, NoAnswer> {
        let component = &self.component;
        let limit = component.limits.request_body.0;
        let most = limit.map_or(u64::MAX, |size| size.0);
        let too_large = || {
            let error = Limit::RequestBody.error(&component.name, Amount::Bytes(most));
            Failure::Error(Box::new(error))
        };
        // Said before the whole of it is sent: nobody need wait for it.
        if said_length(request.body()) > most {
            return Err(too_large().into());
        }
        let turn = component.queue.enter().await.map_err(Failure::Busy)?;
        // With its turn: no more bodies are in memory than calls may be at work.
        let Ok(text) = collect(request.into_body(), most).await else {
            return Err(Fault::BadRequest.into());
        };
        let Some(text) = text else {
            return Err(too_large().into());
        };
        let call = Call {
            component: component.clone(),
            loaded,
            turn,
            function,
            account: record.clone(),
        };
        match functions::call(call, Arguments::Text(text)).await {
            Ok(returned) => Ok(respond(returned, record, timing)),
            Err(Refused::Failure(failure)) => Err(failure.into()),
            Err(Refused::Arguments(mismatch)) => {
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
                Err(NoAnswer::Said(Fault::Arguments, said))
            }
        }
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
        let mut response = json(StatusCode::OK, document.to_string());
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

/// Whether the body is said to be JSON. A web page elsewhere cannot say so without asking first, so
/// no page of another site calls a function by a form. Who sends nothing need say nothing.
fn is_json(headers: &HeaderMap, takes: bool) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return !takes;
    };
    let text = value.to_str().unwrap_or_default();
    let name = text.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("application/json")
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What the function gave, as a response.
fn respond(returned: Returned, record: &AccessRecord, timing: bool) -> Response<Body> {
    let mut response = match (returned.json, returned.is_err) {
        (json, true) => {
            let error = json.and_then(|json| serde_json::from_str(&json).ok());
            let said = Said {
                error,
                ..Said::default()
            };
            problem(Fault::Err, record.id(), &said)
        }
        (Some(text), false) => json(StatusCode::OK, text),
        (None, false) => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if timing {
        headers.append(SERVER_TIMING.clone(), server_timing(&returned.receipt));
    }
    response
}
