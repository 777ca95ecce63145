//! A function of a component, as Python calls it.

use crate::course::{self, Course};
use crate::decode::{carried, decode};
use crate::encode::encode;
use crate::errors;
use crate::flows::Sender;
use crate::handle::{Home, Met};
use crate::known;
use crate::outside::{Caller, Gives, HostFunction, Opened};
use crate::process::{self, Kept};
use crate::shape::{Shape, Shapes};
use holm_host::library::{Instance, Pool, Refused, Taken};
use holm_runtime::values::{Signature, Value};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a function's calls are made.
pub enum Target {
    /// In whichever instance is free.
    Pool(Kept<Pool>, Arc<[HostFunction]>),
    /// In one.
    Instance(Kept<Home>),
}

/// A function of a component.
#[pyclass(frozen, dict, weakref, module = "holm._holm")]
pub struct Function {
    signature: Signature,
    params: Vec<(Py<PyString>, Shape)>,
    /// From here on parameters may be left out.
    optional: usize,
    gives: Gives,
    target: Target,
}

impl Function {
    pub fn new(
        py: Python<'_>,
        signature: &Signature,
        shapes: &mut Shapes,
        target: Target,
    ) -> PyResult<Self> {
        let snake = known::snake(py)?;
        let mut params = Vec::with_capacity(signature.params.len());
        for param in &signature.params {
            let name = snake.call1((&*param.name,))?.cast_into::<PyString>()?;
            params.push((name.unbind(), shapes.of(py, &param.ty)?));
        }
        let result = signature
            .result
            .as_ref()
            .map(|ty| shapes.of(py, ty))
            .transpose()?;
        let given = |(_, shape): &&(_, Shape)| matches!(shape, Shape::Option { .. });
        let left_out = params.iter().rev().take_while(given).count();
        Ok(Function {
            signature: signature.clone(),
            optional: params.len() - left_out,
            params,
            gives: result.into(),
            target,
        })
    }

    /// Reads the arguments of a call.
    fn arguments(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<(Vec<Value>, Met)> {
        let given = args.len();
        if given > self.params.len() {
            return Err(self.arity(py, given));
        }
        let mut met = Met::default();
        let mut values = Vec::with_capacity(self.params.len());
        let mut named = 0;
        for (at, (name, shape)) in self.params.iter().enumerate() {
            let by_name = match kwargs {
                Some(kwargs) => kwargs.get_item(name.bind(py))?,
                None => None,
            };
            named += usize::from(by_name.is_some());
            let object = match (at < given, by_name) {
                (true, None) => args.get_item(at)?,
                (false, Some(object)) => object,
                (true, Some(_)) => return Err(self.wrong(py, format!("`{name}` is given twice"))),
                (false, None) if at >= self.optional => {
                    values.push(Value::Option(None));
                    continue;
                }
                (false, None) => return Err(self.arity(py, given + named)),
            };
            let param = &self.signature.params[at].name;
            let value = encode(shape, &object, &mut met)
                .map_err(|why| errors::unfit(py, why.within(param)))?;
            values.push(value);
        }
        if let Some(kwargs) = kwargs
            && kwargs.len() > named
        {
            let known = |key: &Bound<'_, PyAny>| {
                let mut names = self.params.iter();
                names.any(|(name, _)| key.eq(name.bind(py)).unwrap_or(false))
            };
            let odd = kwargs.keys().iter().find(|key| !known(key));
            let odd = odd.map_or_else(String::new, |key| key.to_string());
            return Err(self.wrong(py, format!("there is no parameter `{odd}`")));
        }
        Ok((values, met))
    }

    fn arity(&self, py: Python<'_>, given: usize) -> PyErr {
        let takes = match (self.optional, self.params.len()) {
            (least, most) if least == most => format!("{most}"),
            (least, most) => format!("{least} to {most}"),
        };
        let s = if takes == "1" { "" } else { "s" };
        self.wrong(py, format!("takes {takes} argument{s}, got {given}"))
    }

    fn wrong(&self, py: Python<'_>, what: String) -> PyErr {
        let message = format!("{}: {what}", self.signature.local_name());
        let help = format!("its signature: {}", self.signature);
        errors::plain(py, known::wrong_type(py), message, &[&help])
    }

