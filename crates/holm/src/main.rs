//! The `holm` command: parses, calls, prints; no logic of its own.

mod commands;
mod exit;
mod grants;
mod report;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Fresh instances are made and dropped thousands of times a second: RATIONALE.md has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The universal WebAssembly runtime: every program gets an island of its own.
#[derive(Parser)]
#[command(name = "holm", version, about, max_term_width = 100, after_help = "\
Examples:
  holm run hello.wasm              run a program
  holm run --dir . tool.wasm in    … that may use the current folder
  holm up                          serve the app of ./holm.toml
  holm inspect hello.wasm          see what a file is, and which grants it needs")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(commands::run::Args),
    Up(commands::up::Args),
    Check(commands::check::Args),
    Inspect(commands::inspect::Args),
    Compile(commands::compile::Args),
    Cache(commands::cache::Args),
    Schema(commands::schema::Args),
    Completions(commands::completions::Args),
    #[command(hide = true)]
    BenchInstantiate(commands::bench_instantiate::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => commands::run::run(args),
        Command::Up(args) => commands::up::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Compile(args) => commands::compile::run(args),
        Command::Cache(args) => commands::cache::run(args),
        Command::Schema(args) => commands::schema::run(args),
        Command::Completions(args) => commands::completions::run(args),
        Command::BenchInstantiate(args) => commands::bench_instantiate::run(args),
    }
}

pub(crate) fn cli() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
