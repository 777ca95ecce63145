//! An instance of a callee, for one event of its caller.

use super::apart::Apart;
use super::fault::failed;
use super::passage::{Parked, Within};
use super::plan::{Function, Target};
use super::values::{Carried, Handle, Held, pack, unpack};
use super::{Fresh, MakeFresh};
use crate::call::metered;
use crate::core::InstanceState;
use crate::limits::Meter;
use crate::values::Value;
use crate::values::abi::{Answer, Arguments};
use std::any::Any;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use wasmtime::component::{ComponentExportIndex, Func, Instance, ResourceAny, ResourceType};
use wasmtime::{Result, Store, StoreContextMut, bail};

/// The place of a callee's instance in its caller's state: beside the caller's own, where calls take
/// turns; or in a task of its own.
pub(super) struct Place<S: 'static> {
    pub(super) beside: Shared<S>,
    pub(super) apart: Option<Apart<S>>,
}

/// As the calls under way share it.
pub(super) type Shared<S> = Arc<Mutex<Slot<S>>>;

/// Whether there is an instance.
#[derive(Default)]
pub(super) enum Slot<S: 'static> {
    /// Not yet.
    #[default]
    Empty,
    /// It waits for calls.
    Ready(Box<Callee<S>>),
    /// It trapped, or a call of it was broken off: what it holds is not to be trusted.
    Gone,
}

/// An instance of a callee.
pub(super) struct Callee<S: 'static> {
    pub(super) store: Store<S>,
    pub(super) inner: Arc<Inner>,
    at_end: Option<Box<dyn FnOnce(&mut S) + Send>>,
    // After the store: it is the place that the store's instance takes.
    _held: Box<dyn Any + Send>,
}

/// What is known of an instance beside its store.
pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) instance: Instance,
    /// Its resource types that the caller knows, with their numbers.
    kinds: Vec<(ResourceType, u32)>,
    /// Its resources that the caller has handles of.
    held: std::sync::Mutex<Held>,
}

/// What crosses in a call.
pub(super) struct Crossing<S: 'static> {
    /// Arguments, or the result.
    pub(super) values: Vec<Value>,
    pub(super) carried: Vec<Carried<S>>,
    /// What of it is on the way, where it has to wait.
    pub(super) parked: Option<Parked>,
}

impl<S: 'static> Crossing<S> {
    /// The resources in it: those that are given, or those that are lent.
    pub(super) fn handles(&self, owned: bool) -> Vec<Handle> {
        let handles = self.carried.iter().filter_map(|carried| match carried {
            Carried::Resource(handle) if handle.owned == owned => Some(*handle),
            _ => None,
        });
        handles.collect()
    }
}

impl<S: 'static> Default for Place<S> {
    fn default() -> Self {
        Place {
            beside: Shared::default(),
            apart: None,
        }
    }
}

impl Inner {
    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a call's arguments into the callee's store.
    pub(super) fn arguments<S: InstanceState>(
        &self,
        crossing: Crossing<S>,
        store: &mut StoreContextMut<'_, S>,
    ) -> Result<Vec<Value>> {
        let Crossing {
            values, carried, ..
        } = crossing;
        if carried.is_empty() {
            return Ok(values);
        }
        let mut carried: Vec<Option<Carried<S>>> = carried.into_iter().map(Some).collect();
        let mut back = |_: &mut StoreContextMut<'_, S>, handle| self.held().take(handle);
        let values = values.into_iter();
        values
            .map(|value| unpack(value, store, &mut carried, &mut back))
            .collect()
    }

    /// Takes a call's result out of the callee's store; `within` is the way that it goes, where it
    /// is a long one.
    pub(super) fn result<S: InstanceState>(
        &self,
        value: Option<Value>,
        function: &Function,
        store: &mut StoreContextMut<'_, S>,
        within: Option<&Within>,
    ) -> Result<Crossing<S>> {
        let values = Vec::from_iter(value);
        let parked = within.map(|within| within.park(&values)).transpose()?;
        let mut carried = Vec::new();
        if !function.carries {
            return Ok(Crossing {
                values,
                carried,
                parked,
            });
        }
        let mut out = |_: &mut StoreContextMut<'_, S>, resource: ResourceAny| {
            let known = self.kinds.iter().find(|(ty, _)| *ty == resource.ty());
            match known {
                Some((_, kind)) => self.held().keep(resource, *kind),
                None => bail!("{} gave a resource of an unknown type", self.name),
            }
        };
        let values = values.into_iter();
        let values = values
            .map(|value| pack(value, store, &mut carried, within, &mut out))
            .collect::<Result<_>>()?;
        Ok(Crossing {
            values,
            carried,
            parked,
        })
    }
}

