//! The host functions that stand for a callee's on its caller's linker.

use super::apart::Apart;
use super::bulk;
use super::callee::{Crossing, Place};
use super::passage::Within;
use super::plan::{Bridge, Function, Resource, Target};
use super::values::{Carried, Handle, pack, unpack};
use crate::core::InstanceState;
use crate::seam::FnId;
use std::sync::Arc;
use wasmtime::component::{Accessor, Linker, ResourceAny, ResourceDynamic, ResourceType, Val};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};

/// Puts what a bridge provides onto the caller's linker.
pub(crate) fn define<S: InstanceState>(linker: &mut Linker<S>, bridge: &Bridge<S>) -> Result<()> {
    let mut instance = linker.instance(&bridge.import)?;
    for resource in &bridge.resources {
        let (target, drop) = (bridge.target.clone(), Arc::new(Dropping::of(resource)));
        instance.resource_async(
            &resource.name,
            ResourceType::host_dynamic(resource.kind),
            move |cx, place| {
                let (target, drop) = (target.clone(), drop.clone());
                Box::new(async move { dropped(cx, &target, &drop, place).await })
            },
        )?;
    }
    for function in &bridge.functions {
        let (target, function) = (bridge.target.clone(), function.clone());
        let name = function.name.clone();
        if let Some(registers) = function.registers.filter(|_| !target.apart) {
            bulk::define(&mut instance, target, function, registers)?;
        } else if function.asynchronous {
            instance.func_new_concurrent(&name, move |accessor, _, arguments, results| {
                let (target, function) = (target.clone(), function.clone());
                Box::pin(async move {
                    concurrently(accessor, &target, &function, arguments, results).await
                })
            })?;
        } else {
            instance.func_new_async(&name, move |cx, _, arguments, results| {
                let (target, function) = (target.clone(), function.clone());
                Box::new(async move { call(cx, &target, &function, arguments, results).await })
            })?;
        }
    }
    Ok(())
}

/// What is known of a resource when a handle of it is dropped.
struct Dropping {
    id: FnId,
    kind: u32,
    shown: String,
}

impl Dropping {
    fn of(resource: &Resource) -> Self {
        Dropping {
            id: resource.id,
            kind: resource.kind,
            shown: resource.shown.clone(),
        }
    }
}

pub(super) fn place<'a, S: InstanceState>(
    caller: &'a mut StoreContextMut<'_, S>,
    of: &Target<S>,
) -> &'a mut Place<S> {
    caller.data_mut().links().place(of.slot)
}

/// A call that its caller's guest waits for.
async fn call<S: InstanceState>(
    mut caller: StoreContextMut<'_, S>,
    target: &Arc<Target<S>>,
    function: &Arc<Function>,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let crossing = caller.data_mut().core().seam.enter(function.id);
    if target.apart {
        let callee = apart(&mut caller, target);
        let way = callee.way(function);
        let sent = leave(&mut caller, function, arguments, Some(&way))?;
        let got = callee.call(way, sent).await?;
        arrive(&mut caller, got, results)?;
    } else {
        let beside = place(&mut caller, target).beside.clone();
        let mut slot = beside.lock().await;
        let make = || target.callee.fresh(caller.data_mut(), false);
        let mut callee = slot.take(target, make).await?;
        if function.carries {
            let sent = leave(&mut caller, function, arguments, None)?;
            let inner = callee.inner.clone();
            let passed = inner.arguments(sent, &mut callee.store.as_context_mut())?;
            let mut given = results.to_vec();
            callee.call(function, &passed, &mut given).await?;
            let mut store = callee.store.as_context_mut();
            let got = inner.results(given, function, &mut store, None)?;
            arrive(&mut caller, got, results)?;
        } else {
            callee.call(function, arguments, results).await?;
        }
        slot.give_back(callee);
    }
    caller.data_mut().core().seam.exit(crossing);
    Ok(())
}