    /// The instance that a call is made in, where that is not whichever is free.
    fn place<'a>(&'a self, met: &'a Met) -> Option<&'a Arc<Instance>> {
        let own = match &self.target {
            Target::Instance(home) => Some(&home.instance),
            Target::Pool(..) => None,
        };
        met.home.as_ref().map(|home| &home.instance).or(own)
    }

    /// The instance that a call is made in, held for as long as it lasts.
    fn home(&self, py: Python<'_>, met: &mut Met) -> PyResult<(Home, Taken)> {
        let home = match (met.home.take(), &self.target) {
            (Some(home), Target::Instance(own)) if !home.is(own) => {
                let message = "a resource of another instance cannot be passed to this one".into();
                let help = "each instance has its own: make it by this instance";
                return Err(errors::plain(py, known::wrong_value(py), message, &[help]));
            }
            (Some(home), _) => home,
            (None, Target::Instance(home)) => home.alone(),
            (None, Target::Pool(pool, functions)) => {
                let taken = pool.take();
                let home = Home {
                    instance: taken.instance().clone(),
                    functions: functions.clone(),
                    course: None,
                };
                return Ok((home, taken));
            }
        };
        // A resource that is given away was perhaps the last that held it.
        let taken = Taken::of(&home.instance);
        Ok((home, taken))
    }

    /// Makes the call.
    fn run(
        &self,
        py: Python<'_>,
        arguments: Vec<Value>,
        mut met: Met,
        call: Option<&Call>,
    ) -> PyResult<Py<PyAny>> {
        let threads = process::threads()?;
        let (home, _taken) = self.home(py, &mut met)?;
        met.gone(py);
        let mut caller = Caller::new(&home, call.map(|call| call.course.clone_ref(py)));
        let result = process::detached(py, || {
            home.instance
                .call(threads, &self.signature, arguments, &mut caller)
        });
        caller.ended(py);
        match result {
            Ok(value) => self.give(py, value, &home),
            Err(why) => Err(match caller.raised(py) {
                Some(error) => errors::annotated(py, error, why),
                None => errors::refused(py, why),
            }),
        }
    }

    /// Makes the call, hands its result to `deliver(value, error)`, and comes back when all of its
    /// streams have ended.
    fn run_open(
        &self,
        py: Python<'_>,
        arguments: Vec<Value>,
        mut met: Met,
        call: &Call,
        deliver: Py<PyAny>,
    ) -> PyResult<()> {
        let threads = process::threads()?;
        let (home, _taken) = self.home(py, &mut met)?;
        let home = home.told_by(call.course.clone_ref(py));
        met.gone(py);
        let result: Arc<Mutex<Option<Option<Value>>>> = Arc::default();
        let (slot, handed) = (result.clone(), deliver.clone_ref(py));
        let opened = Opened {
            result,
            deliver: Some(Box::new(|py: Python<'_>, value| {
                let outcome = match self.give(py, value, &home) {
                    Ok(object) => handed.call1(py, (object, py.None())),
                    Err(error) => handed.call1(py, (py.None(), error.into_value(py))),
                };
                if let Err(error) = outcome {
                    error.write_unraisable(py, None);
                }
            })),
        };
        let mut caller = Caller::new(&home, Some(call.course.clone_ref(py))).opening(opened);
        let ended = process::detached(py, || {
            let on_result = move |value| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            };
            let instance = &home.instance;
            instance.call_open(threads, &self.signature, arguments, on_result, &mut caller)
        });
        caller.ended(py);
        // Who reads its streams is told by them what went wrong since.
        match ended {
            Err(why) if !caller.delivered() => Err(match caller.raised(py) {
                Some(error) => errors::annotated(py, error, why),
                None => errors::refused(py, why),
            }),
            _ => Ok(()),
        }
    }

    fn give(&self, py: Python<'_>, value: Option<Value>, home: &Home) -> PyResult<Py<PyAny>> {
        Ok(match (&self.gives, value) {
            (Gives::Value(shape), Some(value)) => decode(py, shape, value, home)?.unbind(),
            (Gives::Result(ok, _), Some(Value::Result(Ok(value)))) => {
                carried(py, ok.as_deref(), value, home)?.unbind()
            }
            (Gives::Result(_, err), Some(Value::Result(Err(value)))) => {
                let value = carried(py, err.as_deref(), value, home)?;
                let error = known::err(py)?.call1((value,))?;
                return Err(PyErr::from_value(error));
            }
            _ => py.None(),
        })
    }
}

