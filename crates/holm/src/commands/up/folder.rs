//! `--apps DIR`: a host of many apps.

use super::serving::{bind, serve};
use super::{Args, Stop, admin, ended};
use crate::report;
use holm_host::admin::Admin;
use holm_host::apps::Apps;
use holm_host::apps::folder::{Changes, Folder, Refused};
use holm_host::patience::Patience;
use holm_host::shutdown::Shutdown;
use holm_manifest::Problems;
use holm_runtime::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// Serves the apps of a folder until the server ends, and follows what changes in it.
pub(super) async fn serve_folder(
    args: &Args,
    dir: &Path,
    apps: &Arc<Apps>,
    shutdown: &Shutdown,
) -> Result<usize, Stop> {
    let began = Instant::now();
    let files = args.tls_cert.clone().zip(args.tls_key.clone());
    let bound = bind(args, files, args.listen.as_deref(), Patience::default())?;
    let (folder, changes) = tokio::select! {
        opened = open(Folder::new(dir), apps) => opened?,
        () = shutdown.draining() => return Err(Stop::Interrupted),
    };
    refusals(&changes);
    let callers = admin::listen(args).await?;
    let serving = serve(args, bound, apps, shutdown);
    eprintln!(
        "{} apps, read in {:.0} ms",
        changes.added.len(),
        began.elapsed().as_secs_f64() * 1000.0
    );
    let folder = Arc::new(Mutex::new(folder));
    let admin = admin::answer(callers, || {
        Admin::of_folder(apps.clone(), dir, folder.clone())
    });
    tokio::select! {
        cut = serving => ended(cut),
        () = Folder::follow(folder.clone(), apps.clone(), |changes| tell(&changes)) => {
            std::future::pending().await
        }
        never = admin => match never {},
    }
}

/// Looks for the first time. What apps want done before they are served may take its time, and whoever
/// waits for it may want to stop.
async fn open(mut folder: Folder, apps: &Arc<Apps>) -> Result<(Folder, Changes), Stop> {
    let apps = apps.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let runtime = Handle::current();
        let changes = folder.open(&apps, |app| runtime.block_on(apps.start(app)))?;
        Ok((folder, changes))
    });
    let opened: Result<_, Problems> = opened
        .await
        .map_err(|e| Error::ours("reading the apps failed").caused_by(e.to_string()))?;
    Ok(opened?)
}

/// Says what changed.
fn tell(changes: &Changes) {
    let all = [
        ("added", &changes.added),
        ("changed", &changes.changed),
        ("removed", &changes.removed),
    ];
    for (what, names) in all {
        for name in names {
            eprintln!("{what} {name}");
        }
    }
    refusals(changes);
}

/// Says what could not be served; the others are.
pub fn refusals(changes: &Changes) {
    for refused in &changes.refused {
        match refused {
            Refused::Problems(problems) => report::problems(problems),
            Refused::Error(error) => report::error(error),
        }
    }
}
