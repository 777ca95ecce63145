//! Cron: functions that are called at certain times.
//!
//! ```toml
//! [[cron]]
//! schedule = "*/5 * * * *"
//! component = "sweeper"
//! ```

pub mod config;
mod record;
mod schedule;

pub use config::{CronTable, Missed};
pub use schedule::{Schedule, zone};

use chrono::{DateTime, TimeDelta, Utc};
use holm_capabilities::Place;
use holm_manifest::{Problem, Value};
use record::Record;
use std::time::Duration;

/// A nap is no longer than this: somebody may set the clock, or put the machine to sleep.
const NAP_MAX: Duration = Duration::from_secs(30);

/// What is later than this was missed: the host did not run, or the machine slept.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// When a job is done.
pub struct Cron {
    schedule: Schedule,
    missed: Missed,
    /// When it was done last; kept only where that decides anything.
    record: Option<Record>,
}

/// A time at which a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is to be done now.
    Now(DateTime<Utc>),
    /// It has passed by, and nothing is made up for.
    Missed(DateTime<Utc>),
}

impl Cron {
    /// What a table says; the manifest's own check has passed it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(value: &Value, name: &str, place: &Place) -> Result<Cron, Problem> {
        let table: CronTable = value.parse()?;
        let at = |key: &str, problem: Problem| problem.at(value.get(key).unwrap_or(value).span);
        let zone = zone(&table.timezone).map_err(|_| {
            let what = format!("there is no time zone {:?}", table.timezone);
            at("timezone", Problem::error(what))
        })?;
        let schedule = Schedule::parse(&table.schedule, zone)
            .map_err(|why| at("schedule", Problem::error(why)))?;
        let record = (table.missed == Missed::Run).then(|| Record::of(name, &place.state));
        Ok(Cron {
            schedule,
            missed: table.missed,
            record,
        })
    }

    /// Waits until it is due the next time after `last`, however often it was due meanwhile. Nothing if
    /// it never is again.
    pub async fn due(&self, last: DateTime<Utc>) -> Option<Due> {
        let next = self.schedule.after(last)?;
        loop {
            let now = Utc::now();
            let Ok(wait) = (next - now).to_std() else {
                break;
            };
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep(wait.min(NAP_MAX)).await;
        }
        let now = Utc::now();
        // Of many that passed by, the last one counts.
        let due = self.schedule.until(now).unwrap_or(next).max(next);
        Some(match self.missed == Missed::Run || now - due < LATE {
            true => Due::Now(due),
            false => Due::Missed(due),
        })
    }

    /// After which time it is looked for what is due: the last time that it was done, where that is
    /// known and wanted, else now.
    pub fn begin(&self) -> DateTime<Utc> {
        let now = Utc::now();
        let last = self.record.as_ref().and_then(Record::read);
        last.filter(|last| *last < now).unwrap_or(now)
    }

    /// Notes that it was done, or tried in vain, for the time that it was due at.
    pub fn done(&self, due: DateTime<Utc>) {
        if let Some(record) = &self.record {
            record.write(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_passed_by_is_missed_or_made_up_for() {
        let yearly = |missed| Cron {
            schedule: Schedule::parse("@yearly", zone("UTC").unwrap()).unwrap(),
            missed,
            record: None,
        };
        let long_ago = Utc::now() - TimeDelta::days(800);
        let last = yearly(Missed::Skip).schedule.until(Utc::now()).unwrap();
        // On the first minute of a year it is due.
        if Utc::now() - last > LATE * 2 {
            let due = yearly(Missed::Skip).due(long_ago).await;
            assert_eq!(due, Some(Due::Missed(last)));
        }
        let due = yearly(Missed::Run).due(long_ago).await;
        assert_eq!(due, Some(Due::Now(last)));
        assert!(yearly(Missed::Skip).schedule.after(last).unwrap() > Utc::now());
    }
}
