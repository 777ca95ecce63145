//! `[[cron]]` in the manifest.

use super::schedule::{Schedule, zone};
use crate::functions::pattern::Pattern;
use crate::jobs::Retry;
use holm_manifest::{Fragment, Problem, Value};
use schemars::JsonSchema;
use serde::Deserialize;

/// One `[[cron]]` table: a component's function, and when it is called.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CronTable {
    /// Its name in logs, and for `holm trigger`; the default is the component's.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// When: minute, hour, day of the month, month, day of the week; a sixth field in front is seconds.
    /// `*/5 * * * *`, `0 9 * * MON-FRI`, `@hourly`.
    #[schemars(length(min = 1))]
    pub schedule: String,
    /// The time zone that this is meant in: `Europe/Berlin`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The component.
    pub component: String,
    /// The function: `INTERFACE.FUNCTION`, or `FUNCTION` for one that the component exports itself. The
    /// default is `wasi:cli/run`, which programs export.
    pub function: Option<String>,
    /// The function's arguments: a table by the names of its parameters, or an array.
    pub arguments: Option<serde_json::Value>,
    /// What becomes of times at which the host did not run.
    #[serde(default)]
    pub missed: Missed,
    /// Whether it begins again while it is still at work.
    #[serde(default)]
    pub overlap: bool,
    /// How often it is tried again after a failure.
    #[serde(default)]
    pub retry: Retry,
}

fn utc() -> String {
    "UTC".into()
}

/// What becomes of times at which the host did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// It is done once for all of them, as soon as the host runs again.
    Run,
}

/// What the trigger adds to the manifest language.
pub fn fragment() -> Fragment {
    Fragment {
        name: "cron",
        doc: "A component's function that is called at certain times.",
        example: "[[cron]]\nschedule = \"*/5 * * * *\"\ncomponent = \"sweeper\"\n",
        schema: schemars::schema_for!(CronTable),
        check,
    }
}

/// What the schema cannot say: that schedule, time zone and function can be read.
fn check(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let text = |key: &str| value.get(key).and_then(|v| Some((v.span, v.as_str()?)));
    let mut tz = chrono_tz::Tz::UTC;
    if let Some((span, name)) = text("timezone") {
        match zone(name) {
            Ok(zone) => tz = zone,
            Err(near) => {
                let problem = Problem::error(format!("there is no time zone {name:?}")).at(span);
                problems.push(match near {
                    Some(near) => problem.help(format!("did you mean {near:?}?")),
                    None => problem.help("time zones have names as \"Europe/Berlin\" and \"UTC\""),
                });
            }
        }
    }
    if let Some((span, schedule)) = text("schedule") {
        let wrong = match Schedule::parse(schedule, tz) {
            Err(why) => Some(why),
            Ok(read) if read.after(chrono::Utc::now()).is_none() => Some("it never comes".into()),
            Ok(_) => None,
        };
        problems.extend(wrong.map(|why| {
            Problem::error(format!("{schedule:?} is not a schedule: {why}"))
                .at(span)
                .help("minute, hour, day of the month, month, day of the week: \"*/5 * * * *\"")
                .note("a sixth field in front is seconds: \"*/10 * * * * *\"")
        }));
    }
    if let Some((span, function)) = text("function")
        && !matches!(Pattern::parse(function), Ok(Pattern::One(_)))
    {
        let problem = Problem::error(format!("{function:?} names no function")).at(span);
        problems.push(problem.help(
            "write \"INTERFACE.FUNCTION\" or \"FUNCTION\"; an interface is written in full: example:shop/stock",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(entries: Vec<(&str, &str)>) -> Vec<String> {
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|(k, v)| (k, Value::from(v)))
            .collect();
        entries.push(("component", Value::from("a")));
        let value = Value::table(entries);
        assert!(value.parse::<CronTable>().is_ok());
        check(&value).into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn what_is_checked() {
        assert_eq!(
            problems(vec![("schedule", "0 3 * * *"), ("timezone", "Asia/Tokyo")]),
            [""; 0]
        );
        assert_eq!(
            problems(vec![
                ("schedule", "@daily"),
                ("timezone", "Mars"),
                ("function", "a.*")
            ]),
            [
                "there is no time zone \"Mars\"",
                "\"a.*\" names no function"
            ]
        );
        let bad = problems(vec![("schedule", "every day")]);
        assert!(
            bad[0].starts_with("\"every day\" is not a schedule: "),
            "{bad:?}"
        );
        let never = problems(vec![("schedule", "0 0 30 2 *")]);
        assert!(
            never[0].starts_with("\"0 0 30 2 *\" is not a schedule"),
            "{never:?}"
        );
    }
}
