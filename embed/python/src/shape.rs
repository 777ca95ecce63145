//! A WIT type with the Python objects that stand for it: what converters walk along.

use holm_runtime::values::{self, Type};
use pyo3::exceptions::PyReferenceError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::collections::HashMap;
use std::sync::Arc;

/// A WIT type and its Python classes.
pub enum Shape {
    /// A type that Python has one for: numbers, bool, char, string.
    Plain(Type),
    /// `list<u8>`: bytes.
    Bytes,
    /// A list of other numbers.
    Numbers(Type),
    /// Any other list.
    List(Arc<Shape>),
    /// A list of so many.
    Fixed(Arc<Shape>, u32),
    /// A map: a dict.
    Map(Arc<Shape>, Arc<Shape>),
    /// A tuple.
    Tuple(Vec<Shape>),
    /// `T | None`; the value is wrapped in `Some` where it may be `None` itself.
    Option { of: Arc<Shape>, wrapped: bool },
    /// `Ok` or `Err`.
    Result(Option<Arc<Shape>>, Option<Arc<Shape>>),
    /// A dataclass.
    Record(Arc<Record>),
    /// A class for each case.
    Variant(Arc<Variant>),
    /// An `enum.Enum`.
    Enum(Arc<Enum>),
    /// An `enum.Flag`.
    Flags(Arc<Flags>),
    /// An object of the resource's class, given away or lent.
    Resource { of: Arc<Resource>, own: bool },
    /// An object of a class that Python provides, given away or lent.
    Object(Arc<Resource>),
    /// An async iterator; the type is for errors.
    Flow(Option<Arc<Shape>>, Type),
    /// What Python cannot hold; functions with it are listed and not called.
    Unknown(Type),
}

/// A record's dataclass.
pub struct Record {
    pub ty: Arc<values::Record>,
    pub class: Py<PyAny>,
    /// Attribute and shape of each field.
    pub fields: Vec<(Py<PyString>, Shape)>,
}

/// A variant's classes.
pub struct Variant {
    pub ty: Arc<values::Variant>,
    /// Class, payload and, where it has no payload, its only object.
    pub cases: Vec<(Py<PyAny>, Option<Shape>)>,
}

/// An enum's members.
pub struct Enum {
    pub ty: Arc<values::Enum>,
    pub members: Vec<Py<PyAny>>,
}

/// The class of some flags.
pub struct Flags {
    pub ty: Arc<values::Flags>,
    pub class: Py<PyAny>,
}

/// A resource's class.
pub struct Resource {
    pub ty: Arc<values::Resource>,
    /// A weak reference to it: its methods hold this, and Python's collector does not see it.
    reference: Py<PyAny>,
}

impl Resource {
    /// The class. Whoever has a function of the component keeps it alive.
    pub fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class = self.reference.bind(py).call0()?;
        match class.is_none() {
            true => Err(PyReferenceError::new_err(format!(
                "the component of this `{}` was let go",
                self.ty.name.name
            ))),
            false => Ok(class),
        }
    }
}

/// What Python made of the named types of a component, and the shapes made so far.
#[derive(Default)]
pub struct Shapes {
    bindings: HashMap<values::TypeName, Py<PyTuple>>,
    provided: HashMap<values::TypeName, Py<PyAny>>,
    named: HashMap<values::TypeName, Named>,
}

#[derive(Clone)]
enum Named {
    Record(Arc<Record>),
    Variant(Arc<Variant>),
    Enum(Arc<Enum>),
    Flags(Arc<Flags>),
    Resource(Arc<Resource>),
    Object(Arc<Resource>),
}

impl Shapes {
    /// What Python made of a type: for records the class and its attributes, for variants the
    /// class and those of its cases, for enums the class and its members, of resources a weak
    /// reference to the class, else the class.
    pub fn bind(&mut self, name: values::TypeName, binding: Py<PyTuple>) {
        self.bindings.insert(name, binding);
    }

    /// The class whose objects are a resource that Python provides, by a weak reference to it.
    pub fn provide(&mut self, name: values::TypeName, class: Py<PyAny>) {
        self.provided.insert(name, class);
    }

