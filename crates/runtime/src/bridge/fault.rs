//! What a callee's end means to its caller.

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

/// Explains a callee's end to its caller.
pub(super) fn failed(error: wasmtime::Error, callee: &mut Core, function: &str) -> wasmtime::Error {
    // A limit that the callee has not reached is one of its callers': it goes up to where it is from.
    if let Some(hit) = error.downcast_ref::<LimitHit>()
        && callee.budget.meter.limit_hit() != Some(hit.limit)
    {
        return (*hit).into();
    }
    let error = match explain(error, callee) {
        Ended::Fault(error) => error,
        Ended::Exit(code) => {
            let what = format!("{} exited with code {code} in a call", callee.component);
            Box::new(Error::guest(what))
        }
    };
    Failed {
        function: function.to_owned(),
        error,
    }
    .into()
}

/// Why there is no instance of a callee, as its caller's call meets it.
pub fn refused(callee: &str, error: Box<Error>) -> wasmtime::Error {
    Failed {
        function: callee.to_owned(),
        error,
    }
    .into()
}
