//! What can be called: functions with their types and docs, and the types that they name.

use super::target::Target;
use super::{Args, Form};
use crate::report;
use holm_runtime::values::{Label, Signature, Surface, Type, TypeName, callable, schema};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

/// Prints all functions.
pub fn print(args: &Args, target: &Target) {
    let signatures: Vec<&Signature> = target.signatures.exports.iter().collect();
    match args.form() {
        Form::Json => crate::out::line(format_args!("{:#}", as_json(args, &signatures))),
        Form::Wave => {
            let mut text = String::new();
            let file = target.path.display();
            match signatures.is_empty() {
                true => {
                    let _ = writeln!(text, "{file} exports no functions");
                }
                false => {
                    let _ = writeln!(text, "Functions of {file}");
                }
            }
            docs(&mut text, "  ", target.signatures.docs.as_deref());
            functions(&mut text, target, &signatures);
            print!("{}", report::printable(&text));
        }
    }
}

/// Prints one function.
pub fn print_one(args: &Args, target: &Target, signature: &Signature) {
    match args.form() {
        Form::Json => crate::out::line(format_args!("{:#}", as_json(args, &[signature]))),
        Form::Wave => {
            let mut text = format!("{}\n", usage(args, signature));
            functions(&mut text, target, &[signature]);
            print!("{}", report::printable(&text));
        }
    }
}

/// How it is called: `holm call FILE greet <name: string>`.
fn usage(args: &Args, signature: &Signature) -> String {
    let file = args.file.as_deref().unwrap_or(std::path::Path::new("FILE"));
    let mut line = format!("Usage: holm call {} {}", file.display(), signature.name());
    for param in &signature.params {
        let _ = match param.ty {
            Type::Option(_) => write!(line, " [{}: {}]", param.name, param.ty),
            _ => write!(line, " <{}: {}>", param.name, param.ty),
        };
    }
    line
}

fn functions(text: &mut String, target: &Target, signatures: &[&Signature]) {
    let mut types: Vec<&Type> = Vec::new();
    let mut last: Option<Option<&str>> = None;
    for signature in signatures {
        let interface = signature.interface.as_deref();
        if last != Some(interface) {
            define(text, &mut types);
            text.push('\n');
            if let Some(name) = interface {
                let _ = writeln!(text, "{name}");
                let of = target
                    .signatures
                    .interfaces
                    .iter()
                    .find(|i| *i.name == *name);
                docs(text, "  ", of.and_then(|i| i.docs.as_deref()));
            }
            last = Some(interface);
        }
        let _ = writeln!(text, "  {signature}");
        docs(text, "      ", signature.docs.as_deref());
        if let Err(why) = callable::check(signature, Surface::ONE_CALL) {
            let _ = match callable::check(signature, Surface::SESSION) {
                Ok(()) => writeln!(text, "      (needs --session: {why})"),
                Err(why) => writeln!(text, "      (cannot be called: {why})"),
            };
        }
        signature.types().for_each(|ty| collect(ty, &mut types));
    }
    define(text, &mut types);
}

/// Adds the types with names that a type is made of, each once, the inner ones first.
fn collect<'a>(ty: &'a Type, types: &mut Vec<&'a Type>) {
    let known = |types: &[&Type]| match ty.name() {
        Some(name) => types.iter().any(|t| t.name() == Some(name)),
        None => false,
    };
    if known(types) {
        return;
    }
    ty.parts().into_iter().for_each(|part| collect(part, types));
    let defined = matches!(
        ty,
        Type::Record(_) | Type::Variant(_) | Type::Enum(_) | Type::Flags(_)
    );
    if defined && !known(types) {
        types.push(ty);
    }
}

/// Writes the definitions of types, as WIT has them.
fn define(text: &mut String, types: &mut Vec<&Type>) {
    for ty in types.drain(..) {
        text.push('\n');
        docs(text, "  /// ", ty.docs());
        let open = |text: &mut String, word: &str, name: &TypeName| {
            let _ = writeln!(text, "  {word} {} {{", name.name);
        };
        match ty {
            Type::Record(of) => {
                open(text, "record", &of.name);
                for field in &of.fields {
                    docs(text, "    /// ", field.docs.as_deref());
                    let _ = writeln!(text, "    {}: {},", field.name, field.ty);
                }
            }
            Type::Variant(of) => {
                open(text, "variant", &of.name);
                for case in &of.cases {
                    docs(text, "    /// ", case.docs.as_deref());
                    let _ = match &case.ty {
                        Some(ty) => writeln!(text, "    {}({ty}),", case.name),
                        None => writeln!(text, "    {},", case.name),
                    };
                }
            }
            Type::Enum(of) => {
                open(text, "enum", &of.name);
                labels(text, &of.cases);
            }
            Type::Flags(of) => {
                open(text, "flags", &of.name);
                labels(text, &of.flags);
            }
            _ => continue,
        }
        text.push_str("  }\n");
    }
}

fn labels(text: &mut String, labels: &[Label]) {
    for label in labels {
        docs(text, "    /// ", label.docs.as_deref());
        let _ = writeln!(text, "    {},", label.name);
    }
}

fn docs(text: &mut String, indent: &str, docs: Option<&str>) {
    for line in docs.into_iter().flat_map(str::lines) {
        let _ = writeln!(text, "{}", format!("{indent}{line}").trim_end());
    }
}

fn as_json(args: &Args, signatures: &[&Signature]) -> Json {
    let each = signatures.iter().map(|signature| {
        json!({
            "name": signature.name(),
            "interface": signature.interface.as_deref(),
            "function": &*signature.function,
            "signature": signature.to_string(),
            "docs": signature.docs.as_deref(),
            "async": signature.is_async,
            "arguments": schema::of_arguments(signature, args.options()),
            "result": signature.result.as_ref().map(|ty| schema::of_type(ty, args.options())),
            "needs_session": callable::check(signature, Surface::ONE_CALL).is_err()
                && callable::check(signature, Surface::SESSION).is_ok(),
            "not_callable": callable::check(signature, Surface::SESSION).err(),
        })
    });
    each.collect()
}
