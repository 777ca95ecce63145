//! `--watch`: builds and loads again when something of the app changes.

use super::manifest::manifest_of;
use super::{Args, Stop, build, build_failed, replace};
use crate::commands::build::fetch;
use holm_host::apps::Apps;
use holm_host::building;
use holm_host::watch::{Changed, Watched, Watcher};
use holm_host::workers;
use holm_manifest::Manifest;
use holm_runtime::Error;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

/// How often in a row a build is repeated because sources changed while it ran.
const ROUNDS_MAX: u32 = 3;

/// Builds and loads again at each change; whatever is broken leaves the old version serving.
pub(super) async fn reload(
    args: &Args,
    manifest: &mut Manifest,
    mut watcher: Watcher,
    apps: &Arc<Apps>,
) -> Infallible {
    let mut meanwhile = BTreeSet::new();
    let mut in_a_row = 0;
    loop {
        let changed = match meanwhile.is_empty() {
            true => {
                in_a_row = 0;
                watcher.changed().await
            }
            false => std::mem::take(&mut meanwhile),
        };
        if changed.contains(&Changed::Manifest) {
            let new = manifest_of(args).map_err(Stop::from);
            match new.and_then(|new| Ok((watching(&new)?, new))) {
                Ok(next) => (watcher, *manifest) = next,
                Err(stop) => {
                    stays(&stop);
                    continue;
                }
            }
        }
        if let Err(stop) = again(args, manifest, apps, &changed).await {
            stays(&stop);
        }
        // What a build wrote is loaded already; what somebody saved meanwhile is not. A build that
        // writes its own sources would never come to rest.
        in_a_row += 1;
        meanwhile = watcher.so_far();
        meanwhile.retain(|change| match change {
            Changed::Component(name) => !changed.contains(&Changed::Sources(name.clone())),
            Changed::Sources(_) | Changed::Manifest => in_a_row < ROUNDS_MAX,
        });
    }
}

/// Builds and loads until the app can be served: what is broken is told, and the next change waited for.
pub(super) async fn until_served(
    args: &Args,
    manifest: &mut Manifest,
    apps: &Arc<Apps>,
) -> Result<Watcher, Stop> {
    let mut in_a_row = 0;
    loop {
        let mut watcher = watching(manifest)?;
        let tried = match build(manifest).await {
            Ok(()) => replace(apps, manifest, args).await,
            Err(stop) => Err(stop),
        };
        // Not what the build wrote: a component that is new.
        let saved = |changed: &BTreeSet<Changed>| {
            let mut changed = changed.iter();
            changed.any(|changed| !matches!(changed, Changed::Component(_)))
        };
        let mut changed = watcher.so_far();
        in_a_row += 1;
        let again = saved(&changed) && in_a_row < ROUNDS_MAX;
        match tried {
            Ok(()) if !again => return Ok(watcher),
            Ok(()) => {}
            Err(stop) => {
                stop.tell();
                if !again {
                    eprintln!("waiting for a change");
                    in_a_row = 0;
                    changed = watcher.changed().await;
                }
            }
        }
        if changed.contains(&Changed::Manifest) {
            match manifest_of(args) {
                Ok(new) => *manifest = new,
                Err(problems) => Stop::from(problems).tell(),
            }
        }
    }
}

/// Why a change is not served.
fn stays(stop: &Stop) {
    stop.tell();
    eprintln!("the old version goes on serving");
}

pub(super) fn watching(manifest: &Manifest) -> Result<Watcher, Stop> {
    Watcher::new(watched(manifest)).map_err(|e| {
        Error::yours("cannot watch for changes")
            .caused_by(e.to_string())
            .into()
    })
}

/// What a running app depends on: its manifest with the files of its variables, its components, and the sources of those that say
/// how they are built.
fn watched(manifest: &Manifest) -> Vec<Watched> {
    let mut all = Vec::new();
    if !manifest.source.path.as_os_str().is_empty() {
        all.push(Watched::file(Changed::Manifest, &manifest.source.path));
    }
    let variables = manifest.variable_files.iter();
    all.extend(variables.map(|file| Watched::file(Changed::Manifest, file)));
    for component in &manifest.components {
        let what = Changed::Component(component.name.clone());
        all.push(Watched::file(
            what,
            component.source.value.resolve(&manifest.dir),
        ));
        let what = Changed::Sources(component.name.clone());
        let scripts = workers::script(component).map(|script| workers::sources(script, manifest));
        for path in scripts.into_iter().flatten() {
            let path = manifest.dir.join(path);
            all.push(match path.is_dir() {
                true => Watched::folder(what.clone(), path),
                false => Watched::file(what.clone(), path),
            });
        }
        let Some(build) = &component.build else {
            continue;
        };
        let dir = build
            .dir
            .as_ref()
            .map_or_else(|| manifest.dir.clone(), |d| manifest.dir.join(d));
        if build.watch.is_empty() {
            all.push(Watched::sources(&component.name, &dir, "src"));
        }
        all.extend(
            build
                .watch
                .iter()
                .map(|p| Watched::sources(&component.name, &manifest.dir, p)),
        );
    }
    all
}

async fn again(
    args: &Args,
    manifest: &Manifest,
    apps: &Arc<Apps>,
    changed: &BTreeSet<Changed>,
) -> Result<(), Stop> {
    let began = std::time::Instant::now();
    for component in manifest
        .components
        .iter()
        .filter(|c| changed.contains(&Changed::Sources(c.name.clone())))
    {
        building::component(component, manifest)
            .await
            .map_err(build_failed)?;
    }
    for component in &manifest.components {
        fetch(component, manifest).await?;
    }
    replace(apps, manifest, args).await?;
    eprintln!(
        "reloaded in {:.0} ms",
        began.elapsed().as_secs_f64() * 1000.0
    );
    Ok(())
}
