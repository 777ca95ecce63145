//! Which routes are whose: two apps cannot answer the same requests.

use crate::app::App;
use crate::triggers::http::host_name::HostPattern;
use crate::triggers::http::pattern::Pattern;
use holm_runtime::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// A route by what it matches: its host, and its pattern without the names of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    host: Option<HostPattern>,
    shape: Box<[u8]>,
}

/// The routes of all apps.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<Claim, Arc<str>>);

impl Claims {
    /// Whether an app may have its routes: none of them is another's.
    pub(super) fn check(&self, app: &App) -> Result<()> {
        for ((claim, route), host) in &of(app) {
            if let Some(owner) = self.0.get(claim).filter(|owner| **owner != app.name) {
                let at = host.map_or(String::new(), |host| format!(" of host `{host}`"));
                return Err(Error::yours(format!(
                    "the apps `{owner}` and `{}` both have the route `{route}`{at}",
                    app.name
                ))
                .help("give one of them another `route`, or a `host` of its own"));
            }
        }
        Ok(())
    }

    /// Takes the routes of an app, all or none of them.
    pub(super) fn claim(&mut self, app: &App) -> Result<()> {
        self.check(app)?;
        let owned = of(app)
            .into_iter()
            .map(|((claim, _), _)| (claim, app.name.clone()));
        self.0.extend(owned);
        Ok(())
    }

    /// Gives up the routes of an app.
    pub(super) fn release(&mut self, app: &App) {
        for ((claim, _), _) in of(app) {
            self.0.remove(&claim);
        }
    }

    /// Gives up the routes of an old version that the new one does not have.
    pub(super) fn release_but(&mut self, old: &App, new: &App) {
        self.release(old);
        let owned = of(new)
            .into_iter()
            .map(|((claim, _), _)| (claim, new.name.clone()));
        self.0.extend(owned);
    }
}

/// An app's claims, with the routes and hosts as they were written.
fn of(app: &App) -> Vec<((Claim, &str), Option<&str>)> {
    let claim = |route: &crate::app::Route| {
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
        .filter_map(|route| Some(((claim(route)?, &*route.pattern), route.host.as_deref())))
        .collect()
}