/// A call beside which its caller's guest goes on.
async fn concurrently<S: InstanceState>(
    caller: &Accessor<S>,
    target: &Arc<Target<S>>,
    function: &Arc<Function>,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let (crossing, callee, way, sent) = caller.with(|mut access| {
        let mut caller = access.as_context_mut();
        let crossing = caller.data_mut().core().seam.enter(function.id);
        let callee = apart(&mut caller, target);
        let way = callee.way(function);
        let sent = leave(&mut caller, function, arguments, Some(&way))?;
        wasmtime::error::Ok((crossing, callee, way, sent))
    })?;
    let got = callee.call(way, sent).await?;
    caller.with(|mut access| {
        let mut caller = access.as_context_mut();
        arrive(&mut caller, got, results)?;
        caller.data_mut().core().seam.exit(crossing);
        Ok(())
    })
}

/// The callee in its task; started with the first call.
fn apart<S: InstanceState>(
    caller: &mut StoreContextMut<'_, S>,
    target: &Arc<Target<S>>,
) -> Apart<S> {
    if let Some(apart) = &place(caller, target).apart {
        return apart.clone();
    }
    let fresh = target.callee.fresh(caller.data_mut(), true);
    let meter = &caller.data_mut().core().budget.meter;
    let apart = Apart::start(target, meter, fresh);
    place(caller, target).apart = Some(apart.clone());
    apart
}

/// Takes a call's arguments out of the caller's store; `within` is the way that they go, where it is
/// a long one.
fn leave<S: InstanceState>(
    caller: &mut StoreContextMut<'_, S>,
    function: &Function,
    arguments: &[Val],
    within: Option<&Within>,
) -> Result<Crossing<S>> {
    let parked = within.map(|within| within.park(arguments)).transpose()?;
    let mut carried = Vec::new();
    if !function.carries {
        let values = arguments.to_vec();
        return Ok(Crossing {
            values,
            carried,
            parked,
        });
    }
    let mut out = |store: &mut StoreContextMut<'_, S>, resource: ResourceAny| {
        let handle = resource.try_into_resource_dynamic(store)?;
        Ok(Handle {
            place: handle.rep(),
            kind: handle.ty(),
            owned: handle.owned(),
        })
    };
    let values = arguments.iter();
    let values = values
        .map(|value| pack(value, caller, &mut carried, within, &mut out))
        .collect::<Result<_>>()?;
    Ok(Crossing {
        values,
        carried,
        parked,
    })
}

/// Puts a call's results into the caller's store.
fn arrive<S: InstanceState>(
    caller: &mut StoreContextMut<'_, S>,
    got: Crossing<S>,
    results: &mut [Val],
) -> Result<()> {
    let mut carried: Vec<Option<Carried<S>>> = got.carried.into_iter().map(Some).collect();
    let mut back = |store: &mut StoreContextMut<'_, S>, handle: Handle| {
        let own = ResourceDynamic::new_own(handle.place, handle.kind);
        Ok(Val::Resource(own.try_into_resource_any(store)?))
    };
    for (result, value) in results.iter_mut().zip(got.values) {
        *result = match carried.is_empty() {
            true => value,
            false => unpack(&value, caller, &mut carried, &mut back)?,
        };
    }
    Ok(())
}

/// The caller has dropped its handle of a resource.
async fn dropped<S: InstanceState>(
    mut caller: StoreContextMut<'_, S>,
    target: &Target<S>,
    of: &Dropping,
    place_of_it: u32,
) -> Result<()> {
    let crossing = caller.data_mut().core().seam.enter(of.id);
    let handle = Handle {
        place: place_of_it,
        kind: of.kind,
        owned: true,
    };
    let place = place(&mut caller, target);
    if let Some(apart) = &place.apart {
        apart.drop_resource(handle);
    } else {
        let beside = place.beside.clone();
        let mut slot = beside.lock().await;
        // One that has ended took its resources along.
        if let Some(mut callee) = slot.take_ready() {
            callee.drop_resource(handle, &of.shown).await?;
            slot.give_back(callee);
        }
    }
    caller.data_mut().core().seam.exit(crossing);
    Ok(())
}
