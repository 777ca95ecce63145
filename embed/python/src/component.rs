//! Components, their pools and their instances, as Python holds them.

use crate::describe::describe;
use crate::errors;
use crate::function::{Function, Target};
use crate::handle::Home;
use crate::known;
use crate::outside::{Does, Gives, HostFunction, is_later};
use crate::process::{self, Kept};
use crate::settings;
use crate::shape::Shapes;
use holm_host::library::{AppOptions, Library, NotLoaded, Options, asked};
use holm_runtime::provide::{Imports, Provided, ProvidedResource};
use holm_runtime::values::{Resource, Signature, Signatures, Type, TypeName};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A component that is loaded and not linked yet.
#[pyclass(frozen, module = "holm._holm")]
pub struct Component(Kept<Library>);

#[pymethods]
impl Component {
    #[new]
    #[pyo3(signature = (path, name, grants, limits, base, state, wit, reuse))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the keywords of `holm.load`"
    )]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        name: String,
        grants: &Bound<'_, PyDict>,
        limits: &Bound<'_, PyDict>,
        base: PathBuf,
        state: Option<PathBuf>,
        wit: Option<PathBuf>,
        reuse: Option<u32>,
    ) -> PyResult<Self> {
        let _inside = process::Inside::enter(py);
        let options = Options {
            path,
            name,
            grants: settings::table(grants, "grants")?,
            limits: settings::table(limits, "limits")?,
            base,
            state,
            wit,
            reuse,
        };
        let runtime = process::runtime()?;
        let loaded = process::detached(py, || Library::load(runtime, options));
        Component::of(py, loaded)
    }

    /// A component of an app, with the others that it is linked to.
    #[staticmethod]
    fn of_app(
        py: Python<'_>,
        app: PathBuf,
        component: Option<String>,
        state: Option<PathBuf>,
        wit: Option<PathBuf>,
        reuse: Option<u32>,
    ) -> PyResult<Self> {
        let _inside = process::Inside::enter(py);
        let options = AppOptions {
            app,
            component,
            state,
            wit,
            reuse,
        };
        let embedding = process::embedding()?;
        let threads = process::threads()?;
        let loaded = process::detached(py, || {
            let _entered = threads.enter();
            Library::of_app(embedding, options)
        });
        Component::of(py, loaded)
    }

    /// Its name in errors.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// What it takes and gives: see `holm._world`.
    fn describe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let _inside = process::Inside::enter(py);
        describe(py, self.0.signatures())
    }

    /// Links it: the classes of its types, and what Python provides: functions by position among its
    /// imports, each a callable or the name of a method, and weak references to the classes of resources, each with
    /// whether the component's own functions mean a resource of their own by that name.
    fn link(
        &self,
        py: Python<'_>,
        bindings: Vec<(Option<String>, String, Py<PyTuple>)>,
        functions: &Bound<'_, PyDict>,
        resources: Vec<(String, String, Py<PyAny>, bool)>,
    ) -> PyResult<Pool> {
        let _inside = process::Inside::enter(py);
        let signatures = self.0.signatures().clone();
        let (mut shapes, mut imports) = (Shapes::default(), Shapes::default());
        for (interface, name, binding) in bindings {
            let name = type_name(interface.as_deref(), &name);
            imports.bind(name.clone(), binding.clone_ref(py));
            shapes.bind(name, binding);
        }
        let mut names = Vec::new();
        for (interface, name, class, exported) in resources {
            let name = type_name(Some(&interface), &name);
            if !exported {
                shapes.provide(name.clone(), class.clone_ref(py));
            }
            imports.provide(name.clone(), class);
            names.push(name);
        }
        let mut given = Vec::new();
        let mut provides = Vec::new();
        for (position, does) in functions {
            let position: usize = position.extract()?;
            let signature = signatures.imports.get(position).ok_or_else(no_such)?;
            provides.push(Provided {
                signature: Arc::new(signature.clone()),
                call: asked(given.len()),
            });
            given.push(HostFunction::new(py, signature, &mut imports, does)?);
        }
        let mut drops = Vec::new();
        for name in names {
            given.push(HostFunction::drop_of(py, &name, &mut imports)?);
            drops.push(ProvidedResource {
                name,
                dropped: asked(given.len() - 1),
            });
        }
        let imports = Imports {
            functions: &provides,
            resources: &drops,
        };
        let linked = process::detached(py, || self.0.link(imports));
        let pool = linked.map_err(|error| errors::exception(py, &error, true))?;
        Ok(Pool {
            pool: Kept::new(pool),
            functions: given.into(),
            signatures,
            shapes: Arc::new(Mutex::new(shapes)),
        })
    }
}

