//! `holm completions`: completion scripts for shells.

use crate::out;
use std::process::ExitCode;

/// Print a completion script for a shell
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm completions bash > ~/.local/share/bash-completion/completions/holm"
)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli(), "holm", &mut script);
    out::write(format_args!("{}", String::from_utf8_lossy(&script)));
    ExitCode::SUCCESS
}
