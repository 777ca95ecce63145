//! An app: its components and what answers its routes. It is immutable, and swapped whole.

use crate::beside::{Named, Siblings};
use crate::component::{Component, Loaded};
use crate::jobs::{self, Job, Listener};
use crate::linked::place_of;
use crate::routing::{leads_to_requests, routes, siblings};
use crate::setting::Setting;
use crate::share::Share;
use crate::stall::Pace;
use crate::standing::Standing;
use crate::triggers::call::Calls;
use crate::triggers::http::{AccessSink, Edge, Fixed, Metadata, Redirect, StaticFiles};
use crate::usage::Sum;
use holm_capabilities::Shared;
use holm_capabilities::{Place, State};
use holm_manifest::{Manifest, Problem, Problems, Span, Vocabulary};
use holm_runtime::Error;
use holm_runtime::bridge::Link;
use holm_runtime::lanes::Tenant;
use std::sync::Arc;

/// The words that capabilities and triggers add to the manifest.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        grants: holm_capabilities::fragments(),
        triggers: crate::triggers::fragments(),
        stores: holm_capabilities::store_fragments(),
        brokers: holm_capabilities::broker_fragments(),
    }
}

/// A manifest resolved. Its components are loaded when they are first called, unless somebody wants
/// to know before.
pub struct App {
    /// Its name.
    pub name: Arc<str>,
    /// What it was made from.
    pub manifest: Arc<Manifest>,
    /// Its components, in the manifest's order.
    pub components: Vec<Arc<Component>>,
    /// Its routes, in the manifest's order.
    pub routes: Vec<Route>,
    /// What it does by itself, in the manifest's order.
    pub jobs: Vec<Arc<Job>>,
    /// What of it is given messages, in the manifest's order.
    pub listeners: Vec<Arc<Listener>>,
    /// Components that only others of the app call, and where that was written.
    private: Vec<(Named, Span)>,
    /// Its components as they reach each other.
    siblings: Arc<Siblings>,
    /// Whether clients are told what their request cost.
    pub server_timing: bool,
    /// How fast a request's body must come.
    pub pace: Pace,
    /// Whether it takes requests, and how many it is answering.
    pub standing: Arc<Standing>,
    /// Whose work its requests are, in the lanes.
    pub tenant: Arc<Tenant>,
    stores: Arc<Shared>,
}

/// A route and what answers it.
pub struct Route {
    /// Its pattern.
    pub pattern: String,
    /// Its host, if it is not for all.
    pub host: Option<String>,
    /// What answers.
    pub answer: Answer,
    /// Headers that tell a guest about its request.
    pub metadata: Option<Metadata>,
    /// What else is done with its requests and answers; nothing where nothing was asked for.
    pub edge: Option<Arc<Edge>>,
    /// Where it was written.
    pub(crate) span: Span,
}

impl Route {
    /// What it answers, where another app may have the same route because that is always the same: as
    /// the health of all of Spin's apps.
    pub(crate) fn fixed(&self) -> Option<&Fixed> {
        match (&self.answer, &self.edge) {
            (Answer::Fixed(fixed), None) => Some(fixed),
            _ => None,
        }
    }
}

/// What answers a route.
#[derive(Clone)]
pub enum Answer {
    /// A component.
    Component(Arc<Component>),
    /// Static files.
    Files(StaticFiles),
    /// Functions of a component.
    Calls(Arc<Calls>),
    /// What the manifest says.
    Fixed(Fixed),
    /// Another address.
    Redirect(Redirect),
}

impl App {
    /// Resolves a manifest without loading anything, or says all that is wrong with its routes.
    pub fn new(
        manifest: Manifest,
        setting: &Arc<Setting>,
        place: &Place,
        tenant: Arc<Tenant>,
    ) -> Result<App, Problems> {
        let (app, problems) = Self::resolve(manifest, setting, place, tenant);
        match problems.has_errors() {
            true => Err(problems),
            false => Ok(app),
        }
    }

