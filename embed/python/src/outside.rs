//! Python as a guest sees it: functions that it provides, and a key press that ends a call.

use crate::answer::{Answer, Pumps, raised, value_of};
use crate::course::Course;
use crate::decode::decode;
use crate::handle::{Home, Met};
use crate::known;
use crate::process;
use crate::shape::Shape;
use holm_host::library::{Outside, Reply};
use holm_runtime::Error;
use holm_runtime::values::{Type, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A function of Python that a component imports.
pub struct HostFunction {
    pub does: Does,
    /// As in WIT, for errors.
    pub text: String,
    pub params: Vec<Shape>,
    pub gives: Gives,
    /// Streams or futures are in what it takes.
    pub reads: bool,
    /// It gives a future, and is not async itself: a coroutine is the future.
    pub later: bool,
}

/// What is called.
pub enum Does {
    /// A function, or a class that makes a resource.
    Call(Py<PyAny>),
    /// A method of the first argument's.
    Method(Py<PyString>),
    /// `close` of the only argument, if it has one: the component has dropped it.
    Drop,
}

/// What a function gives.
pub enum Gives {
    /// Nothing.
    Nothing,
    /// A value.
    Value(Shape),
    /// A value, or an exception.
    Result(Option<Arc<Shape>>, Option<Arc<Shape>>),
}

impl From<Option<Shape>> for Gives {
    fn from(shape: Option<Shape>) -> Self {
        match shape {
            None => Gives::Nothing,
            Some(Shape::Result(ok, err)) => Gives::Result(ok, err),
            Some(shape) => Gives::Value(shape),
        }
    }
}

/// Whoever makes a call.
#[derive(Default)]
pub struct Caller<'a> {
    home: Option<&'a Home>,
    /// How the call goes; made when somebody asks for it.
    course: Option<Py<Course>>,
    /// It is given up where this becomes true.
    closed: Option<&'a AtomicBool>,
    /// What a function of Python raised, or a signal.
    raised: Option<PyErr>,
    /// Answers that coroutines work on.
    pending: Vec<Py<Answer>>,
    /// Who waits for a result whose streams flow on.
    opened: Option<Opened<'a>>,
}

/// A call whose result is handed on before it ends.
pub struct Opened<'a> {
    /// The result, when it is there.
    pub result: Arc<Mutex<Option<Option<Value>>>>,
    /// What is done with it, once.
    pub deliver: Option<Deliver<'a>>,
}

/// What is done with a result.
pub type Deliver<'a> = Box<dyn FnOnce(Python<'_>, Option<Value>) + Send + 'a>;

impl<'a> Caller<'a> {
    /// A call in an instance, which somebody may stop by its course.
    pub fn new(home: &'a Home, course: Option<Py<Course>>) -> Self {
        if let Some(course) = &course {
            course.get().is_of(&home.instance);
        }
        Caller {
            home: Some(home),
            course,
            ..Caller::default()
        }
    }

    /// Somebody who waits, and provides nothing; it is given up where this becomes true.
    pub fn nobody_until(closed: &'a AtomicBool) -> Self {
        Caller {
            closed: Some(closed),
            ..Caller::default()
        }
    }

    /// Its result is handed on before it ends.
    pub fn opening(mut self, opened: Opened<'a>) -> Self {
        self.opened = Some(opened);
        self
    }

    /// Whether its result was handed on.
    pub fn delivered(&self) -> bool {
        self.opened
            .as_ref()
            .is_some_and(|opened| opened.deliver.is_none())
    }

    /// What was raised meanwhile: it is the cause of whatever else went wrong.
    pub fn raised(&mut self, py: Python<'_>) -> Option<PyErr> {
        let course = self.course.as_ref();
        let raised = self.raised.take();
        raised.or_else(|| course?.get().raised(py))
    }

    /// The call has ended: coroutines that nobody waits for are stopped, and who reads its streams is
    /// told all that there is to tell.
    pub fn ended(&mut self, py: Python<'_>) {
        self.sweep(py);
        if let Some(course) = &self.course {
            course.get().end();
        }
    }

    fn sweep(&mut self, py: Python<'_>) {
        let gone = self.pending.extract_if(.., |answer| answer.get().is_over());
        gone.for_each(|answer| answer.get().stop(py));
    }

    fn course(&mut self, py: Python<'_>) -> PyResult<Py<Course>> {
        let course = match self.course.take() {
            Some(course) => course,
            None => {
                let course = Course::default();
                if let Some(home) = self.home {
                    course.is_of(&home.instance);
                }
                Py::new(py, course)?
            }
        };
        Ok(self.course.insert(course).clone_ref(py))
    }

