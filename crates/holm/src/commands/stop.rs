//! What commands that serve have in common: their threads, and why one of them does not serve.

use crate::{exit, report};
use holm_manifest::Problems;
use holm_runtime::Error;
use holm_runtime::lanes::Lanes;
use std::process::ExitCode;
use std::sync::Arc;

/// After so many steps of tasks a thread looks for what has arrived. A guest in a loop takes a whole
/// tick for each of its steps: with one on every thread, signals and requests wait so many ticks.
const EVENT_INTERVAL: u32 = 8;

/// Why it does not serve.
pub(super) enum Stop {
    /// The manifest is wrong, or what it leads to.
    Problems(Problems),
    /// Something else is.
    Error(Error),
    /// It was asked to end before it served.
    Interrupted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<Problems> for Stop {
    fn from(problems: Problems) -> Self {
        Stop::Problems(problems)
    }
}

impl Stop {
    /// Says why.
    pub fn tell(&self) {
        match self {
            Stop::Problems(problems) => report::problems(problems),
            Stop::Error(error) => report::error(error),
            Stop::Interrupted => {}
        }
    }

    fn code(&self) -> ExitCode {
        match self {
            Stop::Problems(_) => ExitCode::from(exit::YOURS),
            Stop::Error(error) => exit::code(error),
            Stop::Interrupted => ExitCode::from(exit::CUT),
        }
    }
}

/// Serves on threads and lanes of its own until the end. Why it has not served is told, and comes back
/// as what the command ends with.
pub(super) fn serving_on_threads<T>(
    serve: impl AsyncFnOnce(&Arc<Lanes>) -> Result<T, Stop>,
) -> Result<T, ExitCode> {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build();
    let result = match threads {
        Ok(threads) => {
            let lanes = Lanes::new();
            let result = threads.block_on(serve(&lanes));
            lanes.close();
            // What was cut may be a guest in the middle of a loop, which nobody stops any more, or a
            // thread in a read of standard input.
            threads.shutdown_background();
            result
        }
        Err(error) => Err(Stop::Error(
            Error::ours("no threads can be started").caused_by(error.to_string()),
        )),
    };
    result.map_err(|stop| {
        stop.tell();
        stop.code()
    })
}