    /// Resolves a manifest and loads all of it, or says all that is wrong at once.
    pub fn load(
        manifest: Manifest,
        setting: &Arc<Setting>,
        place: &Place,
        tenant: Arc<Tenant>,
    ) -> Result<App, Problems> {
        let (app, mut problems) = Self::resolve(manifest, setting, place, tenant);
        problems.list.extend(app.load_components());
        match problems.has_errors() {
            true => Err(Problems::new(problems.source, problems.list)),
            false => Ok(app),
        }
    }

    fn resolve(
        manifest: Manifest,
        setting: &Arc<Setting>,
        place: &Place,
        tenant: Arc<Tenant>,
    ) -> (App, Problems) {
        let manifest = Arc::new(manifest);
        let mut problems = manifest.warnings.clone();
        let share = Share::of(&manifest, setting, tenant.clone());
        let components: Vec<Arc<Component>> = (0..manifest.components.len())
            .map(|index| Component::new(&manifest, index, place, setting, &share))
            .map(Arc::new)
            .collect();
        components.iter().for_each(|c| c.link(&components));
        let (routes, private) = routes(&manifest, &components, &mut problems);
        let name: Arc<str> = manifest.name.as_str().into();
        let siblings = siblings(&name, &manifest, &routes, &private);
        for component in components.iter().filter(|c| leads_to_requests(c)) {
            component.beside.to(&siblings);
        }
        let jobs = jobs::of(&manifest, &components, place, &mut problems);
        let listeners = jobs::listeners(&manifest, &components, place, &jobs, &mut problems);
        let app = App {
            name,
            components,
            routes,
            jobs,
            listeners,
            private,
            siblings,
            server_timing: manifest.serve.server_timing,
            pace: Pace::over(manifest.serve.body_timeout.0),
            standing: Arc::default(),
            tenant,
            manifest: manifest.clone(),
            stores: place.shared.clone(),
        };
        (app, Problems::new(manifest.source.clone(), problems))
    }

    /// Loads all of it, or says all that is wrong.
    pub fn check(&self) -> Result<(), Problems> {
        match self.load_components() {
            problems if problems.iter().any(Problem::is_error) => {
                Err(Problems::new(self.manifest.source.clone(), problems))
            }
            _ => Ok(()),
        }
    }

    /// What the old version has used, and whether it was drained, is this one's from now on.
    pub(crate) fn succeed(&mut self, old: &App) {
        self.standing = old.standing.clone();
        for route in &mut self.routes {
            let same = |r: &&Route| r.pattern == route.pattern && r.host == route.host;
            let before = old.routes.iter().find(same).and_then(|r| r.edge.as_ref());
            if let (Some(edge), Some(before)) = (&mut route.edge, before) {
                Edge::succeed(edge, before);
            }
        }
        for component in &self.components {
            let same = old.components.iter().find(|c| c.name == component.name);
            if let Some(old) = same {
                component.succeed(old);
            }
        }
        for listener in &mut self.listeners {
            let same = old.listeners.iter().find(|l| l.name == listener.name);
            if let (Some(old), Some(listener)) = (same, Arc::get_mut(listener)) {
                listener.counts = old.counts.clone();
            }
        }
        for job in &mut self.jobs {
            let same = old.jobs.iter().find(|j| j.name == job.name);
            if let (Some(old), Some(job)) = (same, Arc::get_mut(job)) {
                job.runs = old.runs.clone();
            }
        }
    }

    /// What it used so far: its components, and its routes of files.
    pub fn usage(&self) -> Sum {
        let mut sum = Sum::default();
        for component in &self.components {
            if let Some(usage) = component.usage_so_far() {
                sum.add(&usage.sum());
            }
        }
        if let Some(files) = self.standing.files_so_far() {
            sum.add(&files.sum());
        }
        sum
    }

