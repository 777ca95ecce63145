//! What Python answers where a component calls one of its functions: at once, or by a coroutine while the
//! component goes on.

use crate::course::Course;
use crate::encode::{carried, encode};
use crate::flows::Sender;
use crate::handle::Met;
use crate::known;
use crate::outside::{Gives, HostFunction};
use crate::process;
use holm_host::library::{Instance, Reply};
use holm_runtime::values::Value;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is to be sent by and by, and where it is put.
pub type Pumps = Vec<(Py<Sender>, Py<PyAny>)>;

/// The answer of one function, while a coroutine works on it or its streams flow.
#[pyclass(frozen, weakref, module = "holm._holm")]
pub struct Answer {
    functions: Arc<[HostFunction]>,
    number: usize,
    /// The call that the component is in.
    course: Py<Course>,
    reply: Mutex<Option<Reply>>,
    /// What stops the coroutine.
    stop: Mutex<Option<Py<PyAny>>>,
}

#[pymethods]
impl Answer {
    /// What the coroutine returned; gives what is to be sent of it by and by.
    fn give(&self, py: Python<'_>, object: Bound<'_, PyAny>) -> Pumps {
        let _inside = process::Inside::enter(py);
        self.settle(py, Ok(object))
    }

    /// What it raised.
    fn fail(&self, py: Python<'_>, error: Bound<'_, PyAny>) {
        let _inside = process::Inside::enter(py);
        self.settle(py, Err(PyErr::from_value(error)));
    }

    /// How the call goes that the component is in.
    #[getter]
    fn course(&self, py: Python<'_>) -> Py<Course> {
        self.course.clone_ref(py)
    }

    /// Stops the call that the component is in: a source of what was answered has raised.
    fn broken(&self, sender: Py<Sender>, error: Option<Py<PyAny>>) {
        self.course.get().broke(sender, error);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.course)?;
        // Who holds it at this moment is in no cycle yet.
        match self.stop.try_lock() {
            Ok(stop) => visit.call(&*stop),
            Err(_) => Ok(()),
        }
    }
}

impl Answer {
    /// One that is yet to come.
    pub fn new(
        functions: Arc<[HostFunction]>,
        number: usize,
        course: Py<Course>,
        reply: Option<Reply>,
    ) -> Self {
        Answer {
            functions,
            number,
            course,
            reply: Mutex::new(reply),
            stop: Mutex::default(),
        }
    }

    /// Runs a coroutine that answers.
    pub fn by(this: &Py<Self>, py: Python<'_>, coroutine: &Bound<'_, PyAny>) {
        let began = known::answering(py).and_then(|run| run.call1((coroutine, this)));
        let answer = this.bind(py).get();
        match began {
            Ok(stop) => *lock(&answer.stop) = Some(stop.unbind()),
            Err(error) => {
                let _ = coroutine.call_method0(pyo3::intern!(py, "close"));
                answer.settle(py, Err(error));
            }
        }
    }

    /// Whether a call in this instance waits for it.
    pub fn is_awaited_in(&self, instance: &Arc<Instance>) -> bool {
        !self.is_over() && self.course.get().is_in(instance)
    }

    /// Whether it was given, or nobody waits for it any more.
    pub fn is_over(&self) -> bool {
        lock(&self.reply)
            .as_ref()
            .is_none_or(|reply| !reply.is_awaited())
    }

    /// Stops the coroutine where nobody waits for it any more.
    pub fn stop(&self, py: Python<'_>) {
        let stop = lock(&self.stop).take();
        let is_open = lock(&self.reply).is_some();
        if let Some(stop) = stop.filter(|_| is_open)
            && let Err(error) = stop.call0(py)
        {
            error.write_unraisable(py, None);
        }
    }

    fn settle(&self, py: Python<'_>, outcome: PyResult<Bound<'_, PyAny>>) -> Pumps {
        // One that was stopped raises that it was: to a call that has failed for another reason.
        let Some(reply) = lock(&self.reply).take().filter(Reply::is_awaited) else {
            return Vec::new();
        };
        let Some(function) = self.functions.get(self.number) else {
            return Vec::new();
        };
        let mut met = Met::default();
        match value_of(py, function, outcome, &mut met) {
            Ok(value) => {
                reply.give(Ok(value));
                met.pumps
            }
            Err(error) => {
                let text = raised(function, &error);
                self.course.get().raise(error.into_value(py).into_any());
                reply.give(Err(text));
                Vec::new()
            }
        }
    }
}

/// What the guest's trap is called that a function of Python has raised.
pub fn raised(function: &HostFunction, error: &PyErr) -> wasmtime::Error {
    wasmtime::Error::msg(format!("`{}` of Python raised {error}", function.text))
}

/// What a function of Python came to, as its component is given it.
pub fn value_of(
    py: Python<'_>,
    function: &HostFunction,
    outcome: PyResult<Bound<'_, PyAny>>,
    met: &mut Met,
) -> PyResult<Option<Value>> {
    let wrong = |error: crate::unfit::Unfit| crate::errors::unfit(py, error.within("its result"));
    match (&function.gives, outcome) {
        (Gives::Nothing, outcome) => outcome.map(|_| None),
        (Gives::Value(shape), outcome) => encode(shape, &outcome?, met).map(Some).map_err(wrong),
        (Gives::Result(ok, _), Ok(object)) => {
            let value = carried(ok.as_deref(), &object, met).map_err(wrong)?;
            Ok(Some(Value::Result(Ok(value))))
        }
        (Gives::Result(_, err), Err(error)) => {
            if !error.value(py).is_instance(known::err(py)?)? {
                return Err(error);
            }
            let object = error.value(py).getattr(pyo3::intern!(py, "value"))?;
            let value = carried(err.as_deref(), &object, met).map_err(wrong)?;
            Ok(Some(Value::Result(Err(value))))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
