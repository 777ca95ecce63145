//! From Holm's errors to Python's exceptions.

use crate::known;
use crate::unfit::Unfit;
use holm_host::library::{NotLoaded, Refused};
use holm_manifest::Problems;
use holm_runtime::values::Mismatch;
use holm_runtime::{Error, Kind};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// An error as the exception that it is, with all that it tells.
pub fn exception(py: Python<'_>, error: &Error, loading: bool) -> PyErr {
    made(py, error, loading).unwrap_or_else(|raised| raised)
}

fn made(py: Python<'_>, error: &Error, loading: bool) -> PyResult<PyErr> {
    let class = match (error.kind, error.limit) {
        (_, Some(_)) => known::limit_reached(py)?,
        (Kind::Denied, _) => known::denied(py)?,
        (Kind::Ours, _) => known::internal_error(py)?,
        (Kind::Yours, _) => known::load_error(py)?,
        (Kind::Guest, _) if loading => known::load_error(py)?,
        (Kind::Guest, _) => match exit_code(error) {
            Some(_) => known::exited(py)?,
            None => known::trap(py)?,
        },
    };
    let mut frames = Vec::new();
    for frame in &error.backtrace {
        let parts = (&frame.function, &frame.module, &frame.place, frame.offset);
        frames.push(known::frame(py)?.call1(parts)?);
    }
    let mut denials = Vec::new();
    for denial in &error.denials {
        let parts = (&denial.asked, denial.grant, &denial.line);
        denials.push(known::denial(py)?.call1(parts)?);
    }
    let extras = PyDict::new(py);
    extras.set_item("help", PyTuple::new(py, &error.help)?)?;
    extras.set_item("backtrace", PyTuple::new(py, frames)?)?;
    extras.set_item("denials", PyTuple::new(py, denials)?)?;
    let object = class.call((error.to_string(),), Some(&extras))?;
    if let Some(limit) = error.limit {
        object.setattr("limit", limit.name())?;
    }
    if let Some(code) = exit_code(error) {
        object.setattr("code", code)?;
    }
    Ok(PyErr::from_value(object))
}

/// The code that a guest exited with; the middle tells it in words alone.
fn exit_code(error: &Error) -> Option<i32> {
    let (_, code) = error.message.split_once("exit code ")?;
    code.trim().parse().ok()
}

/// Why a component does not load.
pub fn not_loaded(py: Python<'_>, why: NotLoaded) -> PyErr {
    match why {
        NotLoaded::Error(error) => exception(py, &error, true),
        NotLoaded::Problems(problems) => problem(py, &problems),
    }
}

fn problem(py: Python<'_>, problems: &Problems) -> PyErr {
    let mut lines = Vec::new();
    let mut help = Vec::new();
    for problem in problems.list.iter().filter(|p| p.is_error()) {
        lines.push(match &problem.label {
            Some(label) => format!("{}: {label}", problem.message),
            None => problem.message.clone(),
        });
        help.extend(problem.help.clone());
        help.extend(problem.notes.iter().cloned());
    }
    let error = Error {
        help,
        ..Error::yours(lines.join("\n"))
    };
    exception(py, &error, true)
}

/// Why a call gave nothing.
pub fn refused(py: Python<'_>, why: Refused) -> PyErr {
    match why {
        Refused::Failed(error) => exception(py, &error, false),
        Refused::Stopped => PyKeyboardInterrupt::new_err(()),
        Refused::Over(why) => plain(
            py,
            known::closed(py),
            format!("the instance is closed: {why}"),
            &["take another: library.instance()"],
        ),
        Refused::Reentered => plain(
            py,
            known::reentry_error(py),
            "the instance is in a call that waits for this one".into(),
            &["a component can be called again only when its call has ended"],
        ),
    }
}

/// What a function of Python raised, with where in the guest it was called.
pub fn annotated(py: Python<'_>, raised: PyErr, why: Refused) -> PyErr {
    if let Refused::Failed(error) = why
        && !error.backtrace.is_empty()
    {
        let lines: Vec<String> = error
            .backtrace
            .iter()
            .map(|frame| format!("    at {}", frame.function))
            .collect();
        let note = format!("called by the component:\n{}", lines.join("\n"));
        // Whoever forbids notes goes without.
        let _ = raised
            .value(py)
            .call_method1(pyo3::intern!(py, "add_note"), (note,));
    }
    raised
}

/// Why an argument does not fit.
pub fn unfit(py: Python<'_>, why: Unfit) -> PyErr {
    let (class, mismatch): (_, Mismatch) = match why {
        Unfit::Type(mismatch) => (known::wrong_type(py), mismatch),
        Unfit::Value(mismatch) => (known::wrong_value(py), mismatch),
        Unfit::Closed(mismatch) => (known::closed(py), mismatch),
        Unfit::Raised(error) => return error,
    };
    let help: Vec<&str> = mismatch.help.as_deref().into_iter().collect();
    plain(py, class, mismatch.to_string(), &help)
}

/// An exception that has nothing but words.
pub fn plain(
    py: Python<'_>,
    class: PyResult<&Bound<'_, PyAny>>,
    message: String,
    help: &[&str],
) -> PyErr {
    let make = || -> PyResult<_> {
        let extras = PyDict::new(py);
        extras.set_item("help", PyTuple::new(py, help)?)?;
        class?.call((message,), Some(&extras))
    };
    match make() {
        Ok(object) => PyErr::from_value(object),
        Err(error) => error,
    }
}
