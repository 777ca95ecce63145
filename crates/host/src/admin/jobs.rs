//! The call that does by hand what an app does by itself.

use super::answer::{Answer, Refusal, done};
use crate::app::App;
use holm_runtime::{Error, Kind};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most bytes of a payload.
const PAYLOAD_MAX: usize = 1 << 20;

/// Does a job once, and says what came of it. That it failed is an answer, not a refusal.
pub(super) async fn fire(
    app: &Arc<App>,
    name: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let payload = payload(request).await?;
    let job = app.jobs.iter().find(|job| *job.name == *name);
    let listener = app.listeners.iter().find(|l| *l.name == *name);
    if job.is_none() && listener.is_none() {
        let what = format!("app `{}` has no job called `{name}`", app.name);
        let jobs = app.jobs.iter().map(|job| &*job.name);
        let listeners = app.listeners.iter().map(|listener| &*listener.name);
        let names: Vec<&str> = jobs.chain(listeners).collect();
        let refusal = Refusal::new(StatusCode::NOT_FOUND, what);
        return Err(match names.is_empty() {
            true => refusal,
            false => refusal.help(format!("it has {}", names.join(", "))),
        });
    }
    let read = payload.as_deref().filter(|_| job.is_some());
    let arguments = read.map(arguments).transpose()?;
    let Some(_in_flight) = app.standing.enter() else {
        let what = format!("app `{}` is drained", app.name);
        return Err(Refusal::new(StatusCode::CONFLICT, what).help("holm apps resume"));
    };
    let mut said = json!({ "app": *app.name, "job": name });
    let result = match (job, listener) {
        (Some(job), _) => job.asked(arguments.as_ref()).await,
        (_, Some(listener)) => listener.asked(payload.unwrap_or_default()).await,
        (None, None) => Err(Box::new(Error::ours("nobody does it"))),
    };
    match result {
        Ok(returned) => {
            said["ok"] = true.into();
            let result = returned
                .json
                .and_then(|text| serde_json::from_str(&text).ok());
            said["result"] = result.unwrap_or(Value::Null);
        }
        Err(error) => {
            said["ok"] = false.into();
            said["error"] = about(&error);
        }
    }
    done(said)
}

/// An error, as a client can make it again.
fn about(error: &Error) -> Value {
    let kind = match error.kind {
        Kind::Yours => "yours",
        Kind::Guest => "guest",
        Kind::Denied => "denied",
        Kind::Ours => "ours",
    };
    let mut said = json!({ "kind": kind, "message": error.to_string(), "help": error.help });
    if let Some(limit) = error.limit {
        said["limit"] = limit.name().into();
    }
    if let Some(code) = error.exit {
        said["exit_code"] = code.into();
    }
    said
}

async fn payload(request: Request<Incoming>) -> Result<Option<Vec<u8>>, Refusal> {
    let body = Limited::new(request.into_body(), PAYLOAD_MAX)
        .collect()
        .await;
    let bytes = body.map_err(|_| {
        let what = "a payload has at most 1 MiB";
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what)
    })?;
    let bytes = bytes.to_bytes();
    Ok((!bytes.is_empty()).then(|| bytes.into()))
}

/// The arguments of a job.
fn arguments(given: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(given).map_err(|error| {
        let what = format!("the payload is not JSON: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, what)
    })
}
