//! Values on their way between two stores: data is copied, all else is taken out of one store
//! ([`pack`]) and put into the other ([`unpack`]).

use super::passage::Within;
use super::streams;
use crate::core::InstanceState;
use crate::values::{Raw, Value};
use wasmtime::component::ResourceAny;
use wasmtime::{Result, StoreContextMut, bail};

/// What is not data, between two stores.
pub(super) enum Carried<S: 'static> {
    /// A resource of the callee's.
    Resource(Handle),
    /// The other end of a stream or future.
    End(OpenEnd<S>),
}

/// A stream or future that is yet to be opened in the other store.
pub(super) type OpenEnd<S> = Box<dyn FnOnce(&mut StoreContextMut<'_, S>) -> Result<Raw> + Send>;

/// A resource of the callee's that the caller has a handle of.
#[derive(Clone, Copy)]
pub(super) struct Handle {
    /// Its place in [`Held`].
    pub place: u32,
    /// Which of the linked types it is of.
    pub kind: u32,
    /// Whether it is passed on for good, or lent for the call.
    pub owned: bool,
}

/// A callee's resources that its caller has handles of. What a handle in the caller's store stands
/// for is a place in here; a place remembers which of the linked types it is of.
#[derive(Default)]
pub(super) struct Held {
    places: Vec<Option<Kept>>,
    free: Vec<u32>,
}

struct Kept {
    resource: ResourceAny,
    kind: u32,
    /// Calls under way that it is lent to.
    lent: u32,
}

impl Held {
    pub(super) fn keep(&mut self, resource: ResourceAny, kind: u32) -> Result<Handle> {
        let kept = Some(Kept {
            resource,
            kind,
            lent: 0,
        });
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = kept;
                place
            }
            None => {
                self.places.push(kept);
                u32::try_from(self.places.len() - 1)?
            }
        };
        Ok(Handle {
            place,
            kind,
            owned: true,
        })
    }

    /// What a handle stands for; an owned one moves back, and its place is free.
    pub(super) fn take(&mut self, handle: Handle) -> Result<ResourceAny> {
        let Handle { place, kind, owned } = handle;
        let slot = self.places.get_mut(place as usize);
        let resource = match &slot {
            Some(Some(kept)) if kept.kind == kind => kept.resource,
            _ => bail!("the resource is gone with the instance that made it"),
        };
        if owned && let Some(slot) = slot {
            *slot = None;
            self.free.push(place);
        }
        Ok(resource)
    }

    /// A call that borrows these begins or ends.
    pub(super) fn lend(&mut self, handles: &[Handle], begins: bool) {
        for handle in handles {
            if let Some(Some(kept)) = self.places.get_mut(handle.place as usize) {
                kept.lent = match begins {
                    true => kept.lent + 1,
                    false => kept.lent.saturating_sub(1),
                };
            }
        }
    }

    /// Whether a call under way borrows it.
    pub(super) fn is_lent(&self, handle: Handle) -> bool {
        let kept = self.places.get(handle.place as usize);
        kept.is_some_and(|kept| kept.as_ref().is_some_and(|kept| kept.lent > 0))
    }
}

/// Takes a value out of a store; `out` is what a resource becomes, `within` the way that streams go.
pub(super) fn pack<S: InstanceState>(
    value: Value,
    store: &mut StoreContextMut<'_, S>,
    carried: &mut Vec<Carried<S>>,
    within: Option<&Within>,
    out: &mut dyn FnMut(&mut StoreContextMut<'_, S>, ResourceAny) -> Result<Handle>,
) -> Result<Value> {
    let taken = match (value, within) {
        (Value::Resource(resource), _) => Carried::Resource(out(store, resource)?),
        (Value::Raw(Raw::Stream(it)), Some(within)) => {
            Carried::End(streams::stream(&it, store, within)?)
        }
        (Value::Raw(Raw::Future(it)), Some(within)) => {
            Carried::End(streams::future(&it, store, within)?)
        }
        (Value::Raw(_), _) => bail!("a stream has nowhere to go"),
        (other, _) => {
            return each(other, &mut |inner| pack(inner, store, carried, within, out));
        }
    };
    carried.push(taken);
    Ok(Value::Raw(Raw::Carried(carried.len() - 1)))
}

/// Puts a value into a store; `back` is what a resource's handle becomes.
pub(super) fn unpack<S: InstanceState>(
    value: Value,
    store: &mut StoreContextMut<'_, S>,
    carried: &mut [Option<Carried<S>>],
    back: &mut dyn FnMut(&mut StoreContextMut<'_, S>, Handle) -> Result<ResourceAny>,
) -> Result<Value> {
    let Value::Raw(Raw::Carried(number)) = value else {
        return each(value, &mut |inner| unpack(inner, store, carried, back));
    };
    match carried.get_mut(number).and_then(Option::take) {
        Some(Carried::Resource(handle)) => Ok(Value::Resource(back(store, handle)?)),
        Some(Carried::End(open)) => Ok(Value::Raw(open(store)?)),
        None => bail!("a value was lost between two components"),
    }
}

/// A value with each of its parts changed; numbers and text are one piece.
fn each(value: Value, change: &mut dyn FnMut(Value) -> Result<Value>) -> Result<Value> {
    Ok(match value {
        Value::List(values) => Value::List(all(values, change)?),
        Value::Tuple(values) => Value::Tuple(all(values, change)?),
        Value::Record(values) => Value::Record(all(values, change)?),
        Value::Map(pairs) => {
            let pairs = pairs.into_iter();
            let pairs = pairs.map(|(key, value)| Ok((change(key)?, change(value)?)));
            Value::Map(pairs.collect::<Result<_>>()?)
        }
        Value::Variant(case, payload) => Value::Variant(case, inside(payload, change)?),
        Value::Option(payload) => Value::Option(inside(payload, change)?),
        Value::Result(Ok(payload)) => Value::Result(Ok(inside(payload, change)?)),
        Value::Result(Err(payload)) => Value::Result(Err(inside(payload, change)?)),
        plain => plain,
    })
}

fn all(values: Vec<Value>, change: &mut dyn FnMut(Value) -> Result<Value>) -> Result<Vec<Value>> {
    values.into_iter().map(change).collect()
}

fn inside(
    payload: Option<Box<Value>>,
    change: &mut dyn FnMut(Value) -> Result<Value>,
) -> Result<Option<Box<Value>>> {
    match payload {
        Some(value) => Ok(Some(Box::new(change(*value)?))),
        None => Ok(None),
    }
}
