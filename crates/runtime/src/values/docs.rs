//! Docs from WIT beside a component: most toolchains drop them from the binary.

use super::embedded;
use super::signature::without_version;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use wit_parser::{Docs, InterfaceId, Resolve, TypeDef, TypeDefKind, TypeId, WorldId, WorldItem};

/// Docs by what they are of.
#[derive(Debug, Default)]
pub(crate) struct AddedDocs {
    /// By interface without its version (empty for what a world defines), and a name within it:
    /// empty for the interface itself, `add` for a function, `order` for a type, `order/price` for
    /// a field or a case.
    pub(super) items: HashMap<(String, String), String>,
    pub(super) world: Option<String>,
}

impl AddedDocs {
    /// Those of a folder of WIT or a file; without one, those that `holm build` wrote into the binary.
    pub(crate) fn of(binary: &[u8], wit: Option<&Path>) -> Result<Option<AddedDocs>> {
        match wit {
            Some(path) => Self::read(path).map(Some),
            None => Ok(embedded::read(binary)),
        }
    }

    /// Reads a folder of WIT, or a file.
    pub(super) fn read(path: &Path) -> Result<AddedDocs> {
        let shown = path.display();
        if !path.exists() {
            return Err(Error::yours(format!("{shown} does not exist")).help(
                "`wit` names the folder or file with the component's WIT, whose docs are shown",
            ));
        }
        let mut resolve = Resolve::default();
        let (main, _) = resolve.push_path(path).map_err(|e| {
            Error::yours(format!("{shown} is not WIT that can be read")).caused_by(format!("{e:#}"))
        })?;
        let mut docs = AddedDocs::default();
        for (id, interface) in resolve.interfaces.iter() {
            let name = resolve.id_of(id).unwrap_or_default();
            docs.add(&name, String::new(), &interface.docs);
            for function in interface.functions.values() {
                docs.add(&name, function.name.clone(), &function.docs);
            }
            for id in interface.types.values() {
                docs.add_type(&name, &resolve.types[*id]);
            }
        }
        for (_, world) in resolve
            .worlds
            .iter()
            .filter(|(_, w)| w.package == Some(main))
        {
            docs.world = docs.world.take().or_else(|| world.docs.contents.clone());
            for item in world.imports.values().chain(world.exports.values()) {
                match item {
                    WorldItem::Function(function) => {
                        docs.add("", function.name.clone(), &function.docs);
                    }
                    WorldItem::Type { id, .. } => docs.add_type("", &resolve.types[*id]),
                    WorldItem::Interface { .. } => {}
                }
            }
        }
        Ok(docs)
    }

    fn add(&mut self, interface: &str, name: String, docs: &Docs) {
        if let Some(text) = &docs.contents {
            let interface = without_version(interface).to_owned();
            self.items.insert((interface, name), text.clone());
        }
    }

    fn add_type(&mut self, interface: &str, def: &TypeDef) {
        let Some(name) = &def.name else { return };
        self.add(interface, name.clone(), &def.docs);
        for (part, docs) in parts(&mut def.kind.clone()) {
            self.add(interface, format!("{name}/{part}"), docs);
        }
    }

    /// Adds them to what a binary says, where it has none of its own.
    pub(crate) fn add_to(&self, resolve: &mut Resolve, world: WorldId) {
        let interfaces: Vec<InterfaceId> = resolve.interfaces.iter().map(|(id, _)| id).collect();
        for id in interfaces {
            let name = resolve.id_of(id).unwrap_or_default();
            let types: Vec<TypeId> = resolve.interfaces[id].types.values().copied().collect();
            let interface = &mut resolve.interfaces[id];
            self.fill(&name, "", &mut interface.docs);
            for function in interface.functions.values_mut() {
                self.fill(&name, &function.name, &mut function.docs);
            }
            for id in types {
                self.fill_type(&name, &mut resolve.types[id]);
            }
        }
        let mut types = Vec::new();
        let world = &mut resolve.worlds[world];
        if world.docs.contents.is_none() {
            world.docs.contents = self.world.clone();
        }
        for item in world.imports.values_mut().chain(world.exports.values_mut()) {
            match item {
                WorldItem::Function(function) => self.fill("", &function.name, &mut function.docs),
                WorldItem::Type { id, .. } => types.push(*id),
                WorldItem::Interface { .. } => {}
            }
        }
        for id in types {
            self.fill_type("", &mut resolve.types[id]);
        }
    }

    fn fill(&self, interface: &str, name: &str, docs: &mut Docs) {
        if docs.contents.is_none() {
            let key = (without_version(interface).to_owned(), name.to_owned());
            docs.contents = self.items.get(&key).cloned();
        }
    }

    fn fill_type(&self, interface: &str, def: &mut TypeDef) {
        let Some(name) = def.name.clone() else { return };
        self.fill(interface, &name, &mut def.docs);
        for (part, docs) in parts(&mut def.kind) {
            self.fill(interface, &format!("{name}/{part}"), docs);
        }
    }
}

/// The fields or cases of a type.
fn parts(kind: &mut TypeDefKind) -> Vec<(&str, &mut Docs)> {
    match kind {
        TypeDefKind::Record(of) => of
            .fields
            .iter_mut()
            .map(|f| (f.name.as_str(), &mut f.docs))
            .collect(),
        TypeDefKind::Variant(of) => of
            .cases
            .iter_mut()
            .map(|c| (c.name.as_str(), &mut c.docs))
            .collect(),
        TypeDefKind::Enum(of) => of
            .cases
            .iter_mut()
            .map(|c| (c.name.as_str(), &mut c.docs))
            .collect(),
        TypeDefKind::Flags(of) => of
            .flags
            .iter_mut()
            .map(|f| (f.name.as_str(), &mut f.docs))
            .collect(),
        _ => Vec::new(),
    }
}
