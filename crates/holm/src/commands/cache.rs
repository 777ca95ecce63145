//! `holm cache`: shows and clears the machine code that Holm keeps.

use crate::{exit, out, report};
use clap::Subcommand;
use holm_manifest::ByteSize;
use holm_runtime::artifact::Cache;
use std::process::ExitCode;

/// Show or clear the cache of machine code
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  holm cache\n  holm cache --json\n  holm cache clear")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Remove everything; it is compiled again when it is needed
    Clear,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let cache = Cache::of_user();
    let Some(folder) = cache.folder() else {
        report::error(
            &holm_runtime::Error::yours("there is no cache folder that only you can write to")
                .help("set HOLM_CACHE_DIR to a folder of your own"),
        );
        return ExitCode::from(exit::YOURS);
    };
    let entries = cache.entries();
    let total: u64 = entries.iter().map(|e| e.bytes).sum();
    match args.action {
        Some(Action::Clear) => {
            if let Err(error) = cache.clear() {
                let what = format!("cannot clear {}", folder.display());
                report::error(&holm_runtime::Error::yours(what).caused_by(error.to_string()));
                return ExitCode::from(exit::YOURS);
            }
            out::line(format_args!(
                "removed {} files, {}",
                entries.len(),
                ByteSize(total)
            ));
        }
        None if args.json => {
            let value = serde_json::json!({ "folder": folder, "bytes": total, "entries": entries });
            out::line(format_args!("{value:#}"));
        }
        None => {
            for entry in &entries {
                out::line(format_args!(
                    "{}  {:<9}  {:>10}  {}",
                    &entry.digest[..19],
                    entry.form,
                    ByteSize(entry.bytes).to_string(),
                    match entry.engines {
                        1 => "1 engine".to_owned(),
                        n => format!("{n} engines"),
                    }
                ));
            }
            out::line(format_args!(
                "{} files, {} in {}",
                entries.len(),
                ByteSize(total),
                folder.display()
            ));
        }
    }
    ExitCode::SUCCESS
}
