//! The functions of one component that may be called.

use super::pattern::{Selection, is_of};
use holm_runtime::values::{Signature, Signatures, Surface, Type, callable};
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
    /// What of it can be a body of its own.
    pub streams: Streams,
}

/// What of a function's arguments and result can be a body of its own, that is passed on as it comes.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// Its last parameter, and no other, is a stream of these.
    pub input: Option<Type>,
    /// Its result is a stream of these, or a `result` that has one in its `ok`.
    pub output: Option<Type>,
}

impl Streams {
    /// Those of a function.
    pub fn of(signature: &Signature) -> Streams {
        let output = match &signature.result {
            Some(Type::Stream(item)) => item.as_deref().cloned(),
            Some(Type::Result(Some(ok), err)) => match &**ok {
                Type::Stream(item) if !err.as_deref().is_some_and(Type::flows) => {
                    item.as_deref().cloned()
                }
                _ => None,
            },
            _ => None,
        };
        let input = match signature.params.split_last() {
            Some((last, others)) if !others.iter().any(|p| p.ty.flows()) => match &last.ty {
                Type::Stream(item) => item.as_deref().cloned(),
                _ => None,
            },
            _ => None,
        };
        // What is neither a stream nor whole is collected, and that needs the arguments first.
        let held = signature.result.as_ref().is_some_and(Type::flows) && output.is_none();
        Streams {
            input: input.filter(|_| !held),
            output,
        }
    }
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
                    streams: Streams::of(signature),
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
    /// Whether it is the main function of a program, which may end by an exit.
    pub fn is_program(&self) -> bool {
        let interface = self.signature.interface.as_deref();
        interface.is_some_and(|interface| is_of(interface, "wasi:cli/run"))
    }

    /// `INTERFACE/FUNCTION`, with the version where there is one.
    pub fn path(&self) -> String {
        let name = self.signature.local_name();
        match &self.signature.interface {
            Some(interface) => format!("{interface}/{name}"),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_runtime::values::{FunctionKind, Param};

    #[test]
    fn what_can_be_a_body_of_its_own() {
        let stream = |item| Type::Stream(Some(Arc::new(item)));
        let text = |item: Option<Type>| item.map(|item| item.to_string());
        let of = |params: Vec<Type>, result: Option<Type>| {
            let params = params.into_iter().map(|ty| Param {
                name: "p".into(),
                ty,
            });
            let streams = Streams::of(&Signature {
                interface: None,
                function: "f".into(),
                kind: FunctionKind::Free,
                params: params.collect(),
                result,
                is_async: true,
                docs: None,
                position: 0,
            });
            (text(streams.input), text(streams.output))
        };
        let is = |input, output| (text(input), text(output));
        let bytes = || stream(Type::U8);
        assert_eq!(of(vec![bytes()], None), is(Some(Type::U8), None));
        assert_eq!(of(vec![Type::U32, bytes()], None), is(Some(Type::U8), None));
        assert_eq!(of(vec![bytes(), Type::U32], None), is(None, None));
        assert_eq!(of(vec![bytes(), bytes()], None), is(None, None));
        let numbers = of(vec![stream(Type::U32)], None);
        assert_eq!(numbers, is(Some(Type::U32), None));
        assert_eq!(
            of(vec![bytes()], Some(bytes())),
            is(Some(Type::U8), Some(Type::U8))
        );
        let result = |ok, err| Some(Type::Result(Some(Arc::new(ok)), Some(Arc::new(err))));
        assert_eq!(
            of(vec![], result(stream(Type::U32), Type::String)),
            is(None, Some(Type::U32))
        );
        assert_eq!(of(vec![], result(bytes(), bytes())), is(None, None));
        let two = Type::Tuple([bytes(), Type::U32].into_iter().collect());
        assert_eq!(of(vec![bytes()], Some(two)), is(None, None));
    }
}
