//! MQTT: a component is given the messages of a topic.
//!
//! ```toml
//! [[mqtt]]
//! url = "mqtt://127.0.0.1:1883"
//! topic = "sensors/+/temperature"
//! component = "readings"
//! ```

use crate::component::Component;
use crate::jobs::{Counts, Listener, Retry};
use holm_capabilities::Place;
use holm_capabilities::messaging::Subscription;
use holm_capabilities::messaging::setup::{Carrier, KEEP_ALIVE, MqttSettings, Setup, address};
use holm_manifest::{Fragment, Problem, Redacted, Spanned, Time, Trigger, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// One `[[mqtt]]` table: a topic, and who is given its messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MqttTable {
    /// Its name in logs, and for `holm trigger`; the default is the component's.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Where the broker is: `mqtt://` or, with TLS, `mqtts://`; with `USER:PASSWORD@` where it wants them.
    #[schemars(example = &"mqtt://127.0.0.1:1883")]
    pub url: Spanned<Redacted<String>>,
    /// Who logs in, where `url` does not say so.
    pub username: Option<String>,
    /// The password of `username`.
    pub password: Option<Redacted<String>>,
    /// The topic; `+` is one level, `#` at the end all that follow.
    #[schemars(length(min = 1))]
    pub topic: String,
    /// What is promised of a message: 0 (at most once), 1 (at least once, the default) or 2.
    #[schemars(range(max = 2))]
    pub qos: Option<u8>,
    /// How often the broker hears of Holm where there is nothing to say; the default is 30 s.
    pub keep_alive: Option<Spanned<Time>>,
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
        name: "mqtt",
        doc: "A component that is given the messages of a topic of an MQTT broker.",
        example: "[[mqtt]]\nurl = \"mqtt://127.0.0.1:1883\"\ntopic = \"sensors/+/temperature\"\ncomponent = \"readings\"\n",
        schema: schemars::schema_for!(MqttTable),
        check: |value| read(value).err().into_iter().collect(),
    }
}

fn read(value: &Value) -> Result<(MqttTable, Carrier), Problem> {
    let table: MqttTable = value.parse()?;
    let url = address(&table.url, &["mqtt", "mqtts"])?;
    let keep_alive = match &table.keep_alive {
        None => KEEP_ALIVE,
        Some(time) if time.value.0 >= Duration::from_secs(1) => time.value.0,
        Some(time) => {
            return Err(Problem::error("the protocol counts in seconds")
                .at(time.span)
                .label("1 s or longer"));
        }
    };
    let password = table.password.clone();
    let login = table.username.clone().filter(|name| !name.is_empty());
    let settings = MqttSettings {
        url,
        login: login.map(|name| (name, password.unwrap_or_else(|| String::new().into()))),
        qos: table.qos.unwrap_or(1),
        keep_alive,
    };
    Ok((table, Carrier::Mqtt(settings)))
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
            .of(&format!("[[mqtt]] {name}"), Setup::of(carrier)),
        subscription: Subscription {
            topic: table.topic,
            // Everybody who listens to a topic is told.
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
