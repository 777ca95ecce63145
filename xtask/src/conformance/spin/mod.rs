//! The suite of Spin's maintainers for all hosts that run Spin's apps: each test is a `spin.toml`, the
//! requests that it is asked, and what must come back. Each runs twice: with the component, and with
//! the core module that most apps really are.

mod case;
mod expected;
mod servers;
mod session;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use tokio::runtime::Runtime;

use self::case::Case;

/// All trials of the suite.
pub(super) fn trials(
    suite: &Path,
    holm: &Arc<PathBuf>,
    runtime: &Arc<Runtime>,
) -> Result<Vec<Trial>> {
    let tests = suite.join("tests");
    let entries = std::fs::read_dir(&tests);
    let entries = entries.with_context(|| format!("cannot list {}", tests.display()))?;
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    ensure!(!folders.is_empty(), "{} holds no test", tests.display());
    let mut cases = Vec::new();
    for folder in folders {
        for core in [false, true] {
            cases.push(Case::read(&folder, &suite.join("prebuilt"), core)?);
        }
    }
    let mut trials = expected::stale(&cases);
    for case in cases {
        let (holm, runtime) = (holm.clone(), runtime.clone());
        trials.push(Trial::ignorable_test(case.name.clone(), move || {
            let outcome = runtime.block_on(session::run(&case, &holm));
            super::judge(outcome, expected::reason(&case.name), expected::LIST)
        }));
    }
    Ok(trials)
}
