//! The functions of one component that may be called.

use super::pattern::{Selection, is_of};
use holm_runtime::values::{Signature, Signatures, Surface, callable};
use std::sync::Arc;

/// The functions of one component that may be called, and those that were meant but cannot be.
#[derive(Debug, Default)]
pub struct Exposed {
    /// In the order of the component's WIT.
    pub functions: Vec<Arc<Function>>,
    /// Selected, but not callable from here.
    pub refused: Vec<NotCallable>,
}

/// A function that may be called.
#[derive(Debug)]
pub struct Function {
    /// What it takes and gives.
    pub signature: Signature,
    /// The docs of its interface, or of the component's world.
    pub about: Option<Arc<str>>,
}

/// A function that cannot be called from here.
#[derive(Debug)]
pub struct NotCallable {
    /// Its signature.
    pub signature: Signature,
    /// Why, as half a sentence.
    pub reason: String,
}

impl Exposed {
    /// Those that are selected.
    pub fn new(signatures: &Signatures, selection: &Selection) -> Exposed {
        let mut exposed = Exposed::default();
        for signature in &signatures.exports {
            let interface = signature.interface.as_deref();
            if !selection.has(interface, &signature.local_name()) {
                continue;
            }
            match callable::check(signature, Surface::ONE_CALL) {
                Ok(()) => exposed.functions.push(Arc::new(Function {
                    about: about(signatures, interface),
                    signature: signature.clone(),
                })),
                Err(reason) => exposed.refused.push(NotCallable {
                    signature: signature.clone(),
                    reason,
                }),
            }
        }
        exposed
    }

    /// The function of a path: `INTERFACE/FUNCTION` or `FUNCTION`; an interface with its version, or
    /// without it where one version alone has the function.
    pub fn at(&self, path: &str) -> Option<&Arc<Function>> {
        let mut found = self.functions.iter().filter(|f| is_at(&f.signature, path));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// The one that cannot be called, by the same path.
    pub fn refused_at(&self, path: &str) -> Option<&NotCallable> {
        self.refused.iter().find(|r| is_at(&r.signature, path))
    }
}

fn about(signatures: &Signatures, interface: Option<&str>) -> Option<Arc<str>> {
    let Some(name) = interface else {
        return signatures.docs.clone();
    };
    let mut interfaces = signatures.interfaces.iter();
    interfaces.find(|i| &*i.name == name)?.docs.clone()
}

fn is_at(signature: &Signature, path: &str) -> bool {
    let name = signature.local_name();
    match &signature.interface {
        None => path == name,
        Some(interface) => {
            let named = path.strip_suffix(&*name).and_then(|p| p.strip_suffix('/'));
            named.is_some_and(|named| is_of(interface, named))
        }
    }
}

impl Function {
    /// `INTERFACE/FUNCTION`, with the version where there is one.
    pub fn path(&self) -> String {
        let name = self.signature.local_name();
        match &self.signature.interface {
            Some(interface) => format!("{interface}/{name}"),
            None => name,
        }
    }
}
