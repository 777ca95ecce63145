//! `holm completions`: completion scripts for shells. A script asks this command what fits at each
//! place, so that functions, components and files are among it.

use crate::out;
use clap::{Arg, Command};
use clap_complete::env::{CompleteEnv, Shells};
use holm_runtime::Error;
use std::ffi::OsString;
use std::process::ExitCode;

/// Set by a script that asks; its value is the shell's name.
const ASKED: &str = "HOLM_COMPLETE";

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
    let shells = Shells::builtins();
    let written = match shells.completer(&args.shell.to_string()) {
        Some(shell) => shell.write_registration(ASKED, "holm", "holm", "holm", &mut script),
        None => Err(std::io::ErrorKind::Unsupported.into()),
    };
    if let Err(error) = written {
        let error = Error::ours("no script for this shell").caused_by(error.to_string());
        crate::report::error(&error);
        return crate::exit::code(&error);
    }
    out::write(format_args!("{}", String::from_utf8_lossy(&script)));
    ExitCode::SUCCESS
}

/// Answers a shell that asks what could come next, and ends; does nothing where none asks.
pub fn answer() {
    CompleteEnv::with_factory(asked).var(ASKED).complete();
}

/// The command line, as the word that is asked for has it: flags are many, and are offered where
/// somebody begins to type one.
fn asked() -> Command {
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let index = std::env::var("_CLAP_COMPLETE_INDEX");
    let word = match index.ok().and_then(|index| index.parse().ok()) {
        Some(index) => words.nth(index),
        None => words.last(),
    };
    let flag = |word: OsString| word.as_encoded_bytes().starts_with(b"-");
    let mut cli = crate::cli();
    cli.build();
    match word.is_some_and(flag) {
        true => cli,
        false => without_flags(cli),
    }
}

fn without_flags(command: Command) -> Command {
    let hide = |arg: Arg| match arg.is_positional() {
        true => arg,
        false => arg.hide(true),
    };
    command.mut_args(hide).mut_subcommands(without_flags)
}
