//! Python as a guest sees it: functions that it provides, and a key press that ends a call.

use crate::decode::decode;
use crate::encode::{carried, encode};
use crate::flows::Failure;
use crate::handle::{Home, Met};
use crate::known;
use crate::process;
use crate::shape::Shape;
use crate::unfit::Unfit;
use holm_host::library::Outside;
use holm_runtime::Error;
use holm_runtime::values::Value;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A function of Python that a component imports.
pub struct HostFunction {
    pub callable: Py<PyAny>,
    /// As in WIT, for errors.
    pub text: String,
    pub params: Vec<Shape>,
    pub gives: Gives,
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
pub struct Caller<'a> {
    home: Option<&'a Home>,
    cancelled: Option<&'a AtomicBool>,
    /// What a function of Python raised, or a signal.
    raised: Option<PyErr>,
    /// Who waits for a result whose streams flow on.
    opened: Option<Opened<'a>>,
}

/// A call whose result is handed on before it ends.
pub struct Opened<'a> {
    /// The result, when it is there.
    pub result: Arc<Mutex<Option<Option<Value>>>>,
    /// What is done with it, once.
    pub deliver: Option<Deliver<'a>>,
    /// Why it failed afterwards, for whoever reads its streams.
    pub failure: Failure,
}

/// What is done with a result.
pub type Deliver<'a> = Box<dyn FnOnce(Python<'_>, Option<Value>) + Send + 'a>;

impl<'a> Caller<'a> {
    /// A call in an instance, which somebody may cancel.
    pub fn new(home: &'a Home, cancelled: Option<&'a AtomicBool>) -> Self {
        Caller {
            home: Some(home),
            cancelled,
            ..Caller::nobody()
        }
    }

    /// Somebody who waits, and provides nothing.
    pub fn nobody() -> Self {
        Caller {
            home: None,
            cancelled: None,
            raised: None,
            opened: None,
        }
    }

    /// The same; it is given up where this becomes true.
    pub fn nobody_until(closed: &'a AtomicBool) -> Self {
        Caller {
            cancelled: Some(closed),
            ..Caller::nobody()
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
    pub fn raised(&mut self) -> Option<PyErr> {
        self.raised.take()
    }
}

impl Outside for Caller<'_> {
    fn answer(
        &mut self,
        function: usize,
        arguments: Vec<Value>,
    ) -> wasmtime::Result<Option<Value>> {
        let home = self.home;
        let found = home.and_then(|home| Some((home, home.functions.get(function)?)));
        let Some((home, function)) = found else {
            return Err(wasmtime::Error::msg("no such function"));
        };
        process::attached(|py| {
            call(py, function, arguments, home).map_err(|error| {
                let text = format!("`{}` of Python raised {error}", function.text);
                // The first is the cause; what follows are its consequences.
                self.raised.get_or_insert(error);
                wasmtime::Error::msg(text)
            })
        })
    }

    fn go_on(&mut self) -> bool {
        if self
            .cancelled
            .is_some_and(|cancelled| cancelled.load(SeqCst))
        {
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
        if let Some(opened) = &self.opened {
            // The first is the cause.
            let _ = opened.failure.error.set(why.clone());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn call(
    py: Python<'_>,
    function: &HostFunction,
    arguments: Vec<Value>,
    home: &Home,
) -> PyResult<Option<Value>> {
    let arguments = function.params.iter().zip(arguments);
    let objects: PyResult<Vec<_>> = arguments
        .map(|(shape, value)| decode(py, shape, value, home))
        .collect();
    let outcome = function
        .callable
        .bind(py)
        .call1(PyTuple::new(py, objects?)?);
    let wrong = |error: Unfit| crate::errors::unfit(py, error.within("its result"));
    // Resources cannot stand in it, so that nothing has to be kept.
    let mut met = Met::default();
    match (&function.gives, outcome) {
        (Gives::Nothing, outcome) => outcome.map(|_| None),
        (Gives::Value(shape), outcome) => {
            encode(shape, &outcome?, &mut met).map(Some).map_err(wrong)
        }
        (Gives::Result(ok, _), Ok(object)) => {
            let value = carried(ok.as_deref(), &object, &mut met).map_err(wrong)?;
            Ok(Some(Value::Result(Ok(value))))
        }
        (Gives::Result(_, err), Err(error)) => {
            if !error.value(py).is_instance(known::err(py)?)? {
                return Err(error);
            }
            let object = error.value(py).getattr(pyo3::intern!(py, "value"))?;
            let value = carried(err.as_deref(), &object, &mut met).map_err(wrong)?;
            Ok(Some(Value::Result(Err(value))))
        }
    }
}
