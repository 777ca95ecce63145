//! The calls of the admin API: one line of the table each, one function each.

use super::answer::{Answer, Refusal, done, no_such_app, text_of, value};
use super::metrics::Metrics;
use super::upload;
use super::versions::{Version, Versions};
use crate::app::{Answer as Answered, App};
use crate::apps::Apps;
use crate::apps::folder::Folder;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a drain waits unless it is told.
const DRAIN: Duration = Duration::from_secs(30);

/// And how long at most: whoever asks holds a connection open.
const DRAIN_MAX: Duration = Duration::from_secs(3600);

/// What OpenMetrics calls its text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The admin side of a host.
pub struct Admin {
    apps: Arc<Apps>,
    /// None on a host of one app, which was told what it serves.
    versions: Option<Versions>,
    metrics: Metrics,
}

impl Admin {
    /// Over the apps of a host, which are those that there are.
    pub fn new(apps: Arc<Apps>) -> Admin {
        Admin {
            versions: None,
            metrics: Metrics::default(),
            apps,
        }
    }

    /// Over the apps of a folder, which can be added to.
    pub fn of_folder(apps: Arc<Apps>, dir: &Path, folder: Arc<Mutex<Folder>>) -> Admin {
        Admin {
            versions: Some(Versions::new(apps.clone(), dir, folder)),
            ..Self::new(apps)
        }
    }

    /// Answers a call.
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let path: Vec<&str> = path.trim_matches('/').split('/').collect();
        let answered = match *path.as_slice() {
            ["metrics"] => self.metrics(request.method()),
            ["v1", "apps"] => self.all(request).await,
            ["v1", "usage"] => self.usage_of_all(request.method()),
            ["v1", "apps", name] => self.one(name, request).await,
            ["v1", "apps", name, "usage"] => self.usage(name, request.method()),
            ["v1", "apps", name, "drain"] => self.drain(name, request).await,
            ["v1", "apps", name, "resume"] => self.resume(name, request.method()),
            _ => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "the admin API has no such call",
            )),
        };
        answered.unwrap_or_else(Refusal::answer)
    }

    fn metrics(&self, method: &Method) -> Result<Answer, Refusal> {
        get(method)?;
        let text = self.metrics.text(&self.apps);
        Ok(text_of(StatusCode::OK, OPEN_METRICS, text))
    }

    /// `GET`: all apps. `POST`: one more.
    async fn all(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        match *request.method() {
            Method::GET => {
                let apps: Vec<Value> = self.apps.list().iter().map(|app| about(app)).collect();
                done(json!({ "apps": apps }))
            }
            Method::POST => {
                let (versions, version) = self.receive(request).await?;
                let app = versions.add(version).await?;
                Ok(value(StatusCode::CREATED, &about(&app)))
            }
            _ => Err(Refusal::method("GET, POST")),
        }
    }

    /// `GET`: one app. `PUT`: its next version. `DELETE`: no more of it.
    async fn one(&self, name: &str, request: Request<Incoming>) -> Result<Answer, Refusal> {
        match *request.method() {
            Method::GET => done(about(&*self.app(name)?)),
            Method::PUT => {
                let (versions, version) = self.receive(request).await?;
                let (app, kept) = versions.replace(name, version).await?;
                let mut said = about(&app);
                if let Some(kept) = kept {
                    said["kept"] = kept.display().to_string().into();
                }
                done(said)
            }
            Method::DELETE => {
                let removed = self.versions()?.remove(name).await?;
                let mut said = usage(&removed.app);
                said["state"] = removed.state.display().to_string().into();
                if let Some(kept) = removed.kept {
                    said["kept"] = kept.display().to_string().into();
                }
                done(said)
            }
            _ => Err(Refusal::method("GET, PUT, DELETE")),
        }
    }

    fn usage(&self, name: &str, method: &Method) -> Result<Answer, Refusal> {
        get(method)?;
        done(usage(&*self.app(name)?))
    }

    fn usage_of_all(&self, method: &Method) -> Result<Answer, Refusal> {
        get(method)?;
        let apps: Vec<Value> = self.apps.list().iter().map(|app| usage(app)).collect();
        done(json!({ "apps": apps }))
    }

    async fn drain(&self, name: &str, request: Request<Incoming>) -> Result<Answer, Refusal> {
        post(request.method())?;
        let app = self.app(name)?;
        let patience = match request.uri().query().map(|query| query.split_once('=')) {
            None => DRAIN,
            Some(Some(("timeout", seconds))) => seconds
                .parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .ok_or_else(timeout)?
                .min(DRAIN_MAX),
            Some(_) => return Err(timeout()),
        };
        let left = app.standing.drain(patience).await;
        done(json!({ "name": *app.name, "drained": true, "in_flight": left }))
    }

    fn resume(&self, name: &str, method: &Method) -> Result<Answer, Refusal> {
        post(method)?;
        let app = self.app(name)?;
        app.standing.resume();
        done(json!({ "name": *app.name, "drained": false, "in_flight": app.standing.in_flight() }))
    }

    /// Takes in a version, where there is a place for it.
    async fn receive(&self, request: Request<Incoming>) -> Result<(&Versions, Version), Refusal> {
        match self.versions() {
            Ok(versions) => Ok((versions, upload::receive(versions, request).await?)),
            Err(refusal) => {
                upload::discard(request.into_body(), upload::BYTES_MAX).await;
                Err(refusal)
            }
        }
    }

    fn app(&self, name: &str) -> Result<Arc<App>, Refusal> {
        self.apps.get(name).ok_or_else(|| no_such_app(name))
    }

    fn versions(&self) -> Result<&Versions, Refusal> {
        self.versions.as_ref().ok_or_else(|| {
            let what = "this server was started to serve one app";
            Refusal::new(StatusCode::CONFLICT, what)
                .help("apps are added to, and removed from, a server of `holm up --apps DIR`")
        })
    }
}

