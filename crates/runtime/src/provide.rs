//! Imports that whoever embeds Holm provides, beside the capabilities: functions over values, and
//! resources.
//!
//! What a function is given is whole or flows: data, an [`Object`] for each resource that the embedder
//! provides, and the reading end of each stream and future. The same goes for what it gives. A resource
//! that a guest drops is told to the embedder; those that it has when its instance ends are dropped with it.

use crate::artifact::Code;
use crate::core::InstanceState;
use crate::error::{self, Error as Problem};
use crate::link::Host;
use crate::values::abi::define::{Does, Shape, define};
use crate::values::opened::{Ends, OpenedIn, Opener};
use crate::values::{Kinds, Signature, Type, TypeName, Value, check};
use futures::channel::mpsc;
use futures::future::BoxFuture;
use std::sync::Arc;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Accessor, Linker, ResourceType};
use wasmtime::{AsContextMut as _, Error, Result, StoreContextMut};

/// What such a function does: from arguments to the result, if its signature has one. An error
/// traps the guest, and comes out of the call that it made as the cause.
pub type Call = Arc<dyn Fn(Vec<Value>) -> BoxFuture<'static, Result<Option<Value>>> + Send + Sync>;

/// A function that the embedder provides.
#[derive(Clone)]
pub struct Provided {
    /// What the component imports: one of its [`Signatures::imports`](crate::values::Signatures).
    pub signature: Arc<Signature>,
    /// What it does.
    pub call: Call,
}

/// A resource that the embedder provides: each of it is an [`Object`](crate::values::Object) of the
/// embedder's.
#[derive(Clone)]
pub struct ProvidedResource {
    /// Its name, with the interface that defines it.
    pub name: TypeName,
    /// What is done when the guest drops one, which is the only argument; it gives nothing.
    pub dropped: Call,
}

/// What all an embedder provides for a component.
#[derive(Clone, Copy, Default)]
pub struct Imports<'a> {
    /// The functions.
    pub functions: &'a [Provided],
    /// The resources that stand in their signatures.
    pub resources: &'a [ProvidedResource],
}

/// What is known of it when calls are made.
#[derive(Default)]
pub(crate) struct Linked {
    pub(crate) kinds: Arc<Kinds>,
    /// Streams and futures go in or out of some function.
    pub(crate) flows: bool,
}

impl Provided {
    /// Whether it belongs to this import of a component: an interface, or a function of its own.
    pub fn is_of(&self, import: &str) -> bool {
        match &self.signature.interface {
            Some(interface) => **interface == *import,
            None => *self.signature.function == *import,
        }
    }
}

impl Imports<'_> {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.resources.is_empty()
    }

    /// Whether something of this import of a component is provided.
    pub(crate) fn has(&self, import: &str) -> bool {
        let resources = || {
            let mut all = self.resources.iter();
            all.any(|one| one.name.interface.as_deref() == Some(import))
        };
        self.functions.iter().any(|one| one.is_of(import)) || resources()
    }

    /// What is known of it.
    ///
    /// # Errors
    /// A function has a resource that is not provided with it.
    pub(crate) fn linked(&self) -> error::Result<Linked> {
        let kinds = Kinds::new(self.resources.iter().map(|one| one.name.clone()));
        for function in self.functions {
            let resources = function.signature.types().flat_map(Type::resources);
            for resource in resources.filter(|one| kinds.of(&one.name).is_none()) {
                return Err(not_provided(&function.signature, &resource.name));
            }
        }
        let mut types = self.functions.iter().flat_map(|one| one.signature.types());
        Ok(Linked {
            flows: types.any(Type::flows),
            kinds: Arc::new(kinds),
        })
    }

    /// Puts it all onto a linker.
    pub(crate) fn link<S: Host>(
        &self,
        linker: &mut Linker<S>,
        code: &Code,
        kinds: &Arc<Kinds>,
    ) -> Result<()> {
        for (import, name, kind) in self.places(code, kinds) {
            let provided = self.resources.iter();
            let mut provided = provided.filter(|one| kinds.of(&one.name) == Some(kind));
            let Some(dropped) = provided.next().map(|one| one.dropped.clone()) else {
                continue;
            };
            linker.instance(&import)?.resource_async(
                &name,
                ResourceType::host_dynamic(kind),
                move |mut store, place| {
                    let dropped = dropped.clone();
                    Box::new(async move {
                        let object = store.data_mut().core().objects.take(place)?;
                        dropped(vec![Value::Object(object)]).await?;
                        Ok(())
                    })
                },
            )?;
        }
        self.functions
            .iter()
            .try_for_each(|function| function.link(linker, kinds))
    }

    /// Where the component imports the resources: by the interface that defines each, and by those that
    /// use it, which have it under a name of their own.
    fn places(&self, code: &Code, kinds: &Kinds) -> Vec<(String, String, u32)> {
        let Code::Component(component) = code else {
            return Vec::new();
        };
        let engine = component.engine();
        let ty = component.component_type();
        let mut all = Vec::new();
        for (import, item) in ty.imports(engine) {
            if let ComponentItem::ComponentInstance(instance) = item.ty {
                let resources = instance.exports(engine);
                let resources = resources.filter_map(|(name, item)| match item.ty {
                    ComponentItem::Resource(ty) => Some((import.to_owned(), name.to_owned(), ty)),
                    _ => None,
                });
                all.extend(resources);
            }
        }
        let defined = |import: &str, name: &str| {
            let mut kinds = kinds.iter();
            kinds.find(|(of, _)| of.interface.as_deref() == Some(import) && *of.name == *name)
        };
        let provided: Vec<(ResourceType, u32)> = all
            .iter()
            .filter_map(|(import, name, ty)| Some((*ty, defined(import, name)?.1)))
            .collect();
        let mut places = Vec::new();
        for (import, name, ty) in all {
            let kind = provided.iter().find(|(of, _)| *of == ty);
            if let Some((_, kind)) = kind.filter(|_| self.has(&import)) {
                places.push((import, name, *kind));
            }
        }
        places
    }
}

