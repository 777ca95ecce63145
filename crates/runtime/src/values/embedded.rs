//! Docs that `holm build` writes into a component, in a section of its own: the one that toolchains
//! know, `package-docs`, speaks of one package, and a component's interfaces are of several.

use super::docs::AddedDocs;
use crate::error::{Error, Result};
use crate::whole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::BinaryReader;

/// The section's name.
const SECTION: &str = "holm-docs";

/// The magic number, the version and the layer of a component.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// What it holds, as JSON.
#[derive(Default, Serialize, Deserialize)]
struct Section {
    /// Docs of the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    world: Option<String>,
    /// By interface without its version (empty for what the world defines), then by a name within
    /// it: see [`AddedDocs`].
    #[serde(default)]
    interfaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// What came of writing docs into a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedded {
    /// So many were written.
    Written(usize),
    /// It has them already.
    Same,
    /// Its WIT has none.
    None,
}

/// Writes the docs of `wit`, a folder or a file, into the component at `path`.
///
/// # Errors
/// The file is no component, its WIT cannot be read, or it cannot be written.
pub fn embed_docs(path: &Path, wit: &Path) -> Result<Embedded> {
    let shown = path.display();
    let binary = std::fs::read(path)
        .map_err(|e| Error::yours(format!("cannot read {shown}")).caused_by(e.to_string()))?;
    if !binary.starts_with(HEADER) {
        return Err(
            Error::yours(format!("{shown} is not a component in binary form"))
                .help("docs are written into components; leave `wit` out for other files"),
        );
    }
    let (section, count) = Section::of(AddedDocs::read(wit)?);
    if count == 0 {
        return Ok(Embedded::None);
    }
    let data = serde_json::to_vec(&section)
        .map_err(|e| Error::ours("docs cannot be written").caused_by(e.to_string()))?;
    let mut parts = Vec::new();
    let mut kept = 0;
    for (range, old) in sections(&binary) {
        if old == data {
            return Ok(Embedded::Same);
        }
        parts.extend_from_slice(&binary[kept..range.start]);
        kept = range.end;
    }
    parts.extend_from_slice(&binary[kept..]);
    CustomSection {
        name: SECTION.into(),
        data: (&data).into(),
    }
    .append_to_component(&mut parts);
    whole::write(path, &parts, "FILE.wasm")?;
    Ok(Embedded::Written(count))
}

/// The docs that were written into a component; what cannot be read is none.
pub(crate) fn read(binary: &[u8]) -> Option<AddedDocs> {
    let (_, data) = sections(binary).into_iter().next()?;
    let section: Section = serde_json::from_slice(data).ok()?;
    Some(section.into())
}

/// Where such sections lie, and what is in them.
fn sections(binary: &[u8]) -> Vec<(Range<usize>, &[u8])> {
    let mut found = Vec::new();
    let Some(rest) = binary.strip_prefix(HEADER) else {
        return found;
    };
    let mut reader = BinaryReader::new(rest, HEADER.len());
    while !reader.eof() {
        let start = reader.original_position();
        let read = (|| {
            let id = reader.read_u8()?;
            let length = reader.read_var_u32()?;
            let body = reader.read_bytes(length as usize)?;
            let mut inner = BinaryReader::new(body, 0);
            let is_ours = id == 0 && inner.read_string()? == SECTION;
            Ok::<_, wasmparser::BinaryReaderError>(
                is_ours.then(|| &body[inner.original_position()..]),
            )
        })();
        match read {
            Ok(Some(data)) => found.push((start..reader.original_position(), data)),
            Ok(None) => {}
            // Of another section, whose body is no name.
            Err(_) if reader.original_position() > start + 1 => {}
            Err(_) => break,
        }
    }
    found
}

impl Section {
    /// With how many docs there are.
    fn of(docs: AddedDocs) -> (Self, usize) {
        let count = docs.items.len() + usize::from(docs.world.is_some());
        let mut section = Section {
            world: docs.world,
            ..Section::default()
        };
        for ((interface, name), text) in docs.items {
            let of = section.interfaces.entry(interface).or_default();
            of.insert(name, text);
        }
        (section, count)
    }
}

impl From<Section> for AddedDocs {
    fn from(section: Section) -> Self {
        let each = |(interface, names): (String, BTreeMap<String, String>)| {
            names
                .into_iter()
                .map(move |(name, text)| ((interface.clone(), name), text))
        };
        AddedDocs {
            items: section.interfaces.into_iter().flat_map(each).collect(),
            world: section.world,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Signatures;
    use proptest::prelude::*;

    const WIT: &str = "package example:shop;\n\n/// Sells.\ninterface orders {\n  \
                       /// What it costs.\n  price: func() -> u32;\n}\n\n\
                       world shop { export orders; }\n";

    fn component() -> Vec<u8> {
        wat::parse_str(
            r#"(component
              (core module $m (func (export "f") (result i32) (i32.const 7)))
              (core instance $i (instantiate $m))
              (func $f (result u32) (canon lift (core func $i "f")))
              (instance $o (export "price" (func $f)))
              (export "example:shop/orders" (instance $o)))"#,
        )
        .unwrap()
    }

    #[test]
    fn docs_are_written_once_and_read_again() {
        let temp = tempfile::tempdir().unwrap();
        let (path, wit) = (temp.path().join("shop.wasm"), temp.path().join("shop.wit"));
        std::fs::write(&path, component()).unwrap();
        std::fs::write(&wit, WIT).unwrap();
        assert_eq!(embed_docs(&path, &wit).unwrap(), Embedded::Written(2));
        assert_eq!(embed_docs(&path, &wit).unwrap(), Embedded::Same);
        let docs = |path: &Path| {
            let binary = std::fs::read(path).unwrap();
            wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                .validate_all(&binary)
                .unwrap();
            let signatures = Signatures::of_binary(&binary, None).unwrap();
            signatures.find("price").unwrap().docs.clone()
        };
        assert_eq!(docs(&path).as_deref(), Some("What it costs."));
        // Other docs take the place of the old ones.
        std::fs::write(&wit, WIT.replace("costs", "is worth")).unwrap();
        assert_eq!(embed_docs(&path, &wit).unwrap(), Embedded::Written(2));
        assert_eq!(docs(&path).as_deref(), Some("What it is worth."));
        assert_eq!(sections(&std::fs::read(&path).unwrap()).len(), 1);
        std::fs::write(&wit, "package example:shop;\nworld shop {}\n").unwrap();
        assert_eq!(embed_docs(&path, &wit).unwrap(), Embedded::None);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (path, wit) = (temp.path().join("m.wasm"), temp.path().join("shop.wit"));
        std::fs::write(&path, wat::parse_str("(module)").unwrap()).unwrap();
        std::fs::write(&wit, WIT).unwrap();
        let error = embed_docs(&path, &wit).unwrap_err();
        assert!(error.to_string().contains("is not a component"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(bytes in any::<Vec<u8>>()) {
            let binary = [HEADER, &bytes].concat();
            let _ = read(&binary);
        }
    }
}
