//! A component as another one's provider: an instance of it for each event of the other, with its own
//! grants and limits, its own turn among its calls, and its own account.

use crate::component::{Component, Loaded};
use holm_capabilities::State;
use holm_manifest::{Problem, Span};
use holm_runtime::bridge::{Fresh, Link, MakeFresh, Provide, Task, refused};
use holm_runtime::{Error, InstanceState as _, Prepared};
use std::sync::Arc;
use std::time::Instant;

/// A component that others are linked to, with the code that they were linked with.
struct Linked {
    component: Arc<Component>,
    loaded: Arc<Loaded>,
}

impl Component {
    /// Tells it who provides what it imports.
    pub(crate) fn link(&self, all: &[Arc<Component>]) {
        let named = |name: &str| all.iter().find(|component| &*component.name == name);
        let imports = self.written().imports.iter();
        let providers = imports.map(|import| named(&import.component).cloned());
        // Once, when its app is made.
        let _ = self.providers.set(providers.collect());
    }

    /// Whether another component is linked to it: then its time is bounded by that one's limits too.
    pub(crate) fn provides(&self) -> bool {
        let mut imports = self.manifest.components.iter().flat_map(|c| &c.imports);
        imports.any(|import| *import.component.value == *self.name)
    }

    /// Its links, with those that provide them loaded. Where one of them is missing there are no
    /// problems: the manifest's own check has told of it.
    pub(crate) fn links(&self) -> Result<Vec<Link<State>>, Vec<Problem>> {
        let providers = self.providers.get().into_iter().flatten();
        let mut links = Vec::new();
        let mut problems = Vec::new();
        for (import, provider) in self.written().imports.iter().zip(providers) {
            let Some(provider) = provider else {
                return Err(problems);
            };
            match provider.load() {
                Ok(loaded) => links.push(Linked::link(&import.interface, provider, loaded)),
                Err(beneath) => {
                    let name = &provider.name;
                    let what =
                        format!("component `{name}` does not load, and others are linked to it");
                    let problem = Problem::error(what)
                        .at(import.component.span)
                        .label(format!("provided by `{name}`"));
                    let first = beneath.first().map(|p| p.message.clone());
                    problems.push(first.into_iter().fold(problem, Problem::note));
                }
            }
        }
        match problems.is_empty() {
            true => Ok(links),
            false => Err(problems),
        }
    }
}

/// Where in the manifest an error about a component's imports is to be mended: at the link that it is
/// about, or where grants are added.
pub(crate) fn place_of(error: &Error, component: &holm_manifest::Component) -> Span {
    let about = |import: &&holm_manifest::Import| error.message.contains(&*import.interface.value);
    match component.imports.iter().find(about) {
        Some(import) => import.interface.span,
        None => component.grants_span.unwrap_or(component.name_span),
    }
}

impl Linked {
    /// The link of an interface to a component that is loaded.
    fn link(interface: &str, to: &Arc<Component>, loaded: Arc<Loaded>) -> Link<State> {
        Link {
            interface: interface.to_owned(),
            callee: Arc::new(Linked {
                component: to.clone(),
                loaded,
            }),
        }
    }
}

impl Provide<State> for Linked {
    fn name(&self) -> &Arc<str> {
        &self.component.name
    }

    fn prepared(&self) -> &Prepared<State> {
        self.loaded.prepared()
    }

    fn spawn(&self, task: Task) {
        self.component.share.tenant.spawn(task);
    }

    fn fresh(&self, caller: &mut State, apart: bool) -> MakeFresh<State> {
        let (component, loaded) = (self.component.clone(), self.loaded.clone());
        let (tracer, chain) = (caller.tracer(), caller.chained());
        let budget = component.budget_under(&caller.core().budget.meter, apart);
        Box::pin(async move {
            let name = &component.name;
            // In the callee's own queue. Links make no cycle; two events that keep each other's places
            // wait for as long as the queue lets them.
            let turn = component.queue.enter_within().await;
            let turn = turn.map_err(|error| refused(name, error))?;
            let place = component.place(&loaded, &turn).await;
            let place = place.map_err(|full| {
                let what = format!(
                    "all {} instances that the pool holds are at work",
                    full.instances
                );
                refused(name, Box::new(Error::yours(what).help("raise --instances")))
            })?;
            let mut state = component.state(&loaded, budget)?;
            state.trace(tracer);
            // The way is the caller's, for it has come as far; whether it may be gone says its own grant.
            state.chain(chain);
            let store = loaded.prepared().store(state)?;
            let (began, usage) = (Instant::now(), component.usage().clone());
            Ok(Fresh {
                store,
                at_end: Box::new(move |state| usage.event(state.core(), began.elapsed())),
                held: Box::new((turn, place, loaded)),
            })
        })
    }
}
