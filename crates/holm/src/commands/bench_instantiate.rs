//! `holm bench-instantiate FILE N`: for `cargo xtask bench`; nanoseconds per instance, a line each.

use crate::grants::{GrantFlags, place_here};
use crate::{exit, report};
use holm_capabilities::State;
use holm_runtime::artifact::LoadOptions;
use holm_runtime::limits::{Allowance, Budget, STACK_BYTES};
use holm_runtime::pools::PoolSize;
use holm_runtime::{Core, Error, Watch};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wasmtime_wasi::WasiCtxBuilder;

/// Make and drop instances of a component, and print how long each took in nanoseconds
#[derive(clap::Args)]
pub struct Args {
    /// The component
    file: PathBuf,
    /// How many
    count: u32,
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::ours("no threads can be started").caused_by(e.to_string()))
        .and_then(|threads| threads.block_on(go(&args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            exit::code(&error)
        }
    }
}

async fn go(args: &Args) -> Result<(), Error> {
    let wrong = |e: wasmtime::Error| Error::ours("no instance").caused_by(format!("{e:#}"));
    let runtime = super::runtime(PoolSize::of_one_app());
    let options = LoadOptions {
        snapshot: Some(u64::MAX),
        stack: STACK_BYTES,
        interruptible: true,
        fuel: false,
        pooled: true,
        allow_precompiled: false,
    };
    let prepared = runtime.prepare(
        runtime.loader().load(&args.file, options)?,
        "bench",
        &|_| true,
    )?;
    let Some(pre) = prepared.component() else {
        return Err(Error::yours("only components are measured"));
    };
    let grants = GrantFlags::default()
        .resolve(&place_here(None))
        .map_err(|_| Error::ours("no grants at all did not resolve"))?;
    let allowance = Allowance {
        memory: 1 << 30,
        cpu: Some(Duration::from_secs(10)),
        table_elements: 100_000,
        ..Allowance::UNLIMITED
    };
    for _ in 0..args.count {
        let began = Instant::now();
        let core = Core::new("bench".into(), Budget::new(allowance), &Watch::default());
        let state = State::component(&grants, core, WasiCtxBuilder::new()).map_err(wrong)?;
        let mut store = prepared.store(state).map_err(wrong)?;
        pre.instantiate_async(&mut store).await.map_err(wrong)?;
        drop(store);
        println!("{}", began.elapsed().as_nanos());
    }
    Ok(())
}
