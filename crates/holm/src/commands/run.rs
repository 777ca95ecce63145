//! `holm run`: any WASI program, like a native one, reaching only what it was granted.

use crate::ending::{Ending, Telling};
use crate::grants::{GrantFlags, LimitFlags, place_here};
use crate::{exit, out, report};
use holm_capabilities::files;
use holm_capabilities::stdio::Stdio;
use holm_capabilities::{Grants, State};
use holm_manifest::ByteSize;
use holm_runtime::artifact::{Form, LoadOptions};
use holm_runtime::call::MakeState;
use holm_runtime::limits::{Allowance, Budget, STACK_BYTES};
use holm_runtime::pools::PoolSize;
use holm_runtime::receipt::Receipt;
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Error, Kind, Watch};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Once};
use wasmtime_wasi::WasiCtxBuilder;

/// A whole 32-bit memory: a command is its user's own program, and the machine is theirs.
const MEMORY: ByteSize = ByteSize(4 << 30);
/// Function tables of the largest programs have some ten thousand entries.
const TABLE_ELEMENTS: usize = 10_000_000;
/// Each takes a file descriptor of this process, which has 1024 where nobody raised that.
const SOCKETS: usize = 256;
/// The same.
const OUTBOUND: usize = 128;

/// Run a WASI program: a core module, a component, text (.wat) or a compiled file
///
/// What the file is, is found by looking at it. Arguments, standard streams and the exit code are
/// those of a native program. It reaches nothing but what the flags grant.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  holm run hello.wasm one two                   arguments go to the program
  holm run --dir .::/in:ro wc.wasm /in/a        a folder, read-only
  holm run --env LANG --env MODE=fast x.wasm    one variable inherited, one set
  holm run --http https://example.com get.wasm  HTTP to one origin
  holm run --invoke 'greet(\"Ada\")' greet.wasm   call one exported function
  holm run --explain-grants tool.wasm           which grants did it really use?

