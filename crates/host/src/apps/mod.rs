//! The apps of a host: which there are, which routes are whose, and how one takes another's place.
//!
//! Requests read an immutable table of routes that is swapped whole. Whoever has taken the old one
//! finishes with it: no request sees half of a change.

mod claims;
pub mod folder;

use crate::app::App;
use crate::health;
use crate::jobs::Keeper;
use crate::setting::Setting;
use crate::slot::Slot;
use crate::triggers::http::{AccessSink, HttpHandler};
use claims::Claims;
use holm_capabilities::Place;
use holm_capabilities::Shared;
use holm_manifest::{Manifest, Problems};
use holm_runtime::lanes::Tenant;
use holm_runtime::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The apps of a host.
pub struct Apps {
    setting: Arc<Setting>,
    access: AccessSink,
    all: Mutex<All>,
    slot: Arc<Slot<HttpHandler>>,
    jobs: Keeper,
}

#[derive(Default)]
struct All {
    apps: BTreeMap<Arc<str>, Arc<App>>,
    claims: Claims,
    /// Open stores by app; a new version goes on with those of the old one.
    stores: BTreeMap<Arc<str>, Arc<Shared>>,
}

impl Apps {
    /// No app yet.
    pub fn new(setting: Arc<Setting>, access: AccessSink) -> Self {
        Apps {
            slot: Slot::new(HttpHandler::new([], access.clone())),
            setting,
            access,
            all: Mutex::default(),
            jobs: Keeper::default(),
        }
    }

    /// What answers requests: always the present version.
    pub fn handler(&self) -> Arc<Slot<HttpHandler>> {
        self.slot.clone()
    }

    /// What they share.
    pub fn setting(&self) -> &Arc<Setting> {
        &self.setting
    }

    /// Resolves a manifest and loads all of it, or says all that is wrong with it. The app answers
    /// nothing before it is [`put`](Self::put).
    pub fn load(
        &self,
        manifest: Manifest,
        state: Option<&Path>,
    ) -> std::result::Result<App, Problems> {
        let (place, tenant) = (self.place(&manifest, state), self.tenant(&manifest));
        let app = App::load(manifest, &self.setting, &place, tenant)?;
        Ok(self.succession(app))
    }

    /// Resolves a manifest; its components are loaded when they are first called.
    pub fn resolve(
        &self,
        manifest: Manifest,
        state: Option<&Path>,
    ) -> std::result::Result<App, Problems> {
        let (place, tenant) = (self.place(&manifest, state), self.tenant(&manifest));
        let app = App::new(manifest, &self.setting, &place, tenant)?;
        Ok(self.succession(app))
    }

    /// Asks a version that is not served yet for its health, or says what is wrong with it.
    pub async fn check_health(&self, app: &Arc<App>) -> std::result::Result<(), Problems> {
        health::check(app).await
    }

    /// Adds an app, or puts it in the place of the one of its name. A name or a route that is
    /// another's is refused, and nothing changes.
    pub fn put(&self, app: impl Into<Arc<App>>) -> Result<Option<Arc<App>>> {
        let app = app.into();
        let mut all = self.all();
        if let Some(old) = all.before(&app.manifest, self.setting.many)
            && old.name != app.name
        {
            all.remove(&old.name);
            self.jobs.end(&old.name);
        }
        let old = all.put(app.clone())?;
        self.jobs.begin(&app);
        self.publish(&all);
        Ok(old)
    }

    /// Adds many apps in one step; gives those that were refused.
    pub fn put_all(&self, apps: impl IntoIterator<Item = App>) -> Vec<(Arc<str>, Error)> {
        let mut all = self.all();
        let mut refused = Vec::new();
        for app in apps {
            let app = Arc::new(app);
            match all.put(app.clone()) {
                Ok(_) => self.jobs.begin(&app),
                Err(error) => refused.push((app.name.clone(), error)),
            }
        }
        self.publish(&all);
        refused
    }

    /// Removes an app; requests in flight finish.
    pub fn remove(&self, name: &str) -> Option<Arc<App>> {
        let mut all = self.all();
        let old = all.remove(name)?;
        self.jobs.end(name);
        self.publish(&all);
        Some(old)
    }

    /// The host serves from now on: what apps do by themselves begins. To be called on a runtime, as
    /// all that puts an app afterwards.
    pub fn wake(&self) {
        self.jobs.wake();
    }

    /// The host ends: nothing begins by itself any more; waits for what is at work, or so long. Gives
    /// the number of those that are left.
    pub async fn rest(&self, patience: Duration) -> usize {
        self.jobs.rest(patience).await
    }

    /// The app of that name.
    pub fn get(&self, name: &str) -> Option<Arc<App>> {
        self.all().apps.get(name).cloned()
    }

    /// All apps, by name.
    pub fn list(&self) -> Vec<Arc<App>> {
        self.all().apps.values().cloned().collect()
    }

    fn succession(&self, mut app: App) -> App {
        if let Some(old) = self.all().before(&app.manifest, self.setting.many) {
            app.succeed(&old);
        }
        app
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, all: &All) {
        for app in all.apps.values() {
            app.log_to(&self.access);
        }
        self.slot
            .swap(HttpHandler::new(all.apps.values(), self.access.clone()));
    }

    /// Whose work the app's requests are: a new version owes what the old one owed.
    fn tenant(&self, manifest: &Manifest) -> Arc<Tenant> {
        match self.get(&manifest.name) {
            Some(app) => app.tenant.clone(),
            None => self.setting.lanes.tenant(),
        }
    }

    fn place(&self, manifest: &Manifest, state: Option<&Path>) -> Place {
        let all = self.all();
        let old = all.before(manifest, self.setting.many);
        let stores = old.and_then(|old| all.stores.get(&old.name).cloned());
        Place {
            base: manifest.dir.clone(),
            state: state.map_or_else(|| manifest.dir.join(".holm"), Path::to_owned),
            stores: manifest.stores.clone().into(),
            shared: stores.unwrap_or_default(),
        }
    }
}

impl All {
    /// The version before: the app of that name, or, in a host of one app, the one that the manifest
    /// gave another name.
    fn before(&self, manifest: &Manifest, many: bool) -> Option<Arc<App>> {
        let same = self.apps.get(&*manifest.name);
        let renamed = || {
            let mut all = self.apps.values();
            all.find(|app| !many && app.manifest.source.path == manifest.source.path)
        };
        same.or_else(renamed).cloned()
    }

    fn remove(&mut self, name: &str) -> Option<Arc<App>> {
        let old = self.apps.remove(name)?;
        self.claims.release(&old);
        self.stores.remove(name);
        Some(old)
    }

    fn put(&mut self, app: Arc<App>) -> Result<Option<Arc<App>>> {
        let old = self.apps.get(&app.name).cloned();
        if let Some(old) = &old
            && old.manifest.source.path != app.manifest.source.path
        {
            return Err(Error::yours(format!(
                "two apps are called `{}`: {} and {}",
                app.name,
                old.manifest.source.path.display(),
                app.manifest.source.path.display()
            ))
            .help("give one of them another `name`"));
        }
        self.claims.claim(&app)?;
        if let Some(old) = &old {
            self.claims.release_but(old, &app);
        }
        self.stores.insert(app.name.clone(), app.stores().clone());
        self.apps.insert(app.name.clone(), app);
        Ok(old)
    }
}

#[cfg(test)]
mod tests;
