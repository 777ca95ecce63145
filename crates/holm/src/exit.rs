//! Exit codes of `holm` itself; a guest that exits keeps its own.

use holm_runtime::limits::Limit;
use holm_runtime::{Error, Kind};
use std::process::ExitCode;

/// `holm up` has ended, and requests in flight did not finish.
pub const CUT: u8 = 1;
/// The user's mistake: flags, manifest, missing file. The same as for a wrong flag.
pub const YOURS: u8 = 2;
/// A limit on wall time was reached, as `timeout` says it.
pub const TIMEOUT: u8 = 124;
/// A grant was missing, as a shell says of what may not be executed.
pub const DENIED: u8 = 126;
/// The guest trapped: what a shell shows of a native program that aborted (128 + SIGABRT).
pub const TRAP: u8 = 134;
/// A limit on CPU time was reached (128 + SIGXCPU).
pub const CPU: u8 = 152;
/// A bug of ours (EX_SOFTWARE).
pub const OURS: u8 = 70;

/// The exit code for an error.
pub fn code(error: &Error) -> ExitCode {
    ExitCode::from(match (error.kind, error.limit) {
        (_, Some(Limit::Timeout)) => TIMEOUT,
        (_, Some(Limit::Cpu)) => CPU,
        (Kind::Yours, _) => YOURS,
        (Kind::Denied, _) => DENIED,
        (Kind::Guest, _) => TRAP,
        (Kind::Ours, _) => OURS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_code() {
        let is = |error: Error, code_: u8| assert_eq!(code(&error), ExitCode::from(code_));
        is(Error::yours("x"), YOURS);
        is(Error::denied("x"), DENIED);
        is(Error::guest("x"), TRAP);
        is(Error::ours("x"), OURS);
        is(
            Error {
                limit: Some(Limit::Cpu),
                ..Error::guest("x")
            },
            CPU,
        );
        is(
            Error {
                limit: Some(Limit::Timeout),
                ..Error::guest("x")
            },
            TIMEOUT,
        );
    }
}
