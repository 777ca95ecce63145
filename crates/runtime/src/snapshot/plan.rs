//! What a component does with its core modules when it is instantiated, step by step.

use super::Refused;
use super::module::Module;
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, Encoding,
    ExternalKind, Instance, Parser, Payload,
};

/// More core instances than any toolchain makes; the pools of a server hold no more either.
const INSTANCES_MAX: usize = 256;

/// A component taken apart: its sections, its modules, and its core instances in order.
pub struct Plan<'a> {
    header: &'a [u8],
    sections: Vec<Section<'a>>,
    pub(super) modules: Vec<Module<'a>>,
    pub(super) instances: Vec<CoreInstance<'a>>,
}

/// A section of the component, as it stands in the file or as one of its modules.
enum Section<'a> {
    Raw(u8, &'a [u8]),
    Module(usize),
}

/// One step of the instantiation.
pub(super) enum CoreInstance<'a> {
    /// A module, and for each name that it imports from an earlier instance.
    Of {
        module: usize,
        args: Vec<(&'a str, usize)>,
    },
    /// Items of earlier instances and functions of the component, under new names.
    Bag(Vec<(&'a str, Item<'a>)>),
}

/// Something that a core module can import.
#[derive(Clone)]
pub(super) enum Item<'a> {
    /// What an earlier instance exports.
    Export { instance: usize, name: &'a str },
    /// A function that leaves the modules, by a name for people.
    Outside(String),
}

/// The index spaces, as far as names and core items need them.
#[derive(Default)]
struct Spaces<'a> {
    instances: Vec<String>,
    funcs: Vec<String>,
    core_funcs: Vec<Item<'a>>,
    core_memories: Vec<Item<'a>>,
    core_tables: Vec<Item<'a>>,
    core_globals: Vec<Item<'a>>,
    core_tags: Vec<Item<'a>>,
}

impl<'a> Plan<'a> {
    /// Takes a component apart, or says which part of its shape stands in the way.
    pub fn of(binary: &'a [u8]) -> Result<Self, Refused> {
        let mut plan = Plan {
            header: binary.get(..8).unwrap_or_default(),
            sections: Vec::new(),
            modules: Vec::new(),
            instances: Vec::new(),
        };
        let mut spaces = Spaces::default();
        // Modules are read as a whole, components within are only passed over.
        let mut depth = 0u32;
        for payload in Parser::new(0).parse_all(binary) {
            let payload = payload?;
            if depth > 0 {
                match payload {
                    Payload::ModuleSection { .. } => {
                        return Err(Refused::shape("a component in it with a module of its own"));
                    }
                    Payload::ComponentSection { .. } => depth += 1,
                    Payload::End(_) => depth -= 1,
                    _ => {}
                }
                continue;
            }
            let section = payload.as_section();
            match payload {
                Payload::ModuleSection {
                    parser: _,
                    unchecked_range,
                } => {
                    let bytes = binary.get(unchecked_range).unwrap_or_default();
                    plan.sections.push(Section::Module(plan.modules.len()));
                    plan.modules.push(Module::read(bytes)?);
                    depth += 1;
                    continue;
                }
                Payload::ComponentSection { .. } => depth += 1,
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                } => return Err(Refused::CoreModule),
                Payload::ComponentStartSection { .. } => {
                    return Err(Refused::shape("a start function of the component model"));
                }
                other => plan.step(other, &mut spaces)?,
            }
            if let Some((id, range)) = section {
                let data = binary.get(range).unwrap_or_default();
                plan.sections.push(Section::Raw(id, data));
            }
        }
        Ok(plan)
    }

    /// The component with other modules in place of its own.
    pub(super) fn with_modules(&self, modules: &[Vec<u8>]) -> Vec<u8> {
        use wasm_encoder::Encode as _;
        let mut component = self.header.to_vec();
        for section in &self.sections {
            let (id, data) = match section {
                Section::Raw(id, data) => (*id, *data),
                Section::Module(index) => (
                    wasm_encoder::ComponentSectionId::CoreModule as u8,
                    modules.get(*index).map(Vec::as_slice).unwrap_or_default(),
                ),
            };
            component.push(id);
            data.encode(&mut component);
        }
        component
    }

    fn step(&mut self, payload: Payload<'a>, spaces: &mut Spaces<'a>) -> Result<(), Refused> {
        match payload {
            Payload::InstanceSection(reader) => {
                for instance in reader {
                    let instance = self.core_instance(instance?, spaces)?;
                    self.instances.push(instance);
                    if self.instances.len() > INSTANCES_MAX {
                        return Err(Refused::shape(format!(
                            "more than {INSTANCES_MAX} core instances"
                        )));
                    }
                }
            }
            Payload::ComponentImportSection(reader) => {
                for import in reader {
                    let import = import?;
                    spaces.define(import.ty.kind(), import.name.name.to_owned())?;
                }
            }
            Payload::ComponentExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    spaces.define(export.kind, export.name.name.to_owned())?;
                }
            }
            Payload::ComponentInstanceSection(reader) => {
                for instance in reader {
                    instance?;
                    spaces.instances.push("a component in it".to_owned());
                }
            }
            Payload::ComponentAliasSection(reader) => {
                for alias in reader {
                    spaces.alias(alias?)?;
                }
            }
            Payload::ComponentCanonicalSection(reader) => {
                for function in reader {
                    spaces.canonical(&function?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn core_instance(
        &self,
        instance: Instance<'a>,
        spaces: &Spaces<'a>,
    ) -> Result<CoreInstance<'a>, Refused> {
        Ok(match instance {
            Instance::Instantiate { module_index, args } => {
                let module = module_index as usize;
                if self.modules.get(module).is_none() {
                    return Err(unknown("a module"));
                }
                let twice = |i: &CoreInstance<'_>| matches!(i, CoreInstance::Of { module: m, .. } if *m == module);
                if self.instances.iter().any(twice) {
                    return Err(Refused::shape("a module that is instantiated twice"));
                }
                let args = args.iter().map(|a| (a.name, a.index as usize)).collect();
                CoreInstance::Of { module, args }
            }
            Instance::FromExports(exports) => {
                let items = exports.iter().map(|export| {
                    let space = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => &spaces.core_funcs,
                        ExternalKind::Memory => &spaces.core_memories,
                        ExternalKind::Table => &spaces.core_tables,
                        ExternalKind::Global => &spaces.core_globals,
                        ExternalKind::Tag => &spaces.core_tags,
                    };
                    let item = space.get(export.index as usize).cloned();
                    Ok((export.name, item.ok_or_else(|| unknown("an item"))?))
                });
                CoreInstance::Bag(items.collect::<Result<_, Refused>>()?)
            }
        })
    }
}

