//! One file per subcommand: its arguments, what they mean, and the call.

pub mod apps;
pub mod bench_calls;
pub mod bench_instantiate;
pub mod bench_keyvalue;
pub mod build;
pub mod cache;
pub mod call;
pub mod check;
pub mod compile;
pub mod completions;
pub mod compose;
pub mod import;
pub mod inspect;
pub mod mcp;
pub mod new;
pub mod run;
pub mod schema;
mod stop;
pub mod trigger;
pub mod up;

use holm_capabilities::State;
use holm_runtime::artifact::{Cache, Loader};
use holm_runtime::engines::Engines;
use holm_runtime::pools::PoolSize;
use holm_runtime::{Error, Result, Runtime};

/// Drives a command that runs a guest, on threads of its own.
fn drive<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .map_err(|e| Error::ours("no threads can be started").caused_by(e.to_string()))?;
    let result = threads.block_on(command);
    // A guest that was cut off may still sit in a blocking read of a terminal.
    threads.shutdown_background();
    result
}

/// The runtime that every command works on.
fn runtime(pools: PoolSize) -> Runtime<State> {
    Runtime::new(Loader::new(Engines::new(pools), Cache::of_user()))
}
