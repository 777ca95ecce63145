//! `holm up`: serves the app that `holm.toml` describes, or `spin.toml`.

mod admin;
pub mod dev;
mod folder;
mod manifest;
mod process;
mod reload;
mod serving;

pub use folder::refusals;
pub use manifest::{is_webassembly, load_manifest, source_of};
pub use serving::address;

use super::check;
use super::stop::{Stop, serving_on_threads};
use crate::commands::build::{fetch, run_command};
use crate::grants::GrantFlags;
use crate::variables::VariableFlags;
use crate::{exit, report};
use holm_host::admin::Admin;
use holm_host::apps::Apps;
use holm_host::log_writer::{Form, LogWriter};
use holm_host::logs::GuestLog;
use holm_host::patience::Patience;
use holm_host::setting::{Setting, memory_of_this_machine};
use holm_host::shelf::Shelf;
use holm_host::shutdown::{Phase, Shutdown};
use holm_host::telemetry::Telemetry;
use holm_host::triggers::http::AccessSink;
use holm_host::{App, building, workers};
use holm_manifest::{ByteSize, Manifest, Problems, Trigger, Value};
use holm_runtime::lanes::Lanes;
use holm_runtime::limits::HostMemory;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Error, Watch};
use manifest::manifest_of;
use serving::{bind, serve};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Serve an app over HTTP
///
/// APP is a folder with a holm.toml or a spin.toml, the manifest itself, a WebAssembly file that
/// handles HTTP, or a script with a fetch handler, in JavaScript or TypeScript.
/// When the server is ready it prints `Serving http://ADDR` on stdout. Ctrl-C and SIGTERM let
/// requests in flight finish; a second one does not.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm up                                   serve ./holm.toml
  holm up examples/guestbook                … or another folder's
  holm up --build --watch                   build first, and again whenever a source changes
  holm up --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem
  holm up --env GREETING=hi hello.wasm      one file, without a manifest
  holm up --apps /srv/apps                  many apps, by host name or route
  holm up --apps /srv/apps --admin unix:/run/holm.sock
                                            … that `holm apps` adds to and replaces")]
pub struct Args {
    /// The app
    #[arg(default_value = ".", value_name = "APP")]
    app: PathBuf,
    /// Serve an app for each folder in DIR that has a holm.toml, in place of APP
    #[arg(long, value_name = "DIR", conflicts_with_all = ["app", "build", "watch", "state", "GrantFlags", "VariableFlags"])]
    apps: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Certificate chain in PEM; reloaded when the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Run the build command of each component first
    #[arg(long)]
    build: bool,
    /// Build and load again when a source, a component or the manifest changes
    #[arg(long)]
    watch: bool,
    /// Where stores keep their data [default: .holm beside the manifest]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How long requests in flight may take to finish
    #[arg(long, value_name = "TIME", default_value = "30 s")]
    grace: holm_manifest::Time,
    /// Instances alive at once [default: 1000 for one app, 10500 for a folder of apps]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    instances: Option<u32>,
    /// Memory for the code of components that were called; the longest idle is let go first
    /// [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE")]
    code_memory: Option<ByteSize>,
    /// Memory of all instances together [default: three quarters of the machine's]
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// The log as JSON, also on a terminal
    #[arg(long)]
    json: bool,
    /// No access log
    #[arg(long, short)]
    quiet: bool,
    /// Map machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
    /// Answer `holm apps` at unix:PATH or 127.0.0.1:PORT; a port wants a token
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// The token for the port; without it HOLM_ADMIN_TOKEN
    #[arg(long, value_name = "FILE", requires = "admin")]
    admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableFlags,
    #[command(flatten)]
    grants: GrantFlags,
    /// Wait for a change where the first build fails: `holm dev`.
    #[arg(skip)]
    patient: bool,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    process::prepare();
    match serving_on_threads(async |lanes| go(&args, lanes).await) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(exit::CUT),
        Err(code) => code,
    }
}