impl<'a> Spaces<'a> {
    /// An import or export of the component, each of which takes the next index of its kind.
    fn define(&mut self, kind: ComponentExternalKind, name: String) -> Result<(), Refused> {
        match kind {
            ComponentExternalKind::Instance => self.instances.push(name),
            ComponentExternalKind::Func => self.funcs.push(name),
            ComponentExternalKind::Type => {}
            ComponentExternalKind::Module => return Err(Refused::shape("a module from outside")),
            ComponentExternalKind::Component => {
                return Err(Refused::shape("a component from outside"));
            }
            ComponentExternalKind::Value => return Err(Refused::shape("a value from outside")),
        }
        Ok(())
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), Refused> {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let instance = self.instances.get(instance_index as usize);
                let instance = instance.ok_or_else(|| unknown("an instance"))?;
                self.define(kind, format!("{instance}.{name}"))
            }
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let space = match kind {
                    ExternalKind::Func | ExternalKind::FuncExact => &mut self.core_funcs,
                    ExternalKind::Memory => &mut self.core_memories,
                    ExternalKind::Table => &mut self.core_tables,
                    ExternalKind::Global => &mut self.core_globals,
                    ExternalKind::Tag => &mut self.core_tags,
                };
                let instance = instance_index as usize;
                space.push(Item::Export { instance, name });
                Ok(())
            }
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::Type | ComponentOuterAliasKind::CoreType => Ok(()),
                ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component => {
                    Err(Refused::shape("a module or component under another name"))
                }
            },
        }
    }

    /// Lifted functions are the component's own; all others are core functions that leave the modules.
    fn canonical(&mut self, function: &CanonicalFunction) {
        match function {
            CanonicalFunction::Lift { .. } => self.funcs.push("a function of its own".to_owned()),
            CanonicalFunction::Lower { func_index, .. } => {
                let name = self.funcs.get(*func_index as usize).cloned();
                let name = name.unwrap_or_else(|| "a function".to_owned());
                self.core_funcs.push(Item::Outside(name));
            }
            other => self.core_funcs.push(Item::Outside(builtin(other))),
        }
    }
}

/// What the validator has made sure of already.
fn unknown(what: &str) -> Refused {
    Refused::Shape(format!("{what} that is not there"))
}

/// A built-in of the component model by the name that the specification gives it.
fn builtin(function: &CanonicalFunction) -> String {
    // `StreamNew { ty: 3 }` is `stream.new` in the text format.
    let debug = format!("{function:?}");
    let variant: &str = debug.split([' ', '{', '(']).next().unwrap_or_default();
    let mut name = String::new();
    for (place, letter) in variant.char_indices() {
        if letter.is_ascii_uppercase() && place > 0 {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    format!("the component model's {name}")
}
