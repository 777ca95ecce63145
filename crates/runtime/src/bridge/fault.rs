//! What a callee's end means to its caller.

use crate::call::cannot_start;
use crate::core::Core;
use crate::error::Error;
use crate::fault::{Ended, explain};
use crate::limits::LimitHit;
use std::fmt;

/// A call of a linked component failed: what the caller's call traps with.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The function: `example:payments/processor.charge`.
    pub function: String,
    /// Why, as the callee's own error.
    pub error: Box<Error>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.error)
    }
}

impl std::error::Error for Failed {}

/// Why a callee has ended, to be told to each who waits for it.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// A limit of one of its callers was reached: it goes up to where it is from.
    Above(LimitHit),
    /// It failed.
    Failed(Box<Error>),
}

impl End {
    /// Explains the error that ended it.
    pub(super) fn of(error: wasmtime::Error, callee: &mut Core) -> Self {
        if let Some(hit) = error.downcast_ref::<LimitHit>()
            && callee.budget.meter.limit_hit() != Some(hit.limit)
        {
            return End::Above(*hit);
        }
        End::Failed(match explain(error, callee) {
            Ended::Fault(error) => error,
            Ended::Exit(code) => {
                let what = format!("{} exited with code {code} in a call", callee.component);
                Box::new(Error::guest(what))
            }
        })
    }

    /// Explains why there is no instance.
    pub(super) fn of_start(error: wasmtime::Error) -> Self {
        if let Some(hit) = error.downcast_ref::<LimitHit>() {
            return End::Above(*hit);
        }
        End::Failed(match error.downcast::<Failed>() {
            Ok(failed) => failed.error,
            Err(error) => Box::new(cannot_start(&error)),
        })
    }

    /// The error of a caller's call of `function`.
    pub(super) fn told(self, function: &str) -> wasmtime::Error {
        let function = function.to_owned();
        match self {
            End::Above(hit) => hit.into(),
            End::Failed(error) => Failed { function, error }.into(),
        }
    }
}

/// Explains a callee's end to its caller.
pub(super) fn failed(error: wasmtime::Error, callee: &mut Core, function: &str) -> wasmtime::Error {
    End::of(error, callee).told(function)
}

/// Why there is no instance of a callee, as its caller's call meets it.
pub fn refused(callee: &str, error: Box<Error>) -> wasmtime::Error {
    Failed {
        function: callee.to_owned(),
        error,
    }
    .into()
}
