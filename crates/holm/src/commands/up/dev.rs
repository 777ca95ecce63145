//! `holm dev`: what one types while writing an app.

use super::Args as Up;
use crate::grants::GrantFlags;
use crate::variables::VariableFlags;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Build an app, serve it, and do both again at each change
///
/// Like `holm up --build --watch`, but begins also where the first build fails: the error is shown, and
/// the next change is tried. Later, what is broken leaves the old version serving. The log shows each
/// request and each line that a component prints. Ctrl-C lets requests in flight finish.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm dev                                 build and serve ./holm.toml
  holm dev examples/polyglot               … or another folder's
  holm dev --listen 127.0.0.1:0            … at a free port
  holm dev worker.ts                       a script with a fetch handler, without a manifest")]
pub struct Args {
    /// The app
    #[arg(default_value = ".", value_name = "APP")]
    app: PathBuf,
    /// The address to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where stores keep their data [default: .holm beside the manifest]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The log as JSON, also on a terminal
    #[arg(long)]
    json: bool,
    /// No access log
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    variables: VariableFlags,
    #[command(flatten)]
    grants: GrantFlags,
}

/// How long requests in flight may take to finish: whoever waits is at the keyboard.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    super::run(Up {
        app: args.app,
        listen: args.listen,
        state: args.state,
        json: args.json,
        quiet: args.quiet,
        variables: args.variables,
        grants: args.grants,
        build: true,
        watch: true,
        patient: true,
        grace: holm_manifest::Time(GRACE),
        apps: None,
        tls_cert: None,
        tls_key: None,
        instances: None,
        code_memory: None,
        memory: None,
        allow_precompiled: false,
        admin: None,
        admin_token_file: None,
    })
}
