//! Resources that Python holds: each lives in one instance.

use crate::course::{self, Course};
use crate::errors;
use crate::flows::Sender;
use crate::outside::{Caller, HostFunction};
use crate::process::{self, Kept};
use crate::shape;
use crate::unfit::Unfit;
use holm_host::library::{Instance, Refused};
use holm_runtime::values::{Object, Value};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::component::ResourceAny;

/// An instance, and what Python provides for it.
pub struct Home {
    pub instance: Arc<Instance>,
    pub functions: Arc<[HostFunction]>,
    /// The call that the streams are of which it writes, where they flow on when Python has them.
    pub course: Option<Py<Course>>,
}

impl Home {
    /// The same, of no call.
    pub fn alone(&self) -> Home {
        Home {
            instance: self.instance.clone(),
            functions: self.functions.clone(),
            course: None,
        }
    }

    /// The same.
    pub fn clone_ref(&self, py: Python<'_>) -> Home {
        Home {
            course: self.course.as_ref().map(|course| course.clone_ref(py)),
            ..self.alone()
        }
    }

    /// The same, for what flows on in a call.
    pub fn told_by(&self, course: Py<Course>) -> Home {
        Home {
            course: Some(course),
            ..self.alone()
        }
    }

    /// Whether both are the same instance.
    pub fn is(&self, other: &Home) -> bool {
        Arc::ptr_eq(&self.instance, &other.instance)
    }
}

/// What was met among the arguments of a call that concerns the call as a whole.
#[derive(Default)]
pub struct Met {
    /// The instance that the resources among them live in.
    pub home: Option<Home>,
    /// What is sent by and by, and where it is put.
    pub pumps: Vec<(Py<Sender>, Py<PyAny>)>,
    /// Resources that are given away with the call.
    given: Vec<Py<Handle>>,
}

impl Met {
    /// The call is made: what was given away is gone.
    pub fn gone(self, py: Python<'_>) {
        for handle in self.given {
            let handle = handle.bind(py).get();
            if handle.take().is_some() {
                handle.home.instance.let_go();
            }
        }
    }
}

/// A resource that lives in an instance.
#[pyclass(frozen, module = "holm._holm")]
pub struct Handle {
    home: Kept<Home>,
    resource: Mutex<Option<ResourceAny>>,
}

#[pymethods]
impl Handle {
    /// Drops the resource.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let _inside = process::Inside::enter(py);
        let instance = &self.home.instance;
        let is_awaited = course::waits_here(py, instance)?;
        let Some(resource) = self.take() else {
            return Ok(());
        };
        if is_awaited {
            // By a call that it is in: dropped with the next.
            instance.forget(resource);
            return Ok(());
        }
        if instance.is_over() {
            instance.let_go();
            return Ok(());
        }
        let threads = process::threads()?;
        let mut caller = Caller::new(&self.home, None);
        let dropped = process::detached(py, || {
            instance.drop_resource(threads, resource, &mut caller)
        });
        caller.ended(py);
        match dropped {
            Ok(()) => Ok(()),
            // The same, of a plain function.
            Err(Refused::Reentered) => {
                instance.hold();
                instance.forget(resource);
                Ok(())
            }
            Err(why) => Err(caller
                .raised(py)
                .unwrap_or_else(|| errors::refused(py, why))),
        }
    }

    /// Whether it is gone.
    #[getter]
    fn closed(&self) -> bool {
        self.resource().is_none() || self.home.instance.is_over()
    }
}

impl Handle {
    fn resource(&self) -> MutexGuard<'_, Option<ResourceAny>> {
        self.resource.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<ResourceAny> {
        self.resource().take()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !process::forked()
            && let Some(resource) = self.take()
        {
            self.home.instance.forget(resource);
        }
    }
}

/// Passes a resource to a call: given away, or lent for as long as it lasts.
pub fn pass(
    of: &shape::Resource,
    own: bool,
    object: &Bound<'_, PyAny>,
    met: &mut Met,
) -> Result<Value, Unfit> {
    let py = object.py();
    let name = &of.ty.name.name;
    let named = || format!("`{name}`");
    if !object
        .is_instance(&of.class(py).map_err(Unfit::Raised)?)
        .map_err(Unfit::Raised)?
    {
        return Err(Unfit::expected(named(), object));
    }
    let handle = object
        .getattr(pyo3::intern!(py, "_handle"))
        .ok()
        .and_then(|handle| handle.cast_into::<Handle>().ok())
        .ok_or_else(|| Unfit::closed(format!("this `{name}` was never made")))?;
    let inner = handle.get();
    let resource = *inner.resource();
    let Some(resource) = resource.filter(|_| !inner.home.instance.is_over()) else {
        return Err(Unfit::closed(format!("this `{name}` is closed")));
    };
    match &met.home {
        Some(home) if !home.is(&inner.home) => {
            let problem =
                format!("this `{name}` lives in another instance than what came before it");
            return Err(
                Unfit::value(problem).help("keep both in one: instance = library.instance()")
            );
        }
        _ => met.home = Some(inner.home.alone()),
    }
    if own {
        if met.given.iter().any(|given| given.is(&handle)) {
            return Err(Unfit::closed(format!("this `{name}` is given away twice")));
        }
        met.given.push(handle.unbind());
    }
    Ok(Value::Resource(resource))
}

/// An object of Python's that stands for a resource which Python provides.
pub type Held = Kept<Py<PyAny>>;

/// Gives an object to a component as a resource, or lends it.
pub fn hold(of: &shape::Resource, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
    let class = of.class(object.py()).map_err(Unfit::Raised)?;
    if !object.is_instance(&class).map_err(Unfit::Raised)? {
        let class = class.getattr("__qualname__").map_err(Unfit::Raised)?;
        return Err(Unfit::expected(format!("a `{class}`"), object));
    }
    let held: Held = Kept::new(object.clone().unbind());
    Ok(Value::Object(Object::new(held)))
}

/// Makes an object for a resource that came out of a call.
pub fn receive<'py>(
    py: Python<'py>,
    of: &shape::Resource,
    resource: ResourceAny,
    home: &Home,
) -> PyResult<Bound<'py, PyAny>> {
    home.instance.hold();
    let handle = Handle {
        home: Kept::new(home.alone()),
        resource: Mutex::new(Some(resource)),
    };
    let handle = Bound::new(py, handle)?;
    let class = of.class(py)?;
    class.call_method1(pyo3::intern!(py, "_of"), (handle,))
}
