//! `holm call`: an exported function from the command line, its values as text.

mod batch;
mod complete;
mod handles;
mod linked;
mod list;
mod target;
mod time;
mod words;

use crate::grants::{GrantFlags, LimitFlags};
use crate::variables::VariableFlags;
use crate::{exit, report};
use clap::ValueEnum;
use clap_complete::engine::ArgValueCompleter;
use handles::Named;
use holm_capabilities::stdio::Stdio;
use holm_runtime::call::Outcome;
use holm_runtime::values::json::{self, Bytes, Integers, NoHandles, Options};
use holm_runtime::values::{Signature, Surface, Value, callable, wave};
use holm_runtime::{Error, Kind, Result};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use target::Target;

/// The most that is read of standard input for one call: 256 MiB.
const INPUT_BYTES_MAX: u64 = 256 << 20;
/// A call gave `err`, or one of a batch failed.
const FAILED: u8 = 1;

/// Call an exported function of a component, with typed arguments and results
///
/// Without FUNCTION it lists what can be called. Each argument is one word: a string as it is, all
/// else in WAVE or JSON. The component reaches nothing but what the flags grant.
#[derive(clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
Examples:
  holm call greet.wasm                            list its functions
  holm call greet.wasm greet Ada                  a string needs no quotes
  holm call greet.wasm midpoint '{x: 0, y: 0}' '{\"x\": 4, \"y\": 2}'
  holm call greet.wasm add -- -1 5                what begins with - stands behind --
  holm call greet.wasm add --json '{\"a\": 1, \"b\": 2}'
  holm call shop.wasm --session < calls.txt       several calls in one instance
  holm call greet.wasm add 1 2 --repeat 1000 --time

Exit codes: 0; 1 the result is err(…), or a call of a batch failed; 2 bad usage; 134 it trapped;
124 --timeout; 152 --cpu; 126 denied."
)]
pub struct Args {
    /// Show this text; behind FILE, the functions of the file; behind FUNCTION, what it takes
    #[arg(short, long)]
    help: bool,
    /// The arguments as JSON: an array, or an object by their names; - reads it from stdin
    #[arg(long, value_name = "ARGS", conflicts_with_all = ["words", "batch", "session"])]
    json: Option<String>,
    /// How results are written [default: wave, or json where --json is given]
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
    /// How list<u8> is written in JSON
    #[arg(long, value_name = "FORM", default_value = "base64")]
    bytes: BytesForm,
    /// Write all 64-bit integers as strings in JSON, not only those beyond 2^53
    #[arg(long)]
    long_strings: bool,
    /// Read one call per line from stdin, write one result per line
    #[arg(long, conflicts_with = "words")]
    batch: bool,
    /// Like --batch, in one instance: resources are named in results and can be used in later calls
    #[arg(long, conflicts_with = "words")]
    session: bool,
    /// Make the call N times, each in a fresh instance, and print the last result
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000),
        conflicts_with_all = ["batch", "session"]
    )]
    repeat: Option<u32>,
    /// Tell how long the calls took (on stderr)
    #[arg(long, conflicts_with_all = ["batch", "session"])]
    time: bool,
    /// Tell at the end what the call cost (on stderr)
    #[arg(long, conflicts_with_all = ["batch", "session", "repeat", "time"])]
    receipt: bool,
    /// FILE is a component of this app; grants, limits and `wit` are those of its manifest
    #[arg(long, value_name = "APP", conflicts_with_all = ["dir", "env", "net", "bind", "http", "allow_all_net", "keyvalue", "blobs", "sqlite", "redis", "mqtt", "postgres", "mysql", "config", "memory", "cpu", "timeout"])]
    app: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableFlags,
    /// A folder or file with its WIT, for docs that the binary does not have
    #[arg(long, value_name = "PATH")]
    wit: Option<PathBuf>,
    /// Run machine code that this user's Holm did not make; it can do anything that you can
    #[arg(long)]
    allow_precompiled: bool,
    /// Where key-value stores lie [default: .holm here, or of the app]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The component
    #[arg(add = ArgValueCompleter::new(complete::files))]
    file: Option<PathBuf>,
    /// The function: name, interface.name, or resource.name
    #[arg(add = ArgValueCompleter::new(complete::functions))]
    function: Option<String>,
    /// Its arguments, a word each
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    words: Vec<String>,
    #[command(flatten)]
    grants: GrantFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// WAVE: {name: "Ada", age: some(36)}
    Wave,
    /// JSON
    Json,
}

/// How bytes are written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BytesForm {
    /// A string of base64
    Base64,
    /// An array of numbers
    Array,
}

impl Args {
    fn form(&self) -> Form {
        let implied = if self.json.is_some() {
            Form::Json
        } else {
            Form::Wave
        };
        self.output.unwrap_or(implied)
    }

