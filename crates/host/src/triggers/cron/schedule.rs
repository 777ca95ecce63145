//! When a schedule is due: five fields of cron, or six with seconds first, in a time zone.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// A schedule in a time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
}

/// The longest schedule that is read, in bytes; the longest useful one lists all minutes.
const TEXT_BYTES_MAX: usize = 1024;

impl Schedule {
    /// Reads `*/5 * * * *`, `0 30 9 * * MON-FRI` (with seconds), `@hourly`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence without its end.
    pub fn parse(text: &str, zone: Tz) -> Result<Schedule, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes"));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Optional)
            .build();
        let cron = parser.parse(text).map_err(|error| error.to_string())?;
        Ok(Schedule { cron, zone })
    }

    /// The first time after this one.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self
            .cron
            .find_next_occurrence(&time.with_timezone(&self.zone), false);
        next.ok().map(|next| next.with_timezone(&Utc))
    }

    /// The last time up to this one, itself included.
    pub fn until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self
            .cron
            .find_previous_occurrence(&time.with_timezone(&self.zone), true);
        last.ok().map(|last| last.with_timezone(&Utc))
    }
}

/// Reads the name of a time zone.
///
/// # Errors
/// There is none of that name; the nearest one, if there is one near.
pub fn zone(name: &str) -> Result<Tz, Option<&'static str>> {
    let all = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    name.parse()
        .map_err(|_| holm_manifest::nearest(name, all()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn next(schedule: &str, zone: Tz, from: &str) -> String {
        let schedule = Schedule::parse(schedule, zone).unwrap();
        schedule.after(at(from)).unwrap().to_rfc3339()
    }

    #[test]
    fn fields_with_and_without_seconds() {
        let from = "2026-01-31T23:59:58Z";
        assert_eq!(
            next("*/5 * * * *", Tz::UTC, from),
            "2026-02-01T00:00:00+00:00"
        );
        assert_eq!(
            next("* * * * * *", Tz::UTC, from),
            "2026-01-31T23:59:59+00:00"
        );
        assert_eq!(
            next("30 0 0 L * *", Tz::UTC, from),
            "2026-02-28T00:00:30+00:00"
        );
        assert_eq!(
            next("0 9 * * MON-FRI", Tz::UTC, from),
            "2026-02-02T09:00:00+00:00"
        );
        assert_eq!(next("@daily", Tz::UTC, from), "2026-02-01T00:00:00+00:00");
    }

    #[test]
    fn a_time_zone_and_its_summer() {
        let berlin = zone("Europe/Berlin").unwrap();
        let nine = |from| next("0 9 * * *", berlin, from);
        assert_eq!(nine("2026-01-10T00:00:00Z"), "2026-01-10T08:00:00+00:00");
        assert_eq!(nine("2026-07-10T00:00:00Z"), "2026-07-10T07:00:00+00:00");
        // The night that has no 2:30 has its run all the same, once; so has the one with two of them.
        let runs = |day: &str| {
            let schedule = Schedule::parse("30 2 * * *", berlin).unwrap();
            let mut time = at(&format!("{day}T12:00:00Z")) - chrono::Days::new(1);
            let end = at(&format!("{day}T12:00:00Z"));
            let mut runs = 0;
            while let Some(next) = schedule.after(time).filter(|next| *next <= end) {
                (time, runs) = (next, runs + 1);
            }
            runs
        };
        assert_eq!((runs("2026-03-29"), runs("2026-10-25")), (1, 1));
        assert_eq!(zone("Europe/Berlon"), Err(Some("Europe/Berlin")));
    }

    #[test]
    fn what_was_due_last() {
        let hourly = Schedule::parse("0 * * * *", Tz::UTC).unwrap();
        let last = |time| hourly.until(at(time)).unwrap().to_rfc3339();
        assert_eq!(last("2026-01-01T10:59:59Z"), "2026-01-01T10:00:00+00:00");
        assert_eq!(last("2026-01-01T10:00:00Z"), "2026-01-01T10:00:00+00:00");
    }

    #[test]
    fn what_is_no_schedule() {
        for bad in [
            "",
            "x",
            "* * * *",
            "61 * * * *",
            "* * * * * * * *",
            "0 0 30 2 8 *",
            &"1,".repeat(999),
        ] {
            assert!(Schedule::parse(bad, Tz::UTC).is_err(), "{bad:?}");
        }
        // It can be read, and never comes.
        let never = Schedule::parse("0 0 30 2 *", Tz::UTC);
        assert!(never.is_err() || never.unwrap().after(at("2026-01-01T00:00:00Z")).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9*/,#LW?A-Za-z@ ]{0,40}") {
            if let Ok(schedule) = Schedule::parse(&text, Tz::UTC) {
                let from = at("2026-01-01T00:00:00Z");
                if let Some(next) = schedule.after(from) {
                    prop_assert!(next > from);
                    prop_assert_eq!(schedule.until(next), Some(next));
                }
            }
        }
    }
}
