//! An app made ready: its components loaded and linked, its routes in a table.

use crate::component::{Loaded, Setting};
use crate::stall::Pace;
use crate::triggers::http::{HttpRoute, RouteError, RouteTable, StaticFiles};
use holm_capabilities::{Place, State};
use holm_manifest::{Manifest, Problem, Problems, Span, Vocabulary};
use holm_runtime::{Error, Runtime};
use std::path::Path;
use std::sync::Arc;

/// The words that capabilities and triggers add to the manifest.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        grants: holm_capabilities::fragments(),
        triggers: crate::triggers::fragments(),
        stores: vec![holm_capabilities::keyvalue::store_fragment()],
    }
}

/// A manifest resolved and loaded; immutable, and swapped whole.
pub struct App {
    /// Its name.
    pub name: String,
    /// Its components, in the manifest's order.
    pub components: Vec<Arc<Loaded>>,
    /// Which route a request takes.
    pub routes: RouteTable,
    /// What answers each route, by its index in the table.
    pub targets: Vec<Target>,
    /// Whether clients are told what their request cost.
    pub server_timing: bool,
    /// How fast a request's body must come.
    pub pace: Pace,
}

/// What answers a route.
pub enum Target {
    /// A component.
    Component(Arc<Loaded>),
    /// Static files.
    Files(StaticFiles),
}

impl App {
    /// Loads everything that a manifest names, or says all that is wrong at once.
    pub fn load(
        manifest: &Manifest,
        runtime: &Runtime<State>,
        setting: &Setting,
        place: &Place,
    ) -> Result<App, Problems> {
        let mut problems = manifest.warnings.clone();
        let mut components = Vec::new();
        for component in &manifest.components {
            match Loaded::new(component, &manifest.dir, runtime, setting, place) {
                Ok(loaded) => components.push(Arc::new(loaded)),
                Err(found) => problems.extend(found),
            }
        }
        let all_loaded = components.len() == manifest.components.len();
        let routed = routes(manifest, &components, all_loaded, &mut problems);
        let problems = Problems {
            source: manifest.source.clone(),
            list: problems,
        };
        match routed {
            Some((routes, targets)) if !problems.has_errors() => Ok(App {
                name: manifest.name.clone(),
                components,
                routes,
                targets,
                server_timing: manifest.serve.server_timing,
                pace: Pace::over(manifest.serve.body_timeout.0),
            }),
            _ => Err(problems),
        }
    }
}

fn routes(
    manifest: &Manifest,
    components: &[Arc<Loaded>],
    all_loaded: bool,
    problems: &mut Vec<Problem>,
) -> Option<(RouteTable, Vec<Target>)> {
    let mut routes = Vec::new();
    let mut targets = Vec::new();
    for trigger in manifest.triggers.iter().filter(|t| t.kind == "http") {
        let route: HttpRoute = match trigger.value.parse() {
            Ok(route) => route,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        match target(&route, &manifest.dir, components, trigger.span) {
            Ok(Some(target)) => targets.push(target),
            // Its component did not load, and that was said already.
            Ok(None) if !all_loaded => continue,
            Ok(None) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        }
        routes.push((route, trigger.span));
    }
    let table = RouteTable::new(
        routes
            .iter()
            .map(|(r, _)| (r.route.as_str(), r.host.as_deref())),
    );
    match table {
        Ok(table) => Some((table, targets)),
        Err(error) => {
            let index = match &error {
                RouteError::Pattern { route, .. } | RouteError::Host { route, .. } => *route,
                RouteError::Same { second, .. } => second.0,
            };
            let span = routes.get(index).map_or(Span::default(), |(_, span)| *span);
            problems.push(
                Problem::error(error.to_string())
                    .at(span)
                    .label("this route"),
            );
            None
        }
    }
}

fn target(
    route: &HttpRoute,
    dir: &Path,
    components: &[Arc<Loaded>],
    span: Span,
) -> Result<Option<Target>, Problem> {
    if let Some(files) = &route.files {
        let root = dir.join(files);
        return StaticFiles::new(&root)
            .map(|files| Some(Target::Files(files)))
            .map_err(|e| {
                Problem::error(format!(
                    "the folder `{}` cannot be served: {e}",
                    files.display()
                ))
                .at(span)
                .help(format!("create it: mkdir {}", root.display()))
            });
    }
    let Some(name) = &route.component else {
        return Ok(None);
    };
    let Some(component) = components.iter().find(|c| *c.name == **name) else {
        return Ok(None);
    };
    match component.serves_http() {
        true => Ok(Some(Target::Component(component.clone()))),
        false => Err(
            Problem::error(format!("component `{name}` does not handle HTTP"))
                .at(span)
                .label("this route calls it")
                .help("it must export wasi:http/incoming-handler (0.2) or wasi:http/handler (0.3)"),
        ),
    }
}

/// An error of the runtime as a problem of the manifest, at the place that the user can change.
pub(crate) fn problem(error: &Error, at: Span) -> Problem {
    let mut problem = Problem::error(error.to_string()).at(at);
    for help in &error.help {
        problem = problem.note(help.clone());
    }
    let lines: Vec<&str> = error.denials.iter().map(|d| d.line.as_str()).collect();
    if lines.is_empty() {
        problem
    } else {
        problem.help(format!("grant it: {}", lines.join(", ")))
    }
}
