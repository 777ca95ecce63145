//! Signatures from the engine's own reflection, for machine code whose component is not at hand: the
//! same types, without names and docs.

use super::signature::{FunctionKind, Interface, Param, Signature, Signatures};
use super::ty::{Case, Enum, Field, Flags, Label, Record, Resource, Type, TypeName, Variant};
use std::sync::Arc;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem};

impl Signatures {
    /// What a loaded component exports. Types are shown by their structure, and nothing has docs.
    pub fn of_component(component: &wasmtime::component::Component) -> Signatures {
        let engine = component.engine();
        let mut signatures = Signatures::default();
        for (name, item) in component.component_type().exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(ty) => {
                    let signature = function(None, name, &ty, signatures.exports.len());
                    signatures.exports.push(signature);
                }
                ComponentItem::ComponentInstance(instance) => {
                    let interface: Arc<str> = name.into();
                    signatures.interfaces.push(Interface {
                        name: interface.clone(),
                        docs: None,
                    });
                    for (name, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(ty) = item.ty {
                            let at = signatures.exports.len();
                            let signature = function(Some(interface.clone()), name, &ty, at);
                            signatures.exports.push(signature);
                        }
                    }
                }
                _ => {}
            }
        }
        signatures
    }
}

fn function(
    interface: Option<Arc<str>>,
    name: &str,
    ty: &ComponentFunc,
    position: usize,
) -> Signature {
    let kind = match name.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((word, of)) => {
            let resource = resource(of.split('.').next().unwrap_or(of));
            match word {
                "constructor" => FunctionKind::Constructor(resource),
                "method" => FunctionKind::Method(resource),
                _ => FunctionKind::Static(resource),
            }
        }
        None => FunctionKind::Free,
    };
    Signature {
        interface,
        function: name.into(),
        kind,
        params: ty
            .params()
            .map(|(name, ty)| Param {
                name: name.into(),
                ty: of(&ty),
            })
            .collect(),
        result: ty.results().next().map(|ty| of(&ty)),
        is_async: ty.async_(),
        docs: None,
        position,
    }
}

/// A type, without its name and docs.
pub(crate) fn of(ty: &types::Type) -> Type {
    use types::Type as Engine;
    let shared = |ty: &types::Type| Arc::new(of(ty));
    match ty {
        Engine::Bool => Type::Bool,
        Engine::S8 => Type::S8,
        Engine::U8 => Type::U8,
        Engine::S16 => Type::S16,
        Engine::U16 => Type::U16,
        Engine::S32 => Type::S32,
        Engine::U32 => Type::U32,
        Engine::S64 => Type::S64,
        Engine::U64 => Type::U64,
        Engine::Float32 => Type::F32,
        Engine::Float64 => Type::F64,
        Engine::Char => Type::Char,
        Engine::String => Type::String,
        Engine::ErrorContext => Type::ErrorContext,
        Engine::List(list) => Type::List(shared(&list.ty())),
        Engine::FixedLengthList(list) => Type::FixedList(shared(&list.ty()), list.len()),
        Engine::Map(map) => Type::Map(shared(&map.key()), shared(&map.value())),
        Engine::Tuple(tuple) => Type::Tuple(tuple.types().map(|ty| of(&ty)).collect()),
        Engine::Option(option) => Type::Option(shared(&option.ty())),
        Engine::Result(result) => Type::Result(
            result.ok().as_ref().map(shared),
            result.err().as_ref().map(shared),
        ),
        Engine::Stream(stream) => Type::Stream(stream.ty().as_ref().map(shared)),
        Engine::Future(future) => Type::Future(future.ty().as_ref().map(shared)),
        Engine::Own(_) => Type::Own(resource("resource")),
        Engine::Borrow(_) => Type::Borrow(resource("resource")),
        Engine::Record(record) => {
            let fields: Vec<Field> = record
                .fields()
                .map(|f| Field {
                    name: f.name.into(),
                    ty: of(&f.ty),
                    docs: None,
                })
                .collect();
            let shown = fields.iter().map(|f| format!("{}: {}", f.name, f.ty));
            let name = structure("record", shown);
            Type::Record(Arc::new(Record {
                name,
                docs: None,
                fields,
            }))
        }
        Engine::Variant(variant) => {
            let cases: Vec<Case> = variant
                .cases()
                .map(|c| Case {
                    name: c.name.into(),
                    ty: c.ty.as_ref().map(of),
                    docs: None,
                })
                .collect();
            let shown = cases.iter().map(|c| match &c.ty {
                Some(ty) => format!("{}({ty})", c.name),
                None => c.name.to_string(),
            });
            let name = structure("variant", shown);
            Type::Variant(Arc::new(Variant {
                name,
                docs: None,
                cases,
            }))
        }
        Engine::Enum(of) => {
            let cases = labels(of.names());
            let name = structure("enum", cases.iter().map(|c| c.name.to_string()));
            Type::Enum(Arc::new(Enum {
                name,
                docs: None,
                cases,
            }))
        }
        Engine::Flags(of) => {
            let flags = labels(of.names());
            let name = structure("flags", flags.iter().map(|f| f.name.to_string()));
            Type::Flags(Arc::new(Flags {
                name,
                docs: None,
                flags,
            }))
        }
    }
}

fn labels<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Label> {
    names
        .map(|name| Label {
            name: name.into(),
            docs: None,
        })
        .collect()
}

fn resource(name: &str) -> Arc<Resource> {
    Arc::new(Resource {
        name: TypeName {
            interface: None,
            name: name.into(),
        },
        docs: None,
    })
}

/// A type without a name is shown as it is built, cut where it gets long.
fn structure(word: &str, parts: impl Iterator<Item = String>) -> TypeName {
    const MOST: usize = 100;
    let mut text = format!("{word} {{ {} }}", parts.collect::<Vec<_>>().join(", "));
    if let Some((cut, _)) = text.char_indices().nth(MOST) {
        text.truncate(cut);
        text.push_str("… }");
    }
    TypeName {
        interface: None,
        name: text.into(),
    }
}
