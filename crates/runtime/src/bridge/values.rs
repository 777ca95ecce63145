//! Values on their way between two stores: data is copied, all else is taken out of one store
//! ([`pack`]) and put into the other ([`unpack`]).

use super::passage::Within;
use super::streams;
use crate::core::InstanceState;
use wasmtime::component::{ResourceAny, Val};
use wasmtime::{Result, StoreContextMut, bail};

/// What is not data, between two stores.
pub(super) enum Carried<S: 'static> {
    /// A resource of the callee's.
    Resource(Handle),
    /// The other end of a stream or future.
    End(OpenEnd<S>),
}

/// A stream or future that is yet to be opened in the other store.
pub(super) type OpenEnd<S> = Box<dyn FnOnce(&mut StoreContextMut<'_, S>) -> Result<Val> + Send>;

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

/// Where in a value the other things were: no case of an enum has such a name.
const MARK: char = '\0';

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
    value: &Val,
    store: &mut StoreContextMut<'_, S>,
    carried: &mut Vec<Carried<S>>,
    within: Option<&Within>,
    out: &mut dyn FnMut(&mut StoreContextMut<'_, S>, ResourceAny) -> Result<Handle>,
) -> Result<Val> {
    let taken = match (value, within) {
        (Val::Resource(resource), _) => Carried::Resource(out(store, *resource)?),
        (Val::Stream(it), Some(within)) => Carried::End(streams::stream(it, store, within)?),
        (Val::Future(it), Some(within)) => Carried::End(streams::future(it, store, within)?),
        (Val::Stream(_) | Val::Future(_), None) => bail!("a stream has nowhere to go"),
        (other, _) => {
            return each(other, &mut |inner| pack(inner, store, carried, within, out));
        }
    };
    carried.push(taken);
    Ok(Val::Enum(format!("{MARK}{}", carried.len() - 1)))
}

/// Puts a value into a store; `back` is what a resource's handle becomes.
pub(super) fn unpack<S: InstanceState>(
    value: &Val,
    store: &mut StoreContextMut<'_, S>,
    carried: &mut [Option<Carried<S>>],
    back: &mut dyn FnMut(&mut StoreContextMut<'_, S>, Handle) -> Result<Val>,
) -> Result<Val> {
    let Val::Enum(case) = value else {
        return each(value, &mut |inner| unpack(inner, store, carried, back));
    };
    let Some(number) = case.strip_prefix(MARK) else {
        return Ok(value.clone());
    };
    let number: usize = number.parse()?;
    match carried.get_mut(number).and_then(Option::take) {
        Some(Carried::Resource(handle)) => back(store, handle),
        Some(Carried::End(open)) => open(store),
        None => bail!("a value was lost between two components"),
    }
}

/// A value with each of its parts changed.
fn each(value: &Val, change: &mut dyn FnMut(&Val) -> Result<Val>) -> Result<Val> {
    Ok(match value {
        Val::List(values) => Val::List(all(values, change)?),
        Val::Tuple(values) => Val::Tuple(all(values, change)?),
        Val::FixedLengthList(values) => Val::FixedLengthList(all(values, change)?),
        Val::Map(pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, value)| Ok((change(key)?, change(value)?)));
            Val::Map(pairs.collect::<Result<_>>()?)
        }
        Val::Record(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| Ok((name.clone(), change(value)?)));
            Val::Record(fields.collect::<Result<_>>()?)
        }
        Val::Variant(case, payload) => Val::Variant(case.clone(), inside(payload, change)?),
        Val::Option(payload) => Val::Option(inside(payload, change)?),
        Val::Result(Ok(payload)) => Val::Result(Ok(inside(payload, change)?)),
        Val::Result(Err(payload)) => Val::Result(Err(inside(payload, change)?)),
        plain => plain.clone(),
    })
}

fn all(values: &[Val], change: &mut dyn FnMut(&Val) -> Result<Val>) -> Result<Vec<Val>> {
    values.iter().map(change).collect()
}

fn inside(
    payload: &Option<Box<Val>>,
    change: &mut dyn FnMut(&Val) -> Result<Val>,
) -> Result<Option<Box<Val>>> {
    match payload {
        Some(value) => Ok(Some(Box::new(change(value)?))),
        None => Ok(None),
    }
}
