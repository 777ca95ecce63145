//! What a component takes and gives, told in Python's own objects for the pure Python part.

use holm_runtime::values::{
    Docs, FunctionKind, Signature, Signatures, Surface, Type, TypeName, callable,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::collections::HashMap;

/// Everything that `holm._world.World` is made of. What it imports of WASI is left out: the host
/// provides it.
pub fn describe<'py>(py: Python<'py>, of: &Signatures) -> PyResult<Bound<'py, PyDict>> {
    let mut told = Told {
        py,
        positions: HashMap::new(),
        types: PyList::empty(py),
    };
    let exports = PyList::empty(py);
    for (position, signature) in of.exports.iter().enumerate() {
        let refused = callable::check(signature, Surface::SESSION).err();
        exports.append(told.function(position, signature, refused)?)?;
    }
    let imports = PyList::empty(py);
    let own = |signature: &&(usize, &Signature)| {
        let interface = signature.1.interface.as_deref().unwrap_or_default();
        !interface.starts_with("wasi:")
    };
    for (position, signature) in of.imports.iter().enumerate().filter(|one| own(&one)) {
        let refused = callable::check(signature, Surface::SESSION).err();
        imports.append(told.function(position, signature, refused)?)?;
    }
    let interfaces: Vec<(&str, Option<&str>)> = of
        .interfaces
        .iter()
        .map(|i| (&*i.name, i.docs.as_deref()))
        .collect();
    let all = PyDict::new(py);
    all.set_item("docs", of.docs.as_deref())?;
    all.set_item("interfaces", interfaces)?;
    all.set_item("types", told.types)?;
    all.set_item("exports", exports)?;
    all.set_item("imports", imports)?;
    Ok(all)
}

struct Told<'py> {
    py: Python<'py>,
    positions: HashMap<TypeName, usize>,
    types: Bound<'py, PyList>,
}

impl<'py> Told<'py> {
    fn function(
        &mut self,
        position: usize,
        of: &Signature,
        refused: Option<String>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (kind, resource) = match &of.kind {
            FunctionKind::Free => ("free", None),
            FunctionKind::Constructor(of) => ("constructor", Some(of)),
            FunctionKind::Method(of) => ("method", Some(of)),
            FunctionKind::Static(of) => ("static", Some(of)),
        };
        let resource = resource
            .map(|of| self.named(&Type::Own(of.clone()), &of.name))
            .transpose()?;
        let mut params = Vec::new();
        for param in &of.params {
            params.push((&*param.name, self.ty(&param.ty)?));
        }
        let told = PyDict::new(self.py);
        told.set_item("position", position)?;
        told.set_item("interface", of.interface.as_deref())?;
        told.set_item("function", &*of.function)?;
        told.set_item("kind", kind)?;
        told.set_item("resource", resource)?;
        told.set_item("name", of.local_name())?;
        told.set_item("params", PyTuple::new(self.py, params)?)?;
        told.set_item("result", self.optional(of.result.as_ref())?)?;
        told.set_item("is_async", of.is_async)?;
        told.set_item("docs", of.docs.as_deref())?;
        told.set_item("refused", refused)?;
        told.set_item("text", of.to_string())?;
        Ok(told)
    }

    fn optional(&mut self, ty: Option<&Type>) -> PyResult<Option<Py<PyAny>>> {
        ty.map(|ty| self.ty(ty)).transpose()
    }

    fn ty(&mut self, ty: &Type) -> PyResult<Py<PyAny>> {
        let py = self.py;
        let tuple = |object: Bound<'py, PyTuple>| Ok(object.into_any().unbind());
        match ty {
            Type::List(of) => tuple(("list", self.ty(of)?).into_pyobject(py)?),
            Type::FixedList(of, length) => {
                tuple(("fixed", self.ty(of)?, *length).into_pyobject(py)?)
            }
            Type::Map(key, value) => {
                tuple(("map", self.ty(key)?, self.ty(value)?).into_pyobject(py)?)
            }
            Type::Option(of) => tuple(("option", self.ty(of)?).into_pyobject(py)?),
            Type::Tuple(types) => {
                let types: PyResult<Vec<_>> = types.iter().map(|ty| self.ty(ty)).collect();
                tuple(("tuple", PyTuple::new(py, types?)?).into_pyobject(py)?)
            }
            Type::Result(ok, err) => {
                let (ok, err) = (
                    self.optional(ok.as_deref())?,
                    self.optional(err.as_deref())?,
                );
                tuple(("result", ok, err).into_pyobject(py)?)
            }
            Type::Stream(of) => tuple(("stream", self.optional(of.as_deref())?).into_pyobject(py)?),
            Type::Future(of) => tuple(("future", self.optional(of.as_deref())?).into_pyobject(py)?),
            Type::Record(_) | Type::Variant(_) | Type::Enum(_) | Type::Flags(_) => {
                let position = ty.name().map(|name| self.named(ty, name)).transpose()?;
                tuple(("type", position).into_pyobject(py)?)
            }
            Type::Own(of) => tuple(("own", self.named(ty, &of.name)?).into_pyobject(py)?),
            Type::Borrow(of) => tuple(("borrow", self.named(ty, &of.name)?).into_pyobject(py)?),
            plain => Ok(plain.to_string().into_pyobject(py)?.into_any().unbind()),
        }
    }

    /// The position of a type with a name.
    fn named(&mut self, ty: &Type, name: &TypeName) -> PyResult<usize> {
        if let Some(position) = self.positions.get(name) {
            return Ok(*position);
        }
        // Its parts come first: the order in which classes can be made.
        let mut parts: Vec<(&str, Option<Py<PyAny>>, &Docs)> = Vec::new();
        let kind = match ty {
            Type::Record(of) => {
                for field in &of.fields {
                    parts.push((&field.name, Some(self.ty(&field.ty)?), &field.docs));
                }
                "record"
            }
            Type::Variant(of) => {
                for case in &of.cases {
                    parts.push((&case.name, self.optional(case.ty.as_ref())?, &case.docs));
                }
                "variant"
            }
            Type::Enum(of) => {
                parts.extend(
                    of.cases
                        .iter()
                        .map(|label| (&*label.name, None, &label.docs)),
                );
                "enum"
            }
            Type::Flags(of) => {
                parts.extend(
                    of.flags
                        .iter()
                        .map(|label| (&*label.name, None, &label.docs)),
                );
                "flags"
            }
            _ => "resource",
        };
        let parts = parts
            .into_iter()
            .map(|(name, ty, docs)| (name, ty, docs.as_deref()));
        let told = PyDict::new(self.py);
        told.set_item("kind", kind)?;
        told.set_item("interface", name.interface.as_deref())?;
        told.set_item("name", &*name.name)?;
        told.set_item("docs", ty.docs())?;
        told.set_item("parts", PyTuple::new(self.py, parts.collect::<Vec<_>>())?)?;
        let position = self.types.len();
        self.types.append(told)?;
        self.positions.insert(name.clone(), position);
        Ok(position)
    }
}
