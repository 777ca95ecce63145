//! What is linked to what, found when a component is loaded.

use super::same::{Carries, Same};
use super::{Link, Provide};
use crate::artifact::{Artifact, Code};
use crate::compose::fits;
use crate::error::{Error, Result};
use crate::seam::FnId;
use crate::values::abi::define::Shape;
use crate::values::{Type, unnamed};
use std::sync::Arc;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, ResourceType};
use wasmtime::component::{Component, ComponentExportIndex};

/// An import and all that provides it.
pub(crate) struct Bridge<S: 'static> {
    /// The import, as the component names it.
    pub import: String,
    pub(super) resources: Vec<Resource>,
    pub(super) functions: Vec<Arc<Function>>,
    pub(super) target: Arc<Target<S>>,
}

/// A callee, as one component is linked to it, by one interface or several.
pub(super) struct Target<S: 'static> {
    pub(super) callee: Arc<dyn Provide<S>>,
    /// Its number among the component's callees.
    pub(super) slot: usize,
    /// Whether its instances run in tasks of their own.
    pub(super) apart: bool,
    /// Its resource types that the component knows, with their numbers.
    pub(super) resources: Vec<(ComponentExportIndex, u32)>,
}

/// A resource type of an interface.
pub(super) struct Resource {
    pub(super) name: String,
    /// Its number among the component's linked resources.
    pub(super) kind: u32,
    pub(super) id: FnId,
    pub(super) shown: String,
    types: (ResourceType, ResourceType),
    export: ComponentExportIndex,
}

/// A function of an interface.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) export: ComponentExportIndex,
    pub(super) id: FnId,
    /// `example:payments/processor.charge`, for errors.
    pub(super) shown: String,
    /// Whether there is more in its values than data.
    pub(super) carries: bool,
    /// What the ABI sees of it.
    pub(super) shape: Shape,
    apart: bool,
}

/// An interface on both sides.
struct Pair<'a> {
    link: usize,
    import: String,
    wanted: ComponentInstance,
    given: ComponentInstance,
    outer: ComponentExportIndex,
    provider: &'a Component,
}

/// Compares a component's imports with what it is linked to.
pub(crate) fn bridges<S: 'static>(
    artifact: &Artifact,
    name: &str,
    links: &[Link<S>],
) -> Result<Vec<Bridge<S>>> {
    let Code::Component(component) = &artifact.code else {
        return Err(Error::yours(format!(
            "`{name}` is a core module, and only components can be linked"
        )));
    };
    let mut pairs = Vec::new();
    for number in 0..links.len() {
        pairs.extend(pairs_of(component, name, links, number)?);
    }
    // All resources first: a function of one interface may take those of another.
    let mut resources = Vec::new();
    for pair in &pairs {
        let before = u32::try_from(resources.iter().map(Vec::len).sum::<usize>()).unwrap_or(0);
        resources.push(resources_of(component, pair, &links[pair.link], before)?);
    }
    let mut callees: Vec<&Arc<str>> = Vec::new();
    for link in links {
        if !callees.contains(&link.callee.name()) {
            callees.push(link.callee.name());
        }
    }
    let is_of = |pair: &Pair, callee: &Arc<str>| links[pair.link].callee.name() == callee;
    let mut bridges = Vec::new();
    let mut functions = Vec::new();
    for pair in &pairs {
        let Link { callee, .. } = &links[pair.link];
        let callee = callee.name();
        let of_callee = pairs.iter().zip(&resources);
        let of_callee = of_callee.filter(|(pair, _)| is_of(pair, callee));
        let known: Vec<(ResourceType, ResourceType)> = of_callee
            .flat_map(|(_, resources)| resources.iter().map(|r| r.types))
            .collect();
        functions.push(functions_of(component, name, pair, callee, &known)?);
    }
    let targets: Vec<Arc<Target<S>>> = callees
        .iter()
        .enumerate()
        .filter_map(|(slot, callee)| {
            let link = links.iter().find(|link| link.callee.name() == *callee)?;
            let of_callee = pairs.iter().zip(&resources);
            let of_callee = of_callee.filter(|(pair, _)| is_of(pair, callee));
            let resources = of_callee.flat_map(|(_, resources)| resources.iter());
            let mut of_callee = pairs.iter().zip(&functions);
            let apart = of_callee
                .any(|(pair, functions)| is_of(pair, callee) && functions.iter().any(|f| f.apart));
            Some(Arc::new(Target {
                callee: link.callee.clone(),
                slot,
                apart,
                resources: resources.map(|r| (r.export, r.kind)).collect(),
            }))
        })
        .collect();
    for ((pair, resources), functions) in pairs.iter().zip(resources).zip(functions) {
        let callee = links[pair.link].callee.name();
        let slot = callees.iter().position(|name| *name == callee);
        let Some(target) = slot.and_then(|slot| targets.get(slot)) else {
            continue;
        };
        bridges.push(Bridge {
            import: pair.import.clone(),
            resources,
            functions,
            target: target.clone(),
        });
    }
    Ok(bridges)
}

