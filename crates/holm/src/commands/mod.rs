//! One file per subcommand: its arguments, what they mean, and the call.

pub mod apps;
pub mod bench_instantiate;
pub mod bench_keyvalue;
pub mod cache;
pub mod check;
pub mod compile;
pub mod completions;
pub mod compose;
pub mod inspect;
pub mod run;
pub mod schema;
pub mod up;

use holm_capabilities::State;
use holm_runtime::Runtime;
use holm_runtime::artifact::{Cache, Loader};
use holm_runtime::engines::Engines;
use holm_runtime::pools::PoolSize;

/// The runtime that every command works on.
fn runtime(pools: PoolSize) -> Runtime<State> {
    Runtime::new(Loader::new(Engines::new(pools), Cache::of_user()))
}
