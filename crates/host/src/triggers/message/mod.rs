//! Messages: a component is given those of a topic, through a broker that the manifest names.
//!
//! ```toml
//! [[message]]
//! broker = "events"
//! topic = "orders.*"
//! component = "orders"
//! ```

use crate::component::Component;
use crate::jobs::{Counts, Listener, Retry};
use holm_capabilities::Place;
use holm_capabilities::messaging::Subscription;
use holm_manifest::{Fragment, Problem, Spanned, Time, Trigger, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// One `[[message]]` table: a topic of a broker, and who is given its messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageTable {
    /// Its name in logs, and for `holm trigger`; the default is the component's.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The broker, by the name of its table `[broker.NAME]`; one that has none is in memory.
    #[schemars(length(min = 1))]
    pub broker: Spanned<String>,
    /// The topic, or a pattern as the broker has them.
    #[schemars(length(min = 1))]
    pub topic: Spanned<String>,
    /// The component.
    pub component: String,
    /// Those of one group share the messages, on however many hosts; the default is the app's name and the trigger's.
    #[schemars(length(min = 1))]
    pub group: Option<String>,
    /// Messages that are handled at the same time; the default is 1: one after the other.
    pub concurrency: Option<NonZeroU32>,
    /// How often a message is tried again after a failure; the default is 4 times.
    #[serde(default = "four_times")]
    pub retry: Retry,
    /// The topic for messages that were tried in vain; without one they are dropped, and the log says so.
    #[schemars(length(min = 1))]
    pub dead_letter: Option<Spanned<String>>,
    /// A message that a host has taken and not been heard of for so long is given to another, where the broker keeps messages; the default is 30 s.
    pub redeliver_after: Option<Spanned<Time>>,
}

fn four_times() -> Retry {
    Retry {
        times: 4,
        ..Retry::default()
    }
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "message",
        doc: "A component that is given the messages of a topic of a broker.",
        example: "[[message]]\nbroker = \"events\"\ntopic = \"orders.*\"\ncomponent = \"orders\"\n",
        schema: schemars::schema_for!(MessageTable),
        check: |value| read(value).err().into_iter().collect(),
    }
}

fn read(value: &Value) -> Result<(MessageTable, Duration), Problem> {
    let table: MessageTable = value.parse()?;
    let hold = match &table.redeliver_after {
        None => Duration::from_secs(30),
        Some(time) if time.value.0 >= Duration::from_secs(1) => time.value.0,
        Some(time) => {
            return Err(Problem::error("too short for anybody to be heard of")
                .at(time.span)
                .label("1 s or longer"));
        }
    };
    Ok((table, hold))
}

/// What a table says.
///
/// # Errors
/// What is wrong with it, or with the table of its broker.
pub(crate) fn listener(
    trigger: &Trigger,
    component: &Arc<Component>,
    place: &Place,
) -> Result<Listener, Problem> {
    let (table, hold) = read(&trigger.value)?;
    let name: Arc<str> = table.name.unwrap_or(table.component).into();
    let broker = place.shared.messaging.find(&table.broker, place);
    let broker = broker.map_err(|problem| problem.at(table.broker.span))?;
    if broker.system() == "redis" && table.topic.contains(['*', '>']) {
        return Err(
            Problem::error("a broker of the type `redis` has no patterns")
                .at(table.topic.span)
                .label("each topic is a stream of its own"),
        );
    }
    if let Some(dead) = &table.dead_letter {
        let problem = |what: String| Problem::error(what).at(dead.span);
        let can = broker.check_topic(dead);
        can.map_err(|why| problem(format!("`dead_letter` cannot be sent to: {why}")))?;
        if broker.hears(&table.topic, dead) {
            let what = "dead letters would come back to the trigger that gave them up".to_owned();
            return Err(problem(what).label("a topic that `topic` does not mean"));
        }
    }
    let app = &component.manifest.name;
    Ok(Listener {
        component: component.clone(),
        broker,
        subscription: Subscription {
            topic: table.topic.value,
            group: table.group.unwrap_or_else(|| format!("{app}-{name}")),
            member: String::new(),
            hold,
        },
        state: place.state.clone(),
        watched: None,
        concurrency: table.concurrency.map_or(1, NonZeroU32::get),
        retry: table.retry,
        dead_letter: table.dead_letter.map(|dead| dead.value),
        span: trigger.span,
        counts: Arc::<Counts>::default(),
        name,
    })
}
