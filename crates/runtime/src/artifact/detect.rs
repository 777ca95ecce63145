//! What a file is, found by looking at it, never by its name.

use super::candidate::released;
use super::componentize::{adapter, componentize};
use super::{Form, text};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::path::Path;
use wasmtime::{Engine, Precompiled};

/// The largest file that is read as WebAssembly: 256 MiB. The largest in the wild are a few tens
/// of megabytes; compiling takes some hundred times the file's size in memory.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// The operating system that the engine names in its machine code's ELF header.
const ENGINES_ABI: u8 = 200;

/// A file's content, once it is known what it is.
#[derive(Debug)]
pub enum Content<'a> {
    /// A binary; text has been assembled into one, and a core module that carries the types of a
    /// component has been made one.
    Binary(Form, Cow<'a, [u8]>),
    /// Machine code from an earlier compilation.
    Precompiled(Form),
}

/// Looks at the bytes of `path` and says what they are.
pub fn detect<'a>(path: &Path, bytes: &'a [u8]) -> Result<Content<'a>> {
    let shown = path.display();
    if let Some(kind) = Engine::detect_precompiled(bytes) {
        return Ok(Content::Precompiled(match kind {
            Precompiled::Module => Form::Module,
            Precompiled::Component => Form::Component,
        }));
    }
    if let Some(rest) = bytes.strip_prefix(b"\0asm") {
        return match rest.get(..4) {
            Some([1, 0, 0, 0]) => of_module(path, Cow::Borrowed(bytes)),
            Some([_, _, 1, 0]) => Ok(of_component(Cow::Borrowed(bytes))),
            Some(version) => Err(Error::yours(format!(
                "{shown} is WebAssembly of an unknown version ({:#010x})",
                u32::from_le_bytes([version[0], version[1], version[2], version[3]])
            ))
            .help("this Holm reads core modules of version 1 and components; is the file newer, or damaged?")),
            None => Err(Error::yours(format!("{shown} ends within its header: it has {} bytes", bytes.len()))
                .help("the file was cut off; build or download it again")),
        };
    }
    if text::looks_like_it(bytes) {
        let binary = text::assemble(path, bytes)?;
        return match binary.get(4..8) {
            Some([1, 0, 0, 0]) => of_module(path, Cow::Owned(binary)),
            _ => Ok(of_component(Cow::Owned(binary))),
        };
    }
    if bytes.starts_with(b"\x7fELF") && bytes.get(7) == Some(&ENGINES_ABI) {
        return Err(Error::yours(format!(
            "{shown} is machine code that is cut off or damaged"
        ))
        .help("compile it again from its .wasm: holm compile FILE.wasm -o FILE.cwasm"));
    }
    let what = looks_like(bytes);
    Err(Error::yours(format!("{shown} is not WebAssembly: {what}"))
        .help("holm runs components, core modules, their text form (.wat) and files made by `holm compile`"))
}

fn of_component(component: Cow<'_, [u8]>) -> Content<'_> {
    Content::Binary(Form::Component, released(component))
}

/// A core module, or the component that it makes.
fn of_module<'a>(path: &Path, module: Cow<'a, [u8]>) -> Result<Content<'a>> {
    Ok(match adapter(&module) {
        None => Content::Binary(Form::Module, module),
        Some(adapter) => {
            let component = componentize(path, &module, adapter)?;
            of_component(Cow::Owned(component))
        }
    })
}

fn looks_like(bytes: &[u8]) -> String {
    let known: &[(&[u8], &str)] = &[
        (b"\x7fELF", "it is a native program (ELF)"),
        (b"MZ", "it is a Windows program"),
        (b"\xcf\xfa\xed\xfe", "it is a macOS program"),
        (b"PK\x03\x04", "it is a ZIP archive"),
        (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
        (
            b"\x28\xb5\x2f\xfd",
            "it is compressed with zstd; unpack it first",
        ),
        (b"#!", "it is a script"),
        (
            b"BC\xc0\xde",
            "it is LLVM bitcode; link it for wasm32 first",
        ),
        (
            b"<",
            "it looks like HTML or XML; was it downloaded from the right address?",
        ),
        (
            b"version https://git-lfs",
            "it is a Git LFS pointer; fetch the real file",
        ),
    ];
    if bytes.is_empty() {
        return "it is empty".into();
    }
    if let Some((_, what)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*what).into();
    }
    let head = &bytes[..bytes.len().min(16)];
    if head
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        let line: String = String::from_utf8_lossy(head)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        return format!("it is text that begins with {line:?}");
    }
    let hex: Vec<String> = head[..head.len().min(4)]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("it begins with {}, not with 00 61 73 6d", hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(bytes: &[u8]) -> Option<Form> {
        match detect(Path::new("x.wasm"), bytes) {
            Ok(Content::Binary(form, _)) => Some(form),
            _ => None,
        }
    }

    #[test]
    fn forms_are_told_apart_by_content() {
        assert_eq!(form(b"\0asm\x01\0\0\0"), Some(Form::Module));
        assert_eq!(form(b"\0asm\x0d\0\x01\0"), Some(Form::Component));
        assert_eq!(form(b"(module)"), Some(Form::Module));
        assert_eq!(form(b";; hello\n (component)"), Some(Form::Component));
    }

    #[test]
    fn others_are_named() {
        let says = |bytes: &[u8]| detect(Path::new("x.wasm"), bytes).unwrap_err().to_string();
        assert_eq!(says(b""), "x.wasm is not WebAssembly: it is empty");
        assert_eq!(
            says(b"\x7fELF\x02"),
            "x.wasm is not WebAssembly: it is a native program (ELF)"
        );
        assert_eq!(
            says(b"hello there"),
            "x.wasm is not WebAssembly: it is text that begins with \"hello there\""
        );
        assert_eq!(
            says(b"\0asm\x01"),
            "x.wasm ends within its header: it has 5 bytes"
        );
        assert!(says(b"\0asm\x09\0\0\0").contains("unknown version"));
        assert!(says(b"(module (func $x").contains("does not parse"));
    }

    #[test]
    fn whatever_is_found_is_webassembly() {
        let words = [
            "\0asm\x01\0\0\0",
            "\x0d\0\x01\0",
            "(module",
            "(component",
            ";;",
            "\x7fELF",
        ];
        crate::fuzz::bytes("artifact", &words, |bytes| {
            if let Ok(Content::Binary(_, binary)) = detect(Path::new("x.wasm"), bytes) {
                assert!(binary.starts_with(b"\0asm"));
            }
        });
    }
}
