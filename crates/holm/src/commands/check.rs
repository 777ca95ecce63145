//! `holm check`: all that is wrong with an app, at once, before anything runs.

use crate::{exit, report};
use std::path::PathBuf;
use std::process::ExitCode;

/// Say all that is wrong with an app, before anything runs
///
/// Reads the manifest, loads and compiles every component, matches its imports with its grants, and
/// builds the route table. Nothing of a guest runs.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  holm check\n  holm check path/to/app --json")]
pub struct Args {
    /// The app's folder or manifest
    #[arg(default_value = ".")]
    app: PathBuf,
    /// Problems as a JSON array on stdout
    #[arg(long)]
    json: bool,
    /// Accept machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let checked = super::up::load_manifest(&args.app).and_then(|manifest| {
        let warnings = manifest.warnings.clone();
        let source = manifest.source.clone();
        let loading = super::up::Loading::quiet(args.allow_precompiled);
        loading.app(&manifest, None).map(|app| {
            (
                app.components.len(),
                app.targets.len(),
                holm_manifest::Problems::new(source, warnings),
            )
        })
    });
    match checked {
        Ok((components, routes, warnings)) => {
            if args.json {
                println!("{}", warnings.to_json());
            } else {
                if !warnings.list.is_empty() {
                    report::problems(&warnings);
                }
                println!(
                    "ok: {}, {}",
                    count(components, "component"),
                    count(routes, "route")
                );
            }
            ExitCode::SUCCESS
        }
        Err(problems) => {
            match args.json {
                true => println!("{}", problems.to_json()),
                false => report::problems(&problems),
            }
            ExitCode::from(exit::YOURS)
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}
