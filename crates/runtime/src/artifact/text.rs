//! WebAssembly as text: assembled, and shown at the place where the validator finds fault with it.

use crate::error::{Error, Result};
use std::path::Path;
use wasmparser::Payload;
use wast::core::{Func, FuncKind, ModuleField, ModuleKind};
use wast::parser::{self, ParseBuffer};
use wast::token::Span;

/// Whether a file begins as the text form does.
pub fn looks_like_it(bytes: &[u8]) -> bool {
    let start = bytes
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .unwrap_or(bytes.len());
    matches!(
        &bytes[start..],
        [b'(', b';' | b'm' | b'c' | b' ' | b'\n' | b'\t', ..] | [b';', b';', ..]
    )
}

/// Makes a binary of it.
pub fn assemble(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Error::yours(format!(
            "{} looks like WebAssembly text but is not UTF-8",
            path.display()
        ))
        .caused_by(e.to_string())
    })?;
    wat::Parser::new().parse_str(Some(path), text).map_err(|e| {
        // The parser's own message shows file, line and caret.
        Error::yours(format!("{} does not parse", path.display())).caused_by(e.to_string())
    })
}

/// What the validator says of the binary that `text` was assembled into: with line and caret where
/// it is about an instruction of a module, else with its place in the binary.
pub fn explain(path: &Path, text: &[u8], binary: &[u8], message: String, offset: usize) -> String {
    let shown = std::str::from_utf8(text)
        .ok()
        .and_then(|text| Some((text, place(text, binary, offset)?)));
    match shown {
        Some((text, span)) => {
            let mut error = wast::Error::new(span, message);
            error.set_text(text);
            error.set_path(path);
            error.to_string()
        }
        None => format!("{message} (at offset {offset:#x} of the binary)"),
    }
}

/// The text of the instruction at an offset of the binary. The two have the same functions with the
/// same instructions in the same order.
fn place(text: &str, binary: &[u8], offset: usize) -> Option<Span> {
    let (function, instruction) = instruction_at(binary, offset)?;
    let mut buffer = ParseBuffer::new(text).ok()?;
    buffer.track_instr_spans(true);
    let wast::Wat::Module(module) = parser::parse(&buffer).ok()? else {
        return None;
    };
    let ModuleKind::Text(fields) = module.kind else {
        return None;
    };
    let mut bodies = fields.iter().filter_map(|field| match field {
        ModuleField::Func(Func {
            span,
            kind: FuncKind::Inline { expression, .. },
            ..
        }) => Some((span, expression)),
        _ => None,
    });
    let (span, body) = bodies.nth(function)?;
    // The last `end` has no text of its own: then it is about the whole function.
    let instructions = body.instr_spans.as_deref().unwrap_or_default();
    Some(*instructions.get(instruction).unwrap_or(span))
}

/// Which instruction of which function with a body is at this offset.
fn instruction_at(binary: &[u8], offset: usize) -> Option<(usize, usize)> {
    let payloads = wasmparser::Parser::new(0).parse_all(binary).flatten();
    let bodies = payloads.filter_map(|payload| match payload {
        Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    });
    let (function, body) = bodies
        .enumerate()
        .find(|(_, body)| body.range().contains(&offset))?;
    let operators = body.get_operators_reader().ok()?.into_iter_with_offsets();
    let before = operators.flatten().take_while(|(_, at)| *at < offset);
    Some((function, before.count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::{Invalid, Proposals};

    fn said(text: &str) -> String {
        let binary = wat::parse_str(text).unwrap();
        match Proposals::needed_by(&binary) {
            Err(Invalid::Binary { message, offset }) => explain(
                Path::new("x.wat"),
                text.as_bytes(),
                &binary,
                message,
                offset,
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_instruction_is_shown() {
        let text = "(module
  (import \"a\" \"b\" (func $imported))
  (func (drop (i32.const 1)))
  (func $f (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.const 1))
      (else (i64.const 2)))))";
        let said = said(text);
        assert!(said.contains("--> x.wat:7:"), "{said}");
        assert!(said.contains("type mismatch"), "{said}");
    }

    #[test]
    fn what_has_no_instruction_is_shown_in_the_binary() {
        let of_a_function = said("(module\n  (func $f (result i32)))");
        assert!(of_a_function.contains("--> x.wat:2:4"), "{of_a_function}");
        let of_none = said("(module (memory 70000))");
        assert!(of_none.contains("of the binary)"), "{of_none}");
        let nested = said("(component (core module (func (result i32))))");
        assert!(nested.contains("of the binary)"), "{nested}");
    }
}
