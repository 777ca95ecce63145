//! The classes of the pure Python part that this part makes objects of.

use crate::unfit::Unfit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $module:literal $class:literal;)*) => { $(
        $(#[$doc])*
        pub fn $name(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
            static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let class = CLASS.get_or_try_init(py, || -> PyResult<_> {
                Ok(py.import($module)?.getattr($class)?.unbind())
            });
            Ok(class?.bind(py))
        }
    )* };
}

known! {
    /// The good case of a result.
    ok = "holm._values" "Ok";
    /// Its bad case, an exception.
    err = "holm._errors" "Err";
    /// A value that is there.
    some = "holm._values" "Some";
    /// A list of numbers.
    array = "holm._values" "Array";
    /// A frame of a backtrace.
    frame = "holm._errors" "Frame";
    /// What was refused.
    denial = "holm._errors" "Denial";
    /// Names of WIT as names of Python.
    snake = "holm._names" "snake";
    /// What `async def` gives when it is called.
    coroutine = "types" "CoroutineType";
    /// Runs a coroutine that answers a component.
    answering = "holm._aio" "answering";
    /// What waits for whatever runs here.
    waits = "holm._aio" "waits";
    /// Sends what brings a stream or a future by and by.
    sending = "holm._aio" "sending";
    /// A bound method.
    method = "types" "MethodType";
    load_error = "holm._errors" "LoadError";
    wrong_type = "holm._errors" "WrongType";
    wrong_value = "holm._errors" "WrongValue";
    closed = "holm._errors" "Closed";
    reentry_error = "holm._errors" "ReentryError";
    trap = "holm._errors" "Trap";
    limit_reached = "holm._errors" "LimitReached";
    denied = "holm._errors" "Denied";
    exited = "holm._errors" "Exited";
    internal_error = "holm._errors" "InternalError";
}

fn is(object: &Bound<'_, PyAny>, class: PyResult<&Bound<'_, PyAny>>) -> Result<bool, Unfit> {
    class
        .and_then(|class| object.is_instance(class))
        .map_err(Unfit::Raised)
}

/// Whether it is the good case of a result.
pub fn is_ok(object: &Bound<'_, PyAny>) -> Result<bool, Unfit> {
    is(object, ok(object.py()))
}

/// Whether it is the bad case of a result.
pub fn is_err(object: &Bound<'_, PyAny>) -> Result<bool, Unfit> {
    is(object, err(object.py()))
}

/// Whether it is a value that is there.
pub fn is_some(object: &Bound<'_, PyAny>) -> Result<bool, Unfit> {
    is(object, some(object.py()))
}
