//! `holm schema`: the JSON schema of `holm.toml`, for editors.

use crate::out;
use std::process::ExitCode;

/// Print the JSON schema of holm.toml
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  holm schema > holm.schema.json")]
pub struct Args {}

/// Runs the command.
pub fn run(_: Args) -> ExitCode {
    let schema = holm_manifest::schema(&holm_host::vocabulary());
    out::line(format_args!(
        "{}",
        serde_json::to_string_pretty(&schema).unwrap_or_default()
    ));
    ExitCode::SUCCESS
}
