//! `holm trigger`: does by hand, once, what an app would do by itself.

use crate::{exit, out, report};
use holm_host::apps::Apps;
use holm_host::log_writer::{Form, LogWriter};
use holm_host::logs::GuestLog;
use holm_host::setting::{Setting, memory_of_this_machine};
use holm_host::shelf::Shelf;
use holm_host::triggers::http::AccessSink;
use holm_manifest::Parser;
use holm_runtime::lanes::Lanes;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Error, Watch};
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Do by hand, once, what an app does by itself: the job of a [[cron]] table, the handler of a [[message]] table
///
/// Loads the app as `holm up` does, calls the job's function under its component's grants and limits,
/// and ends: it is not tried again, and its next time stays as it was. No broker is asked for anything:
/// the handler of a [[message]], [[redis]] or [[mqtt]] table is given the payload as a message of its
/// topic. What the function gives is written to stdout as JSON, what the guest prints goes to stderr.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm trigger sweeper\n  holm trigger report shop --payload '{\"days\": 7}'\n  echo '{\"days\": 7}' | holm trigger report shop --payload -\n  holm trigger orders shop --payload 'order 17'"
)]
pub struct Args {
    /// The job's name: that of its table, or of its component
    name: String,
    /// The app's folder or manifest
    #[arg(default_value = ".")]
    app: PathBuf,
    /// For a job, arguments in the place of the manifest's, as JSON: an object by the names of the parameters, or an array. For a handler of messages, the message's data. `-` reads it from stdin
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Where the app's data lies [default: .holm beside the manifest]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Accept machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match go(&args) {
        Ok(code) => code,
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

fn go(args: &Args) -> Result<ExitCode, Error> {
    let payload = args.payload.as_deref().map(given).transpose()?;
    let form = match std::io::stderr().is_terminal() {
        true => Form::Human {
            color: report::color(),
        },
        false => Form::Json,
    };
    let writer = LogWriter::start(std::io::stderr(), form)
        .map_err(|e| Error::ours("no thread for the log").caused_by(e.to_string()))?;
    let source = super::up::source_of(&args.app);
    let manifest = source.and_then(|source| Parser::new(holm_host::vocabulary()).parse(&source));
    let setting = Setting {
        runtime: super::runtime(PoolSize::of_one_app()).into(),
        log: GuestLog::new(writer.clone()),
        allow_precompiled: args.allow_precompiled,
        watch: Watch::default(),
        shelf: Shelf::of_this_machine(),
        lanes: Lanes::new(),
        memory: memory_of_this_machine(),
        many: false,
    };
    let apps = Apps::new(Arc::new(setting), AccessSink::off());
    let app = match manifest.and_then(|manifest| apps.resolve(manifest, args.state.as_deref())) {
        Ok(app) => app,
        Err(problems) => {
            report::problems(&problems);
            return Ok(ExitCode::from(exit::YOURS));
        }
    };
    let job = app.jobs.iter().find(|job| *job.name == *args.name);
    let listener = app.listeners.iter().find(|l| *l.name == *args.name);
    if job.is_none() && listener.is_none() {
        let jobs = app.jobs.iter().map(|job| &*job.name);
        let listeners = app.listeners.iter().map(|listener| &*listener.name);
        let names: Vec<&str> = jobs.chain(listeners).collect();
        let error = Error::yours(format!(
            "app `{}` has no job called `{}`",
            app.name, args.name
        ));
        return Err(match names.is_empty() {
            true => error.help("a [[cron]] table makes one, and so does a [[message]] table"),
            false => error.help(format!("it has {}", names.join(", "))),
        });
    }
    let read = payload.as_deref().filter(|_| job.is_some());
    let arguments = read.map(arguments).transpose()?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::ours("no threads").caused_by(e.to_string()))?;
    let result = threads.block_on(async {
        match (job, listener) {
            (Some(job), _) => job.by_hand(arguments.as_ref()).await.map(Some),
            (_, Some(listener)) => {
                let message = payload.unwrap_or_default();
                listener.by_hand(message).await.map(Some)
            }
            (None, None) => Ok(None),
        }
    });
    writer.flush(LAST_LINES);
    let returned = result.map_err(|error| *error)?;
    if let Some(json) = returned.and_then(|returned| returned.json) {
        out::line(format_args!("{json}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The payload of the flag, as it was given.
fn given(text: &str) -> Result<Vec<u8>, Error> {
    if text != "-" {
        return Ok(text.as_bytes().to_vec());
    }
    let mut read = Vec::new();
    let stdin = std::io::stdin().read_to_end(&mut read);
    stdin.map_err(|e| Error::yours("stdin cannot be read").caused_by(e.to_string()))?;
    Ok(read)
}

/// The arguments of a job.
fn arguments(given: &[u8]) -> Result<serde_json::Value, Error> {
    serde_json::from_slice(given).map_err(|e| {
        Error::yours("the payload is not JSON")
            .caused_by(e.to_string())
            .help("--payload '{\"name\": \"Ada\"}'")
    })
}
