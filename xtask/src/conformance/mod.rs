//! `cargo xtask conformance`: the field's own suites, run against the `holm` command.

mod cases;
mod command;
mod endpoints;
mod expected;
mod http;
mod operation;
mod session;
mod spec;
mod spin;
mod tap;
#[cfg(test)]
mod tests;
mod wire;
mod workdir;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use libtest_mimic::{Arguments, Completion, Failed, FormatSetting, Trial};
use tokio::runtime::Runtime;

use self::cases::Case;
use crate::workspace;

/// A checkout without the suites is no failed run: scripts tell the two apart by this code.
const NO_SUITES: u8 = 3;

/// Flags of `cargo xtask conformance`
#[derive(Parser)]
pub struct Args {
    /// Which suite
    #[arg(value_enum, default_value = "wasi")]
    suite: Suite,
    /// Only the cases whose name contains this
    #[arg(long, value_name = "SUBSTR")]
    filter: Option<String>,
    /// The command to drive, in place of the workspace's own (which is built first)
    #[arg(long, value_name = "PATH")]
    holm: Option<PathBuf>,
    /// One JSON object per event, as libtest prints them
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// The WASI community's test suite, 0.1 and 0.3
    Wasi,
    /// What each host of Spin apps must do, with components and with core modules
    Spin,
}

/// Runs the suite; any surprise, of either kind, is a failure.
pub fn run(args: Args) -> Result<ExitCode> {
    let name = match args.suite {
        Suite::Wasi => "wasi-testsuite",
        Suite::Spin => "spin-conformance",
    };
    let folder = workspace::suites().map(|suites| suites.join(name));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!(
            "no suites here: set HOLM_SUITES to the folder that holds {name}, \
             or put it at ../shared/suites beside the checkout"
        );
        return Ok(ExitCode::from(NO_SUITES));
    };
    let holm = || workspace::holm(args.holm.clone()).map(Arc::new);
    // One runtime for all cases: it only waits for children, sockets and timers.
    let runtime = Arc::new(Runtime::new().context("cannot start a runtime")?);

    let trials = match args.suite {
        Suite::Spin => spin::trials(&folder, &holm()?, &runtime)?,
        Suite::Wasi => {
            let cases = cases::find(&folder)?;
            let mut trials = expected::stale(&cases);
            let holm = holm()?;
            let each = cases.into_iter();
            trials.extend(each.map(|case| trial(case, holm.clone(), runtime.clone())));
            trials
        }
    };
    let arguments = Arguments {
        filter: args.filter,
        format: args.json.then_some(FormatSetting::Json),
        ..Arguments::default()
    };
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// One case as libtest-mimic runs it: an expected failure counts as ignored, with its reason.
fn trial(case: Case, holm: Arc<PathBuf>, runtime: Arc<Runtime>) -> Trial {
    Trial::ignorable_test(case.name.clone(), move || {
        let outcome = runtime.block_on(session::run(&case, &holm));
        let list = "xtask/src/conformance/expected.rs";
        judge(outcome, expected::reason(&case.name), list)
    })
}

fn judge(outcome: Result<()>, expected: Option<&str>, list: &str) -> Result<Completion, Failed> {
    match (outcome, expected) {
        (Ok(()), None) => Ok(Completion::Completed),
        (Err(error), None) => Err(format!("{error:#}").into()),
        (Err(_), Some(reason)) => Ok(Completion::ignored_with(format!(
            "expected failure: {reason}"
        ))),
        (Ok(()), Some(reason)) => Err(format!(
            "passes, but {list} lists it as failing ({reason}); take it off the list"
        )
        .into()),
    }
}
