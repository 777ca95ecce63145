//! `holm apps`: what a running server serves, and how that is changed.

pub(super) mod client;
mod pack;
mod table;

use crate::{exit, report};
use client::{Client, Failed};
use holm_manifest::{Given, Time};
use http::Method;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// See and change what a running server serves
///
/// The server is one of `holm up --admin ADDR`. Apps are added to and removed from one of
/// `holm up --apps DIR`, in whose folder they are kept.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  export HOLM_ADMIN=unix:/run/holm.sock     as `holm up --apps DIR --admin ADDR` was told
  holm apps list
  holm apps add ./guestbook                 send the app in this folder
  holm apps replace ./guestbook             … and its next version, without a request lost
  holm apps drain guestbook                 answer 503 from now on, and wait for those in flight
  holm apps usage guestbook --json          what it used so far")]
pub struct Args {
    #[command(subcommand)]
    call: Call,
    /// The server's admin address: unix:PATH or 127.0.0.1:PORT
    #[arg(long, global = true, env = "HOLM_ADMIN", value_name = "ADDR")]
    admin: Option<String>,
    /// The token for a port; without it HOLM_ADMIN_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// The server's answer as it is, in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Call {
    /// All apps
    List,
    /// One app: its routes, its components, whether it takes requests
    Show {
        /// Its name
        name: String,
    },
    /// Serve one more app
    Add {
        /// Its folder or manifest
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Put the next version of an app in the place of the one that is served
    Replace {
        /// Its folder or manifest
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Serve an app no longer; requests in flight finish, stores keep their data
    Remove {
        /// Its name
        name: String,
    },
    /// Answer an app's new requests with 503, and wait for those in flight
    Drain {
        /// Its name
        name: String,
        /// How long to wait
        #[arg(long, value_name = "TIME", default_value = "30 s")]
        timeout: Time,
    },
    /// Let a drained app take requests again
    Resume {
        /// Its name
        name: String,
    },
    /// What apps used since they are served
    Usage {
        /// One of them
        name: Option<String>,
    },
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match call(&args) {
        Ok(code) => code,
        Err(Failed::Error(error)) => {
            report::error(&error);
            exit::code(&error)
        }
        Err(Failed::Problems(problems)) => {
            report::problems(&problems);
            ExitCode::from(exit::YOURS)
        }
        Err(Failed::Refused { text, json }) => {
            match args.json {
                true => print(&format!("{json:#}\n")),
                false => eprint!("{}", report::printable(&text)),
            }
            ExitCode::from(exit::YOURS)
        }
    }
}

fn call(args: &Args) -> Result<ExitCode, Failed> {
    let client = Client::new(args.admin.as_deref(), args.admin_token_file.as_deref())?;
    let show = |said: Value, text: &dyn Fn(&Value) -> String| {
        match args.json {
            true => print(&format!("{said:#}\n")),
            false => print(&report::printable(&text(&said))),
        }
        Ok(ExitCode::SUCCESS)
    };
    let get = |path: &str| client.call(Method::GET, path, None);
    let post = |path: &str| client.call(Method::POST, path, None);
    match &args.call {
        Call::List => show(get("/v1/apps")?, &table::list),
        Call::Show { name } => show(get(&path(name, ""))?, &table::one),
        Call::Add { dir } => {
            let (_, tar) = pack(dir)?;
            show(client.call(Method::POST, "/v1/apps", Some(tar))?, &|said| {
                format!("added {}\n", table::name(said))
            })
        }
        Call::Replace { dir } => {
            let (name, tar) = pack(dir)?;
            show(
                client.call(Method::PUT, &path(&name, ""), Some(tar))?,
                &|said| format!("replaced {}\n{}", table::name(said), table::kept(said)),
            )
        }
        Call::Remove { name } => show(
            client.call(Method::DELETE, &path(name, ""), None)?,
            &table::removed,
        ),
        Call::Drain { name, timeout } => {
            let seconds = timeout.0.as_secs_f64();
            let said = post(&path(name, &format!("/drain?timeout={seconds}")))?;
            let left = said["in_flight"].as_u64().unwrap_or(0);
            show(said, &table::drained)?;
            Ok(match left {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::from(exit::CUT),
            })
        }
        Call::Resume { name } => show(post(&path(name, "/resume"))?, &|said| {
            format!("{} takes requests again\n", table::name(said))
        }),
        Call::Usage { name: Some(name) } => show(get(&path(name, "/usage"))?, &table::usage_of_one),
        Call::Usage { name: None } => show(get("/v1/usage")?, &table::usage),
    }
}

fn print(text: &str) {
    crate::out::write(format_args!("{text}"));
}

/// The path of a call that is about one app.
pub(super) fn path(name: &str, rest: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // What cannot be a name is sent as one that nobody has, and the server says so.
    let plain = !name.is_empty() && name.bytes().all(plain);
    format!("/v1/apps/{}{rest}", if plain { name } else { "-" })
}

/// The app of a folder, its name and its tar.
fn pack(dir: &Path) -> Result<(String, Vec<u8>), Failed> {
    // The host that it is sent to knows the variables.
    let manifest = super::up::load_manifest(dir, Given::not_needed())?;
    let tar = pack::pack(&manifest)?;
    Ok((manifest.name, tar))
}
