//! What apps want done before a version of them is served, and at their end.

use crate::app::App;
use crate::jobs::{Job, When};
use holm_manifest::{Problem, Problems};
use std::sync::Arc;
use std::time::Duration;

/// So long the end of an app that was removed waits for its requests.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

/// Whether an app wants something done at its end.
pub(super) fn has_stop(app: &App) -> bool {
    app.jobs.iter().any(|job| matches!(job.when, When::Stop))
}

/// Does what a version wants done before it is served, one after the other.
///
/// # Errors
/// Which one failed, and why: the version is not to be served.
pub(super) async fn start(app: &App) -> Result<(), Problems> {
    let hooks = app
        .jobs
        .iter()
        .filter(|job| matches!(job.when, When::Start));
    for hook in hooks {
        if let Err(error) = hook.hook().await {
            return Err(failed(app, hook, &error));
        }
    }
    Ok(())
}

fn failed(app: &App, hook: &Job, error: &holm_runtime::Error) -> Problems {
    let what = format!("the start of `{}` failed", app.name);
    let problem = Problem::error(what)
        .at(hook.span)
        .label(format!("{}: {error}", hook.name));
    let help = "no version is served whose [[start]] fails";
    let all = error.help.iter().fold(problem.help(help), |problem, help| {
        problem.note(help.clone())
    });
    all.in_source(&app.manifest.source)
}

/// Waits for the last requests of an app that was removed, and does what it wants done at its end; not
/// if it takes requests again, because it could not be removed.
pub(super) async fn leave(app: Arc<App>) {
    app.standing.drain(LAST_REQUESTS).await;
    if app.standing.is_drained() {
        stop(app).await;
    }
}

/// Does what an app wants done at its end; one that fails keeps nobody from the next.
pub(super) async fn stop(app: Arc<App>) {
    for hook in app.jobs.iter().filter(|job| matches!(job.when, When::Stop)) {
        if let Err(error) = hook.hook().await {
            let (app, job) = (&*app.name, &*hook.name);
            tracing::warn!(app, job, %error, "what was to be done at the end failed");
        }
    }
}