    fn options(&self) -> Options {
        Options {
            bytes: match self.bytes {
                BytesForm::Base64 => Bytes::Base64,
                BytesForm::Array => Bytes::Array,
            },
            integers: if self.long_strings {
                Integers::Strings
            } else {
                Integers::Exact
            },
        }
    }

    /// How the guest's own streams are wired. Where calls or their arguments come from standard input it
    /// is not the guest's to read, and results stand alone on standard output.
    fn stdio(&self) -> Stdio {
        match self.batch || self.session {
            true => Stdio::Aside,
            false if self.json.as_deref() == Some("-") => Stdio::Output,
            false => Stdio::Inherit,
        }
    }

    /// A result as it is printed.
    fn show(
        &self,
        signature: &Signature,
        value: &Value,
        handles: &mut dyn json::Handles,
    ) -> Result<String> {
        let Some(ty) = &signature.result else {
            return Ok(String::new());
        };
        Ok(match self.form() {
            Form::Wave => wave::to_string(ty, value, handles)?,
            Form::Json => json::to_string(ty, value, self.options(), handles)?,
        })
    }
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    if args.file.is_none() {
        return usage(args.help);
    }
    match super::drive(go(&args)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

/// The help of the command itself: asked for, or because FILE is missing.
fn usage(asked: bool) -> ExitCode {
    let mut cli = crate::cli();
    // So that it knows its whole name, and how wide a line may be.
    cli.build();
    let Some(call) = cli.find_subcommand_mut("call") else {
        return ExitCode::from(exit::OURS);
    };
    if asked {
        let _ = call.print_long_help();
        return ExitCode::SUCCESS;
    }
    let missing = clap::error::ErrorKind::MissingRequiredArgument;
    let _ = call
        .error(missing, "FILE is missing: which component?")
        .print();
    ExitCode::from(exit::YOURS)
}

async fn go(args: &Args) -> Result<u8> {
    let Some(target) = Target::of(args)? else {
        return Ok(exit::YOURS);
    };
    if args.batch || args.session {
        return batch::run(args, &target).await;
    }
    let Some(name) = &args.function else {
        list::print(args, &target);
        return Ok(0);
    };
    let signature = target.signatures.find(name)?;
    if args.help {
        list::print_one(args, &target, signature);
        return Ok(0);
    }
    callable::ensure(signature, Surface::ONE_CALL)
        .map_err(|e| e.help("in one instance they can live on: --session"))
        .or_else(|e| match callable::check(signature, Surface::SESSION) {
            Ok(()) => Err(e),
            // A session would not help with what no surface can call.
            Err(_) => callable::ensure(signature, Surface::SESSION),
        })?;
    let arguments = arguments(args, signature)?;
    if args.repeat.is_some() || args.time {
        return time::run(args, &target, signature, &arguments).await;
    }
    let outcome = target
        .prepared
        .call(signature, arguments, target.make.clone())
        .await;
    if args.receipt
        && let Some(receipt) = &outcome.receipt
    {
        eprint!("{}", report::receipt(receipt));
    }
    finish(args, signature, outcome)
}

/// The arguments, from JSON or from words.
fn arguments(args: &Args, signature: &Signature) -> Result<Vec<Value>> {
    let fits = match args.json.as_deref() {
        Some("-") => json::arguments_from_str(signature, &stdin()?, &mut NoHandles),
        Some(text) => json::arguments_from_str(signature, text, &mut NoHandles),
        None => words::arguments(signature, &args.words, &mut NoHandles),
    };
    fits.map_err(|mismatch| mismatch.of_arguments(signature))
}

fn stdin() -> Result<String> {
    let mut bytes = Vec::new();
    let wrong = |e: std::io::Error| Error::yours("cannot read stdin").caused_by(e.to_string());
    std::io::stdin()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(wrong)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Error::yours(format!(
            "stdin has more than {} MiB",
            INPUT_BYTES_MAX >> 20
        )));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::yours(format!(
            "stdin is not UTF-8: byte {at} is none of a character"
        ))
    })
}

/// Prints what a call gave, and says how it ended.
fn finish(args: &Args, signature: &Signature, outcome: Outcome<Option<Value>>) -> Result<u8> {
    let Some(value) = outcome.result? else {
        return Ok(0);
    };
    let shown = args.show(signature, &value, &mut Named::default())?;
    crate::out::line(format_args!("{shown}"));
    Ok(code(&value))
}

/// An `err` is a failure to a shell.
fn code(value: &Value) -> u8 {
    match value {
        Value::Result(Err(_)) => FAILED,
        _ => 0,
    }
}

/// The word for a kind of error, as batches write it.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Yours => "yours",
        Kind::Guest => "guest",
        Kind::Denied => "denied",
        Kind::Ours => "ours",
    }
}