/// Serves until the end; how many requests were cut then.
async fn go(args: &Args, lanes: &Arc<Lanes>) -> Result<usize, Stop> {
    let form = match std::io::stderr().is_terminal() && !args.json {
        true => Form::Human {
            color: report::color(),
        },
        false => Form::Json,
    };
    let writer = LogWriter::start(std::io::stderr(), form)
        .map_err(|e| Error::ours("no thread for the log").caused_by(e.to_string()))?;
    let access = match (args.quiet, &args.apps) {
        (true, _) => AccessSink::off(),
        (false, None) => AccessSink::new(writer.clone()),
        (false, Some(_)) => AccessSink::new(writer.clone()).with_apps(),
    };
    let telemetry = Telemetry::of_environment()?.map(Arc::new);
    let access = access.with_telemetry(telemetry.clone());
    let mut setting = setting(args, &writer, lanes);
    setting.log = setting.log.with_telemetry(telemetry.clone());
    let apps = Arc::new(Apps::new(Arc::new(setting), access));
    let shutdown = Shutdown::new();
    shutdown
        .on_signals()
        .map_err(|e| Error::ours("signals cannot be caught").caused_by(e.to_string()))?;
    let served = match &args.apps {
        Some(dir) => folder::serve_folder(args, dir, &apps, &shutdown).await,
        None => one(args, &apps, &shutdown).await,
    };
    if served.is_err() {
        // What a [[start]] that failed has said stands before why nothing is served.
        writer.flush(Duration::from_secs(1));
    }
    let cut = served?;
    if let Some(telemetry) = telemetry {
        // Not on a thread that sends what is left.
        let _ = tokio::task::spawn_blocking(move || telemetry.end()).await;
    }
    writer.flush(Duration::from_secs(1));
    let requests = if cut == 1 { "request" } else { "requests" };
    let were = if cut == 1 { "was" } else { "were" };
    if cut > 0 {
        let when = match shutdown.phase() {
            Phase::Stopping => "before the second signal".to_owned(),
            _ => format!("within {}", args.grace),
        };
        eprintln!("{cut} {requests} did not finish {when} and {were} cut");
    }
    Ok(cut)
}

/// What all apps share.
fn setting(args: &Args, writer: &LogWriter, lanes: &Arc<Lanes>) -> Setting {
    let many = args.apps.is_some();
    let pools = match (args.instances, many) {
        (Some(instances), _) => PoolSize::of(instances),
        (None, true) => PoolSize::of_many_apps(),
        (None, false) => PoolSize::of_one_app(),
    };
    Setting {
        runtime: super::runtime(pools).into(),
        log: GuestLog::new(writer.clone()),
        allow_precompiled: args.allow_precompiled,
        watch: Watch::default(),
        shelf: match args.code_memory {
            Some(bytes) => Shelf::new(bytes.0),
            None => Shelf::of_this_machine(),
        },
        lanes: lanes.clone(),
        memory: match args.memory {
            Some(bytes) => HostMemory::of(bytes.0),
            None => memory_of_this_machine(),
        },
        many,
    }
}

