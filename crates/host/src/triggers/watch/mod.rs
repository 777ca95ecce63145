//! Watch: a component is told of changes of a key-value store.
//!
//! ```toml
//! [[watch]]
//! store = "sessions"
//! keys = "user:*"
//! component = "audit"
//! ```

use crate::component::Component;
use crate::jobs::{Counts, Listener, Retry};
use holm_capabilities::Place;
use holm_capabilities::keyvalue::watch::Changes;
use holm_capabilities::messaging::{Named, Subscription};
use holm_manifest::{Fragment, Problem, Spanned, Trigger};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// One `[[watch]]` table: keys of a store, and who is told when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchTable {
    /// Its name in logs, and for `holm trigger`; the default is the component's.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The key-value store.
    #[schemars(length(min = 1))]
    pub store: Spanned<String>,
    /// Which keys; `*` is any text. The default is all.
    #[serde(default = "all")]
    pub keys: String,
    /// The component.
    pub component: String,
    /// Changes that are handled at the same time; the default is 1: one after the other.
    pub concurrency: Option<NonZeroU32>,
    /// How often a change is tried again after a failure.
    #[serde(default)]
    pub retry: Retry,
}

fn all() -> String {
    "*".into()
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "watch",
        doc: "A component that is told of changes of a key-value store.",
        example: "[[watch]]\nstore = \"sessions\"\nkeys = \"user:*\"\ncomponent = \"audit\"\n",
        schema: schemars::schema_for!(WatchTable),
        check: |value| value.parse::<WatchTable>().err().into_iter().collect(),
    }
}

/// What a table says.
///
/// # Errors
/// What is wrong with it, or with the table of its store.
pub(crate) fn listener(
    trigger: &Trigger,
    component: &Arc<Component>,
    place: &Place,
) -> Result<Listener, Problem> {
    let table: WatchTable = trigger.value.parse()?;
    let name: Arc<str> = table.name.unwrap_or(table.component).into();
    let store = place.shared.keyvalue.find(&table.store, place);
    let store = store.map_err(|problem| problem.at(table.store.span))?;
    let changes = Changes::of(store.clone());
    Ok(Listener {
        component: component.clone(),
        broker: Arc::new(Named::over(&format!("[[watch]] {name}"), Arc::new(changes))),
        subscription: Subscription {
            topic: table.keys,
            group: String::new(),
            member: String::new(),
            hold: Duration::from_secs(30),
        },
        state: place.state.clone(),
        watched: Some(store),
        concurrency: table.concurrency.map_or(1, NonZeroU32::get),
        retry: table.retry,
        dead_letter: None,
        span: trigger.span,
        counts: Arc::<Counts>::default(),
        name,
    })
}