fn not_provided(signature: &Signature, resource: &TypeName) -> Problem {
    let interface = match &signature.interface {
        Some(interface) => format!(" of {interface}"),
        None => String::new(),
    };
    let of = match &resource.interface {
        Some(interface) => format!(" of {interface}"),
        None => " of the component's own world".to_owned(),
    };
    Problem::yours(format!(
        "`{}`{interface} cannot be provided: it has the resource `{}`{of}, which is not provided with it",
        signature.local_name(),
        resource.name
    ))
}

/// A provided function as the guest has it.
struct Function {
    provided: Provided,
    kinds: Arc<Kinds>,
    /// There is more than data in what it takes, and in what it gives.
    carries: (bool, bool),
}

impl Provided {
    fn link<S: Host>(&self, linker: &mut Linker<S>, kinds: &Arc<Kinds>) -> Result<()> {
        let mut root = linker.root();
        let mut place = match &self.signature.interface {
            Some(interface) => root.instance(interface)?,
            None => root,
        };
        let Signature {
            params,
            result,
            is_async,
            ..
        } = &*self.signature;
        let takes = || params.iter().map(|param| &param.ty);
        let shape = Shape::of(takes(), result.as_ref(), *is_async);
        let function = Function {
            provided: self.clone(),
            kinds: kinds.clone(),
            carries: (
                takes().any(Type::carries),
                result.as_ref().is_some_and(Type::carries),
            ),
        };
        let name = &self.signature.function;
        define(&mut place, name, shape, Arc::new(function))
    }
}

impl Function {
    /// What the guest passes, opened.
    fn take<S: InstanceState>(
        &self,
        mut store: StoreContextMut<'_, S>,
        arguments: Vec<Value>,
    ) -> Result<Vec<Value>> {
        if !self.carries.0 {
            return Ok(arguments);
        }
        let ends = store.data_mut().core().ends.clone();
        let mut opener = self.opener(store, &ends);
        let params = self.provided.signature.params.iter();
        let values = params.zip(arguments).map(|(param, value)| {
            let value = opener.out_of_guest(&param.ty, value);
            value.map_err(|mismatch| Error::msg(mismatch.within(&param.name).to_string()))
        });
        values.collect()
    }

    async fn answer(&self, arguments: Vec<Value>) -> Result<Option<Value>> {
        let signature = &self.provided.signature;
        let result = (self.provided.call)(arguments).await?;
        match (&signature.result, result) {
            (None, _) => Ok(None),
            (Some(ty), Some(value)) => {
                check(ty, &value)?;
                Ok(Some(value))
            }
            (Some(_), None) => Err(Error::msg(format!(
                "the host's `{signature}` gave no result"
            ))),
        }
    }

    /// What the guest is given, opened.
    fn give<S: InstanceState>(
        &self,
        mut store: StoreContextMut<'_, S>,
        result: Option<Value>,
    ) -> Result<Option<Value>> {
        let (value, ty) = match (self.carries.1, result, &self.provided.signature.result) {
            (true, Some(value), Some(ty)) => (value, ty),
            (_, result, _) => return Ok(result),
        };
        let ends = store.data_mut().core().ends.clone();
        let mut opener = self.opener(store, &ends);
        let mut opened = OpenedIn::default();
        match opener.into_guest(ty, value, &mut opened) {
            Ok(value) => Ok(Some(value)),
            Err(mismatch) => {
                opened.undo(opener.store)?;
                Err(Error::msg(mismatch.to_string()))
            }
        }
    }

    fn opener<'a, S: InstanceState>(
        &'a self,
        store: StoreContextMut<'a, S>,
        ends: &'a Ends,
    ) -> Opener<'a, S> {
        // Its flows are waited for with the guest's tasks.
        let (open, _) = mpsc::channel(0);
        Opener {
            store,
            open,
            ends,
            kinds: &self.kinds,
        }
    }
}

impl<S: Host> Does<S> for Function {
    async fn call(
        &self,
        mut store: StoreContextMut<'_, S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        let arguments = self.take(store.as_context_mut(), arguments)?;
        let result = self.answer(arguments).await?;
        self.give(store, result)
    }

    async fn call_beside(
        &self,
        store: &Accessor<S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        let arguments = match self.carries.0 {
            true => store.with(|mut store| self.take(store.as_context_mut(), arguments))?,
            false => arguments,
        };
        let result = self.answer(arguments).await?;
        match self.carries.1 {
            true => store.with(|mut store| self.give(store.as_context_mut(), result)),
            false => Ok(result),
        }
    }
}
