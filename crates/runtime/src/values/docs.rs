//! Docs from WIT beside a component: most toolchains drop them from the binary.

use super::signature::without_version;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use wit_parser::{Resolve, TypeDefKind, WorldItem};

/// Docs by what they are of.
#[derive(Debug, Default)]
pub(super) struct AddedDocs {
    /// By interface without its version (empty for what a world defines), and a name within it:
    /// empty for the interface itself, `add` for a function, `order` for a type, `order/price` for
    /// a field or a case.
    items: HashMap<(String, String), String>,
    world: Option<String>,
}

impl AddedDocs {
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

    fn add(&mut self, interface: &str, name: String, docs: &wit_parser::Docs) {
        if let Some(text) = &docs.contents {
            let interface = without_version(interface).to_owned();
            self.items.insert((interface, name), text.clone());
        }
    }

    fn add_type(&mut self, interface: &str, def: &wit_parser::TypeDef) {
        let Some(name) = &def.name else { return };
        self.add(interface, name.clone(), &def.docs);
        let parts: Vec<(&String, &wit_parser::Docs)> = match &def.kind {
            TypeDefKind::Record(of) => of.fields.iter().map(|f| (&f.name, &f.docs)).collect(),
            TypeDefKind::Variant(of) => of.cases.iter().map(|c| (&c.name, &c.docs)).collect(),
            TypeDefKind::Enum(of) => of.cases.iter().map(|c| (&c.name, &c.docs)).collect(),
            TypeDefKind::Flags(of) => of.flags.iter().map(|f| (&f.name, &f.docs)).collect(),
            _ => Vec::new(),
        };
        for (part, docs) in parts {
            self.add(interface, format!("{name}/{part}"), docs);
        }
    }

    /// The docs of an item; see [`AddedDocs::items`] for names.
    pub(super) fn of(&self, interface: Option<&str>, name: &str) -> Option<&str> {
        let interface = without_version(interface.unwrap_or_default()).to_owned();
        self.items
            .get(&(interface, name.to_owned()))
            .map(String::as_str)
    }

    /// The docs of the world.
    pub(super) fn world(&self) -> Option<&str> {
        self.world.as_deref()
    }
}
