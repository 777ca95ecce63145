//! A component that is to be joined with others.

use crate::artifact::{Content, Form, detect, read};
use crate::error::{Error, Result};
use std::path::Path;
use wasmparser::{Parser, Payload};

/// A component that is to be joined with others.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is called in messages, and among the parts.
    pub name: String,
    /// What it imports: `wasi:cli/environment@0.2.3`.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    pub(super) binary: Vec<u8>,
}

impl Part {
    /// Reads a component from a file; text is assembled. Its name is the file's, without the end.
    pub fn read(path: &Path) -> Result<Part> {
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        Part::named(&stem.to_string_lossy(), path)
    }

    /// The same under a name of its own.
    pub fn named(name: &str, path: &Path) -> Result<Part> {
        let bytes = read(path)?;
        let binary = match detect(path, &bytes)? {
            Content::Binary(Form::Component, binary) => binary.into_owned(),
            Content::Binary(Form::Module, _) => {
                return Err(Error::yours(format!(
                    "{} is a core module, and only components can be composed",
                    path.display()
                ))
                .help("build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"));
            }
            Content::Precompiled(_) => {
                return Err(Error::yours(format!(
                    "{} is machine code, which cannot be composed",
                    path.display()
                ))
                .help("name the component that it was compiled from"));
            }
        };
        Part::of(name.to_owned(), binary).map_err(|mut error| {
            error.message = format!("{}: {}", path.display(), error.message);
            error
        })
    }

    /// A component's outermost imports and exports.
    pub(super) fn of(name: String, binary: Vec<u8>) -> Result<Part> {
        let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0u32);
        let broken = |error: wasmparser::BinaryReaderError| {
            Error::yours("it is not a valid component").caused_by(error.to_string())
        };
        for payload in Parser::new(0).parse_all(&binary) {
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(Part {
            name,
            imports,
            exports,
            binary,
        })
    }

    /// The export that serves an import: of the same name, else of a version that fits.
    pub(super) fn serves(&self, import: &str) -> Option<&String> {
        let fits = |export: &&String| fits(import, export);
        let same = self.exports.iter().find(|export| *export == import);
        same.or_else(|| self.exports.iter().find(fits))
    }

    /// Its imports that no WASI provides, for messages.
    pub(super) fn shown_imports(&self) -> String {
        list(
            self.imports
                .iter()
                .filter(|name| !name.starts_with("wasi:")),
        )
    }

    /// Its exports, for messages.
    pub(super) fn shown_exports(&self) -> String {
        list(self.exports.iter())
    }
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    match names.is_empty() {
        true => "nothing".into(),
        false => names.join(", "),
    }
}

/// Whether an export serves an import by its name: the same, or a version that is compatible with
/// it as packages count versions.
pub(crate) fn fits(import: &str, export: &str) -> bool {
    import == export || wac_graph::types::are_semver_compatible(import, export)
}
