//! `holm import`: the holm.toml that is equal to another host's manifest.

use crate::{exit, out, report};
use holm_manifest::{Given, Parser, Problem, Problems, SPIN_FILE_NAME, Source, to_toml};
use holm_runtime::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write the holm.toml that is equal to a spin.toml
///
/// `holm up` serves an app with a spin.toml as it stands. Import it to grant it less, to give it limits,
/// or for what Spin has no words for. Comments are not kept.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm import                              show what ./spin.toml says in our words
  holm import spin.toml -o holm.toml       … and write it beside")]
pub struct Args {
    /// The manifest, or the app's folder
    #[arg(default_value = ".")]
    app: PathBuf,
    /// Where it is written; standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Why nothing was written.
enum Stop {
    Problems(Problems),
    Error(Error),
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match import(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Problems(problems)) => {
            report::problems(&problems);
            ExitCode::from(exit::YOURS)
        }
        Err(Stop::Error(error)) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

fn import(args: &Args) -> Result<(), Stop> {
    // Of a folder that has both, the one that can be imported is meant.
    let path = match args.app.is_dir() {
        true => args.app.join(SPIN_FILE_NAME),
        false => args.app.clone(),
    };
    let source = Source::read(&path).map_err(|problem| Stop::Problems(Problem::alone(problem)))?;
    let parser = Parser::new(holm_host::vocabulary()).given(Given::not_needed());
    let (value, warnings) = parser.import(&source).map_err(Stop::Problems)?;
    if !warnings.is_empty() {
        report::problems(&Problems::new(source, warnings));
    }
    let text = to_toml(&value);
    let Some(output) = &args.output else {
        out::write(format_args!("{text}"));
        return Ok(());
    };
    write(&path, output, &text).map_err(Stop::Error)?;
    eprintln!("wrote {}", output.display());
    Ok(())
}

fn write(from: &Path, to: &Path, text: &str) -> Result<(), Error> {
    let folder = |path: &Path| {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        std::fs::canonicalize(parent.unwrap_or(Path::new(".")))
    };
    if !matches!((folder(from), folder(to)), (Ok(from), Ok(to)) if from == to) {
        let error = Error::yours(format!("{} is in another folder", to.display()));
        return Err(
            error.help("paths in a manifest begin in its folder: write it beside the spin.toml")
        );
    }
    if to.exists() {
        let error = Error::yours(format!("{} is there already", to.display()));
        return Err(error.help("remove it, or name another file"));
    }
    std::fs::write(to, text).map_err(|error| {
        Error::yours(format!("cannot write {}", to.display())).caused_by(error.to_string())
    })
}
