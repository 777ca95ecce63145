//! `cargo xtask`: Holm's own chores, one module each; none of them ships to a user.

mod bench;
mod conformance;
mod schema;
mod seam;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Conformance(args) => conformance::run(args),
        Chore::Bench(args) => bench::run(args),
        Chore::Tidy(args) => tidy::run(args),
        Chore::Schema(args) => schema::run(args),
        Chore::Seam(args) => seam::run(args),
        Chore::BareHyper(args) => bench::bare_hyper::run(args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Holm's own chores
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run the suites that nobody here wrote against the `holm` command
    Conformance(conformance::Args),
    /// Measure Holm beside a bare HTTP server and beside its peers, and print ratios
    Bench(bench::Args),
    /// Check the house rules
    Tidy(tidy::Args),
    /// Write docs/holm.schema.json
    Schema(schema::Args),
    /// Write the tables that link WASI 0.2 and 0.3 through the seam
    Seam(seam::Args),
    /// The bare HTTP server that `bench` measures against
    #[command(hide = true)]
    BareHyper(bench::bare_hyper::Args),
}
