//! `cargo xtask bench`: Holm beside a bare HTTP server and its peers, in one run, as ratios.

pub mod bare_hyper;
mod calls;
mod capabilities;
mod cold_start;
mod cores;
mod first_steps;
mod hop;
mod instances;
mod keyvalue;
mod load;
mod neighbour;
mod paced;
mod peer;
mod report;
mod requests;
mod server;
mod servers;
mod shapes;
mod spread;
mod tenants;
mod usage;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use self::cores::Cores;
use self::report::Report;
use crate::workspace;

/// Flags of `cargo xtask bench`
#[derive(Parser)]
pub struct Args {
    /// What to measure [default: requests, start, instances and keyvalue]
    parts: Vec<Part>,
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

/// A part of the bench
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What a request costs, beside bare hyper and `wasmtime serve`; and all shapes
    Requests,
    /// Bodies, headers, HTTP/2, idle connections: what they cost beside bare hyper
    Shapes,
    /// What `holm run` takes from its start to its end
    Start,
    /// What making an instance costs
    Instances,
    /// What the key-value store takes
    Keyvalue,
    /// What a guest pays for a capability: a key-value get, a call of another component by name
    Capabilities,
    /// What the first request to a script with a fetch handler takes
    Worker,
    /// What it takes from `holm new` to a first answer
    FirstSteps,
    /// What a call from one component to another costs, linked and composed
    Hop,
    /// What a call costs inside of Holm, from Python, over HTTP and by an agent
    Calls,
    /// A host of ten thousand apps, and what they feel of each other (minutes)
    Tenants,
    /// A hundred thousand live instances, where `vm.max_map_count` was raised
    Asleep,
    /// What a tenant feels of another one that computes without end (minutes)
    Neighbour,
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
    let parts = match args.parts.as_slice() {
        [] => &[Part::Requests, Part::Start, Part::Instances, Part::Keyvalue],
        named => named,
    };
    for part in parts {
        match part {
            Part::Requests => {
                report.sections.extend(requests::measure_all(&bench));
                report.sections.push(shapes::measure(&bench));
            }
            Part::Shapes => report.sections.push(shapes::measure(&bench)),
            Part::Start => report.sections.push(cold_start::measure(&bench)),
            Part::Instances => report.sections.push(instances::measure(&bench)),
            Part::Keyvalue => report.sections.push(keyvalue::measure(&bench)),
            Part::Capabilities => report.sections.push(capabilities::measure(&bench)),
            Part::Worker => report.sections.push(worker::measure(&bench)),
            Part::FirstSteps => report.sections.push(first_steps::measure(&bench)),
            Part::Hop => report.sections.push(hop::measure(&bench)),
            Part::Calls => {
                report.sections.push(calls::measure(&bench));
                report.sections.push(calls::libraries(&bench));
            }
            Part::Tenants => report.sections.push(tenants::measure(&bench)),
            Part::Asleep => report.sections.push(tenants::asleep::measure_more(&bench)),
            Part::Neighbour => report.sections.push(neighbour::measure(&bench)),
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
