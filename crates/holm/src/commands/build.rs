//! `holm build`: an app's components, built by their own commands, with the docs of their WIT.

use crate::commands::up::load_manifest;
use crate::{exit, report};
use holm_host::shutdown::Shutdown;
use holm_host::{building, fetching};
use holm_manifest::{Component, Given, Manifest, Problems};
use holm_runtime::values::{Embedded, embed_docs};
use holm_runtime::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// So often the progress of what is fetched is told.
const EACH: Duration = Duration::from_secs(1);

/// Build the components of an app
///
/// Runs the command under [component.NAME.build] for each component that has one, and makes components
/// of scripts, and fetches those that come from a URL. Then, where `wit`
/// names a component's WIT, writes its docs into the file: most toolchains drop them, and holm call,
/// agents and OpenAPI documents show them.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm build\n  holm build path/to/app --component web\n  holm up --build                 the same before it serves, without docs"
)]
pub struct Args {
    /// The app's folder or manifest
    #[arg(default_value = ".")]
    app: PathBuf,
    /// Only this component; may be given more than once
    #[arg(long, value_name = "NAME")]
    component: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let manifest = match load_manifest(&args.app, Given::not_needed()) {
        Ok(manifest) => manifest,
        Err(problems) => {
            report::problems(&problems);
            return ExitCode::from(exit::YOURS);
        }
    };
    if !manifest.warnings.is_empty() {
        report::problems(&Problems::new(
            manifest.source.clone(),
            manifest.warnings.clone(),
        ));
    }
    let shutdown = Shutdown::new();
    let built = super::drive(async {
        shutdown
            .on_signals()
            .map_err(|e| Error::ours("signals cannot be caught").caused_by(e.to_string()))?;
        tokio::select! {
            built = all(&manifest, &args.component) => built,
            // What was being built was ended with it.
            () = shutdown.draining() => Err(Error::yours("interrupted")),
        }
    });
    match built {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

async fn all(manifest: &Manifest, chosen: &[String]) -> Result<()> {
    for name in chosen {
        if manifest.component(name).is_none() {
            let names: Vec<&str> = manifest.components.iter().map(|c| &*c.name).collect();
            let what = format!("{} has no component `{name}`", manifest.name);
            return Err(Error::yours(what).help(format!("it has: {}", names.join(", "))));
        }
    }
    let is_chosen = |c: &&Component| chosen.is_empty() || chosen.contains(&c.name);
    let mut idle = true;
    for component in manifest.components.iter().filter(is_chosen) {
        let is_there = building::how(component).is_none() && fetching::source(component).is_none();
        idle &= is_there && component.wit.is_none();
        run_command(component, manifest).await?;
        if let Some(wit) = &component.wit {
            let path = component.source.value.resolve(&manifest.dir);
            match embed_docs(&path, &manifest.dir.join(wit))? {
                Embedded::Written(count) => {
                    eprintln!(
                        "{}: {count} docs written into {}",
                        component.name,
                        path.display()
                    );
                }
                Embedded::Same => eprintln!("{}: its docs are there already", component.name),
                Embedded::None => eprintln!("{}: its WIT has no docs", component.name),
            }
        }
    }
    if idle {
        eprintln!("nothing to build: no component has a `build` table or `wit`");
    }
    Ok(())
}

/// Fetches a component's file that is not there yet, where it comes from a URL. What takes longer than a
/// second says how far it is.
pub async fn fetch(component: &Component, manifest: &Manifest) -> Result<()> {
    let Some(file) = fetching::missing(component, manifest) else {
        return Ok(());
    };
    eprintln!("fetching {}: {}", component.name, file.url);
    let mut told = Instant::now();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let progress = |bytes: u64, of: Option<u64>| {
        if told.elapsed() >= EACH {
            told = Instant::now();
            let of = of.map_or(String::new(), |of| format!(" of {:.1}", mib(of)));
            eprintln!("fetching {}: {:.1}{of} MiB", component.name, mib(bytes));
        }
    };
    fetching::fetch(component, manifest, file, progress).await
}

/// Builds a component, if something says how.
pub async fn run_command(component: &Component, manifest: &Manifest) -> Result<()> {
    fetch(component, manifest).await?;
    let Some(how) = building::how(component) else {
        return Ok(());
    };
    eprintln!("building {}: {how}", component.name);
    building::component(component, manifest).await?;
    let made = component.source.value.resolve(&manifest.dir);
    if made.exists() {
        return Ok(());
    }
    let what = format!(
        "the build of `{}` ended well, but made no {}",
        component.name,
        made.display()
    );
    Err(Error::yours(what).help("`source` names the file that the build makes"))
}
