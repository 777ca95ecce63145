//! `holm mcp`: functions of components as tools for agents.

use super::stop::{Stop, serving_on_threads};
use crate::commands::up::{address, is_webassembly, load_manifest};
use crate::grants::{GrantFlags, LimitFlags};
use crate::variables::VariableFlags;
use crate::{out, report};
use holm_host::admin::Token;
use holm_host::apps::Apps;
use holm_host::call_log::CallLog;
use holm_host::functions::Selection;
use holm_host::functions::pattern::BadPattern;
use holm_host::log_writer::{Form, LogWriter};
use holm_host::logs::GuestLog;
use holm_host::server::{Limits as ServerLimits, Server};
use holm_host::setting::{Setting, memory_of_this_machine};
use holm_host::shelf::Shelf;
use holm_host::shutdown::Shutdown;
use holm_host::slot::Slot;
use holm_host::tls::Tls;
use holm_host::triggers::http::AccessSink;
use holm_host::triggers::mcp::{
    Allowed, Guard, McpHandler, McpServer, Offer, PATH, Permissions, Toolbox, component_name,
    loose, serve_stdio,
};
use holm_manifest::{ByteSize, Limits, OrNone};
use holm_runtime::lanes::Lanes;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Error, Watch};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The environment's name for the token.
const TOKEN: &str = "HOLM_MCP_TOKEN";

/// How long calls in flight may take when the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// Serve functions of components as tools for agents (Model Context Protocol)
///
/// FILES are components, each granted what the flags say, all of their functions tools unless --tool
/// chooses. In place of FILES an app (a folder with a holm.toml, or the manifest) whose tables
/// [[mcp]] say what is offered. It speaks over standard input and output, or over HTTP at /mcp.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm mcp tool.wasm                            one component, over standard input and output
  holm mcp --http https://api.example.com a.wasm b.wasm
                                                two, each granted the same
  holm mcp examples/from-python                 what an app's [[mcp]] tables offer
  holm mcp --tool 'example:shop/orders.*' shop.wasm
                                                the functions of one interface
  holm mcp --listen 127.0.0.1:3002 tool.wasm    over HTTP: http://127.0.0.1:3002/mcp
  holm mcp --allow-load ./tools                 agents may load components from a folder")]
pub struct Args {
    /// Components, or one app
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Functions to offer: INTERFACE.FUNCTION, INTERFACE.*, FUNCTION or * [default: all of FILES;
    /// of an app what its manifest says]
    #[arg(long, value_name = "FUNCTIONS")]
    tool: Vec<String>,
    /// Speak HTTP at this address, and not over standard input and output
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The token that callers must have; without it HOLM_MCP_TOKEN. An address that others can reach
    /// wants one
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,
    /// Certificate chain in PEM; reloaded when the file changes
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "listen"])]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Longest result that is told whole
    #[arg(long, value_name = "SIZE", default_value = "64 KiB")]
    max_result: ByteSize,
    /// Agents may load components below this folder (granted nothing), and unload them
    #[arg(long, value_name = "DIR")]
    allow_load: Option<PathBuf>,
    /// Agents may grant this to components: http with any scope, http=https://api.example.com with this
    /// one, `*` for anything
    #[arg(long, value_name = "GRANT[=SCOPE]")]
    allow_grant: Vec<String>,
    /// The log as JSON, also on a terminal
    #[arg(long)]
    json: bool,
    /// No log of calls
    #[arg(long, short)]
    quiet: bool,
    /// Map machine code that this user's Holm did not make
    #[arg(long)]
    allow_precompiled: bool,
    /// Where key-value stores lie [default: .holm here, or beside the manifest]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableFlags,
    #[command(flatten)]
    grants: GrantFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match serving_on_threads(async |lanes| go(&args, lanes).await) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

