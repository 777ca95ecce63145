//! `holm up`: serves the app that `holm.toml` describes.

use crate::grants::GrantFlags;
use crate::{exit, report};
use holm_capabilities::{Place, State};
use holm_host::component::Setting;
use holm_host::log_writer::{Form, LogWriter};
use holm_host::logs::GuestLog;
use holm_host::server::{Limits, Server};
use holm_host::shutdown::Shutdown;
use holm_host::slot::Slot;
use holm_host::tls::Tls;
use holm_host::triggers::http::{AccessSink, HttpHandler};
use holm_host::watch::{Changed, Watched, Watcher};
use holm_host::{App, building};
use holm_manifest::{
    Component, ComponentSource, Limits as GuestLimits, Manifest, Problem, Problems, Serve, Source,
    Span, Spanned, Trigger, Value,
};
use holm_runtime::{Error, Runtime, Watch};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Where the server listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:3000";

/// After so many steps of tasks a thread looks for what has arrived. A guest in a loop takes a whole
/// tick for each of its steps: with one on every thread, signals and requests wait so many ticks.
const EVENT_INTERVAL: u32 = 8;

/// How often in a row a build is repeated because sources changed while it ran.
const ROUNDS_MAX: u32 = 3;

/// Serve an app over HTTP
///
/// APP is a folder with a holm.toml, the manifest itself, or a WebAssembly file that handles HTTP.
/// When the server is ready it prints `Serving http://ADDR` on stdout. Ctrl-C and SIGTERM let
/// requests in flight finish; a second one does not.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm up                                   serve ./holm.toml
  holm up examples/guestbook                … or another folder's
  holm up --build --watch                   build first, and again whenever a source changes
  holm up --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem
  holm up --env GREETING=hi hello.wasm      one file, without a manifest")]
