//! The tables of an app that say who answers which request, resolved: its routes, the components that
//! have none that a client reaches, and how the components reach each other.

use crate::app::{Answer, Route};
use crate::beside::{Named, Siblings, Target};
use crate::component::Component;
use crate::triggers::call::{CallRoute, Calls};
use crate::triggers::http::{
    Edge, Fixed, HttpRoute, Metadata, Redirect, RouteError, RouteTable, StaticFiles,
};
use holm_manifest::{Manifest, Problem, Span, Trigger};
use std::path::Path;
use std::sync::Arc;

/// The routes of an app, and the components that only others of it call, each with where that was
/// written.
pub(crate) fn routes(
    manifest: &Manifest,
    components: &[Arc<Component>],
    problems: &mut Vec<Problem>,
) -> (Vec<Route>, Vec<(Named, Span)>) {
    let mut routes = Vec::new();
    let mut private = Vec::new();
    for trigger in &manifest.triggers {
        let route = match &*trigger.kind {
            "http" => match http_route(trigger, manifest, components) {
                Ok(Some(Http::Private(named))) => {
                    private.push((named, trigger.span));
                    continue;
                }
                Ok(Some(Http::Route(route))) => Ok(Some(route)),
                Ok(None) => Ok(None),
                Err(problem) => Err(problem),
            },
            "call" => call_route(trigger, components),
            _ => Ok(None),
        };
        match route {
            // A name that no component has: the manifest's own check has said so.
            Ok(route) => routes.extend(route),
            Err(problem) => problems.push(problem),
        }
    }
    let table = RouteTable::new(routes.iter().map(|r| (&*r.pattern, r.host.as_deref())));
    if let Err(error) = table {
        let index = match &error {
            RouteError::Pattern { route, .. } | RouteError::Host { route, .. } => *route,
            RouteError::Same { second, .. } => second.0,
        };
        let span = routes
            .get(index)
            .map_or(Span::default(), |route| route.span);
        problems.push(
            Problem::error(error.to_string())
                .at(span)
                .label("this route"),
        );
    }
    (routes, private)
}

/// What a table `[[http]]` says.
enum Http {
    Route(Route),
    /// A component that only others of the app call.
    Private(Named),
}

fn http_route(
    trigger: &Trigger,
    manifest: &Manifest,
    components: &[Arc<Component>],
) -> Result<Option<Http>, Problem> {
    let route: HttpRoute = trigger.value.parse()?;
    let edge = Edge::of(&route);
    let metadata = match route.cgi {
        true => Some(Metadata::Cgi),
        false => route.metadata,
    };
    let Some(answer) = answer(&route, &manifest.dir, components, trigger.span)? else {
        return Ok(None);
    };
    Ok(Some(match (route.route, answer) {
        (None, Answer::Component(component)) => Http::Private(Named {
            component,
            metadata,
        }),
        (pattern, answer) => Http::Route(Route {
            // One without was told of.
            pattern: pattern.unwrap_or_default(),
            host: route.host,
            answer,
            metadata,
            edge,
            span: trigger.span,
        }),
    }))
}

/// The components as they reach each other; without one that may send requests nobody asks.
pub(crate) fn siblings(
    name: &Arc<str>,
    manifest: &Manifest,
    routes: &[Route],
    private: &[(Named, Span)],
) -> Arc<Siblings> {
    let mut named: Vec<Named> = private.iter().map(|(named, _)| named.clone()).collect();
    for route in routes {
        if let Answer::Component(component) = &route.answer
            && !named
                .iter()
                .any(|known| Arc::ptr_eq(&known.component, component))
        {
            named.push(Named {
                component: component.clone(),
                metadata: route.metadata,
            });
        }
    }
    let for_all = || routes.iter().filter(|route| route.host.is_none());
    let table = RouteTable::new(for_all().map(|route| (&*route.pattern, None)));
    let targets = for_all().map(|route| Target {
        answer: route.answer.clone(),
        metadata: route.metadata,
        edge: route.edge.clone(),
    });
    let timing = manifest.serve.server_timing;
    // Routes that make no table are told of, and serve nobody.
    let table = table.unwrap_or_default();
    Siblings::new(name, named, table, targets.collect(), timing)
}

/// Whether it, or one that is linked into its events, was granted to send requests to anybody.
pub(crate) fn leads_to_requests(component: &Component) -> bool {
    let linked = component.providers.get().into_iter().flatten().flatten();
    component.written().grant("http").is_some() || linked.into_iter().any(|c| leads_to_requests(c))
}

fn call_route(trigger: &Trigger, components: &[Arc<Component>]) -> Result<Option<Route>, Problem> {
    let route: CallRoute = trigger.value.parse()?;
    let Some(component) = components.iter().find(|c| *c.name == *route.component) else {
        return Ok(None);
    };
    let calls = Calls::new(&route, component, &trigger.value)?;
    Ok(Some(Route {
        pattern: route.route,
        host: route.host,
        answer: Answer::Calls(calls),
        metadata: None,
        edge: None,
        span: trigger.span,
    }))
}

fn answer(
    route: &HttpRoute,
    dir: &Path,
    components: &[Arc<Component>],
    span: Span,
) -> Result<Option<Answer>, Problem> {
    if let Some(redirect) = &route.redirect {
        // One that leads nowhere was told of.
        return Ok(Redirect::new(redirect).map(Answer::Redirect));
    }
    if let Some(respond) = &route.respond {
        return Ok(Some(Answer::Fixed(Fixed::new(respond))));
    }
    if let Some(files) = &route.files {
        let root = dir.join(files);
        return StaticFiles::new(&root)
            .map(|files| Some(Answer::Files(files)))
            .map_err(|e| {
                Problem::error(format!(
                    "the folder `{}` cannot be served: {e}",
                    files.display()
                ))
                .at(span)
                .help(format!("create it: mkdir {}", root.display()))
            });
    }
    let named = |c: &&Arc<Component>| route.component.as_deref() == Some(&*c.name);
    Ok(components
        .iter()
        .find(named)
        .map(|component| Answer::Component(component.clone())))
}
