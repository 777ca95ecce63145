//! `--apps DIR`: a host of many apps.

use super::serving::{bind, serve};
use super::{Args, Stop, admin, ended};
use crate::report;
use holm_host::admin::Admin;
use holm_host::apps::Apps;
use holm_host::apps::folder::{Changes, Folder, Refused};
use holm_host::patience::Patience;
use holm_host::shutdown::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
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
    let mut folder = Folder::new(dir);
    let changes = folder.open(apps)?;
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
