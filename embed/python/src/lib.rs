//! Holm in Python: the native part of the package `holm`, imported as `holm._holm`.
//!
//! Python's side of it makes classes and names (`python/holm/`); this side converts values, makes
//! calls, and keeps the interpreter's lock while it does the one, not while it does the other.

mod answer;
mod component;
mod course;
mod decode;
mod describe;
mod encode;
mod errors;
mod flows;
mod function;
mod handle;
mod known;
mod numbers;
mod outside;
mod process;
mod settings;
mod shape;
mod unfit;

use pyo3::prelude::*;

/// The native part of `holm`.
#[pymodule]
fn _holm(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<component::Component>()?;
    module.add_class::<component::Pool>()?;
    module.add_class::<component::Instance>()?;
    module.add_class::<function::Function>()?;
    module.add_class::<function::Call>()?;
    module.add_class::<course::Course>()?;
    module.add_class::<answer::Answer>()?;
    module.add_class::<handle::Handle>()?;
    module.add_class::<flows::Sender>()?;
    module.add_class::<flows::Reader>()?;
    module.add_function(wrap_pyfunction!(component::refusal, module)?)?;
    module.add_function(wrap_pyfunction!(process::_forked, module)?)?;
    module.add_function(wrap_pyfunction!(process::_ending, module)?)?;
    module.add_function(wrap_pyfunction!(process::_main, module)?)?;
    Ok(())
}