#[pymethods]
impl Function {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let _inside = process::Inside::enter(py);
        let (arguments, met) = self.arguments(py, args, kwargs)?;
        if !met.pumps.is_empty() {
            let what = "what comes by and by can be sent to async functions alone".into();
            return Err(self.wrong(py, what));
        }
        if let Some(instance) = self.place(&met)
            && course::waits_here(py, instance)?
        {
            return Err(errors::refused(py, Refused::Reentered));
        }
        self.run(py, arguments, met, None)
    }

    /// Reads the arguments of a call that is made later, on another thread.
    fn begin(
        this: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
    ) -> PyResult<Call> {
        let (py, function) = (this.py(), this.get());
        let _inside = process::Inside::enter(py);
        let ready = function.arguments(py, args, Some(kwargs))?;
        let course = Course::default();
        if let Some(instance) = function.place(&ready.1) {
            // A plain host function that runs a loop waits for it on this thread.
            if instance.is_called_here() || course::waits_here(py, instance)? {
                return Err(errors::refused(py, Refused::Reentered));
            }
            course.is_of(instance);
        }
        Ok(Call {
            function: this.clone().unbind(),
            ready: Mutex::new(Some(ready)),
            course: Py::new(py, course)?,
        })
    }

    /// In a resource's class it is a method.
    fn __get__<'py>(
        this: &Bound<'py, Self>,
        object: &Bound<'py, PyAny>,
        _class: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match object.is_none() {
            true => Ok(this.clone().into_any()),
            false => known::method(this.py())?.call1((this, object)),
        }
    }

    fn __repr__(&self) -> String {
        format!("<function {} of a component>", self.signature)
    }
}

/// A call that has begun: its arguments are read.
#[pyclass(frozen, module = "holm._holm")]
pub struct Call {
    function: Py<Function>,
    ready: Mutex<Option<(Vec<Value>, Met)>>,
    course: Py<Course>,
}

#[pymethods]
impl Call {
    /// Makes the call; once.
    fn run(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let _inside = process::Inside::enter(py);
        let (arguments, met) = self.take()?;
        self.function.get().run(py, arguments, met, Some(self))
    }

    /// The same; hands the result to `deliver(value, error)` while its streams flow on.
    fn run_open(&self, py: Python<'_>, deliver: Py<PyAny>) -> PyResult<()> {
        let _inside = process::Inside::enter(py);
        let (arguments, met) = self.take()?;
        let function = self.function.get();
        function.run_open(py, arguments, met, self, deliver)
    }

    /// What is to be sent while it is under way: pairs of a sender and what brings it.
    #[getter]
    fn pumps(&self, py: Python<'_>) -> Vec<(Py<Sender>, Py<PyAny>)> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let pumps = ready.iter().flat_map(|(_, met)| &met.pumps);
        pumps
            .map(|(sender, source)| (sender.clone_ref(py), source.clone_ref(py)))
            .collect()
    }

    /// How it goes.
    #[getter]
    fn course(&self, py: Python<'_>) -> Py<Course> {
        self.course.clone_ref(py)
    }

    /// Stops it, if it is under way: what it is sent by `sender` has raised.
    fn fail(&self, sender: Py<Sender>, error: Option<Py<PyAny>>) {
        self.course.get().broke(sender, error);
    }

    /// Stops it, if it is under way.
    fn cancel(&self) {
        self.course.get().stop();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.course)?;
        // Who holds it at this moment is in no cycle yet.
        let Ok(ready) = self.ready.try_lock() else {
            return Ok(());
        };
        let pumps = ready.iter().flat_map(|(_, met)| &met.pumps);
        pumps
            .map(|(_, source)| source)
            .try_for_each(|source| visit.call(source))
    }
}

impl Call {
    fn take(&self) -> PyResult<(Vec<Value>, Met)> {
        let ready = self
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        ready.ok_or_else(|| PyRuntimeError::new_err("a call is made once"))
    }
}