impl<S: 'static> Drop for Callee<S> {
    fn drop(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end(self.store.data_mut());
        }
    }
}

impl<S: InstanceState> Slot<S> {
    /// Takes the instance for a call; a new one is made by `make`. It is to be given back: one that
    /// is not was broken off.
    pub(super) async fn take(
        &mut self,
        of: &Target<S>,
        make: impl FnOnce() -> MakeFresh<S>,
    ) -> Result<Box<Callee<S>>> {
        match std::mem::replace(self, Slot::Gone) {
            Slot::Ready(callee) => Ok(callee),
            Slot::Empty => {
                let fresh = make();
                Callee::new(of, fresh.await?).await
            }
            Slot::Gone => bail!("{} has failed before in this event", of.callee.name()),
        }
    }

    /// Takes the instance if there is one.
    pub(super) fn take_ready(&mut self) -> Option<Box<Callee<S>>> {
        match std::mem::replace(self, Slot::Gone) {
            Slot::Ready(callee) => Some(callee),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Gives it back after a call that ended well.
    pub(super) fn give_back(&mut self, callee: Box<Callee<S>>) {
        *self = Slot::Ready(callee);
    }
}

impl<S: InstanceState> Callee<S> {
    pub(super) async fn new(of: &Target<S>, fresh: Fresh<S>) -> Result<Box<Self>> {
        // Dropped in the other order: a place is free when its store is gone.
        let Fresh {
            held,
            at_end,
            mut store,
        } = fresh;
        let name = of.callee.name().clone();
        let Some(pre) = of.callee.prepared().component() else {
            bail!("{name} is no component");
        };
        let (meter, timeout) = clocks(&mut store);
        let instance = metered(&meter, timeout, pre.instantiate_async(&mut store)).await;
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => {
                let error = failed(error, store.data_mut().core(), &format!("starting {name}"));
                at_end(store.data_mut());
                return Err(error);
            }
        };
        let kind = |(export, kind): &(ComponentExportIndex, u32)| {
            Some((instance.get_resource(&mut store, *export)?, *kind))
        };
        let inner = Inner {
            kinds: of.resources.iter().filter_map(kind).collect(),
            name,
            instance,
            held: Default::default(),
        };
        Ok(Box::new(Callee {
            store,
            inner: Arc::new(inner),
            at_end: Some(at_end),
            _held: held,
        }))
    }

    /// Calls one of its functions on its own clocks.
    pub(super) async fn call(
        &mut self,
        function: &Function,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>> {
        let func = self.func(function)?;
        let func = func.typed::<Arguments, Answer>(&self.store)?;
        let (meter, timeout) = self.clocks();
        let call = func.call_async(&mut self.store, Arguments(arguments));
        match metered(&meter, timeout, call).await {
            Ok(Answer(value)) => Ok(value),
            Err(error) => Err(failed(error, self.store.data_mut().core(), &function.shown)),
        }
    }

    fn func(&mut self, function: &Function) -> Result<Func> {
        let inner = &self.inner;
        let func = inner.instance.get_func(&mut self.store, function.export);
        func.ok_or_else(|| {
            wasmtime::Error::msg(format!("{} does not export {}", inner.name, function.shown))
        })
    }

    /// Drops one of its resources.
    pub(super) async fn drop_resource(&mut self, handle: Handle, shown: &str) -> Result<()> {
        let result = self.drop_raw(handle).await;
        result.map_err(|error| failed(error, self.store.data_mut().core(), shown))
    }

    /// The same, with the engine's error.
    pub(super) async fn drop_raw(&mut self, handle: Handle) -> Result<()> {
        let resource = self.inner.held().take(handle)?;
        let (meter, timeout) = self.clocks();
        let drop = resource.resource_drop_async(&mut self.store);
        metered(&meter, timeout, drop).await
    }

    pub(super) fn clocks(&mut self) -> (Arc<Meter>, Option<Duration>) {
        clocks(&mut self.store)
    }
}

fn clocks<S: InstanceState>(store: &mut Store<S>) -> (Arc<Meter>, Option<Duration>) {
    let budget = &store.data_mut().core().budget;
    (budget.meter.clone(), budget.allowance().timeout)
}