/// Serves one app until the server ends; gives the number of requests that were cut.
async fn one(args: &Args, apps: &Arc<Apps>, shutdown: &Shutdown) -> Result<usize, Stop> {
    // What `holm check` would say, so that it need not be asked.
    let all = |problems| {
        check::one(&args.app, args.variables.given(), args.allow_precompiled)
            .err()
            .unwrap_or(problems)
    };
    let mut manifest = match is_webassembly(&args.app) {
        true => manifest_of(args)?,
        false => manifest_of(args).map_err(all)?,
    };
    let files = match (&args.tls_cert, &args.tls_key, &manifest.serve.tls) {
        (Some(cert), Some(key), _) => Some((cert.clone(), key.clone())),
        (_, _, Some(tls)) => Some((manifest.dir.join(&tls.cert), manifest.dir.join(&tls.key))),
        _ => None,
    };
    let listen = args.listen.as_deref().or(manifest.serve.listen.as_deref());
    let bound = bind(args, files, listen, Patience::from(&manifest.serve))?;
    let prepared = async {
        if args.patient {
            return reload::until_served(args, &mut manifest, apps)
                .await
                .map(Some);
        }
        match args.build {
            true => build(&manifest).await?,
            false => build_scripts(&manifest).await?,
        }
        // Before anything is loaded: what changes from here on will be noticed.
        let watcher = args.watch.then(|| reload::watching(&manifest));
        replace(apps, &manifest, args).await?;
        watcher.transpose()
    };
    let watcher = tokio::select! {
        watcher = prepared => watcher?,
        () = shutdown.draining() => return Err(Stop::Interrupted),
    };
    show_warnings(&manifest);
    let callers = admin::listen(args).await?;
    let serving = serve(args, bound, apps, shutdown);
    routes(&manifest);
    let admin = admin::answer(callers, || Admin::new(apps.clone()));
    let reload = async {
        match watcher {
            Some(watcher) => reload::reload(args, &mut manifest, watcher, apps).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        cut = serving => ended(cut),
        never = reload => match never {},
        never = admin => match never {},
    }
}

/// Loads the app anew and puts it in the old one's place, if it is healthy.
async fn replace(apps: &Arc<Apps>, manifest: &Manifest, args: &Args) -> Result<(), Stop> {
    let (loading, manifest, state) = (apps.clone(), manifest.clone(), args.state.clone());
    // Compiling takes a thread for seconds; whoever waits for it may want to stop.
    let loaded = tokio::task::spawn_blocking(move || loading.load(manifest, state.as_deref()));
    let app: App = loaded
        .await
        .map_err(|e| Error::ours("loading the app failed").caused_by(e.to_string()))??;
    let app = Arc::new(app);
    apps.start(&app).await?;
    // Before there is an old one there is nothing that could go on serving.
    if !apps.list().is_empty() {
        apps.check_health(&app).await?;
    }
    apps.put(app)?;
    Ok(())
}

fn ended(served: Result<usize, tokio::task::JoinError>) -> Result<usize, Stop> {
    Ok(served.map_err(|e| Error::ours("the server's task failed").caused_by(e.to_string()))?)
}

/// Shows a person which routes there are.
fn routes(manifest: &Manifest) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let routes =
        |t: &&Trigger| (t.kind == "http" || t.kind == "call") && t.value.get("route").is_some();
    for trigger in manifest.triggers.iter().filter(routes) {
        let text = |key: &str| {
            trigger
                .value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let host = trigger.value.get("host").and_then(Value::as_str);
        let target = match (text("component"), text("files")) {
            ("", "") => "a fixed answer".to_owned(),
            ("", files) => format!("files {files}"),
            (component, _) => component.to_owned(),
        };
        eprintln!(
            "  {}{}  →  {target}",
            host.unwrap_or_default(),
            text("route")
        );
    }
}

async fn build(manifest: &Manifest) -> Result<(), Stop> {
    for component in &manifest.components {
        run_command(component, manifest).await?;
    }
    Ok(())
}

/// Fetches what is not there yet, and makes components of scripts that have none, or an older one.
async fn build_scripts(manifest: &Manifest) -> Result<(), Stop> {
    for component in &manifest.components {
        fetch(component, manifest).await?;
        if workers::is_outdated(component, manifest) {
            run_command(component, manifest).await?;
        }
    }
    Ok(())
}

fn build_failed(error: building::BuildError) -> Stop {
    Error::from(error).into()
}

fn show_warnings(manifest: &Manifest) {
    if !manifest.warnings.is_empty() {
        report::problems(&Problems::new(
            manifest.source.clone(),
            manifest.warnings.clone(),
        ));
    }
}