pub struct Args {
    /// The app
    #[arg(default_value = ".", value_name = "APP")]
    app: PathBuf,
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
    /// The log as JSON, also on a terminal
    #[arg(long)]
    json: bool,
    /// No access log
    #[arg(long, short)]
    quiet: bool,
    /// Map machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
    #[command(flatten)]
    grants: GrantFlags,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build();
    let result = match threads {
        Ok(threads) => {
            let result = threads.block_on(go(&args));
            // What was cut may be a guest in the middle of a loop, which nobody stops any more.
            threads.shutdown_background();
            result
        }
        Err(error) => Err(Stop::Error(
            Error::ours("no threads can be started").caused_by(error.to_string()),
        )),
    };
    match result {
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

/// Why it does not serve.
enum Stop {
    Problems(Problems),
    Error(Error),
}

impl From<Problems> for Stop {
    fn from(problems: Problems) -> Self {
        Stop::Problems(problems)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

async fn go(args: &Args) -> Result<(), Stop> {
    let mut manifest = manifest_of(args)?;
    if args.build {
        build(&manifest).await?;
    }
    let form = match std::io::stderr().is_terminal() && !args.json {
        true => Form::Human {
            color: report::color(),
        },
        false => Form::Json,
    };
    let writer = LogWriter::start(std::io::stderr(), form)
        .map_err(|e| Error::ours("no thread for the log").caused_by(e.to_string()))?;
    let access = if args.quiet {
        AccessSink::off()
    } else {
        AccessSink::new(writer.clone())
    };
    // Before anything is loaded: what changes from here on will be noticed.
    let watcher = args.watch.then(|| watching(&manifest)).transpose()?;
    let loading = Loading::new(GuestLog::new(writer.clone()), args.allow_precompiled);
    let app = loading.app(&manifest, args.state.as_deref())?;
    show_warnings(&manifest);

    let tls = tls(args, &manifest)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = Server::bind(address(args, &manifest)?, tls).map_err(|e| {
        let error = Error::yours(e.message());
        e.help().into_iter().fold(error, Error::help)
    })?;
    let server = server.with_limits(Limits {
        grace: args.grace.0,
        ..Limits::default()
    });
    let shutdown = Shutdown::new();
    shutdown
        .on_signals()
        .map_err(|e| Error::ours("signals cannot be caught").caused_by(e.to_string()))?;
    let slot = Slot::new(HttpHandler::new(app, access.clone()));

    ready(scheme, server.local_addr(), &manifest);
    // A task of its own: compiling for a reload holds a thread up, and connections must not wait.
    let serving = tokio::spawn({
        let slot = slot.clone();
        async move { server.serve(slot, &shutdown).await }
    });
    let served = match watcher {
        Some(watcher) => tokio::select! {
            cut = serving => cut,
            never = reload(args, &mut manifest, watcher, &loading, &slot, &access) => match never {},
        },
        None => serving.await,
    };
    let cut =
        served.map_err(|e| Error::ours("the server's task failed").caused_by(e.to_string()))?;
    writer.flush(Duration::from_secs(1));
    let requests = if cut == 1 { "request" } else { "requests" };
    let were = if cut == 1 { "was" } else { "were" };
    if cut > 0 {
        eprintln!(
            "{cut} {requests} did not finish within {} and {were} cut",
            args.grace
        );
    }
    Ok(())
}

/// Tells whoever waits that the server is ready; the line on stdout is for programs.
fn ready(scheme: &str, addr: SocketAddr, manifest: &Manifest) {
    println!("Serving {scheme}://{addr}");
    let _ = std::io::stdout().flush();
    if !std::io::stderr().is_terminal() {
        return;
    }
    for trigger in manifest.triggers.iter().filter(|t| t.kind == "http") {
        let text = |key: &str| {
            trigger
                .value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let host = trigger.value.get("host").and_then(Value::as_str);
        let target = match text("component") {
            "" => format!("files {}", text("files")),
            component => component.to_owned(),
        };
        eprintln!(
            "  {}{}  →  {target}",
            host.unwrap_or_default(),
            text("route")
        );
    }
}

/// Builds and loads again at each change; whatever is broken leaves the old version serving.
async fn reload(
    args: &Args,
    manifest: &mut Manifest,
    mut watcher: Watcher,
    loading: &Loading,
    slot: &Slot<HttpHandler>,
    access: &AccessSink,
) -> Infallible {
    let mut meanwhile = BTreeSet::new();
    let mut in_a_row = 0;
    loop {
        let changed = match meanwhile.is_empty() {
            true => {
                in_a_row = 0;
                watcher.changed().await
            }
            false => std::mem::take(&mut meanwhile),
        };
        if changed.contains(&Changed::Manifest) {
            let new = manifest_of(args).map_err(Stop::from);
            match new.and_then(|new| Ok((watching(&new)?, new))) {
                Ok(next) => (watcher, *manifest) = next,
                Err(stop) => {
                    stays(&stop);
                    continue;
                }
            }
        }
        if let Err(stop) = again(args, manifest, loading, slot, access, &changed).await {
            stays(&stop);
        }
        // What a build wrote is loaded already; what somebody saved meanwhile is not. A build that
        // writes its own sources would never come to rest.
        in_a_row += 1;
        meanwhile = watcher.so_far();
        meanwhile.retain(|change| match change {
            Changed::Component(name) => !changed.contains(&Changed::Sources(name.clone())),
            Changed::Sources(_) | Changed::Manifest => in_a_row < ROUNDS_MAX,
        });
    }
}

/// Why a change is not served.
fn stays(stop: &Stop) {
    match stop {
        Stop::Problems(problems) => report::problems(problems),
        Stop::Error(error) => report::error(error),
    }
    eprintln!("the old version goes on serving");
}

fn watching(manifest: &Manifest) -> Result<Watcher, Stop> {
    Watcher::new(watched(manifest)).map_err(|e| {
        Error::yours("cannot watch for changes")
            .caused_by(e.to_string())
            .into()
    })
}

/// What a running app depends on: its manifest, its components, and the sources of those that say
/// how they are built.
fn watched(manifest: &Manifest) -> Vec<Watched> {
    let mut all = Vec::new();
    if !manifest.source.path.as_os_str().is_empty() {
        all.push(Watched::file(Changed::Manifest, &manifest.source.path));
    }
    for component in &manifest.components {
        let what = Changed::Component(component.name.clone());
        all.push(Watched::file(
            what,
            component.source.value.resolve(&manifest.dir),
        ));
        let Some(build) = &component.build else {
            continue;
        };
        let dir = build
            .dir
            .as_ref()
            .map_or_else(|| manifest.dir.clone(), |d| manifest.dir.join(d));
        if build.watch.is_empty() {
            all.push(Watched::sources(&component.name, &dir, "src"));
        }
        all.extend(
            build
                .watch
                .iter()
                .map(|p| Watched::sources(&component.name, &manifest.dir, p)),
        );
    }
    all
}

async fn again(
    args: &Args,
    manifest: &Manifest,
    loading: &Loading,
    slot: &Slot<HttpHandler>,
    access: &AccessSink,
    changed: &BTreeSet<Changed>,
) -> Result<(), Stop> {
    let began = std::time::Instant::now();
    for component in manifest
        .components
        .iter()
        .filter(|c| changed.contains(&Changed::Sources(c.name.clone())))
    {
        if let Some(build) = &component.build {
            building::build(&component.name, build, &manifest.dir)
                .await
                .map_err(build_failed)?;
        }
    }
    let app = loading.app(manifest, args.state.as_deref())?;
    slot.swap(HttpHandler::new(app, access.clone()));
    eprintln!(
        "reloaded in {:.0} ms",
        began.elapsed().as_secs_f64() * 1000.0
    );
    Ok(())
}

async fn build(manifest: &Manifest) -> Result<(), Stop> {
    for component in &manifest.components {
        if let Some(build) = &component.build {
            eprintln!("building {}: {}", component.name, build.command.value);
            building::build(&component.name, build, &manifest.dir)
                .await
                .map_err(build_failed)?;
        }
    }
    Ok(())
}

fn build_failed(error: building::BuildError) -> Stop {
    Error::yours(error.to_string()).into()
}

fn tls(args: &Args, manifest: &Manifest) -> Result<Option<Tls>, Error> {
    let files = match (&args.tls_cert, &args.tls_key, &manifest.serve.tls) {
        (Some(cert), Some(key), _) => (cert.clone(), key.clone()),
        (_, _, Some(tls)) => (manifest.dir.join(&tls.cert), manifest.dir.join(&tls.key)),
        _ => return Ok(None),
    };
    Tls::open(files.0, files.1)
        .map(Some)
        .map_err(|e| Error::yours(e.to_string()))
}

fn address(args: &Args, manifest: &Manifest) -> Result<SocketAddr, Error> {
    let text = args
        .listen
        .as_deref()
        .or(manifest.serve.listen.as_deref())
        .unwrap_or(LISTEN);
    text.to_socket_addrs()
        .map_err(|e| e.to_string())
        .and_then(|mut all| {
            all.next()
                .ok_or_else(|| "it resolves to nothing".to_owned())
        })
        .map_err(|e| {
            Error::yours(format!("`{text}` is not an address to listen on"))
                .caused_by(e)
                .help("write HOST:PORT: --listen 127.0.0.1:3000")
        })
}

fn show_warnings(manifest: &Manifest) {
    if !manifest.warnings.is_empty() {
        report::problems(&Problems::new(
            manifest.source.clone(),
            manifest.warnings.clone(),
        ));
    }
}

/// The manifest of what the user named: a folder, a file, or a single component.
fn manifest_of(args: &Args) -> Result<Manifest, Problems> {
    if is_webassembly(&args.app) {
        return alone(&args.app, &args.grants).map_err(Problem::alone);
    }
    let manifest = load_manifest(&args.app)?;
    match args.grants.grants() {
        Ok(grants) if grants.is_empty() => Ok(manifest),
        Ok(_) => Err(Problem::error("an app's grants are in its manifest")
            .help("write them under [component.NAME.grants]; the flags are for single files")
            .alone()),
        Err(problem) => Err(problem.alone()),
    }
}

/// A component rather than a manifest, found by looking at it; text is known by its name alone,
/// because a manifest is text too.
fn is_webassembly(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    let binary = read.is_ok() && (head == *b"\0asm" || head == *b"\x7fELF");
    binary || (path.is_file() && path.extension().is_some_and(|e| e == "wat" || e == "wasm"))
}

/// Reads and checks a manifest.
pub fn load_manifest(app: &Path) -> Result<Manifest, Problems> {
    let path = holm_manifest::find(app).map_err(Problem::alone)?;
    let source = Source::read(&path).map_err(Problem::alone)?;
    holm_manifest::parse(&source, &holm_host::vocabulary())
}

/// The manifest that a single file would have.
fn alone(file: &Path, grants: &GrantFlags) -> Result<Manifest, Problem> {
    let here = std::env::current_dir().unwrap_or_default();
    let nowhere = Span::default();
    let route = Value::table(vec![
        ("route", Value::string("/...")),
        ("component", Value::string("app")),
    ]);
    Ok(Manifest {
        source: Source::new("", ""),
        dir: here,
        name: "app".into(),
        version: None,
        description: None,
        serve: Serve::default(),
        components: vec![Component {
            name: "app".into(),
            name_span: nowhere,
            source: Spanned {
                value: ComponentSource::File(file.to_owned()),
                span: nowhere,
            },
            description: None,
            grants: grants.grants()?,
            grants_span: None,
            limits: GuestLimits::default(),
            reuse: 1,
            snapshot: true,
            build: None,
        }],
        triggers: vec![Trigger {
            kind: "http".into(),
            span: nowhere,
            value: route,
        }],
        stores: Vec::new(),
        warnings: Vec::new(),
    })
}

/// What loads apps, again and again: compiled code and open stores are kept between.
pub struct Loading {
    runtime: Runtime<State>,
    setting: Setting,
    stores: Arc<holm_capabilities::keyvalue::Stores>,
}

impl Loading {
    fn new(log: GuestLog, allow_precompiled: bool) -> Self {
        Loading {
            runtime: super::runtime(),
            setting: Setting {
                log,
                allow_precompiled,
                watch: Watch::default(),
            },
            stores: Arc::default(),
        }
    }

    /// For checking only: nothing runs, so nothing is logged.
    pub fn quiet(allow_precompiled: bool) -> Self {
        Self::new(GuestLog::off(), allow_precompiled)
    }

    /// Loads an app, or says all that is wrong with it.
    pub fn app(&self, manifest: &Manifest, state: Option<&Path>) -> Result<App, Problems> {
        let place = Place {
            base: manifest.dir.clone(),
            state: state.map_or_else(|| manifest.dir.join(".holm"), Path::to_owned),
            stores: manifest.stores.clone().into(),
            shared: self.stores.clone(),
        };
        App::load(manifest, &self.runtime, &self.setting, &place)
    }
}
