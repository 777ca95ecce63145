//! The start itself: a component's core modules instantiated in order, with nothing outside of them.

use super::plan::{CoreInstance, Item, Plan};
use super::rewrite::{global_name, memory_name};
use super::{FUEL, MEMORY_BYTES_MAX, Refused};
use holm_manifest::ByteSize;
use wasmtime::{
    Engine, Extern, ExternType, Func, Instance, Module, ResourceLimiter, Store, Trap, Val, bail,
};

/// The canonical ABI's allocator, by the name that toolchains give it.
pub(super) const REALLOC: &str = "cabi_realloc";

/// What an allocator hands out is asked for with this alignment.
const ALIGN: i32 = 8;

/// More than half of a page of 64 KiB, less than all of it.
const SMALL: i32 = 40 << 10;

/// More than a page, less than two: an adapter for 0.1 takes two blocks of 64 KiB.
const LARGE: i32 = 72 << 10;

/// How many blocks are taken; of allocators with size classes, requests of real guests use two to
/// five pages.
const BLOCKS: usize = 6;

/// How many of them are large at a time.
const LARGE_AT_ONCE: usize = 2;

/// The state of one started module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModuleState {
    /// The content of each memory that it defines.
    pub memories: Vec<Vec<u8>>,
    /// The value of each mutable global that it defines.
    pub globals: Vec<Value>,
}

/// A number that a global holds; of floats the bits, so that equal means equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
}

/// The most table elements that a start may take.
const ELEMENTS_MAX: usize = 1_000_000;

/// What a start may still take of this host, all memories together and all tables. More is an error:
/// a start that went on without would end in another state than where there is room.
struct Room {
    bytes: usize,
    elements: usize,
}

impl ResourceLimiter for Room {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        match self.bytes.checked_sub(more) {
            Some(left) => self.bytes = left,
            None => bail!(
                "it takes more than {} of memory",
                ByteSize(MEMORY_BYTES_MAX as u64)
            ),
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        match self.elements.checked_sub(more) {
            Some(left) => self.elements = left,
            None => bail!("it takes more than {ELEMENTS_MAX} table elements"),
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }
}

/// The error of a call that leaves the modules.
#[derive(Debug, thiserror::Error)]
#[error("it called {0}")]
struct Outside(String);

/// What to do once all modules are instantiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Have each allocator take its first memory.
    WarmUp,
    /// Nothing: it is an image already.
    Nothing,
}

/// Instantiates all modules as the component does, and reads their state out: for each module of
/// the plan, or `None` for those that are not instantiated. `modules` are its modules exposed.
pub(super) fn start(
    engine: &Engine,
    plan: &Plan<'_>,
    modules: &[Module],
    then: Then,
) -> Result<Vec<Option<ModuleState>>, Refused> {
    let room = Room {
        bytes: MEMORY_BYTES_MAX,
        elements: ELEMENTS_MAX,
    };
    let mut store = Store::new(engine, room);
    store.limiter(|room| room);
    store.set_fuel(FUEL).map_err(|e| failed(&e))?;
    let mut made = Vec::with_capacity(plan.instances.len());
    for instance in &plan.instances {
        made.push(match instance {
            CoreInstance::Bag(_) => None,
            CoreInstance::Of { module, args } => {
                let module = modules.get(*module).ok_or_else(missing)?;
                let imports = imports(&mut store, plan, &made, module, args)?;
                let instance = Instance::new(&mut store, module, &imports);
                Some(instance.map_err(|e| failed(&e))?)
            }
        });
    }
    if then == Then::WarmUp {
        for (index, module) in plan.modules.iter().enumerate() {
            if let Some(instance) = instance_of(plan, &made, index).filter(|_| module.allocates) {
                warm_up(&mut store, instance)?;
            }
        }
    }
    (0..plan.modules.len())
        .map(|index| match instance_of(plan, &made, index) {
            Some(instance) => state(&mut store, plan, index, instance).map(Some),
            None => Ok(None),
        })
        .collect()
}

fn instance_of(plan: &Plan<'_>, made: &[Option<Instance>], module: usize) -> Option<Instance> {
    let of = |i: &CoreInstance<'_>| matches!(i, CoreInstance::Of { module: m, .. } if *m == module);
    made.get(plan.instances.iter().position(of)?).copied()?
}

