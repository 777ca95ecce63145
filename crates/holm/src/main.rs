//! The `holm` command: parses, calls, prints; no logic of its own.

mod commands;
mod ending;
mod exit;
mod grants;
mod out;
mod report;
mod variables;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Fresh instances are made and dropped thousands of times a second: RATIONALE.md has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The universal WebAssembly runtime: every program gets an island of its own.
#[derive(Parser)]
#[command(
    name = "holm",
    version,
    about,
    max_term_width = 100,
    after_help = "\
Examples:
  holm run hello.wasm              run a program
  holm run --dir . tool.wasm in    … that may use the current folder
  holm call lib.wasm add 1 2       call one function of a component
  holm up                          serve the app of ./holm.toml
  holm inspect hello.wasm          see what a file is, and which grants it needs"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(commands::run::Args),
    Call(commands::call::Args),
    Up(commands::up::Args),
    Dev(commands::up::dev::Args),
    Apps(commands::apps::Args),
    Trigger(commands::trigger::Args),
    Mcp(commands::mcp::Args),
    New(commands::new::Args),
    Build(commands::build::Args),
    Check(commands::check::Args),
    Inspect(commands::inspect::Args),
    Compile(commands::compile::Args),
    Compose(commands::compose::Args),
    Import(commands::import::Args),
    Cache(commands::cache::Args),
    Schema(commands::schema::Args),
    Completions(commands::completions::Args),
    #[command(hide = true)]
    BenchCalls(commands::bench_calls::Args),
    #[command(hide = true)]
    BenchInstantiate(commands::bench_instantiate::Args),
    #[command(hide = true)]
    BenchKeyvalue(commands::bench_keyvalue::Args),
}

fn main() -> ExitCode {
    quiet_backtraces();
    report::on_panic();
    // Before anything else could write.
    commands::completions::answer();
    log_warnings();
    // A bug of ours ends here, with a word about it: `on_panic` has said what and where.
    std::panic::catch_unwind(command).unwrap_or(ExitCode::from(exit::OURS))
}

fn command() -> ExitCode {
    let command = Cli::parse().command;
    // These write to sockets, or may: there a broken connection is an error, not the end.
    let network = matches!(
        command,
        Command::Run(_)
            | Command::Call(_)
            | Command::Up(_)
            | Command::Dev(_)
            | Command::Trigger(_)
            | Command::Apps(_)
            | Command::Mcp(_)
    );
    if !network {
        restore_sigpipe();
    }
    match command {
        Command::Run(args) => commands::run::run(args),
        Command::Call(args) => commands::call::run(args),
        Command::Up(args) => commands::up::run(args),
        Command::Dev(args) => commands::up::dev::run(args),
        Command::Apps(args) => commands::apps::run(args),
        Command::Trigger(args) => commands::trigger::run(args),
        Command::Mcp(args) => commands::mcp::run(args),
        Command::New(args) => commands::new::run(args),
        Command::Build(args) => commands::build::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Compile(args) => commands::compile::run(args),
        Command::Compose(args) => commands::compose::run(args),
        Command::Import(args) => commands::import::run(args),
        Command::Cache(args) => commands::cache::run(args),
        Command::Schema(args) => commands::schema::run(args),
        Command::Completions(args) => commands::completions::run(args),
        Command::BenchCalls(args) => commands::bench_calls::run(args),
        Command::BenchInstantiate(args) => commands::bench_instantiate::run(args),
        Command::BenchKeyvalue(args) => commands::bench_keyvalue::run(args),
    }
}

/// An error of a host function must not capture a backtrace of ours: with `RUST_BACKTRACE` set in
/// the environment a guest could burn a core on failing calls.
fn quiet_backtraces() {
    if std::env::var_os("RUST_LIB_BACKTRACE").is_none() {
        // SAFETY: the first thing that main does; no other thread exists that could read it.
        unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    }
}

/// Warnings of the rooms below go to standard error; `HOLM_LOG=debug` shows more.
fn log_warnings() {
    let level = std::env::var("HOLM_LOG").ok().and_then(|l| l.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(tracing::Level::WARN))
        .with_writer(std::io::stderr)
        .event_format(report::Warnings)
        .init();
}

/// Writing to a closed pipe ends a native program by signal; Rust's start-up code turns that off.
pub(crate) fn restore_sigpipe() {
    // SAFETY: setting a disposition to the default installs no handler and touches no memory of ours.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Ends this process by a signal, as if nobody had caught it.
pub(crate) fn end_by(signal: i32) {
    // SAFETY: setting a disposition to the default installs no handler and touches no memory of
    // ours; the other takes a number.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

pub(crate) fn cli() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