impl Component {
    fn of(py: Python<'_>, loaded: Result<Library, NotLoaded>) -> PyResult<Self> {
        match loaded {
            Ok(library) => Ok(Component(Kept::new(library))),
            Err(why) => Err(errors::not_loaded(py, why)),
        }
    }
}

fn no_such() -> PyErr {
    PyIndexError::new_err("there is no such function")
}

/// Instances of a component.
#[pyclass(frozen, module = "holm._holm")]
pub struct Pool {
    pool: Kept<holm_host::library::Pool>,
    functions: Arc<[HostFunction]>,
    signatures: Arc<Signatures>,
    shapes: Arc<Mutex<Shapes>>,
}

#[pymethods]
impl Pool {
    /// An exported function, called in whichever instance is free.
    fn function(&self, py: Python<'_>, position: usize) -> PyResult<Function> {
        let target = Target::Pool(Kept::new(self.pool.clone()), self.functions.clone());
        function(py, &self.signatures, &self.shapes, position, target)
    }

    /// An instance of one's own.
    fn instance(&self) -> PyResult<Instance> {
        process::threads()?;
        Ok(Instance {
            home: Kept::new(Home {
                instance: self.pool.own(),
                functions: self.functions.clone(),
                course: None,
            }),
            signatures: self.signatures.clone(),
            shapes: self.shapes.clone(),
        })
    }

    /// Lets go of the instances that wait for a call.
    fn drop_idle(&self, py: Python<'_>) {
        process::detached(py, || self.pool.drop_idle());
    }
}

/// One instance of a component.
#[pyclass(frozen, module = "holm._holm")]
pub struct Instance {
    home: Kept<Home>,
    signatures: Arc<Signatures>,
    shapes: Arc<Mutex<Shapes>>,
}

#[pymethods]
impl Instance {
    /// An exported function, called in this instance.
    fn function(&self, py: Python<'_>, position: usize) -> PyResult<Function> {
        let target = Target::Instance(Kept::new(self.home.alone()));
        function(py, &self.signatures, &self.shapes, position, target)
    }

    /// Drops it and all that lives in it.
    fn close(&self, py: Python<'_>) {
        if !process::forked() {
            process::detached(py, || self.home.instance.close());
        }
    }

    /// Whether it is gone.
    #[getter]
    fn closed(&self) -> bool {
        self.home.instance.is_over()
    }
}

fn function(
    py: Python<'_>,
    signatures: &Signatures,
    shapes: &Mutex<Shapes>,
    position: usize,
    target: Target,
) -> PyResult<Function> {
    let signature = signatures.exports.get(position).ok_or_else(no_such)?;
    let _inside = process::Inside::enter(py);
    // It is held while Python's code runs, which may let other threads in.
    let mut shapes = shapes
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner);
    Function::new(py, signature, &mut shapes, target)
}

fn type_name(interface: Option<&str>, name: &str) -> TypeName {
    TypeName {
        interface: interface.map(Arc::from),
        name: name.into(),
    }
}

impl HostFunction {
    fn new(
        py: Python<'_>,
        signature: &Signature,
        shapes: &mut Shapes,
        does: Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let params = signature.params.iter();
        let params: PyResult<_> = params.map(|param| shapes.of(py, &param.ty)).collect();
        let result = signature.result.as_ref();
        Ok(HostFunction {
            does: match does.cast_into::<PyString>() {
                Ok(name) => Does::Method(name.unbind()),
                Err(error) => Does::Call(error.into_inner().unbind()),
            },
            text: signature.local_name(),
            params: params?,
            gives: result.map(|ty| shapes.of(py, ty)).transpose()?.into(),
            reads: signature.params.iter().any(|param| param.ty.flows()),
            later: is_later(signature.is_async, result),
        })
    }

    /// What is called when a component drops a resource.
    fn drop_of(py: Python<'_>, name: &TypeName, shapes: &mut Shapes) -> PyResult<Self> {
        let ty = Type::Own(Arc::new(Resource {
            name: name.clone(),
            docs: None,
        }));
        Ok(HostFunction {
            does: Does::Drop,
            text: format!("{}.close", name.name),
            params: vec![shapes.of(py, &ty)?],
            gives: Gives::Nothing,
            reads: false,
            later: false,
        })
    }
}

/// An exception for a function that Python cannot call.
#[pyfunction]
pub fn refusal(py: Python<'_>, message: String) -> Py<PyAny> {
    errors::plain(py, known::wrong_type(py), message, &[])
        .into_value(py)
        .into_any()
}
