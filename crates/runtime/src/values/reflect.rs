//! Signatures from a component's binary. The engine's own reflection has neither the names of types
//! nor docs; the binary has the names, and docs where a toolchain kept them.

use super::docs::AddedDocs;
use super::signature::{FunctionKind, Interface, Param, Signature, Signatures};
use super::ty::{Case, Docs, Enum, Field, Flags, Label, Record, Resource, Type, TypeName, Variant};
use crate::artifact::{Artifact, Code, Content, Digest, detect};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use wit_component::DecodedWasm;
use wit_parser::{
    Function, FunctionKind as WitKind, Handle, Resolve, TypeDefKind, TypeId, TypeOwner, WorldItem,
    WorldKey,
};

impl Signatures {
    /// Reflects the component that an artifact was made of. `wit` is a folder or a file with its
    /// WIT, whose docs stand in where the binary has none.
    ///
    /// # Errors
    /// The file is no component, or has changed since it was loaded. Machine code is no error, but
    /// has neither names of types nor docs.
    pub fn of_artifact(artifact: &Artifact, wit: Option<&Path>) -> Result<Signatures> {
        let shown = artifact.path.display();
        let Code::Component(component) = &artifact.code else {
            return Err(Error::yours(format!(
                "{shown} is a core module: its functions take and give numbers alone"
            ))
            .help("call one with `holm run --invoke 'name(1, 2)' FILE`"));
        };
        let bytes = std::fs::read(&artifact.path)
            .map_err(|e| Error::yours(format!("cannot read {shown}")).caused_by(e.to_string()))?;
        if Digest::of(&bytes) != artifact.digest {
            return Err(
                Error::yours(format!("{shown} has changed while it was being loaded"))
                    .help("try again when whoever writes it is done"),
            );
        }
        match detect(&artifact.path, &bytes)? {
            // Not every component is what a world of WIT can say; its functions can be called.
            Content::Binary(_, binary) if wit_component::decode(&binary).is_err() => {
                Ok(Signatures::of_component(component))
            }
            Content::Binary(_, binary) => Signatures::of_binary(&binary, wit),
            Content::Precompiled(_) => Ok(Signatures::of_component(component)),
        }
    }

    /// Reflects a component's binary; see [`Signatures::of_artifact`].
    ///
    /// # Errors
    /// The binary is no component, or its types cannot be read; the WIT cannot be read.
    pub fn of_binary(binary: &[u8], wit: Option<&Path>) -> Result<Signatures> {
        let wrong = |cause: String| Error::yours("its types cannot be read").caused_by(cause);
        let decoded = wit_component::decode(binary).map_err(|e| wrong(format!("{e:#}")))?;
        let DecodedWasm::Component(mut resolve, world) = decoded else {
            return Err(wrong("it is a package of WIT, not a component".into()));
        };
        if let Some(docs) = AddedDocs::of(binary, wit)? {
            docs.add_to(&mut resolve, world);
        }
        let mut reflector = Reflector {
            resolve: &resolve,
            types: HashMap::new(),
        };
        let world = &resolve.worlds[world];
        let mut signatures = Signatures {
            docs: docs(&world.docs),
            ..Signatures::default()
        };
        signatures.imports = reflector.functions(world.imports.iter(), &mut Vec::new());
        signatures.exports = reflector.functions(world.exports.iter(), &mut signatures.interfaces);
        Ok(signatures)
    }
}

struct Reflector<'a> {
    resolve: &'a Resolve,
    types: HashMap<TypeId, Type>,
}

impl<'a> Reflector<'a> {
    fn functions(
        &mut self,
        items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
        interfaces: &mut Vec<Interface>,
    ) -> Vec<Signature> {
        let mut all = Vec::new();
        for (key, item) in items {
            match item {
                WorldItem::Function(function) => {
                    let signature = self.function(None, function, all.len());
                    all.push(signature);
                }
                WorldItem::Interface { id, .. } => {
                    let name: Arc<str> = self.resolve.name_world_key(key).into();
                    let interface = &self.resolve.interfaces[*id];
                    interfaces.push(Interface {
                        docs: docs(&interface.docs),
                        name: name.clone(),
                    });
                    for function in interface.functions.values() {
                        let signature = self.function(Some(name.clone()), function, all.len());
                        all.push(signature);
                    }
                }
                WorldItem::Type { .. } => {}
            }
        }
        all
    }

    fn function(
        &mut self,
        interface: Option<Arc<str>>,
        function: &Function,
        position: usize,
    ) -> Signature {
        let kind = match function.kind {
            WitKind::Freestanding | WitKind::AsyncFreestanding => FunctionKind::Free,
            WitKind::Constructor(id) => FunctionKind::Constructor(self.resource(id)),
            WitKind::Method(id) | WitKind::AsyncMethod(id) => {
                FunctionKind::Method(self.resource(id))
            }
            WitKind::Static(id) | WitKind::AsyncStatic(id) => {
                FunctionKind::Static(self.resource(id))
            }
        };
        let params = function
            .params
            .iter()
            .map(|p| Param {
                name: p.name.as_str().into(),
                ty: self.ty(&p.ty),
            })
            .collect();
        Signature {
            docs: docs(&function.docs),
            function: function.name.as_str().into(),
            kind,
            params,
            result: function.result.as_ref().map(|ty| self.ty(ty)),
            is_async: function.kind.is_async(),
            interface,
            position,
        }
    }

