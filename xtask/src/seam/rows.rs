//! The rows of one interface: one for each function, and one for the drop of each resource.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use wit_parser::{Function, FunctionKind, InterfaceId, Resolve, Type, TypeDefKind, TypeId};

use super::bindings::Options;
use super::names::{camel, ident, snake};
use super::notes::OURS;
use super::tables::Table;

impl Table {
    /// The rows, in the order of the WIT.
    pub fn rows(
        &self,
        resolve: &Resolve,
        options: &Options,
        id: InterfaceId,
        name: &str,
    ) -> Result<String> {
        let interface = &resolve.interfaces[id];
        let module = snake(
            interface
                .name
                .as_deref()
                .context("an interface without a name")?,
        );
        let mut rows = String::new();
        for (resource, ty) in &interface.types {
            if !matches!(resolve.types[*ty].kind, TypeDefKind::Resource) {
                continue;
            }
            let camel = camel(resource);
            let flags = options.flags(name, &format!("[drop]{resource}"));
            let (kind, with) = match (flags.contains("async"), flags.contains("store")) {
                (false, false) => ("", ""),
                (true, false) => ("async ", ""),
                (false, true) => ("store ", "WithStore"),
                (true, true) => bail!("{resource}: no row for a concurrent drop"),
            };
            row(
                &mut rows,
                &format!("drop {kind}\"{resource}\" {module}::{camel}"),
                &format!("{module}::Host{camel}{with}::drop"),
                "",
                None,
            )?;
        }
        for function in interface.functions.values() {
            let flags = options.flags(name, &function.name);
            let concurrent = matches!(
                function.kind,
                FunctionKind::AsyncFreestanding
                    | FunctionKind::AsyncMethod(_)
                    | FunctionKind::AsyncStatic(_)
            );
            let (kind, with) = match (concurrent, flags.contains("async"), flags.contains("store"))
            {
                (true, _, _) => ("concurrent", "WithStore"),
                (_, true, true) => ("async store", "WithStore"),
                (_, true, false) => ("async", ""),
                (_, false, true) => ("store", "WithStore"),
                (_, false, false) => ("sync", ""),
            };
            ensure!(
                flags.contains("trappable"),
                "{}: no row without `trappable`",
                function.name
            );
            let result = result_form(resolve, options, function)?;
            let resource = function
                .kind
                .resource()
                .and_then(|id| resolve.types[id].name.as_deref());
            let method = match function.kind {
                FunctionKind::Constructor(_) => "new".to_owned(),
                _ => ident(function.item_name()),
            };
            let letters: Vec<_> = (b'a'..)
                .take(function.params.len())
                .map(|b| char::from(b).to_string())
                .collect();
            let arguments = match letters.as_slice() {
                [] => " {}".to_owned(),
                some => format!(" {{ {} }}", some.join(", ")),
            };
            let ours = OURS
                .iter()
                .find(|(table, of, _)| (*table, *of) == (self.file, function.name.as_str()));
            let path = match ours {
                Some((_, _, path)) => (*path).to_owned(),
                None => format!(
                    "{module}::Host{}{with}::{method}",
                    resource.map(camel).unwrap_or_default()
                ),
            };
            row(
                &mut rows,
                &format!("{kind} {result} \"{}\"", function.name),
                &path,
                &arguments,
                (self.notes)(&function.name),
            )?;
        }
        Ok(rows)
    }
}

/// One row, in at most 100 columns.
fn row(
    rows: &mut String,
    left: &str,
    right: &str,
    arguments: &str,
    note: Option<&str>,
) -> Result<()> {
    let note = note.map(|note| format!("note {note}"));
    let (same, apart) = match &note {
        Some(note) => (format!(", {note}"), format!(",\n            {note}")),
        None => Default::default(),
    };
    let shapes = [
        format!("        {left} = {right}{arguments}{same};"),
        format!("        {left} = {right}{arguments}{apart};"),
        format!("        {left} =\n            {right}{arguments}{same};"),
        format!("        {left} =\n            {right}{arguments}{apart};"),
    ];
    let fits = |shape: &&String| shape.lines().all(|line| line.len() <= 100);
    writeln!(rows, "{}", shapes.iter().find(fits).unwrap_or(&shapes[3]))?;
    Ok(())
}

/// `unit`, `value`, or `fallible(convert)` when the error is one of the bindings' trappable types.
fn result_form(resolve: &Resolve, options: &Options, function: &Function) -> Result<String> {
    let Some(result) = function.result else {
        return Ok("unit".to_owned());
    };
    let Type::Id(id) = result else {
        return Ok("value".to_owned());
    };
    let TypeDefKind::Result(result) = &resolve.types[id].kind else {
        return Ok("value".to_owned());
    };
    let Some(Type::Id(error)) = result.err else {
        return Ok("value".to_owned());
    };
    let error = &resolve.types[definition(resolve, error)];
    let wit_parser::TypeOwner::Interface(owner) = error.owner else {
        return Ok("value".to_owned());
    };
    let interface = &resolve.interfaces[owner];
    let module = interface
        .name
        .as_deref()
        .context("an interface without a name")?;
    let name = error
        .name
        .as_deref()
        .context("an error type without a name")?;
    let package = interface
        .package
        .context("an interface without a package")?;
    let full = format!(
        "wasi:{}/{module}.{name}",
        resolve.packages[package].name.name
    );
    Ok(match options.errors.contains(&full) {
        true => format!("fallible({}::Host::convert_{})", snake(module), snake(name)),
        false => "value".to_owned(),
    })
}

fn definition(resolve: &Resolve, mut id: TypeId) -> TypeId {
    while let TypeDefKind::Type(Type::Id(next)) = resolve.types[id].kind {
        id = next;
    }
    id
}
