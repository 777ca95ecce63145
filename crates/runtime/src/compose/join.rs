//! Parts joined by links between an import of one and an export of another.

use super::{Composed, Part, guarded, options};
use crate::error::{Error, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeError, InstantiationArgumentError, NodeId};

/// An import of one part that an export of another provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The part that imports.
    pub from: String,
    /// What.
    pub import: String,
    /// The part that exports it.
    pub to: String,
    /// Under which name: it may say another version.
    pub export: String,
}

/// A link between two parts, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The part that imports.
    pub from: usize,
    /// What.
    pub import: String,
    /// The part that exports it.
    pub to: usize,
}

/// Plugs what `plugs` export into what stands before each of them: the root, and the plugs before
/// it. So `payments` that needs `fraud` is plugged as `payments`, then `fraud`, and no order makes a
/// cycle. Where two export one interface, the first serves it.
///
/// The result exports what the root exports. A plug that fits nowhere is an error.
pub fn plug(root: Part, plugs: Vec<Part>) -> Result<Composed> {
    let parts: Vec<Part> = std::iter::once(root).chain(plugs).collect();
    let mut links = Vec::new();
    for (from, part) in parts.iter().enumerate() {
        for import in &part.imports {
            let later = parts.iter().enumerate().skip(from + 1);
            let mut serving = later.filter(|(_, plug)| plug.serves(import).is_some());
            if let Some((to, _)) = serving.next() {
                links.push(Link {
                    from,
                    import: import.clone(),
                    to,
                });
            }
        }
    }
    for (number, plug) in parts.iter().enumerate().skip(1) {
        if !links.iter().any(|link| link.to == number) {
            return Err(fits_nowhere(&parts, number, plug));
        }
    }
    fuse(parts, &links)
}

fn fits_nowhere(parts: &[Part], number: usize, plug: &Part) -> Error {
    let name = &plug.name;
    let mut error = Error::yours(format!("`{name}` exports nothing that is to be plugged"))
        .help(format!("`{name}` exports: {}", plug.shown_exports()));
    for before in &parts[..number] {
        let imports = before.shown_imports();
        error = error.help(format!("`{}` imports: {imports}", before.name));
    }
    let mut later = parts[number + 1..].iter();
    let wanting = later.find(|part| part.imports.iter().any(|i| plug.serves(i).is_some()));
    if let Some(wanting) = wanting {
        error = error.help(format!(
            "`{}` imports it: name `{name}` after it, for a plug serves what stands before it",
            wanting.name
        ));
    }
    error
}

/// Joins parts by links; the result exports what the first part exports. Parts that no link leads to
/// are left out.
pub fn fuse(parts: Vec<Part>, links: &[Link]) -> Result<Composed> {
    let mut joints = Vec::new();
    for link in links {
        let (from, to) = (&parts[link.from], &parts[link.to]);
        let Some(export) = to.serves(&link.import) else {
            return Err(Error::yours(format!(
                "`{}` does not export `{}`, which `{}` imports",
                to.name, link.import, from.name
            ))
            .help(format!("it exports: {}", to.shown_exports())));
        };
        joints.push(Joint {
            from: from.name.clone(),
            import: link.import.clone(),
            to: to.name.clone(),
            export: export.clone(),
        });
    }
    let binary = guarded(|| encode(&parts, links, &joints))??;
    Composed::of(binary, joints)
}

fn encode(parts: &[Part], links: &[Link], joints: &[Joint]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let mut instances: Vec<Option<NodeId>> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 && !links.iter().any(|link| link.to == number) {
            instances.push(None);
            continue;
        }
        // Numbered: two parts may have one name, packages may not.
        let name = format!("{}-{number}", part.name);
        let bytes = part.binary.clone();
        let package = Package::from_bytes(&name, None, bytes, graph.types_mut())
            .map_err(|error| broken(part, &error))?;
        let package = graph.register_package(package).map_err(library)?;
        instances.push(Some(graph.instantiate(package)));
    }
    for (link, joint) in links.iter().zip(joints) {
        let (Some(from), Some(to)) = (instances[link.from], instances[link.to]) else {
            continue;
        };
        let export = graph
            .alias_instance_export(to, &joint.export)
            .map_err(library)?;
        graph
            .set_instantiation_argument(from, &joint.import, export)
            .map_err(|error| mismatch(joint, error))?;
    }
    let root = instances.first().copied().flatten();
    for name in parts.first().map_or(&[][..], |root| &root.exports) {
        let Some(root) = root else { continue };
        let export = graph.alias_instance_export(root, name).map_err(library)?;
        graph.export(export, name).map_err(library)?;
    }
    graph.encode(options()).map_err(|error| match error {
        EncodeError::ImportTypeMergeConflict { import, source, .. } => Error::yours(format!(
            "two parts import `{import}` and mean different things by it"
        ))
        .caused_by(format!("{source:#}")),
        EncodeError::GraphContainsCycle { .. } => {
            Error::yours("the links between the parts make a cycle")
                .help("a component cannot be instantiated before what it imports is")
        }
        other => library(other),
    })
}

fn mismatch(joint: &Joint, error: InstantiationArgumentError) -> Error {
    match error {
        InstantiationArgumentError::ArgumentTypeMismatch { source, .. } => Error::yours(format!(
            "`{}` exports `{}` with other types than `{}` imports it",
            joint.to, joint.export, joint.from
        ))
        .caused_by(format!("{source:#}"))
        .help("`holm inspect FILE` shows the types of each"),
        other => library(other),
    }
}

fn broken(part: &Part, error: &anyhow::Error) -> Error {
    Error::yours(format!("`{}` cannot be composed", part.name)).caused_by(format!("{error:#}"))
}

/// What the graph refuses although the parts were looked at before.
fn library(error: impl std::fmt::Display) -> Error {
    Error::ours("the composition cannot be made").caused_by(error.to_string())
}
