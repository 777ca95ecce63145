//! Which routes are whose: two apps cannot answer the same requests.

use crate::app::{App, Route};
use crate::triggers::http::Fixed;
use crate::triggers::http::host_name::HostPattern;
use crate::triggers::http::pattern::Pattern;
use holm_runtime::{Error, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// A route by what it matches: its host, and its pattern without the names of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    host: Option<HostPattern>,
    shape: Box<[u8]>,
}

/// The routes of all apps, and whose they are: several apps' where all of them always answer the same.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<Claim, Vec<Owner>>);

#[derive(Debug)]
struct Owner {
    app: Arc<str>,
    /// Its route and host as they were written, and what it always answers.
    fixed: Option<(String, Option<String>, Fixed)>,
}

impl Owner {
    fn of(app: &App, route: &Route) -> Self {
        let fixed = |fixed: &Fixed| (route.pattern.clone(), route.host.clone(), fixed.clone());
        Owner {
            app: app.name.clone(),
            fixed: route.fixed().map(fixed),
        }
    }

    fn shares(&self, other: &Owner) -> bool {
        self.app == other.app || (self.fixed.is_some() && self.fixed == other.fixed)
    }
}

impl Claims {
    /// Whether an app may have its routes: none of them is another's.
    pub(super) fn check(&self, app: &App) -> Result<()> {
        for (claim, route) in of(app) {
            let new = Owner::of(app, route);
            let mut owners = self.0.get(&claim).into_iter().flatten();
            if let Some(owner) = owners.find(|owner| !owner.shares(&new)) {
                let host = route.host.as_deref();
                let at = host.map_or(String::new(), |host| format!(" of host `{host}`"));
                return Err(Error::yours(format!(
                    "the apps `{}` and `{}` both have the route `{}`{at}",
                    owner.app, app.name, route.pattern
                ))
                .help("give one of them another `route`, or a `host` of its own"));
            }
        }
        Ok(())
    }

    /// Takes the routes of an app, all or none of them.
    pub(super) fn claim(&mut self, app: &App) -> Result<()> {
        self.check(app)?;
        self.own(app);
        Ok(())
    }

    fn own(&mut self, app: &App) {
        for (claim, route) in of(app) {
            let owners = self.0.entry(claim).or_default();
            owners.retain(|owner| owner.app != app.name);
            owners.push(Owner::of(app, route));
        }
    }

    /// Gives up the routes of an app.
    pub(super) fn release(&mut self, app: &App) {
        for (claim, _) in of(app) {
            if let Entry::Occupied(mut owners) = self.0.entry(claim) {
                owners.get_mut().retain(|owner| owner.app != app.name);
                if owners.get().is_empty() {
                    owners.remove();
                }
            }
        }
    }

    /// Gives up the routes of an old version that the new one does not have.
    pub(super) fn release_but(&mut self, old: &App, new: &App) {
        self.release(old);
        self.own(new);
    }
}

/// An app's claims, with the routes that make them.
fn of(app: &App) -> Vec<(Claim, &Route)> {
    let claim = |route: &Route| {
        // Both were parsed when the app was made; what cannot be parsed claims nothing.
        let pattern = Pattern::parse(&route.pattern).ok()?;
        let host = route.host.as_deref().map(HostPattern::parse).transpose();
        Some(Claim {
            host: host.ok()?,
            shape: pattern.shape(),
        })
    };
    app.routes
        .iter()
        .filter_map(|route| Some((claim(route)?, route)))
        .collect()
}
