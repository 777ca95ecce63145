//! `cargo xtask bench`: Holm beside a bare HTTP server and its peers, in one run, as ratios.

pub mod bare_hyper;
mod cold_start;
mod cores;
mod instances;
mod keyvalue;
mod load;
mod peer;
mod report;
mod requests;
mod server;
mod spread;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use self::cores::Cores;
use self::report::Report;
use crate::workspace;

/// Flags of `cargo xtask bench`
#[derive(Parser)]
pub struct Args {
    /// Fewer and shorter rounds: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Build the peers first where they are missing (minutes; never in CI)
    #[arg(long)]
    peers: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// The command to measure, in place of the workspace's own (which is built first)
    #[arg(long, value_name = "PATH")]
    holm: Option<PathBuf>,
}

/// What every part of the bench measures, and how long
struct Bench {
    holm: PathBuf,
    wasmtime: peer::Peer,
    cores: Cores,
    quick: bool,
    /// Children's working directory: what they keep beside them is gone afterwards.
    scratch: tempfile::TempDir,
}

impl Bench {
    /// A guest's file, or in words what to do about its absence
    fn guest(name: &str) -> Result<PathBuf, String> {
        let path = workspace::guests().join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(format!(
                "{name} is not in {}; build it: guests/build",
                workspace::guests().display()
            ))
        }
    }
}

/// Measures and prints. What cannot be measured here is a note in the report, not an error.
pub fn run(args: Args) -> Result<ExitCode> {
    let bench = Bench {
        holm: workspace::holm(args.holm)?,
        wasmtime: peer::wasmtime(args.peers)?,
        cores: Cores::choose()?,
        quick: args.quick,
        scratch: tempfile::tempdir().context("cannot make a temporary folder")?,
    };
    let mut report = Report::new(&bench.cores);
    report
        .sections
        .push(requests::measure(&bench, "http-hello.wasm", "0.2"));
    report
        .sections
        .push(requests::measure(&bench, "http-hello-p3.wasm", "0.3"));
    report.sections.push(cold_start::measure(&bench));
    report.sections.push(instances::measure(&bench));
    report.sections.push(keyvalue::measure(&bench));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
