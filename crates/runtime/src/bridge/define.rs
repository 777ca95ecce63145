//! The host functions that stand for a callee's on its caller's linker.

use super::apart::Apart;
use super::callee::{Crossing, Place};
use super::passage::Within;
use super::plan::{Bridge, Function, Resource, Target};
use super::values::{Carried, Handle, pack, unpack};
use crate::core::InstanceState;
use crate::seam::FnId;
use crate::values::Value;
use crate::values::abi::define::{self as values, Does};
use std::sync::Arc;
use wasmtime::component::{Accessor, Linker, ResourceAny, ResourceDynamic, ResourceType};
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
        let linked = LinkedFunction {
            target: bridge.target.clone(),
            function: function.clone(),
        };
        values::define(
            &mut instance,
            &function.name,
            function.shape,
            Arc::new(linked),
        )?;
    }
    Ok(())
}

/// A function of a callee's, as its caller has it.
struct LinkedFunction<S: 'static> {
    target: Arc<Target<S>>,
    function: Arc<Function>,
}

impl<S: InstanceState> Does<S> for LinkedFunction<S> {
    async fn call(
        &self,
        mut caller: StoreContextMut<'_, S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        let LinkedFunction { target, function } = self;
        let crossing = caller.data_mut().core().seam.enter(function.id);
        let result = if target.apart {
            let callee = apart(&mut caller, target);
            let way = callee.way(function);
            let sent = leave(&mut caller, function, arguments, Some(&way))?;
            let got = callee.call(way, sent).await?;
            arrive(&mut caller, got)?
        } else {
            let beside = place(&mut caller, target).beside.clone();
            let mut slot = beside.lock().await;
            let make = || target.callee.fresh(caller.data_mut(), false);
            let mut callee = slot.take(target, make).await?;
            let result = if function.carries {
                let sent = leave(&mut caller, function, arguments, None)?;
                let inner = callee.inner.clone();
                let passed = inner.arguments(sent, &mut callee.store.as_context_mut())?;
                let given = callee.call(function, passed).await?;
                let mut store = callee.store.as_context_mut();
                let got = inner.result(given, function, &mut store, None)?;
                arrive(&mut caller, got)?
            } else {
                callee.call(function, arguments).await?
            };
            slot.give_back(callee);
            result
        };
        caller.data_mut().core().seam.exit(crossing);
        Ok(result)
    }

    async fn call_beside(
        &self,
        caller: &Accessor<S>,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        let LinkedFunction { target, function } = self;
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
            let result = arrive(&mut caller, got)?;
            caller.data_mut().core().seam.exit(crossing);
            Ok(result)
        })
    }
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
    values: Vec<Value>,
    within: Option<&Within>,
) -> Result<Crossing<S>> {
    let parked = within.map(|within| within.park(&values)).transpose()?;
    let mut carried = Vec::new();
    if !function.carries {
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
    let values = values.into_iter();
    let values = values
        .map(|value| pack(value, caller, &mut carried, within, &mut out))
        .collect::<Result<_>>()?;
    Ok(Crossing {
        values,
        carried,
        parked,
    })
}

/// Puts a call's result into the caller's store.
fn arrive<S: InstanceState>(
    caller: &mut StoreContextMut<'_, S>,
    mut got: Crossing<S>,
) -> Result<Option<Value>> {
    let value = got.values.pop();
    if got.carried.is_empty() {
        return Ok(value);
    }
    let mut carried: Vec<Option<Carried<S>>> = got.carried.into_iter().map(Some).collect();
    let mut back = |store: &mut StoreContextMut<'_, S>, handle: Handle| {
        let own = ResourceDynamic::new_own(handle.place, handle.kind);
        own.try_into_resource_any(store)
    };
    let value = value.map(|value| unpack(value, caller, &mut carried, &mut back));
    value.transpose()
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