    /// The shape of a type.
    pub fn of(&mut self, py: Python<'_>, ty: &Type) -> PyResult<Shape> {
        Ok(match ty {
            Type::List(of) if matches!(**of, Type::U8) => Shape::Bytes,
            Type::List(of) if values::Numbers::of(of).is_some() => Shape::Numbers((**of).clone()),
            Type::List(of) => Shape::List(self.shared(py, of)?),
            Type::FixedList(of, length) => Shape::Fixed(self.shared(py, of)?, *length),
            Type::Map(key, value) => Shape::Map(self.shared(py, key)?, self.shared(py, value)?),
            Type::Tuple(types) => {
                let shapes: PyResult<_> = types.iter().map(|ty| self.of(py, ty)).collect();
                Shape::Tuple(shapes?)
            }
            Type::Option(of) => Shape::Option {
                wrapped: matches!(**of, Type::Option(_)),
                of: self.shared(py, of)?,
            },
            Type::Result(ok, err) => Shape::Result(
                ok.as_ref().map(|ty| self.shared(py, ty)).transpose()?,
                err.as_ref().map(|ty| self.shared(py, ty)).transpose()?,
            ),
            Type::Record(_) | Type::Variant(_) | Type::Enum(_) | Type::Flags(_) => {
                self.named(py, ty)?
            }
            Type::Own(_) | Type::Borrow(_) => self.named(py, ty)?,
            Type::Stream(of) | Type::Future(of) => {
                let of = of.as_ref().map(|of| self.shared(py, of)).transpose()?;
                Shape::Flow(of, ty.clone())
            }
            Type::ErrorContext => Shape::Unknown(ty.clone()),
            plain => Shape::Plain(plain.clone()),
        })
    }

    fn shared(&mut self, py: Python<'_>, ty: &Type) -> PyResult<Arc<Shape>> {
        self.of(py, ty).map(Arc::new)
    }

    fn named(&mut self, py: Python<'_>, ty: &Type) -> PyResult<Shape> {
        let Some(name) = ty.name() else {
            return Ok(Shape::Unknown(ty.clone()));
        };
        if let Some(named) = self.named.get(name) {
            return Ok(named.shape(ty));
        }
        if let Type::Own(of) | Type::Borrow(of) = ty
            && let Some(class) = self.provided.get(name)
        {
            let of = Arc::new(Resource {
                ty: of.clone(),
                reference: class.clone_ref(py),
            });
            self.named.insert(name.clone(), Named::Object(of.clone()));
            return Ok(Shape::Object(of));
        }
        let Some(binding) = self.bindings.get(name).map(|b| b.clone_ref(py)) else {
            return Ok(Shape::Unknown(ty.clone()));
        };
        let binding = binding.into_bound(py);
        let class = binding.get_item(0)?.unbind();
        let part = |at: usize| binding.get_item(1)?.get_item(at);
        let named = match ty {
            Type::Record(ty) => {
                let mut fields = Vec::with_capacity(ty.fields.len());
                for (at, field) in ty.fields.iter().enumerate() {
                    let attribute = part(at)?.cast_into::<PyString>()?.unbind();
                    fields.push((attribute, self.of(py, &field.ty)?));
                }
                let ty = ty.clone();
                Named::Record(Arc::new(Record { ty, class, fields }))
            }
            Type::Variant(ty) => {
                let mut cases = Vec::with_capacity(ty.cases.len());
                for (at, case) in ty.cases.iter().enumerate() {
                    let payload = case.ty.as_ref().map(|ty| self.of(py, ty)).transpose()?;
                    cases.push((part(at)?.unbind(), payload));
                }
                let ty = ty.clone();
                Named::Variant(Arc::new(Variant { ty, cases }))
            }
            Type::Enum(ty) => {
                let members: PyResult<_> = (0..ty.cases.len())
                    .map(|at| Ok(part(at)?.unbind()))
                    .collect();
                let (ty, members) = (ty.clone(), members?);
                Named::Enum(Arc::new(Enum { ty, members }))
            }
            Type::Flags(ty) => {
                let ty = ty.clone();
                Named::Flags(Arc::new(Flags { ty, class }))
            }
            Type::Own(ty) | Type::Borrow(ty) => {
                let (ty, reference) = (ty.clone(), class);
                Named::Resource(Arc::new(Resource { ty, reference }))
            }
            _ => return Ok(Shape::Unknown(ty.clone())),
        };
        let shape = named.shape(ty);
        self.named.insert(name.clone(), named);
        Ok(shape)
    }
}

impl Named {
    fn shape(&self, ty: &Type) -> Shape {
        match self.clone() {
            Named::Record(of) => Shape::Record(of),
            Named::Variant(of) => Shape::Variant(of),
            Named::Enum(of) => Shape::Enum(of),
            Named::Flags(of) => Shape::Flags(of),
            Named::Object(of) => Shape::Object(of),
            Named::Resource(of) => Shape::Resource {
                of,
                own: matches!(ty, Type::Own(_)),
            },
        }
    }
}
