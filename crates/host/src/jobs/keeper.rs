//! Keeps the jobs of all apps that are served: they begin when a version takes its place, and end when
//! another one does.

use super::{Counts, Job, Outcome, When};
use crate::app::App;
use crate::triggers::cron::Due;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The jobs of a host.
#[derive(Default)]
pub struct Keeper {
    kept: Mutex<Kept>,
    /// What is at work.
    work: TaskTracker,
}

#[derive(Default)]
struct Kept {
    /// The host serves: apps that come begin at once.
    awake: bool,
    apps: BTreeMap<Arc<str>, (Arc<App>, Option<DropGuard>)>,
}

impl Keeper {
    /// This version is served from now on, in the place of the one of its name.
    pub fn begin(&self, app: &Arc<App>) {
        let by_the_clock = |job: &Arc<Job>| matches!(job.when, When::Clock(_));
        if !app.jobs.iter().any(by_the_clock) && app.listeners.is_empty() {
            return self.end(&app.name);
        }
        app.listeners.iter().for_each(|listener| listener.reserve());
        let mut kept = self.kept();
        let guard = kept.awake.then(|| self.keep(app));
        kept.apps.insert(app.name.clone(), (app.clone(), guard));
    }

    /// It is served no longer: nothing of it begins any more, and what is at work goes on.
    pub fn end(&self, name: &str) {
        self.kept().apps.remove(name);
    }

    /// The host serves.
    pub fn wake(&self) {
        let mut kept = self.kept();
        kept.awake = true;
        for (app, guard) in kept.apps.values_mut() {
            guard.get_or_insert_with(|| self.keep(app));
        }
    }

    /// Something of the host's that is waited for at its end.
    pub fn work(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(task);
    }

    /// The host ends: nothing begins any more. Waits for what is at work, or so long; gives the number of
    /// those that are left.
    pub async fn rest(&self, patience: Duration) -> usize {
        {
            let mut kept = self.kept();
            kept.awake = false;
            kept.apps.clear();
        }
        self.work.close();
        let _ = tokio::time::timeout(patience, self.work.wait()).await;
        self.work.len()
    }

    /// Keeps the jobs of one version until what this gives is dropped.
    fn keep(&self, app: &Arc<App>) -> DropGuard {
        let token = CancellationToken::new();
        for job in app.jobs.iter().filter(|j| matches!(j.when, When::Clock(_))) {
            let (app, job, ended) = (app.clone(), job.clone(), token.clone());
            let work = self.work.clone();
            tokio::spawn(async move {
                let kept = by_the_clock(app, job, work, ended.clone());
                ended.run_until_cancelled(kept).await;
            });
        }
        for listener in &app.listeners {
            let listening = listener
                .clone()
                .listen(app.clone(), self.work.clone(), token.clone());
            // It ends soon after its version has, and gives back what it still takes until then.
            self.work.spawn(listening);
        }
        token.drop_guard()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn by_the_clock(app: Arc<App>, job: Arc<Job>, work: TaskTracker, ended: CancellationToken) {
    let When::Clock(cron) = &job.when else { return };
    let mut last = cron.begin();
    while let Some(due) = cron.due(last).await {
        let due = match due {
            Due::Now(due) => due,
            Due::Missed(due) => {
                last = due;
                Counts::add(&job.runs.missed);
                continue;
            }
        };
        last = due;
        let (app, job, ended) = (app.clone(), job.clone(), ended.clone());
        // A task of its own: the next time may come before it has ended, and it goes on when its version
        // has made room for another.
        work.spawn(async move {
            let outcome = job.fire(&app, &ended).await;
            // What was not begun is missed; so is what the host's end has cut.
            if matches!(outcome, Outcome::Done | Outcome::Failed) {
                let job = job.clone();
                let _ = tokio::task::spawn_blocking(move || job.done(due)).await;
            }
            if outcome == Outcome::Failed {
                let (app, job) = (&*app.name, &*job.name);
                tracing::warn!(
                    app,
                    job,
                    "failed, and is not tried again before its next time"
                );
            }
        });
    }
}
