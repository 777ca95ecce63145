//! Writes the tables through which every function of WASI 0.2 and 0.3 is linked.
//!
//! The rows mirror what `bindgen!` generates inside of wasmtime-wasi: which functions exist is read
//! from the WIT in those crates' sources, which of them are async, need the store or have an error
//! type of their own, from the `bindgen!` call beside it. So an engine update is `cargo xtask seam`,
//! a look at the difference, and a build.

mod bindings;
mod names;
mod notes;
mod rows;
mod tables;
mod write;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use self::bindings::Sources;
use self::tables::TABLES;
use crate::workspace;

/// Write the tables in crates/capabilities that link WASI 0.2 and 0.3 through the seam
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail when a table is not what would be written
    #[arg(long)]
    check: bool,
}

pub fn run(args: Args) -> Result<ExitCode> {
    let folder = workspace::root().join("crates/capabilities/src");
    let sources = Sources::find()?;
    let mut stale = Vec::new();
    for table in TABLES {
        let path = folder.join(table.file);
        let text = table
            .write(&sources)
            .with_context(|| format!("writing {}", table.file))?;
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        stale.push(table.file);
        if !args.check {
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    match (stale.as_slice(), args.check) {
        ([], _) => println!("seam: all {} tables are up to date", TABLES.len()),
        (files, false) => println!("seam: wrote {}", files.join(", ")),
        (files, true) => {
            eprintln!(
                "seam: out of date, run `cargo xtask seam`: {}",
                files.join(", ")
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
