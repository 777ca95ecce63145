//! What a component's functions are called, what they take, what they give.

use super::ty::{Docs, Resource, Type};
use std::fmt;
use std::sync::Arc;

/// All functions that a component exports and imports, in the order of its WIT.
#[derive(Clone, Debug, Default)]
pub struct Signatures {
    /// What can be called from outside.
    pub exports: Vec<Signature>,
    /// What the component calls.
    pub imports: Vec<Signature>,
    /// The interfaces that are exported, with their docs.
    pub interfaces: Vec<Interface>,
    /// The docs of the component's world.
    pub docs: Docs,
}

/// An exported interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// `holm:greet/api@0.1.0`.
    pub name: Arc<str>,
    /// Its docs.
    pub docs: Docs,
}

/// A function as WIT declares it.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The interface that it belongs to, as the component names it: `holm:greet/api@0.1.0`; absent
    /// where it is the component's own.
    pub interface: Option<Arc<str>>,
    /// Its name as the component names it: `add`, `[method]cart.add`.
    pub function: Arc<str>,
    /// Whether it belongs to a resource, and how.
    pub kind: FunctionKind,
    /// What it takes. A method takes its resource first, as `self`.
    pub params: Vec<Param>,
    /// What it gives, if anything.
    pub result: Option<Type>,
    /// Whether it is an `async func` of WIT.
    pub is_async: bool,
    /// Its docs.
    pub docs: Docs,
    /// Its position among the exports (or imports) of its component.
    pub position: usize,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
}

/// What a function is to a resource.
#[derive(Clone, Debug)]
pub enum FunctionKind {
    /// Nothing: a function of its own.
    Free,
    /// Makes one.
    Constructor(Arc<Resource>),
    /// Works on one.
    Method(Arc<Resource>),
    /// Belongs to the resource's type.
    Static(Arc<Resource>),
}

impl Signature {
    /// The name that tells it from all others of its component: `holm:greet/api@0.1.0.add`.
    pub fn full_name(&self) -> String {
        self.with_interface(self.interface.as_deref())
    }

    /// The same without the version, as users write it: `holm:greet/api.add`, `holm:shop/carts.cart.add`.
    pub fn name(&self) -> String {
        self.with_interface(self.interface.as_deref().map(without_version))
    }

    fn with_interface(&self, interface: Option<&str>) -> String {
        match interface {
            Some(interface) => format!("{interface}.{}", self.local_name()),
            None => self.local_name(),
        }
    }

    /// Its name within its interface: `add`, `cart.add`; a constructor has its resource's name.
    pub fn local_name(&self) -> String {
        let name = &*self.function;
        let plain = match name.split_once(']') {
            Some((_, plain)) if name.starts_with('[') => plain,
            _ => name,
        };
        plain.to_owned()
    }

    /// Its name alone: `add` for `[method]cart.add` too.
    pub fn short_name(&self) -> String {
        let local = self.local_name();
        match local.rsplit_once('.') {
            Some((_, short)) => short.to_owned(),
            None => local,
        }
    }

    /// All types that it names: of its parameters, then of its result.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.params.iter().map(|p| &p.ty).chain(&self.result)
    }
}

/// `holm:greet/api` of `holm:greet/api@0.1.0`.
pub(crate) fn without_version(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}

/// As WIT has it, the name in front: `add: func(a: u32, b: u32) -> u32`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match (&self.kind, self.is_async) {
            (FunctionKind::Static(_), true) => "static async func",
            (FunctionKind::Static(_), false) => "static func",
            (FunctionKind::Constructor(_), _) => "constructor",
            (_, true) => "async func",
            (_, false) => "func",
        };
        write!(f, "{}: {word}(", self.local_name())?;
        for (at, param) in self.params.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", param.name, param.ty)?;
        }
        match &self.result {
            Some(result) => write!(f, ") -> {result}"),
            None => f.write_str(")"),
        }
    }
}