fn timeout() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "a drain takes a time in seconds and nothing else: ?timeout=30",
    )
}

fn get(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET => Ok(()),
        _ => Err(Refusal::method("GET")),
    }
}

fn post(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::POST => Ok(()),
        _ => Err(Refusal::method("POST")),
    }
}

/// What an app is.
fn about(app: &App) -> Value {
    let routes = app.routes.iter().map(|route| {
        let mut said = json!({ "route": route.pattern });
        if let Some(host) = &route.host {
            said["host"] = host.as_str().into();
        }
        match &route.answer {
            Answered::Component(component) => said["component"] = (&*component.name).into(),
            Answered::Files(_) => said["files"] = true.into(),
            Answered::Fixed(_) => said["respond"] = true.into(),
            Answered::Redirect(_) => said["redirect"] = true.into(),
            Answered::Calls(calls) => said["calls"] = (&*calls.component.name).into(),
        }
        said
    });
    let components = app.components.iter().map(|component| {
        json!({
            "name": *component.name,
            "source": component.path().display().to_string(),
            "loaded": component.ready().is_some(),
            "at_work": component.at_work(),
        })
    });
    json!({
        "name": *app.name,
        "version": app.manifest.version,
        "description": app.manifest.description,
        "manifest": app.manifest.source.path.display().to_string(),
        "drained": app.standing.is_drained(),
        "in_flight": app.standing.in_flight(),
        "routes": routes.collect::<Vec<_>>(),
        "components": components.collect::<Vec<_>>(),
    })
}

/// What an app used.
fn usage(app: &App) -> Value {
    let components: serde_json::Map<String, Value> = app
        .components
        .iter()
        .filter_map(|component| Some((component, component.usage_so_far()?)))
        .map(|(component, usage)| (component.name.to_string(), json!(usage.sum())))
        .collect();
    json!({
        "name": *app.name,
        "seconds": app.standing.age().as_secs(),
        "usage": app.usage(),
        "components": components,
        "files": app.standing.files_so_far().map(|usage| usage.sum()),
    })
}
