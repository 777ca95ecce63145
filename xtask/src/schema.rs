//! `cargo xtask schema`: docs/holm.schema.json as `holm schema` prints it.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::workspace;

/// Where the schema lies, below the workspace's root
const SCHEMA: &str = "docs/holm.schema.json";

/// Flags of `cargo xtask schema`
#[derive(Parser)]
pub struct Args {
    /// Write nothing; fail when the file is not what `holm schema` prints
    #[arg(long)]
    check: bool,
    /// The command to ask, in place of the workspace's own (which is built first)
    #[arg(long, value_name = "PATH")]
    holm: Option<PathBuf>,
}

/// Writes the schema, or compares it.
pub fn run(args: Args) -> Result<ExitCode> {
    let holm = workspace::holm(args.holm)?;
    let printed = print(&holm)?;
    let path = workspace::root().join(SCHEMA);
    let kept = match fs::read(&path) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {SCHEMA}")),
    };
    if kept.as_ref() == Some(&printed) {
        println!("{SCHEMA} is up to date");
        return Ok(ExitCode::SUCCESS);
    }
    if args.check {
        let state = if kept.is_some() {
            "differs from"
        } else {
            "is missing beside"
        };
        bail!("{SCHEMA} {state} what `holm schema` prints; run: cargo xtask schema");
    }
    fs::write(&path, printed).with_context(|| format!("cannot write {SCHEMA}"))?;
    println!("wrote {SCHEMA}");
    Ok(ExitCode::SUCCESS)
}

/// What `holm schema` prints, once it is known to be JSON
fn print(holm: &PathBuf) -> Result<Vec<u8>> {
    let output = Command::new(holm)
        .arg("schema")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", holm.display()))?;
    if !output.status.success() {
        bail!("holm schema failed: {}", output.status);
    }
    serde_json::from_slice::<serde_json::Value>(&output.stdout)
        .context("holm schema printed something else than JSON")?;
    Ok(output.stdout)
}