    fn ty(&mut self, ty: &wit_parser::Type) -> Type {
        use wit_parser::Type as Wit;
        match ty {
            Wit::Bool => Type::Bool,
            Wit::U8 => Type::U8,
            Wit::U16 => Type::U16,
            Wit::U32 => Type::U32,
            Wit::U64 => Type::U64,
            Wit::S8 => Type::S8,
            Wit::S16 => Type::S16,
            Wit::S32 => Type::S32,
            Wit::S64 => Type::S64,
            Wit::F32 => Type::F32,
            Wit::F64 => Type::F64,
            Wit::Char => Type::Char,
            Wit::String => Type::String,
            Wit::ErrorContext => Type::ErrorContext,
            Wit::Id(id) => self.defined(*id),
        }
    }

    /// A type by its definition, made once.
    fn defined(&mut self, id: TypeId) -> Type {
        if let Some(known) = self.types.get(&id) {
            return known.clone();
        }
        let resolve = self.resolve;
        let def = &resolve.types[id];
        let ty = match &def.kind {
            TypeDefKind::Type(of) => self.ty(of),
            TypeDefKind::List(of) => Type::List(self.shared(of)),
            TypeDefKind::FixedLengthList(of, length) => Type::FixedList(self.shared(of), *length),
            TypeDefKind::Map(key, value) => Type::Map(self.shared(key), self.shared(value)),
            TypeDefKind::Option(of) => Type::Option(self.shared(of)),
            TypeDefKind::Tuple(of) => Type::Tuple(of.types.iter().map(|t| self.ty(t)).collect()),
            TypeDefKind::Result(of) => Type::Result(
                of.ok.as_ref().map(|t| self.shared(t)),
                of.err.as_ref().map(|t| self.shared(t)),
            ),
            TypeDefKind::Stream(of) => Type::Stream(of.as_ref().map(|t| self.shared(t))),
            TypeDefKind::Future(of) => Type::Future(of.as_ref().map(|t| self.shared(t))),
            TypeDefKind::Handle(Handle::Own(of)) => Type::Own(self.resource(*of)),
            TypeDefKind::Handle(Handle::Borrow(of)) => Type::Borrow(self.resource(*of)),
            TypeDefKind::Resource => Type::Own(Arc::new(Resource {
                name: self.name(id),
                docs: docs(&def.docs),
            })),
            TypeDefKind::Record(of) => Type::Record(Arc::new(Record {
                name: self.name(id),
                docs: docs(&def.docs),
                fields: of
                    .fields
                    .iter()
                    .map(|f| Field {
                        name: f.name.as_str().into(),
                        ty: self.ty(&f.ty),
                        docs: docs(&f.docs),
                    })
                    .collect(),
            })),
            TypeDefKind::Variant(of) => Type::Variant(Arc::new(Variant {
                name: self.name(id),
                docs: docs(&def.docs),
                cases: of
                    .cases
                    .iter()
                    .map(|c| Case {
                        name: c.name.as_str().into(),
                        ty: c.ty.as_ref().map(|t| self.ty(t)),
                        docs: docs(&c.docs),
                    })
                    .collect(),
            })),
            TypeDefKind::Enum(of) => Type::Enum(Arc::new(Enum {
                name: self.name(id),
                docs: docs(&def.docs),
                cases: of.cases.iter().map(|c| label(&c.name, &c.docs)).collect(),
            })),
            TypeDefKind::Flags(of) => Type::Flags(Arc::new(Flags {
                name: self.name(id),
                docs: docs(&def.docs),
                flags: of.flags.iter().map(|f| label(&f.name, &f.docs)).collect(),
            })),
            // Types of unknown structure exist while WIT is parsed, not in what a binary says.
            TypeDefKind::Unknown => Type::ErrorContext,
        };
        self.types.insert(id, ty.clone());
        ty
    }

    fn shared(&mut self, ty: &wit_parser::Type) -> Arc<Type> {
        Arc::new(self.ty(ty))
    }

    fn resource(&mut self, id: TypeId) -> Arc<Resource> {
        match self.defined(id) {
            Type::Own(resource) | Type::Borrow(resource) => resource,
            // An alias leads to its resource above; nothing else can be a handle's.
            _ => Arc::new(Resource {
                name: self.name(id),
                docs: None,
            }),
        }
    }

    fn interface_of(&self, id: TypeId) -> Option<String> {
        match self.resolve.types[id].owner {
            TypeOwner::Interface(interface) => self.resolve.id_of(interface),
            _ => None,
        }
    }

    fn name(&self, id: TypeId) -> TypeName {
        TypeName {
            interface: self.interface_of(id).map(Arc::from),
            name: self.resolve.types[id]
                .name
                .as_deref()
                .unwrap_or("unnamed")
                .into(),
        }
    }
}

fn label(name: &str, own: &wit_parser::Docs) -> Label {
    Label {
        name: name.into(),
        docs: docs(own),
    }
}

fn docs(docs: &wit_parser::Docs) -> Docs {
    docs.contents.as_deref().map(|text| text.trim().into())
}
