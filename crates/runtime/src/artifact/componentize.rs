//! Core modules that carry the types of a component, as `cargo build --target wasm32-wasip1` leaves
//! them where a program has WIT bindings: made components when they are loaded.
//!
//! What comes out depends on the module's bytes and on the versions of the encoder and the adapters,
//! which are Holm's own; so the digest of the file stays the name of all that is made of it.

use crate::error::{Error, Result};
use std::path::Path;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// What bindings put the types into; the rest of the section's name is the bindings' own.
const TYPES: &str = "component-type";

/// What leads from the functions of WASI 0.1 to the interfaces of 0.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// The module imports nothing of 0.1.
    None,
    /// For a program: it has `_start`, which becomes `wasi:cli/run`.
    Command,
    /// For everything else: its exports are what its types say.
    Reactor,
}

impl Adapter {
    fn binary(self) -> Option<&'static [u8]> {
        match self {
            Adapter::None => None,
            Adapter::Command => Some(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
            Adapter::Reactor => Some(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        }
    }

    /// `the reactor adapter`.
    pub fn name(self) -> &'static str {
        match self {
            Adapter::None => "no adapter",
            Adapter::Command => "the command adapter",
            Adapter::Reactor => "the reactor adapter",
        }
    }
}

/// Which adapter a core module needs to become a component; nothing if it carries no types, which
/// makes it a plain module of WASI 0.1, or if it cannot be read.
pub fn adapter(module: &[u8]) -> Option<Adapter> {
    let (mut typed, mut of_0_1, mut start) = (false, false, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::CustomSection(section) => typed |= section.name().starts_with(TYPES),
            Payload::ImportSection(section) => {
                of_0_1 |= section
                    .into_imports()
                    .flatten()
                    .any(|import| import.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME);
            }
            Payload::ExportSection(section) => {
                start |= section
                    .into_iter()
                    .flatten()
                    .any(|export| export.name == "_start");
            }
            _ => {}
        }
    }
    let adapter = match (of_0_1, start) {
        (false, _) => Adapter::None,
        (true, true) => Adapter::Command,
        (true, false) => Adapter::Reactor,
    };
    typed.then_some(adapter)
}

/// Makes a component of a core module.
///
/// # Errors
/// Its types cannot be read, or it does not have what they say.
pub fn componentize(path: &Path, module: &[u8], adapter: Adapter) -> Result<Vec<u8>> {
    let encode = || {
        let mut encoder = ComponentEncoder::default().module(module)?;
        if let Some(binary) = adapter.binary() {
            encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, binary)?;
        }
        encoder.encode()
    };
    encode().map_err(|e| {
        Error::yours(format!(
            "{} is a core module with the types of a component, and does not make one",
            path.display()
        ))
        .caused_by(format!("{e:#}"))
        .help("build it for wasm32-wasip2, whose linker says the same with more detail")
        .help("or take the types away, to run it as a plain module: wasm-tools strip --delete component-type")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Content, Form, detect};
    use wasm_encoder::{CustomSection, Section as _};
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    const WIT: &str = "package test:it;
        interface log { say: func(text: string); }
        world guest { import log; export answer: func() -> u32; }";

    /// A module with the types of the world above.
    fn typed(text: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("it.wit", WIT).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        let mut module = wat::parse_str(text).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    const ANSWER: &str = r#"(func (export "answer") (result i32) i32.const 42)
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
    const OF_0_1: &str = r#"(import "wasi_snapshot_preview1" "random_get"
        (func (param i32 i32) (result i32)))"#;

    fn exports(component: &[u8]) -> String {
        let decoded = wit_component::decode(component).unwrap();
        let mut printer = wit_component::WitPrinter::default();
        printer
            .print(decoded.resolve(), decoded.package(), &[])
            .unwrap();
        printer.output.to_string()
    }

    fn made(module: &[u8]) -> String {
        match detect(Path::new("x.wasm"), module).unwrap() {
            Content::Binary(Form::Component, component) => exports(&component),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_with_types_is_a_component() {
        let module = typed(&format!("(module {ANSWER})"));
        assert_eq!(adapter(&module), Some(Adapter::None));
        let wit = made(&module);
        assert!(wit.contains("export answer: func() -> u32;"), "{wit}");
        // What it does not call, it does not import.
        assert!(!wit.contains("import"), "{wit}");
    }

    #[test]
    fn the_adapter_goes_by_imports_and_exports() {
        let reactor = typed(&format!("(module {OF_0_1} {ANSWER})"));
        assert_eq!(adapter(&reactor), Some(Adapter::Reactor));
        let wit = made(&reactor);
        assert!(wit.contains("import wasi:random/random@0.2"), "{wit}");
        assert!(!wit.contains("export wasi:cli/run"), "{wit}");

        let start = r#"(func (export "_start"))"#;
        let command = typed(&format!("(module {OF_0_1} {ANSWER} {start})"));
        assert_eq!(adapter(&command), Some(Adapter::Command));
        let wit = made(&command);
        assert!(wit.contains("export wasi:cli/run@0.2"), "{wit}");
        assert!(wit.contains("export answer: func() -> u32;"), "{wit}");
    }

    #[test]
    fn a_module_without_types_stays_one() {
        let text = format!("(module {OF_0_1} {ANSWER})");
        let module = wat::parse_str(text).unwrap();
        assert_eq!(adapter(&module), None);
        let content = detect(Path::new("x.wasm"), &module).unwrap();
        assert!(matches!(content, Content::Binary(Form::Module, _)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let says = |text: &str| {
            let error = detect(Path::new("x.wasm"), &typed(text)).unwrap_err();
            format!("{error}")
        };
        let no_export = says(r#"(module (memory (export "memory") 1))"#);
        assert!(no_export.contains("answer"), "{no_export}");
        let no_import = says(&format!(
            r#"(module (import "test:it/other" "f" (func)) {ANSWER})"#
        ));
        assert!(no_import.contains("test:it/other"), "{no_import}");
        let other_type = says(
            r#"(module (func (export "answer") (result i64) i64.const 42)
                (memory (export "memory") 1))"#,
        );
        assert!(other_type.contains("answer"), "{other_type}");
        let mut damaged = wat::parse_str(format!("(module {ANSWER})")).unwrap();
        CustomSection {
            name: "component-type:x".into(),
            data: b"rubbish".as_slice().into(),
        }
        .append_to(&mut damaged);
        let error = detect(Path::new("x.wasm"), &damaged).unwrap_err();
        let cause = error.cause.unwrap_or_default();
        assert!(cause.contains("component-type:x"), "{cause}");
    }

    #[test]
    fn whatever_is_made_is_a_component() {
        let words = [
            "component-type",
            "_start",
            "wasi_snapshot_preview1",
            "\0\x0d",
        ];
        crate::fuzz::bytes("componentize", &words, |bytes| {
            let Some(adapter) = adapter(bytes) else {
                return;
            };
            if let Ok(component) = componentize(Path::new("x.wasm"), bytes, adapter) {
                assert!(component.starts_with(b"\0asm\x0d\0\x01\0"));
            }
        });
    }
}
