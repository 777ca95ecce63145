//! Redis: a component is given what is published on a channel of a server.
//!
//! ```toml
//! [[redis]]
//! url = "redis://127.0.0.1:6379"
//! channel = "orders"
//! component = "orders"
//! ```

use crate::component::Component;
use crate::jobs::{Counts, Listener, Retry};
use holm_capabilities::Place;
use holm_capabilities::messaging::Subscription;
use holm_capabilities::messaging::setup::{Carrier, Setup, address};
use holm_manifest::{Fragment, Problem, Redacted, Spanned, Trigger, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// One `[[redis]]` table: a channel, and who is given what is published there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisTable {
    /// Its name in logs, and for `holm trigger`; the default is the component's.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Where the server is: `redis://` or, with TLS, `rediss://`; with `USER:PASSWORD@` where the server wants them.
    #[schemars(example = &"redis://127.0.0.1:6379")]
    pub url: Spanned<Redacted<String>>,
    /// The channel.
    #[schemars(length(min = 1))]
    pub channel: String,
    /// The component.
    pub component: String,
    /// Messages that are handled at the same time; the default is 1: one after the other.
    pub concurrency: Option<NonZeroU32>,
    /// How often a message is tried again after a failure.
    #[serde(default)]
    pub retry: Retry,
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "redis",
        doc: "A component that is given what is published on a channel of a Redis server.",
        example: "[[redis]]\nurl = \"redis://127.0.0.1:6379\"\nchannel = \"orders\"\ncomponent = \"orders\"\n",
        schema: schemars::schema_for!(RedisTable),
        check: |value| read(value).err().into_iter().collect(),
    }
}

fn read(value: &Value) -> Result<(RedisTable, Carrier), Problem> {
    let table: RedisTable = value.parse()?;
    let url = address(&table.url, &["redis", "rediss"])?;
    Ok((table, Carrier::RedisChannels { url }))
}

/// What a table says.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn listener(
    trigger: &Trigger,
    component: &Arc<Component>,
    place: &Place,
) -> Result<Listener, Problem> {
    let (table, carrier) = read(&trigger.value)?;
    let name: Arc<str> = table.name.unwrap_or(table.component).into();
    Ok(Listener {
        component: component.clone(),
        broker: place
            .shared
            .messaging
            .of(&format!("[[redis]] {name}"), Setup::of(carrier)),
        subscription: Subscription {
            topic: table.channel,
            // Everybody who listens to a channel is told.
            group: String::new(),
            member: String::new(),
            hold: Duration::from_secs(30),
        },
        state: place.state.clone(),
        watched: None,
        concurrency: table.concurrency.map_or(1, NonZeroU32::get),
        retry: table.retry,
        dead_letter: None,
        span: trigger.span,
        counts: Arc::<Counts>::default(),
        name,
    })
}
