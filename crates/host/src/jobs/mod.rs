//! What an app does without being asked by a request: who calls which function, how often it is tried,
//! and what came of it. When it is done is the trigger's business.

mod called;
mod counts;
mod handler;
mod identity;
mod keeper;
mod listener;
mod target;

pub use counts::{Counts, Runs};
pub use keeper::Keeper;
pub use listener::Listener;
pub use target::Target;

use crate::app::App;
use crate::call_log::{CallLog, What};
use crate::component::Component;
use crate::functions::Returned;
use crate::telemetry::{BeganBy, Event};
use crate::triggers::cron::{Cron, CronTable};
use crate::triggers::{self, command, lifecycle};
use called::called;
use holm_capabilities::Place;
use holm_manifest::{Manifest, Problem, Span, Time, Trigger};
use holm_runtime::Error;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So often a job that waits for its next try looks whether its app still takes work.
const NAP_MAX: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// Something that an app does by itself.
pub struct Job {
    /// Its name: in logs, and for `holm trigger`.
    pub name: Arc<str>,
    /// When it is done.
    pub when: When,
    /// What is called.
    pub target: Target,
    /// How often it is tried.
    pub retry: Retry,
    /// Whether it begins again while it is still at work.
    pub overlap: bool,
    /// Where it was written.
    pub span: Span,
    /// What became of its runs.
    pub runs: Arc<Runs>,
    at_work: AtomicUsize,
}

/// When a job is done.
pub enum When {
    /// At certain times.
    Clock(Cron),
    /// When somebody asks for it.
    Asked,
    /// Before a version of the app is served.
    Start,
    /// When the app is served no longer.
    Stop,
}

/// How often a job that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// So many times more.
    pub times: u32,
    /// The wait before the first of them; it doubles from try to try, up to an hour.
    #[serde(default = "a_second")]
    pub delay: Time,
}

fn a_second() -> Time {
    Time(Duration::from_secs(1))
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            times: 0,
            delay: a_second(),
        }
    }
}

