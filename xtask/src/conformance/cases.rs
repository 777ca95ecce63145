//! The suite's cases: every `NAME.wasm`, with the `NAME.json` beside it where there is one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::spec::Spec;

/// One test of the suite
pub struct Case {
    /// Path below the suite without the extension: `wasip1/c/lseek`
    pub name: String,
    /// The program
    pub wasm: PathBuf,
    /// What to do with it and what to expect
    pub spec: Spec,
}

/// All cases below a folder, in the order of their names
pub fn find(suite: &Path) -> Result<Vec<Case>> {
    let mut programs = Vec::new();
    collect(suite, &mut programs)?;
    programs.sort();
    if programs.is_empty() {
        bail!("{} holds no .wasm file", suite.display());
    }
    programs.into_iter().map(|wasm| read(suite, wasm)).collect()
}

fn collect(folder: &Path, programs: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let path = entry.path();
        // `*.dir` are the roots of tests, not places for tests.
        if entry.file_type()?.is_dir() && path.extension().is_none_or(|ending| ending != "dir") {
            collect(&path, programs)?;
        } else if path.extension().is_some_and(|ending| ending == "wasm") {
            programs.push(path);
        }
    }
    Ok(())
}

fn read(suite: &Path, wasm: PathBuf) -> Result<Case> {
    let name = wasm.strip_prefix(suite).unwrap_or(&wasm).with_extension("");
    let json = wasm.with_extension("json");
    let spec = if json.exists() {
        let text =
            fs::read_to_string(&json).with_context(|| format!("cannot read {}", json.display()))?;
        Spec::parse(&text).with_context(|| format!("{}", json.display()))?
    } else {
        Spec::default()
    };
    Ok(Case {
        name: name.to_string_lossy().into_owned(),
        wasm,
        spec,
    })
}