    /// Lets go of its code, as far as no event uses it.
    pub fn let_go(&self) {
        for component in &self.components {
            component.let_go();
        }
    }

    /// Who provides what a component imports, loaded: for those who make its instances themselves.
    ///
    /// # Errors
    /// One of them does not load.
    pub fn links_of(&self, component: &str) -> Result<Vec<Link<State>>, Problems> {
        let found = self.components.iter().find(|c| *c.name == *component);
        let links = found.map_or(Ok(Vec::new()), |component| component.links());
        links.map_err(|list| Problems::new(self.manifest.source.clone(), list))
    }

    /// The error of a component's imports, at its place in the manifest.
    pub fn at_its_link(&self, error: &Error, component: &holm_manifest::Component) -> Problems {
        let problem = problem(error, place_of(error, component));
        Problems::new(self.manifest.source.clone(), vec![problem])
    }

    /// Where the lines of requests go that its components send to each other.
    pub(crate) fn log_to(&self, access: &AccessSink) {
        self.siblings.log_to(access);
    }

    /// Its open stores and brokers.
    pub(crate) fn stores(&self) -> &Arc<Shared> {
        &self.stores
    }

    fn load_components(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for component in &self.components {
            match component.load() {
                Ok(loaded) => {
                    let routes = self.routes_to(component);
                    problems.extend(routes.filter_map(|to| to.problem(&loaded)));
                    problems.extend(self.check_calls(component, &loaded));
                }
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(self.jobs.iter().filter_map(|job| job.check()));
        problems.extend(self.listeners.iter().filter_map(|l| l.check()));
        problems
    }

    /// What is wrong with the functions that are called of a component.
    fn check_calls(&self, component: &Arc<Component>, loaded: &Arc<Loaded>) -> Vec<Problem> {
        let calls = self.routes.iter().filter_map(|route| match &route.answer {
            Answer::Calls(calls) if Arc::ptr_eq(&calls.component, component) => Some(calls),
            _ => None,
        });
        calls.flat_map(|calls| calls.check(loaded)).collect()
    }

    fn routes_to(&self, component: &Arc<Component>) -> impl Iterator<Item = To<'_>> {
        let public = self.routes.iter().filter_map(|route| match &route.answer {
            Answer::Component(component) => Some((component, route.metadata, route.span)),
            _ => None,
        });
        let private = self.private.iter();
        let private = private.map(|(named, span)| (&named.component, named.metadata, *span));
        public
            .chain(private)
            .filter(|(of, ..)| Arc::ptr_eq(of, component))
            .map(|(of, metadata, span)| To {
                name: &of.name,
                cgi: metadata == Some(Metadata::Cgi),
                span,
            })
    }
}

/// A route to a component.
struct To<'a> {
    name: &'a str,
    cgi: bool,
    span: Span,
}

impl To<'_> {
    /// What is wrong with it, if the component cannot answer so.
    fn problem(&self, loaded: &Loaded) -> Option<Problem> {
        let name = self.name;
        let problem = match (self.cgi, loaded.serves_http(), loaded.is_program()) {
            (true, _, true) | (false, true, _) => return None,
            (true, ..) => {
                let what = format!("component `{name}` is no program that could answer by CGI");
                Problem::error(what).help("it must have `_start` (0.1) or export wasi:cli/run")
            }
            (false, _, is_program) => {
                let what = format!("component `{name}` does not handle HTTP");
                let exports = "wasi:http/incoming-handler (0.2) or wasi:http/handler (0.3)";
                let problem = Problem::error(what).help(format!("it must export {exports}"));
                match is_program {
                    true => problem.note(
                        "a program that answers by CGI has `cgi = true` in its table [[http]]",
                    ),
                    false => problem,
                }
                .note("a program is run by: holm run FILE")
            }
        };
        Some(problem.at(self.span).label("this route calls it"))
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