impl Retry {
    /// How long to wait before the try of this number; the first again is number 1.
    fn delay(&self, number: u32) -> Duration {
        let factor = 1u32
            .checked_shl(number.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.delay.0.saturating_mul(factor).min(DELAY_MAX)
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned, and not an `err`.
    Done,
    /// It failed, however often it was tried.
    Failed,
    /// It is still at work since the last time, and may not overlap.
    Skipped,
    /// Its app takes no work.
    Drained,
}

impl Job {
    /// A job that is done then.
    pub fn new(name: Arc<str>, when: When, target: Target, span: Span) -> Self {
        Job {
            name,
            when,
            target,
            retry: Retry::default(),
            overlap: false,
            span,
            runs: Arc::<Runs>::default(),
            at_work: AtomicUsize::new(0),
        }
    }

    /// Does it, as often as it takes, until its version has `ended`: what is at work then goes on, and is
    /// not tried again. Each try is counted among the app's events, so that a drain waits for it.
    pub async fn fire(&self, app: &App, ended: &CancellationToken) -> Outcome {
        let outcome = self.tries(app, ended).await;
        Counts::add(match outcome {
            Outcome::Done => &self.runs.ok,
            Outcome::Failed => &self.runs.error,
            Outcome::Skipped | Outcome::Drained => &self.runs.skipped,
        });
        outcome
    }

    async fn tries(&self, app: &App, ended: &CancellationToken) -> Outcome {
        let Some(_at_work) = self.begin() else {
            let (app, job) = (&*app.name, &*self.name);
            tracing::warn!(
                app,
                job,
                "still at work since the last time: not begun again"
            );
            return Outcome::Skipped;
        };
        for number in 0..=self.retry.times {
            if number > 0 {
                let wait = self.wait(app, self.retry.delay(number));
                if ended.run_until_cancelled(wait).await.is_none() {
                    return Outcome::Failed;
                }
            }
            let Some(_in_flight) = app.standing.enter() else {
                return Outcome::Drained;
            };
            if self.once(None).await.is_ok() {
                return Outcome::Done;
            }
        }
        Outcome::Failed
    }

    /// Does what is done at the beginning or the end of an app, as often as it takes.
    ///
    /// # Errors
    /// Why the last try failed.
    pub(crate) async fn hook(&self) -> Result<(), Box<Error>> {
        let mut number = 0;
        loop {
            match self.once(None).await {
                Ok(_) => {
                    Counts::add(&self.runs.ok);
                    return Ok(());
                }
                Err(error) if number >= self.retry.times => {
                    Counts::add(&self.runs.error);
                    return Err(error);
                }
                Err(_) => number += 1,
            }
            tokio::time::sleep(self.retry.delay(number)).await;
        }
    }

    /// Does it once for somebody who asks a host that serves its app; the log is told.
    ///
    /// # Errors
    /// Why there is no result, or what the function's `err` was.
    pub async fn asked(&self, payload: Option<&serde_json::Value>) -> Result<Returned, Box<Error>> {
        let result = self.once(payload).await;
        Counts::add(match &result {
            Ok(_) => &self.runs.ok,
            Err(_) => &self.runs.error,
        });
        result
    }

    /// Waits so long, or until its app takes no work.
    async fn wait(&self, app: &App, mut left: Duration) {
        while !left.is_zero() && !app.standing.is_drained() {
            let nap = left.min(NAP_MAX);
            tokio::time::sleep(nap).await;
            left -= nap;
        }
    }

    /// Its place among those of it that are at work, tries and the waits between them; none where there
    /// are as many as may be.
    fn begin(&self) -> Option<AtWork<'_>> {
        let most = match self.overlap {
            true => self.target.component.limits.concurrency as usize,
            false => 1,
        };
        let one_more = |now| (now < most).then_some(now + 1);
        let begun = self.at_work.fetch_update(AcqRel, Acquire, one_more);
        begun.is_ok().then(|| AtWork(&self.at_work))
    }

    /// Does it once, and tells the log. A payload stands in the place of the arguments.
    ///
    /// # Errors
    /// Why there is no result, or what the function's `err` was.
    async fn once(&self, payload: Option<&serde_json::Value>) -> Result<Returned, Box<Error>> {
        let component = &self.target.component;
        let record = component.setting.log.calls().begin_event(&Event {
            name: &self.name,
            began_by: match self.when {
                When::Clock(_) => BeganBy::Clock,
                When::Asked | When::Start | When::Stop => BeganBy::Other,
            },
            app: &component.manifest.name,
            component: &component.name,
            topic: None,
            traceparent: None,
        });
        let result = called(&self.target, payload, record.clone()).await;
        match &result {
            Ok(_) => record.ended("ok"),
            Err(error) => {
                record.unmade((**error).clone());
                record.ended("error");
            }
        }
        result
    }

    /// Does it once for somebody who waits for what comes of it. A payload stands in the place of the
    /// arguments.
    ///
    /// # Errors
    /// Why there is no result, or what the function's `err` was.
    pub async fn by_hand(
        &self,
        payload: Option<&serde_json::Value>,
    ) -> Result<Returned, Box<Error>> {
        let record = CallLog::off().begin(What::Job, &self.name);
        called(&self.target, payload, record).await
    }

    /// Notes that it was done for the time that it was due at, where it is done by the clock.
    fn done(&self, due: chrono::DateTime<chrono::Utc>) {
        if let When::Clock(cron) = &self.when {
            cron.done(due);
        }
    }

    /// What is wrong with it, once its component's code is known.
    pub fn check(&self) -> Option<Problem> {
        // What does not load is told elsewhere.
        let loaded = self.target.component.load().ok()?;
        let reason = self.target.called(&loaded).err()?;
        let problem = Problem::error(reason.message).at(self.span);
        let mut help = reason.help.into_iter();
        let problem = match help.next() {
            Some(first) => problem.help(first),
            None => problem,
        };
        Some(help.fold(problem, Problem::note))
    }
}

/// The jobs of an app, in the manifest's order.
pub(crate) fn of(
    manifest: &Manifest,
    components: &[Arc<Component>],
    place: &Place,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<Job>> {
    let mut jobs: Vec<Arc<Job>> = Vec::new();
    for trigger in &manifest.triggers {
        let job = match &*trigger.kind {
            "cron" => cron_job(trigger, components, place),
            "command" => command::job(trigger, components),
            "start" | "stop" => lifecycle::job(trigger, components),
            _ => continue,
        };
        match job {
            Ok(Some(job)) if jobs.iter().any(|other| other.name == job.name) => {
                problems.push(named_twice(&job.name, trigger));
            }
            Ok(job) => jobs.extend(job.map(Arc::new)),
            Err(problem) => problems.push(problem),
        }
    }
    jobs
}

/// What of an app is given messages, in the manifest's order.
pub(crate) fn listeners(
    manifest: &Manifest,
    components: &[Arc<Component>],
    place: &Place,
    jobs: &[Arc<Job>],
    problems: &mut Vec<Problem>,
) -> Vec<Arc<Listener>> {
    let mut listeners: Vec<Arc<Listener>> = Vec::new();
    for trigger in &manifest.triggers {
        let component = trigger.value.get("component").and_then(|c| c.as_str());
        let component = component.and_then(|name| components.iter().find(|c| *c.name == *name));
        let Some(component) = component else { continue };
        let made = match &*trigger.kind {
            "redis" => triggers::redis::listener(trigger, component, place),
            "mqtt" => triggers::mqtt::listener(trigger, component, place),
            "message" => triggers::message::listener(trigger, component, place),
            "watch" => triggers::watch::listener(trigger, component, place),
            _ => continue,
        };
        match made {
            Ok(made)
                if jobs.iter().any(|job| job.name == made.name)
                    || listeners.iter().any(|other| other.name == made.name) =>
            {
                problems.push(named_twice(&made.name, trigger));
            }
            Ok(made) => listeners.push(Arc::new(made)),
            Err(problem) => problems.push(problem),
        }
    }
    listeners
}

fn named_twice(name: &str, trigger: &Trigger) -> Problem {
    Problem::error(format!("two jobs are called `{name}`"))
        .at(trigger.span)
        .help("give one of them another `name`")
}

fn cron_job(
    trigger: &Trigger,
    components: &[Arc<Component>],
    place: &Place,
) -> Result<Option<Job>, Problem> {
    let table: CronTable = trigger.value.parse()?;
    let Some(component) = components.iter().find(|c| *c.name == *table.component) else {
        return Ok(None);
    };
    let name = table.name.as_deref().unwrap_or(&table.component);
    let cron = Cron::new(&trigger.value, name, place)?;
    let target = Target {
        component: component.clone(),
        named: table.function,
        arguments: table.arguments,
        words: None,
    };
    let mut job = Job::new(name.into(), When::Clock(cron), target, trigger.span);
    (job.retry, job.overlap) = (table.retry, table.overlap);
    Ok(Some(job))
}

struct AtWork<'a>(&'a AtomicUsize);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_an_hour() {
        let retry = Retry {
            times: 99,
            delay: Time(Duration::from_secs(2)),
        };
        let seconds = |number| retry.delay(number).as_secs();
        assert_eq!([1, 2, 3].map(seconds), [2, 4, 8]);
        assert_eq!([12, 33, 99].map(seconds), [3600, 3600, 3600]);
    }
}