Exit codes: the program's own; 134 it trapped; 124 --timeout; 152 --cpu; 126 denied; 2 bad usage.")]
pub struct Args {
    /// Call an exported function instead, its arguments written in WAVE
    #[arg(long, value_name = "CALL")]
    invoke: Option<String>,
    /// Tell at the end what the run cost (on stderr)
    #[arg(long)]
    receipt: bool,
    /// The receipt as JSON
    #[arg(long, requires = "receipt")]
    json: bool,
    /// Print the smallest set of grants that the run used, ready to paste (on stderr)
    #[arg(long)]
    explain_grants: bool,
    /// Run machine code that this user's Holm did not make; it can do anything that you can
    #[arg(long)]
    allow_precompiled: bool,
    /// Where key-value stores lie [default: .holm here]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The program, then its arguments: whatever follows FILE belongs to the program
    #[arg(value_names = ["FILE", "ARGS"], required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
    // Last: a heading holds for all that stands behind it.
    #[command(flatten)]
    grants: GrantFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

impl Args {
    fn file(&self) -> &Path {
        self.program.first().map_or(Path::new(""), Path::new)
    }
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match super::drive(go(&args)) {
        // Exit codes are those of the program; a native one's are cut to 8 bits by the system too.
        Ok(code) => ExitCode::from((code & 0xff) as u8),
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

async fn go(args: &Args) -> Result<i32, Error> {
    if let Some(flag) = args
        .file()
        .to_str()
        .filter(|f| f.len() > 1 && f.starts_with('-') && !args.file().exists())
    {
        return Err(unknown(flag));
    }
    let name = args
        .file()
        .file_stem()
        .map_or("guest".into(), |s| s.to_string_lossy().into_owned());
    let grants = match args.grants.resolve(&place_here(args.state.clone())) {
        Ok(grants) => grants,
        Err(problems) => {
            report::problems(&problems);
            return Ok(i32::from(exit::YOURS));
        }
    };
    let grants = Arc::new(wired(grants, args));
    let runtime = super::runtime(PoolSize::of_one_app());
    // A receipt is told also of a run that a signal ends: the guest must hear of it.
    let limited = args.limits.cpu.is_some() || args.limits.timeout.is_some() || args.receipt;
    let options = LoadOptions {
        // One start is all there is: an image would cost a second compilation and save nothing.
        snapshot: None,
        stack: STACK_BYTES,
        interruptible: limited,
        fuel: false,
        pooled: false,
        allow_precompiled: args.allow_precompiled,
    };
    let artifact = runtime.loader().load(args.file(), options)?;
    if args.invoke.is_none() && artifact.command().is_none() && artifact.http().is_some() {
        return Err(Error::yours(format!(
            "{} is a service, not a program",
            args.file().display()
        ))
        .help(format!("serve it: holm up {}", args.file().display())));
    }
    let flags = args.grants.clone();
    let granted = move |grant: &str| flags.granted(grant);
    let form = artifact.form();
    let prepared = runtime.prepare(artifact, &name, &granted)?;
    let uses = args.explain_grants.then(Uses::default);
    let telling = Arc::new(Telling {
        uses: uses.clone(),
        name: name.clone(),
        grants: grants.clone(),
        flags: args.grants.clone(),
        receipt: args.receipt,
        told: Once::new(),
    });
    let ending = Ending::watch(&telling)
        .map_err(|error| Error::ours("signals cannot be watched").caused_by(error.to_string()))?;
    let watch = Watch {
        times: args.receipt,
        uses,
        stop: ending.as_ref().map(|ending| ending.stop.clone()),
    };
    let make = make_state(&name, grants.clone(), allowance(&args.limits), watch, form);
    // With sockets a broken connection must stay an error, not end the program.
    if !args.grants.network() {
        crate::restore_sigpipe();
    }
    let outcome = match &args.invoke {
        None => prepared.run(make).await,
        Some(call) => prepared.invoke(call, make).await.map(|text| {
            if !text.is_empty() {
                out::line(format_args!("{text}"));
            }
            0
        }),
    };
    let signal = ending.and_then(|ending| ending.signal());
    // A program that was refused something usually says so in its own words; here is the way out.
    if matches!(outcome.result, Ok(code) if code != 0) {
        report::denials(&outcome.denials);
    }
    let mut result = outcome.result;
    if outcome.denials.is_empty() && missed_folders(&grants, outcome.receipt.as_ref()) {
        let help = "it was granted no folder; to let it use files: --dir HOST[::GUEST]";
        match &mut result {
            Ok(0) => {}
            Ok(_) => report::help(help),
            Err(error) if error.kind == Kind::Guest && error.limit.is_none() => {
                error.help.push(help.into());
            }
            Err(_) => {}
        }
    }
    if let Some(receipt) = outcome.receipt.filter(|_| args.receipt) {
        tell(&receipt, args.json);
    }
    telling.grants();
    if let Some(signal) = signal {
        crate::end_by(signal);
    }
    result
}

/// Grants as a program has them: the terminal's streams, arguments, files without a detour through
/// other threads.
fn wired(mut grants: Grants, args: &Args) -> Grants {
    grants.print_to(Stdio::Inherit);
    // A blocked thread cannot be cut off: with a timeout, files and sleeps take the detour.
    grants.files.blocking = args.limits.timeout.is_none();
    grants.files.sleep_apart = args.receipt;
    let program = args
        .file()
        .file_name()
        .map_or("guest".into(), |n| n.to_string_lossy().into_owned());
    // WASI's arguments are Unicode; what is not is passed on as near as that gets.
    let arguments = args
        .program
        .iter()
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned());
    grants.environment.arguments = std::iter::once(program).chain(arguments).collect();
    grants
}

fn make_state(
    name: &str,
    grants: Arc<Grants>,
    allowance: Allowance,
    watch: Watch,
    form: Form,
) -> MakeState<State> {
    let name: Arc<str> = name.into();
    Arc::new(move || {
        let core = Core::new(name.clone(), Budget::new(allowance), &watch);
        match form {
            Form::Component => State::component(&grants, core, WasiCtxBuilder::new()),
            Form::Module => State::module(&grants, core, WasiCtxBuilder::new()),
        }
    })
}

fn allowance(limits: &LimitFlags) -> Allowance {
    Allowance {
        memory: limits.memory.unwrap_or(MEMORY).0,
        cpu: limits.cpu.map(|t| t.0),
        timeout: limits.timeout.map(|t| t.0),
        table_elements: TABLE_ELEMENTS,
        sockets: SOCKETS,
        outbound: OUTBOUND,
        ..Allowance::UNLIMITED
    }
}

/// Whether a program that failed seems to have wanted files, and was granted none.
fn missed_folders(grants: &Grants, receipt: Option<&Receipt>) -> bool {
    let arguments = grants.environment.arguments.get(1..).unwrap_or_default();
    let base = std::env::current_dir().unwrap_or_default();
    grants.files.dirs().is_empty()
        && receipt.is_some_and(|receipt| files::missed(receipt, arguments, &base))
}

fn tell(receipt: &Receipt, json: bool) {
    match json {
        true => eprintln!("{}", serde_json::to_string(receipt).unwrap_or_default()),
        false => eprint!("{}", report::receipt(receipt)),
    }
}

/// What looks like a flag and is none: as the first word behind Holm's own it stands where FILE does.
fn unknown(flag: &str) -> Error {
    let error = Error::yours(format!("there is no flag `{flag}`"));
    let mut known: Vec<String> = Vec::new();
    for command in crate::cli()
        .get_subcommands()
        .filter(|c| c.get_name() == "run")
    {
        known.extend(
            command
                .get_arguments()
                .filter_map(|a| a.get_long())
                .map(|long| format!("--{long}")),
        );
    }
    let word = flag.split('=').next().unwrap_or(flag);
    match holm_manifest::nearest(word, known.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`holm run --help` lists them; flags of the program stand behind FILE"),
    }
}