async fn go(args: &Args, lanes: &Arc<Lanes>) -> Result<(), Stop> {
    let form = match std::io::stderr().is_terminal() && !args.json {
        true => Form::Human {
            color: report::color(),
        },
        false => Form::Json,
    };
    let writer = LogWriter::start(std::io::stderr(), form)
        .map_err(|e| Error::ours("no thread for the log").caused_by(e.to_string()))?;
    let offer = offer(args)?;
    let setting = Setting {
        runtime: super::runtime(PoolSize::of_one_app()).into(),
        log: GuestLog::new(writer.clone()),
        allow_precompiled: args.allow_precompiled,
        watch: Watch::default(),
        shelf: Shelf::of_this_machine(),
        lanes: lanes.clone(),
        memory: memory_of_this_machine(),
        // What agents load are apps of their own.
        many: true,
    };
    let apps = Apps::new(Arc::new(setting), AccessSink::off());
    let log = match args.quiet {
        true => CallLog::off(),
        false => CallLog::new(writer.clone()),
    };
    let permissions = permissions(args)?;
    let state = args.state.clone();
    let tools = Arc::new(Toolbox::new(apps, state, permissions, args.max_result, log));
    if let Some(offer) = offer {
        tools.add(offer).await?;
    }
    if tools.is_empty() && args.allow_load.is_none() {
        return Err(nothing(args).into());
    }
    let server = McpServer::new(tools);
    let shutdown = Shutdown::new();
    shutdown
        .on_signals()
        .map_err(|e| Error::ours("signals cannot be caught").caused_by(e.to_string()))?;
    let served = match &args.listen {
        None => serve_stdio(server, &shutdown).await.map_err(Stop::from),
        Some(listen) => serve_http(args, listen, server, &shutdown).await,
    };
    writer.flush(Duration::from_secs(1));
    served
}

/// What is offered from the start.
fn offer(args: &Args) -> Result<Option<Offer>, Stop> {
    let chosen =
        Selection::parse(args.tool.iter().map(String::as_str)).map_err(|(text, bad)| {
            Error::yours(format!("--tool {text}: {bad}")).help(BadPattern::HELP)
        })?;
    let chosen = (!args.tool.is_empty()).then_some(chosen);
    let granted = !args.grants.grants().is_ok_and(|grants| grants.is_empty());
    if args.files.is_empty() && args.allow_load.is_some() {
        if granted || chosen.is_some() {
            return Err(
                Error::yours("`--tool` and grants are for FILES, and there are none")
                    .help("what agents load is granted nothing but what they are allowed to grant")
                    .help("--allow-grant GRANT lets them")
                    .into(),
            );
        }
        return Ok(None);
    }
    if !args.files.is_empty() && args.files.iter().all(|file| is_webassembly(file)) {
        let manifest = loose("tools", files(args)?);
        let functions = chosen.unwrap_or_else(Selection::all);
        return Ok(Some(Offer::of_all(manifest, &functions)));
    }
    let app = match args.files.as_slice() {
        [] => std::path::Path::new("."),
        [app] => app,
        [first, ..] => {
            let odd = args.files.iter().find(|file| !is_webassembly(file));
            let odd = odd.unwrap_or(first);
            return Err(
                Error::yours(format!("{} is not WebAssembly", odd.display()))
                    .help("holm mcp takes any number of components, or one app")
                    .into(),
            );
        }
    };
    let manifest = load_manifest(app, args.variables.given())?;
    let limits = &args.limits;
    let limited = limits.memory.is_some() || limits.cpu.is_some() || limits.timeout.is_some();
    // The limits may be for what agents load.
    if granted || (limited && args.allow_load.is_none()) {
        return Err(
            Error::yours("an app's grants and limits are in its manifest")
                .help("write them under [component.NAME]; the flags are for single files")
                .into(),
        );
    }
    match chosen {
        Some(functions) => Ok(Some(Offer::of_all(manifest, &functions))),
        None => Ok(Offer::of_app(manifest)?),
    }
}