/// The imports that a link is for, each with the export that provides it.
fn pairs_of<'a, S: 'static>(
    component: &Component,
    name: &str,
    links: &'a [Link<S>],
    number: usize,
) -> Result<Vec<Pair<'a>>> {
    let Link { interface, callee } = &links[number];
    let Code::Component(provider) = &callee.prepared().artifact.code else {
        let what = format!(
            "`{}` is a core module, and only components can be linked",
            callee.name()
        );
        return Err(Error::yours(what));
    };
    let engine = component.engine();
    let ty = component.component_type();
    let mut found = Vec::new();
    for (import, item) in ty.imports(engine) {
        if import != interface && import.split('@').next() != Some(interface) {
            continue;
        }
        let ComponentItem::ComponentInstance(wanted) = item.ty else {
            return Err(Error::yours(format!(
                "`{import}` is no interface, and only interfaces are linked"
            ))
            .help("holm compose joins what imports and exports it into one file"));
        };
        let (export, given) = exported(provider, import).ok_or_else(|| {
            let exports = callee.prepared().artifact.exports();
            Error::yours(format!("`{}` does not export `{import}`", callee.name()))
                .help(format!("it exports: {}", shown(&exports)))
        })?;
        let Some(outer) = provider.get_export_index(None, &export) else {
            return Err(Error::ours(format!(
                "export `{export}` was found and is gone"
            )));
        };
        found.push(Pair {
            link: number,
            import: import.to_owned(),
            wanted,
            given,
            outer,
            provider,
        });
    }
    if found.is_empty() {
        let imports: Vec<String> = ty
            .imports(engine)
            .map(|(name, _)| name.to_owned())
            .collect();
        let own = imports.iter().filter(|name| !name.starts_with("wasi:"));
        let own: Vec<String> = own.cloned().collect();
        let error = Error::yours(format!("`{name}` does not import `{interface}`"));
        let near = holm_manifest::nearest(interface, imports.iter().map(String::as_str));
        return Err(match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("it imports: {}", shown(&own))),
        });
    }
    Ok(found)
}

fn shown(names: &[String]) -> String {
    match names.is_empty() {
        true => "nothing".into(),
        false => names.join(", "),
    }
}

/// The exported interface that provides an imported one: of the same name, else of a version that
/// fits.
fn exported(provider: &Component, import: &str) -> Option<(String, ComponentInstance)> {
    let ty = provider.component_type();
    let instances = || {
        ty.exports(provider.engine())
            .filter_map(|(name, item)| match item.ty {
                ComponentItem::ComponentInstance(instance) => Some((name.to_owned(), instance)),
                _ => None,
            })
    };
    instances()
        .find(|(name, _)| name == import)
        .or_else(|| instances().find(|(name, _)| fits(import, name)))
}

fn resources_of<S>(
    component: &Component,
    pair: &Pair<'_>,
    link: &Link<S>,
    before: u32,
) -> Result<Vec<Resource>> {
    let mut found = Vec::new();
    for (name, item) in pair.wanted.exports(component.engine()) {
        let ComponentItem::Resource(wanted) = item.ty else {
            continue;
        };
        let given = pair.given.get_export(pair.provider.engine(), name);
        let export = pair.provider.get_export_index(Some(&pair.outer), name);
        let (Some(ComponentItem::Resource(given)), Some(export)) = (given.map(|g| g.ty), export)
        else {
            return Err(Error::yours(format!(
                "`{}` exports `{}` without the resource `{name}`",
                link.callee.name(),
                pair.import
            )));
        };
        let function = format!("[resource-drop]{name}");
        found.push(Resource {
            kind: before + found.len() as u32,
            id: FnId::linked(&pair.import, &function),
            shown: format!("{}.{function}", without_version(&pair.import)),
            name: name.to_owned(),
            types: (wanted, given),
            export,
        });
    }
    Ok(found)
}

fn functions_of(
    component: &Component,
    name: &str,
    pair: &Pair<'_>,
    callee: &str,
    resources: &[(ResourceType, ResourceType)],
) -> Result<Vec<Arc<Function>>> {
    let mut found = Vec::new();
    for (function, item) in pair.wanted.exports(component.engine()) {
        let ComponentItem::ComponentFunc(wanted) = item.ty else {
            continue;
        };
        let shown = format!("{}.{function}", without_version(&pair.import));
        let given = pair.given.get_export(pair.provider.engine(), function);
        let export = pair.provider.get_export_index(Some(&pair.outer), function);
        let (Some(ComponentItem::ComponentFunc(given)), Some(export)) =
            (given.map(|g| g.ty), export)
        else {
            return Err(Error::yours(format!(
                "`{callee}` does not export the function `{shown}`, which `{name}` imports"
            )));
        };
        let carries = compare(name, callee, &shown, &wanted, &given, resources)?;
        found.push(Arc::new(Function {
            carries: carries.resources || carries.streams,
            shape: shape_of(&wanted),
            apart: wanted.async_() || carries.streams,
            id: FnId::linked(&pair.import, function),
            name: function.to_owned(),
            export,
            shown,
        }));
    }
    Ok(found)
}

fn shape_of(function: &ComponentFunc) -> Shape {
    let params: Vec<Type> = function.params().map(|(_, ty)| unnamed(&ty)).collect();
    let result = function.results().next().map(|ty| unnamed(&ty));
    Shape::of(params.iter(), result.as_ref(), function.async_())
}

/// Compares one function's types; gives what they ask of the bridge.
fn compare(
    name: &str,
    callee: &str,
    shown: &str,
    wanted: &ComponentFunc,
    given: &ComponentFunc,
    resources: &[(ResourceType, ResourceType)],
) -> Result<Carries> {
    let mut same = Same {
        resources,
        carries: Default::default(),
    };
    same.function(wanted, given).map_err(|difference| {
        Error::yours(format!(
            "`{callee}` exports `{shown}` with other types than `{name}` imports it"
        ))
        .caused_by(difference)
        .help("`holm inspect FILE` shows the types of each")
    })?;
    if let Some(what) = same.carries.unlinkable {
        return Err(Error::yours(format!(
            "`{shown}` cannot be linked between two instances: it has {what}"
        ))
        .help(format!(
            "as one component everything passes: holm compose --fuse {name} -o {name}-fused.wasm"
        )));
    }
    Ok(same.carries)
}

fn without_version(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}
