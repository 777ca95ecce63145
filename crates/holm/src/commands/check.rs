//! `holm check`: all that is wrong with an app, at once, before anything runs.

use crate::variables::VariableFlags;
use crate::{exit, out, report};
use holm_host::apps::Apps;
use holm_host::apps::folder::Folder;
use holm_host::logs::GuestLog;
use holm_host::setting::{Setting, memory_of_this_machine};
use holm_host::shelf::Shelf;
use holm_host::triggers::http::AccessSink;
use holm_manifest::{Given, Parser, Problem, Problems, Span};
use holm_runtime::Watch;
use holm_runtime::lanes::Lanes;
use holm_runtime::pools::PoolSize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Say all that is wrong with an app, before anything runs
///
/// Reads the manifest, loads and compiles every component, matches its imports with its grants, and
/// builds the route table. Nothing of a guest runs.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm check\n  holm check path/to/app --json\n  holm check --apps /srv/apps     all of them; their code is in the cache afterwards"
)]
pub struct Args {
    /// The app's folder or manifest
    #[arg(default_value = ".")]
    app: PathBuf,
    /// Check the app of each folder in DIR that has a holm.toml, in place of APP
    #[arg(long, value_name = "DIR", conflicts_with_all = ["app", "json", "VariableFlags"])]
    apps: Option<PathBuf>,
    /// Problems as a JSON array on stdout
    #[arg(long)]
    json: bool,
    /// Accept machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
    #[command(flatten)]
    variables: VariableFlags,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    if let Some(dir) = &args.apps {
        return all(dir, args.allow_precompiled);
    }
    match one(&args.app, args.variables.given(), args.allow_precompiled) {
        Ok((components, routes, warnings)) => {
            if args.json {
                out::line(format_args!("{}", warnings.to_json()));
            } else {
                if !warnings.list.is_empty() {
                    report::problems(&warnings);
                }
                out::line(format_args!(
                    "ok: {}, {}",
                    count(components, "component"),
                    count(routes, "route")
                ));
            }
            ExitCode::SUCCESS
        }
        Err(problems) => {
            match args.json {
                true => out::line(format_args!("{}", problems.to_json())),
                false => report::problems(&problems),
            }
            ExitCode::from(exit::YOURS)
        }
    }
}

/// All that is wrong with an app: what the manifest says, and what it speaks of. How many components
/// and routes it has, and what is only odd, where nothing is wrong.
pub fn one(
    app: &Path,
    variables: Given,
    allow_precompiled: bool,
) -> Result<(usize, usize, Problems), Problems> {
    let source = super::up::source_of(app)?;
    let parser = Parser::new(holm_host::vocabulary()).given(variables);
    let (manifest, written) = parser.read(&source);
    let Some(manifest) = manifest else {
        return Err(written);
    };
    let apps = Apps::new(Arc::new(setting(allow_precompiled)), AccessSink::off());
    let meant = match apps.load(manifest, None) {
        Ok(app) if !written.has_errors() => {
            return Ok((app.components.len(), app.routes.len(), written));
        }
        Ok(_) => Vec::new(),
        Err(problems) => problems.list,
    };
    // What is written wrong is read as if it were not there: what follows from that is no news.
    let news = meant
        .into_iter()
        .filter(|found| found.span != Some(Span::default()))
        .filter(|found| !written.list.iter().any(|known| overlap(known, found)));
    let list = news.chain(written.list.iter().cloned()).collect();
    Err(Problems::new(written.source.clone(), list))
}

/// Whether two problems are of one place.
fn overlap(one: &Problem, other: &Problem) -> bool {
    match (one.span, other.span) {
        (Some(one), Some(other)) => one.start < other.end && other.start < one.end,
        _ => false,
    }
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Checks a folder of apps, as many at a time as there are cores.
fn all(dir: &Path, allow_precompiled: bool) -> ExitCode {
    let apps = Apps::new(Arc::new(setting(allow_precompiled)), AccessSink::off());
    // Nothing is served here, so nothing is done before it is.
    let changes = match Folder::new(dir).open(&apps, |_| Ok(())) {
        Ok(changes) => changes,
        Err(problems) => {
            report::problems(&problems);
            return ExitCode::from(exit::YOURS);
        }
    };
    super::up::refusals(&changes);
    let list = apps.list();
    let next = AtomicUsize::new(0);
    let wrong = AtomicUsize::new(changes.refused.len());
    let progress = report::Progress::of("checked", list.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(app) = list.get(next.fetch_add(1, Relaxed)) {
                    if let Err(problems) = app.check() {
                        report::problems(&problems);
                        wrong.fetch_add(1, Relaxed);
                    }
                    // Its code is in the cache; that is what it was loaded for.
                    app.let_go();
                    progress.step();
                }
            });
        }
    });
    drop(progress);
    match wrong.into_inner() {
        0 => {
            out::line(format_args!("ok: {}", count(list.len(), "app")));
            ExitCode::SUCCESS
        }
        wrong => {
            eprintln!(
                "{} of {} wrong",
                wrong,
                count(list.len() + changes.refused.len(), "app")
            );
            ExitCode::from(exit::YOURS)
        }
    }
}

/// For checking only: nothing runs, so nothing is logged.
fn setting(allow_precompiled: bool) -> Setting {
    Setting {
        runtime: super::runtime(PoolSize::of_one_app()).into(),
        memory: memory_of_this_machine(),
        log: GuestLog::off(),
        allow_precompiled,
        watch: Watch::default(),
        shelf: Shelf::of_this_machine(),
        lanes: Lanes::new(),
        many: false,
    }
}
