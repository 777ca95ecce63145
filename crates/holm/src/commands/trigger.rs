//! `holm trigger`: does by hand, once, what an app would do by itself.

use super::apps::client::{Client, Failed};
use super::apps::path;
use crate::{exit, out, report};
use holm_host::apps::Apps;
use holm_host::log_writer::{Form, LogWriter};
use holm_host::logs::GuestLog;
use holm_host::setting::{Setting, memory_of_this_machine};
use holm_host::shelf::Shelf;
use holm_host::triggers::http::AccessSink;
use holm_manifest::Parser;
use holm_runtime::lanes::Lanes;
use holm_runtime::limits::Limit;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Error, Watch};
use http::Method;
use serde_json::Value;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Run a [[command]], or do by hand, once, what an app does by itself: [[cron]], [[start]], [[stop]], [[message]]
///
/// Loads the app as `holm up` does, calls the job's function under its component's grants and limits,
/// and ends: it is not tried again, and its next time stays as it was. What the function gives is
/// written to stdout as JSON, what the guest prints goes to stderr. A program's exit code is kept.
/// No broker is asked for anything: the handler of a [[message]], [[redis]] or [[mqtt]] table is given
/// the payload as a message of its topic, that of a [[watch]] table a change that the payload tells.
/// With --admin the job is done by the server that is running, under what it has in memory.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm trigger sweeper\n  holm trigger report shop --payload '{\"days\": 7}'\n  echo '{\"days\": 7}' | holm trigger report shop --payload -\n  holm trigger migrate --payload '[\"up\"]'\n  holm trigger orders shop --payload 'order 17'\n  holm trigger sweeper shop --admin unix:/run/holm.sock"
)]
pub struct Args {
    /// The job's name: that of its table, or of its component
    name: String,
    /// The app's folder or manifest; with --admin its name, where there are several
    #[arg(default_value = ".")]
    app: PathBuf,
    /// For a job, arguments in the place of the manifest's, as JSON: an object by the names of the parameters, or an array, of a program's words. For a handler of messages, the message's data. `-` reads it from stdin
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Where the app's data lies [default: .holm beside the manifest]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Accept machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
    /// Ask the server with this admin address: unix:PATH or 127.0.0.1:PORT
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["state", "allow_precompiled"])]
    admin: Option<String>,
    /// The token for a port; without it HOLM_ADMIN_TOKEN
    #[arg(long, value_name = "FILE", requires = "admin")]
    admin_token_file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match go(&args) {
        Ok(code) => code,
        Err(error) => {
            report::error(&error);
            code(&error)
        }
    }
}

/// A guest that has exited keeps its code.
fn code(error: &Error) -> ExitCode {
    match error.exit {
        Some(code) => ExitCode::from((code & 0xff) as u8),
        None => exit::code(error),
    }
}

/// Has it done by a server.
fn by_server(args: &Args, address: &str, payload: Option<Vec<u8>>) -> Result<ExitCode, Failed> {
    let client = Client::new(Some(address), args.admin_token_file.as_deref())?;
    let app = match &*args.app.to_string_lossy() {
        app if app != "." => app.to_owned(),
        _ => only(&client.call(Method::GET, "/v1/apps", None)?)?,
    };
    let job = percent_encoding::utf8_percent_encode(&args.name, percent_encoding::NON_ALPHANUMERIC);
    let path = path(&app, &format!("/jobs/{job}"));
    let body = payload.map(|payload| ("application/octet-stream", payload));
    let said = client.send(Method::POST, &path, body)?;
    if said["ok"] == true {
        if !said["result"].is_null() {
            out::line(format_args!("{}", said["result"]));
        }
        return Ok(ExitCode::SUCCESS);
    }
    Err(of_server(&said["error"]).into())
}

/// An error, as the server that had it would have told it.
fn of_server(error: &Value) -> Error {
    let message = error["message"].as_str().unwrap_or("the job failed");
    let made = match error["kind"].as_str() {
        Some("yours") => Error::yours(message),
        Some("denied") => Error::denied(message),
        Some("ours") => Error::ours(message),
        _ => Error::guest(message),
    };
    let help = error["help"].as_array().into_iter().flatten();
    let help = help.filter_map(Value::as_str);
    let mut made = help.fold(made, |error, help| error.help(help));
    let limit = error["limit"].as_str();
    made.limit = limit.and_then(|name| Limit::ALL.iter().find(|l| l.name() == name).copied());
    let code = error["exit_code"].as_i64();
    made.exit = code.and_then(|code| i32::try_from(code).ok());
    made
}

/// The name of the one app that a server has.
fn only(said: &Value) -> Result<String, Error> {
    let apps = said["apps"].as_array();
    let names = apps
        .into_iter()
        .flatten()
        .filter_map(|app| app["name"].as_str());
    match *names.collect::<Vec<_>>() {
        [] => Err(Error::yours("the server has no app")),
        [app] => Ok(app.to_owned()),
        [first, ..] => Err(Error::yours("the server has several apps")
            .help(format!("name one: holm trigger JOB {first} --admin ADDR"))),
    }
}

fn go(args: &Args) -> Result<ExitCode, Error> {
    let payload = args.payload.as_deref().map(given).transpose()?;
    if let Some(address) = &args.admin {
        return match by_server(args, address, payload) {
            Ok(code) => Ok(code),
            Err(Failed::Error(error)) => Err(*error),
            Err(Failed::Problems(problems)) => {
                report::problems(&problems);
                Ok(ExitCode::from(exit::YOURS))
            }
            Err(Failed::Refused { text, .. }) => {
                eprint!("{}", report::printable(&text));
                Ok(ExitCode::from(exit::YOURS))
            }
        };
    }
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
            true => error.help(
                "a [[command]] table makes one, or [[cron]], [[start]], [[stop]], [[message]]",
            ),
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
fn arguments(given: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(given).map_err(|e| {
        Error::yours("the payload is not JSON")
            .caused_by(e.to_string())
            .help("--payload '{\"name\": \"Ada\"}'")
    })
}