/// The files as components: names, grants and limits.
fn files(args: &Args) -> Result<Vec<Loose>, Stop> {
    let grants = args.grants.grants().map_err(|problem| problem.alone())?;
    let mut files: Vec<Loose> = Vec::new();
    for file in &args.files {
        let name = component_name(file);
        if let Some((_, other, ..)) = files.iter().find(|(known, ..)| *known == name) {
            return Err(Error::yours(format!(
                "{} and {} would both be called `{name}`",
                other.display(),
                file.display()
            ))
            .help("rename one of them, or write an app with [component.NAME] for each")
            .into());
        }
        files.push((name, file.clone(), grants.clone(), limits(&args.limits)));
    }
    Ok(files)
}

type Loose = (String, PathBuf, Vec<holm_manifest::Grant>, Limits);

/// A manifest's own limits, but for what the flags say.
fn limits(flags: &LimitFlags) -> Limits {
    let mut limits = Limits::default();
    if let Some(memory) = flags.memory {
        limits.memory = memory;
    }
    if let Some(cpu) = flags.cpu {
        limits.cpu = OrNone::some(cpu);
    }
    if let Some(timeout) = flags.timeout {
        limits.timeout = timeout;
        // Who wants to wait for longer than these wants them to be longer too.
        for limit in [&mut limits.first_byte, &mut limits.duration] {
            if limit.0.is_some_and(|most| most < timeout) {
                *limit = OrNone::some(timeout);
            }
        }
    }
    limits
}

fn permissions(args: &Args) -> Result<Permissions, Error> {
    if let Some(dir) = &args.allow_load
        && !dir.is_dir()
    {
        return Err(Error::yours(format!("{} is no folder", dir.display()))
            .help("--allow-load DIR: agents may load components that lie below it"));
    }
    let grants = args.allow_grant.iter().map(|text| Allowed::parse(text));
    Ok(Permissions {
        load: args.allow_load.clone(),
        limits: limits(&args.limits),
        grants: grants.collect::<Result<_, Error>>()?,
    })
}

/// Nothing is offered, and nothing can be.
fn nothing(args: &Args) -> Error {
    match (
        args.tool.is_empty(),
        args.files.iter().any(|f| is_webassembly(f)),
    ) {
        (false, _) => Error::yours(format!(
            "no function is meant by --tool {}",
            args.tool.join(" ")
        ))
        .help("`holm inspect FILE` lists what a component exports"),
        (true, true) => Error::yours("no function of these files can be called by agents")
            .help("`holm inspect FILE` lists what a component exports"),
        (true, false) => Error::yours("this app offers nothing to agents").help(
            "add a table: [[mcp]] with component = \"NAME\" and functions = [\"*\"], or use --tool",
        ),
    }
}

async fn serve_http(
    args: &Args,
    listen: &str,
    server: McpServer,
    shutdown: &Shutdown,
) -> Result<(), Stop> {
    let addr = address(Some(listen))?;
    let token = Token::text(args.token_file.as_deref(), TOKEN)?;
    let token = token.map(|text| Token::new(&text)).transpose()?;
    let guard = Guard::new(addr, token)?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => {
            Some(Tls::open(cert.clone(), key.clone()).map_err(|e| Error::yours(e.to_string()))?)
        }
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    if guard.wants_token() && tls.is_none() && !addr.ip().is_loopback() {
        tracing::warn!("the token crosses the network in clear: --tls-cert and --tls-key");
    }
    let listener = Server::bind(addr, tls).map_err(|e| {
        let error = Error::yours(e.message());
        e.help().into_iter().fold(error, Error::help)
    })?;
    let listener = listener.with_limits(ServerLimits {
        grace: GRACE,
        ..ServerLimits::default()
    });
    let handler = Slot::new(McpHandler::new(server, guard, addr.ip(), shutdown));
    let addr = listener.local_addr();
    out::line(format_args!("Serving {scheme}://{addr}{PATH}"));
    listener.serve(handler, shutdown).await;
    Ok(())
}