/// What a module imports, in its order.
fn imports(
    store: &mut Store<Room>,
    plan: &Plan<'_>,
    made: &[Option<Instance>],
    module: &Module,
    args: &[(&str, usize)],
) -> Result<Vec<Extern>, Refused> {
    let mut imports = Vec::new();
    for import in module.imports() {
        let from = args.iter().find(|(name, _)| *name == import.module());
        let (_, from) = from.ok_or_else(missing)?;
        let item = Item::Export {
            instance: *from,
            name: import.name(),
        };
        imports.push(match (find(store, plan, made, &item)?, import.ty()) {
            (Found::Inside(item), _) => item,
            (Found::Outside(name), ExternType::Func(ty)) => {
                // Every call out of the modules ends the start: what it would give or change is
                // not in their memory, and not the same for everybody.
                let outside = move |_: wasmtime::Caller<'_, _>, _: &[Val], _: &mut [Val]| {
                    Err(Outside(name.clone()).into())
                };
                Func::new(&mut *store, ty, outside).into()
            }
            (Found::Outside(_), _) => return Err(missing()),
        });
    }
    Ok(imports)
}

/// Where an item is in the end.
enum Found {
    Inside(Extern),
    Outside(String),
}

/// Follows an item through bags of items; each step goes to an earlier instance, so it ends.
fn find(
    store: &mut Store<Room>,
    plan: &Plan<'_>,
    made: &[Option<Instance>],
    item: &Item<'_>,
) -> Result<Found, Refused> {
    let mut item = item.clone();
    let mut before = made.len();
    loop {
        let (instance, name) = match item {
            Item::Outside(name) => return Ok(Found::Outside(name)),
            Item::Export { instance, name } if instance < before => (instance, name),
            Item::Export { .. } => return Err(missing()),
        };
        before = instance;
        if let Some(Some(instance)) = made.get(instance) {
            let export = instance.get_export(&mut *store, name);
            return export.map(Found::Inside).ok_or_else(missing);
        }
        let Some(CoreInstance::Bag(items)) = plan.instances.get(instance) else {
            return Err(missing());
        };
        let found = items.iter().find(|(known, _)| *known == name);
        item = found.map(|(_, item)| item.clone()).ok_or_else(missing)?;
    }
}

/// Has the allocator take its first memory and give it back, by calls that a host may make: it
/// allocates what it passes to a guest, grows and shrinks what it had to guess the size of. To give
/// back all of a block is not among what every allocator knows, so a few bytes of each stay taken.
///
/// Blocks of two sizes, because allocators differ in what they do with what they get back: one that
/// keeps a single heap has one long free stretch afterwards; one that keeps a list for each size
/// class has free pages for its small blocks and room for an adapter's stack and state. Growing
/// before shrinking, because such a one moves a block only when its class changes for the larger.
fn warm_up(store: &mut Store<Room>, instance: Instance) -> Result<(), Refused> {
    let realloc = instance.get_typed_func::<(i32, i32, i32, i32), i32>(&mut *store, REALLOC);
    let Ok(realloc) = realloc else {
        // Some other function of that name.
        return Ok(());
    };
    let mut call = |args| realloc.call(&mut *store, args).map_err(|e| failed(&e));
    let mut small = Vec::new();
    for _ in 0..BLOCKS {
        small.push(call((0, 0, ALIGN, SMALL))?);
    }
    for some in small.chunks(LARGE_AT_ONCE) {
        let mut large = Vec::new();
        for block in some {
            large.push(call((*block, SMALL, ALIGN, LARGE))?);
        }
        for block in large {
            call((block, LARGE, ALIGN, ALIGN))?;
        }
    }
    Ok(())
}

fn state(
    store: &mut Store<Room>,
    plan: &Plan<'_>,
    module: usize,
    instance: Instance,
) -> Result<ModuleState, Refused> {
    let module = plan.modules.get(module).ok_or_else(missing)?;
    let mut state = ModuleState::default();
    for (index, _) in &module.memories {
        let memory = instance.get_memory(&mut *store, &memory_name(*index));
        let memory = memory.ok_or_else(missing)?;
        state.memories.push(memory.data(&*store).to_vec());
    }
    for index in &module.globals {
        let global = instance.get_global(&mut *store, &global_name(*index));
        let value = global.ok_or_else(missing)?.get(&mut *store);
        state.globals.push(match value {
            Val::I32(value) => Value::I32(value),
            Val::I64(value) => Value::I64(value),
            Val::F32(bits) => Value::F32(bits),
            Val::F64(bits) => Value::F64(bits),
            Val::V128(value) => Value::V128(value.as_u128()),
            _ => return Err(missing()),
        });
    }
    Ok(state)
}

/// What the validator has made sure of already.
fn missing() -> Refused {
    Refused::shape("an item that is not there")
}

fn failed(error: &wasmtime::Error) -> Refused {
    if let Some(Outside(name)) = error.downcast_ref::<Outside>() {
        return Refused::Calls(name.clone());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Refused::TooLong,
        Some(trap) => Refused::Fails(trap.to_string()),
        None => Refused::Fails(error.root_cause().to_string()),
    }
}
