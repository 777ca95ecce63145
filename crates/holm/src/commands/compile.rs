//! `holm compile`: machine code ahead of time, into the cache or a file.

use crate::{exit, out, report};
use holm_manifest::ByteSize;
use holm_runtime::artifact::LoadOptions;
use holm_runtime::limits::STACK_BYTES;
use holm_runtime::pools::PoolSize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Compile files to machine code ahead of time
///
/// Without -o the result goes to the cache, where `run` and `up` find it. With -o it is written to a
/// file whose digest is recorded in the cache, so that it runs as it is, for this user, on this
/// machine, with this version of Holm.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holm compile app.wasm\n  holm compile app.wasm -o app.cwasm && holm run app.cwasm"
)]
pub struct Args {
    /// WebAssembly files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write machine code to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    if args.output.is_some() && args.files.len() != 1 {
        report::error(&holm_runtime::Error::yours("-o takes one file to compile"));
        return ExitCode::from(exit::YOURS);
    }
    let runtime = super::runtime(PoolSize::of_one_app());
    for file in &args.files {
        let began = Instant::now();
        let options = LoadOptions {
            stack: STACK_BYTES,
            interruptible: true,
            fuel: false,
            pooled: false,
            allow_precompiled: false,
            snapshot: None,
        };
        let compiled = match &args.output {
            Some(output) => runtime
                .loader()
                .compile_to(file, output, options)
                .map(|bytes| format!("{} ({})", output.display(), ByteSize(bytes))),
            None => {
                // As `run` uses it, and as `up` does.
                let run = LoadOptions {
                    interruptible: false,
                    fuel: false,
                    ..options
                };
                let up = LoadOptions {
                    pooled: true,
                    snapshot: Some(u64::MAX),
                    ..options
                };
                runtime
                    .loader()
                    .load(file, run)
                    .and_then(|_| runtime.loader().load(file, up))
                    .map(|artifact| {
                        let known = if artifact.cached {
                            "was in the cache"
                        } else {
                            "cached"
                        };
                        format!("{} {known} as {}", file.display(), artifact.digest)
                    })
            }
        };
        match compiled {
            Ok(text) => out::line(format_args!(
                "{text} in {:.1} s",
                began.elapsed().as_secs_f64()
            )),
            Err(error) => {
                report::error(&error);
                return exit::code(&error);
            }
        }
    }
    ExitCode::SUCCESS
}
