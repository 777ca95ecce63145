//! What only shows of `[component.NAME.imports]` when all components are known: names that are
//! misspelt, and links that lead back to where they come from.

use crate::manifest::{Component, Import, Manifest};
use crate::{Problem, Spanned, Table, Value, nearest};

/// Reads a component's links; what has a wrong type was told by the schema.
pub(crate) fn read(table: Option<&Table>) -> Vec<Import> {
    let entries = table.into_iter().flat_map(Table::iter);
    entries
        .filter_map(|(key, value)| {
            Some(Import {
                interface: Spanned::new(key.name.clone(), key.span),
                component: Spanned::new(Value::as_str(value)?.to_owned(), value.span),
            })
        })
        .collect()
}

/// All that is wrong with the links of an app.
pub(crate) fn check(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Vec::new();
    for component in &manifest.components {
        for (number, import) in component.imports.iter().enumerate() {
            problems.extend(check_one(manifest, component, import));
            problems.extend(twice(&component.imports[..number], import));
        }
    }
    if problems.is_empty() {
        problems.extend(cycle(manifest));
    }
    problems
}

fn check_one(manifest: &Manifest, component: &Component, import: &Import) -> Option<Problem> {
    let interface = &import.interface;
    if interface.starts_with("wasi:") {
        return Some(
            Problem::error(format!("`{}` is the host's to provide", interface.value))
                .at(interface.span)
                .label("not an interface of a component")
                .help("what a component may do of WASI is granted: [component.NAME.grants]"),
        );
    }
    let name = &import.component;
    if name.value == component.name {
        return Some(
            Problem::error(format!("component `{}` is linked to itself", name.value))
                .at(name.span)
                .label("this component")
                .help("a component calls its own functions without imports"),
        );
    }
    if manifest.component(name).is_some() {
        return None;
    }
    let names = || manifest.components.iter().map(|c| c.name.as_str());
    let problem = Problem::error(format!("there is no component `{}`", name.escape_debug()))
        .at(name.span)
        .label("not a component of this app");
    Some(problem.help(match nearest(name, names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("components: {}", names().collect::<Vec<_>>().join(", ")),
    }))
}

/// One interface with its version and again without.
fn twice(before: &[Import], import: &Import) -> Option<Problem> {
    let name = import.interface.value.as_str();
    let other = before
        .iter()
        .map(|import| import.interface.value.as_str())
        .find(|other| {
            name.split('@').next() == Some(other) || other.split('@').next() == Some(name)
        })?;
    Some(
        Problem::error(format!("`{name}` is linked twice"))
            .at(import.interface.span)
            .label(format!("`{other}` is the same interface"))
            .help("keep one of the two lines"),
    )
}

/// The first cycle of links, with the way around it.
fn cycle(manifest: &Manifest) -> Option<Problem> {
    let mut done = Vec::new();
    for component in &manifest.components {
        let mut way = Vec::new();
        if let Some(import) = walk(manifest, component, &mut way, &mut done) {
            return Some(
                Problem::error(format!("the links make a cycle: {}", way.join(" → ")))
                    .at(import.component.span)
                    .label("this link closes it")
                    .help("a component cannot be called by what it calls"),
            );
        }
    }
    None
}

/// Follows the links from a component; gives the one that leads back onto the way here, and leaves
/// the cycle in `way`.
fn walk<'m>(
    manifest: &'m Manifest,
    component: &'m Component,
    way: &mut Vec<&'m str>,
    done: &mut Vec<&'m str>,
) -> Option<&'m Import> {
    if done.contains(&component.name.as_str()) {
        return None;
    }
    way.push(&component.name);
    for import in &component.imports {
        if let Some(at) = way.iter().position(|name| *name == import.component.value) {
            way.drain(..at);
            way.push(&import.component.value);
            return Some(import);
        }
        if let Some(next) = manifest.component(&import.component)
            && let Some(found) = walk(manifest, next, way, done)
        {
            return Some(found);
        }
    }
    way.pop();
    done.push(&component.name);
    None
}
