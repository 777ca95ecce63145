//! What a file is, for people: form, producers, WIT, and what the engine makes of it.

use super::componentize::adapter;
use super::{Artifact, Code, Content, Form, detect};
use crate::error::{Error, Result};
use crate::values::docs::AddedDocs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use wit_component::DecodedWasm;

/// What `holm inspect` tells of a file, besides what its [`Artifact`] says.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// `component`, `module`, `precompiled component`, `precompiled module`; text is said to be so,
    /// and a core module that was made a component.
    pub form: String,
    /// The name in its name section.
    pub name: Option<String>,
    /// Languages and tools that made it, with versions, from its producers section.
    pub producers: BTreeMap<String, Vec<String>>,
    /// Imports and exports as WIT, for components.
    pub wit: Option<String>,
    /// The names of what it imports.
    pub imports: Vec<String>,
    /// The names of what it exports.
    pub exports: Vec<String>,
    /// Whether it carries function names.
    pub names: bool,
    /// Whether it carries DWARF, so that backtraces show source lines.
    pub dwarf: bool,
}

/// Looks a file over. `bytes` are the file's own, `artifact` is what was made of them, `docs` is a
/// folder or file of WIT whose docs the binary may lack.
pub fn inspect(
    path: &Path,
    bytes: &[u8],
    artifact: &Artifact,
    docs: Option<&Path>,
) -> Result<Inspection> {
    let (form, binary) = match detect(path, bytes)? {
        Content::Binary(form, binary) => (form, Some(binary)),
        Content::Precompiled(form) => (form, None),
    };
    let word = match form {
        Form::Component => "component",
        Form::Module => "module",
    };
    let mut inspection = Inspection {
        form: match (&binary, bytes.starts_with(b"\0asm"), adapter(bytes)) {
            (None, ..) => format!("precompiled {word}"),
            (Some(_), false, _) => format!("{word} (text)"),
            (Some(_), true, None) => word.to_owned(),
            (Some(_), true, Some(adapter)) => {
                format!("{word}, made of a core module with {}", adapter.name())
            }
        },
        name: None,
        producers: BTreeMap::new(),
        wit: None,
        imports: artifact.imports(),
        exports: artifact.exports(),
        names: false,
        dwarf: false,
    };
    if let Some(binary) = binary {
        metadata(&binary, &mut inspection);
        sections(&binary, form, &mut inspection);
        if matches!(artifact.code, Code::Component(_)) {
            inspection.wit = Some(wit(&binary, docs)?);
        }
    }
    Ok(inspection)
}

/// Producers of all modules within, merged: the outermost is often only the tool that wrapped them.
fn metadata(binary: &[u8], inspection: &mut Inspection) {
    let Ok(payload) = wasm_metadata::Payload::from_binary(binary) else {
        return;
    };
    inspection.name = payload.metadata().name.clone();
    let mut stack = vec![&payload];
    while let Some(payload) = stack.pop() {
        if let Some(producers) = &payload.metadata().producers {
            for (field, values) in producers.iter() {
                for (name, version) in values.iter() {
                    let text = if version.is_empty() {
                        name.clone()
                    } else {
                        format!("{name} {version}")
                    };
                    let list = inspection.producers.entry(field.clone()).or_default();
                    if !list.contains(&text) {
                        list.push(text);
                    }
                }
            }
        }
        if let wasm_metadata::Payload::Component { children, .. } = payload {
            stack.extend(children.iter());
        }
    }
}

/// What the largest core module within carries: it is the program, the others are adapters.
fn sections(binary: &[u8], form: Form, inspection: &mut Inspection) {
    let mut largest = 0;
    let mut module = None;
    for payload in wasmparser::Parser::new(0).parse_all(binary).flatten() {
        match payload {
            wasmparser::Payload::Version { .. } if form == Form::Module => module = Some(binary),
            wasmparser::Payload::ModuleSection {
                unchecked_range, ..
            } if unchecked_range.len() > largest => {
                largest = unchecked_range.len();
                module = binary.get(unchecked_range);
            }
            _ => {}
        }
    }
    for payload in wasmparser::Parser::new(0).parse_all(module.unwrap_or_default()) {
        let Ok(wasmparser::Payload::CustomSection(section)) = payload else {
            continue;
        };
        match section.as_known() {
            wasmparser::KnownCustom::Name(names) => {
                let functions = |name| matches!(name, Ok(wasmparser::Name::Function(_)));
                inspection.names |= names.into_iter().any(functions);
            }
            _ => inspection.dwarf |= [".debug_info", ".debug_line"].contains(&section.name()),
        }
    }
}

fn wit(binary: &[u8], docs: Option<&Path>) -> Result<String> {
    let wrong = |e: String| Error::yours("its types cannot be shown as WIT").caused_by(e);
    let mut decoded = wit_component::decode(binary).map_err(|e| wrong(format!("{e:#}")))?;
    if let DecodedWasm::Component(resolve, world) = &mut decoded
        && let Some(docs) = AddedDocs::of(binary, docs)?
    {
        docs.add_to(resolve, *world);
    }
    let mut printer = wit_component::WitPrinter::default();
    printer.emit_docs(true);
    printer
        .print(decoded.resolve(), decoded.package(), &[])
        .map_err(|e| wrong(format!("{e:#}")))?;
    Ok(printer.output.to_string())
}