    /// An answer that is yet to come, or whose streams flow on.
    fn answering(
        &mut self,
        py: Python<'_>,
        home: &Home,
        number: usize,
        reply: Option<Reply>,
    ) -> PyResult<Py<Answer>> {
        let course = self.course(py)?;
        let answer = Answer::new(home.functions.clone(), number, course, reply);
        Py::new(py, answer)
    }

    /// Calls a function: gives what it came to and what is to be sent of it, or the coroutine that is
    /// to tell.
    fn begin<'py>(
        &mut self,
        py: Python<'py>,
        home: &Home,
        function: &HostFunction,
        arguments: Vec<Value>,
    ) -> PyResult<Result<(Option<Value>, Pumps), Bound<'py, PyAny>>> {
        let told = match function.reads {
            true => Some(home.told_by(self.course(py)?)),
            false => None,
        };
        let home = told.as_ref().unwrap_or(home);
        let arguments = function.params.iter().zip(arguments);
        let objects: PyResult<Vec<_>> = arguments
            .map(|(shape, value)| decode(py, shape, value, home))
            .collect();
        let outcome = called(py, &function.does, objects?);
        if let Ok(object) = &outcome
            && !function.later
            && object.get_type().is(known::coroutine(py)?)
        {
            return Ok(Err(object.clone()));
        }
        let mut met = Met::default();
        let value = value_of(py, function, outcome, &mut met)?;
        Ok(Ok((value, met.pumps)))
    }
}

fn called<'py>(
    py: Python<'py>,
    does: &Does,
    mut objects: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match does {
        Does::Call(callable) => callable.bind(py).call1(PyTuple::new(py, objects)?),
        Does::Method(name) => {
            if objects.is_empty() {
                return Err(PyTypeError::new_err("a method without an object"));
            }
            let object = objects.remove(0);
            object.call_method1(name.bind(py), PyTuple::new(py, objects)?)
        }
        Does::Drop => {
            let object = objects.pop();
            let close = object.map(|object| object.getattr_opt(pyo3::intern!(py, "close")));
            match close.transpose()?.flatten() {
                Some(close) => close.call0(),
                None => Ok(py.None().into_bound(py)),
            }
        }
    }
}

/// Whether a function gives a future by a function that is not async: a coroutine is that future.
pub fn is_later(is_async: bool, result: Option<&Type>) -> bool {
    !is_async && matches!(result, Some(Type::Future(_)))
}

impl Outside for Caller<'_> {
    fn answer(&mut self, number: usize, arguments: Vec<Value>, reply: Reply) {
        let home = self.home;
        let found = home.and_then(|home| Some((home, home.functions.get(number)?)));
        let Some((home, function)) = found else {
            return reply.give(Err(wasmtime::Error::msg("no such function")));
        };
        process::attached(|py| {
            let begun = self.begin(py, home, function, arguments);
            let done = match begun {
                Ok(Err(coroutine)) => {
                    match self.answering(py, home, number, Some(reply)) {
                        Ok(answer) => {
                            Answer::by(&answer, py, &coroutine);
                            self.pending.push(answer);
                        }
                        Err(error) => _ = self.raised.get_or_insert(error),
                    }
                    return;
                }
                Ok(Ok((value, pumps))) if pumps.is_empty() => Ok(value),
                Ok(Ok((value, pumps))) => self
                    .answering(py, home, number, None)
                    .and_then(|answer| known::sending(py)?.call1((pumps, answer)))
                    .map(|_| value),
                Err(error) => Err(error),
            };
            match done {
                Ok(value) => reply.give(Ok(value)),
                Err(error) => {
                    reply.give(Err(raised(function, &error)));
                    // The first is the cause; what follow are its consequences.
                    self.raised.get_or_insert(error);
                }
            }
        });
    }

    fn go_on(&mut self) -> bool {
        let stopped = self.course.as_ref().is_some_and(|c| c.get().is_stopped());
        if stopped || self.closed.is_some_and(|closed| closed.load(SeqCst)) {
            return false;
        }
        // Python's main thread alone hears signals.
        if !process::is_main() {
            return true;
        }
        process::attached(|py| match py.check_signals() {
            Ok(()) => true,
            Err(error) => {
                self.raised = Some(error);
                false
            }
        })
    }

    fn polled(&mut self) {
        if self.pending.iter().any(|answer| answer.get().is_over()) {
            process::attached(|py| self.sweep(py));
        }
        let Some(opened) = &mut self.opened else {
            return;
        };
        let Some(result) = lock(&opened.result).take() else {
            return;
        };
        if let Some(deliver) = opened.deliver.take() {
            process::attached(|py| deliver(py, result));
        }
    }

    fn failed(&mut self, why: &Error) {
        if let Some(course) = &self.course {
            course.get().fail(why);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
