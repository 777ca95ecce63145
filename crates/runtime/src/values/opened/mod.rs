//! Streams and futures of a call, opened: the engine wants their items' type known when Holm is
//! built, so there is code for each.

mod ends;
mod item;

pub(crate) use ends::{Ends, EndsWith};

use super::flow::{Flow, FlowSender, Pieces};
use super::mismatch::Mismatch;
use super::objects::{Kinds, Object};
use super::ty::Type;
use super::value::{Numbers, Raw, Value};
use crate::core::InstanceState;
use futures::channel::mpsc;
use futures::future::{BoxFuture, try_join_all};
use futures::{Stream as _, StreamExt as _};
use item::{Item, cannot_open, with_item};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use wasmtime::component::{
    Destination, FutureAny, FutureConsumer, FutureReader, ResourceAny, ResourceDynamic,
    ResourceType, Source, StreamAny, StreamConsumer, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};
use wasmtime::{AsContextMut as _, StoreContextMut};

/// Items that are taken from a guest at once.
const PIECE_ITEMS: usize = 64 << 10;

/// Opens what is not data in the values of one call: flows, and resources of the embedder's.
pub(crate) struct Opener<'a, S: 'static> {
    pub(crate) store: StoreContextMut<'a, S>,
    /// Held by each flow that comes out of the guest, for as long as it flows.
    pub(crate) open: mpsc::Sender<()>,
    /// How each of them is ended from outside.
    pub(crate) ends: &'a Ends,
    /// The resources that are the embedder's.
    pub(crate) kinds: &'a Kinds,
}

/// What was opened in the values that a guest is given.
#[derive(Default)]
pub(crate) struct OpenedIn {
    flows: Vec<Raw>,
    given: Vec<ResourceAny>,
    lent: Vec<ResourceAny>,
    /// Why no more could be given: the instance has as many handles as it may.
    full: Option<wasmtime::Error>,
}

impl OpenedIn {
    /// The call has returned: takes back what was lent for it.
    pub(crate) fn returned<S: InstanceState>(
        self,
        mut store: StoreContextMut<'_, S>,
    ) -> wasmtime::Result<()> {
        let mut lent = self.lent.into_iter();
        lent.try_for_each(|resource| take_back(resource, &mut store).map(drop))
    }

    /// There is no call: closes it all.
    ///
    /// # Errors
    /// There was no room for it; all else is told by who opened it.
    pub(crate) fn undo<S: InstanceState>(
        mut self,
        mut store: StoreContextMut<'_, S>,
    ) -> wasmtime::Result<()> {
        if let Some(full) = self.full.take() {
            return Err(full);
        }
        for flow in self.flows.drain(..) {
            match flow {
                Raw::Stream(mut stream) => stream.close(&mut store)?,
                Raw::Future(mut future) => future.close(&mut store)?,
                Raw::Carried(_) => {}
            }
        }
        self.lent.append(&mut self.given);
        self.returned(store)
    }
}

/// An object out of the table, by the handle that the host owns.
fn take_back<S: InstanceState>(
    resource: ResourceAny,
    store: &mut StoreContextMut<'_, S>,
) -> wasmtime::Result<Object> {
    let place = resource.try_into_resource_dynamic(&mut *store)?.rep();
    store.data_mut().core().objects.take(place)
}

/// What is done with what is not data, where it stands in a value.
type Change<'a> = &'a mut dyn FnMut(&Type, Value) -> Result<Value, Mismatch>;

/// A value with each flow and resource in it changed; what has none is left as it is, as a whole.
fn each_carried(ty: &Type, value: Value, change: Change<'_>) -> Result<Value, Mismatch> {
    if !ty.carries() {
        return Ok(value);
    }
    let mut inside = |ty: Option<&Type>, value: Option<Box<Value>>| match (ty, value) {
        (Some(ty), Some(value)) => each_carried(ty, *value, change).map(|v| Some(Box::new(v))),
        (_, value) => Ok(value),
    };
    Ok(match (ty, value) {
        (Type::Stream(_) | Type::Future(_) | Type::Own(_) | Type::Borrow(_), value) => {
            change(ty, value)?
        }
        (Type::Option(of), Value::Option(value)) => Value::Option(inside(Some(of), value)?),
        (Type::Result(of, _), Value::Result(Ok(value))) => {
            Value::Result(Ok(inside(of.as_deref(), value)?))
        }
        (Type::Result(_, of), Value::Result(Err(value))) => {
            Value::Result(Err(inside(of.as_deref(), value)?))
        }
        (Type::Variant(of), Value::Variant(at, value)) => {
            let case = of.cases.get(at as usize).and_then(|case| case.ty.as_ref());
            Value::Variant(at, inside(case, value)?)
        }
        (Type::Tuple(types), Value::Tuple(values)) => {
            let each = types.iter().zip(values).enumerate();
            let all = each.map(|(at, (ty, v))| each_carried(ty, v, change).map_err(|m| m.at(at)));
            Value::Tuple(all.collect::<Result<_, _>>()?)
        }
        (Type::Record(of), Value::Record(values)) => {
            let each = of.fields.iter().zip(values);
            let all =
                each.map(|(f, v)| each_carried(&f.ty, v, change).map_err(|m| m.within(&f.name)));
            Value::Record(all.collect::<Result<_, _>>()?)
        }
        (Type::List(of) | Type::FixedList(of, _), Value::List(values)) => {
            let each = values.into_iter().enumerate();
            let all = each.map(|(at, v)| each_carried(of, v, change).map_err(|m| m.at(at)));
            Value::List(all.collect::<Result<_, _>>()?)
        }
        (Type::Map(_, of), Value::Map(pairs)) => {
            let all = pairs.into_iter();
            let all = all.map(|(k, v)| Ok((k, each_carried(of, v, change)?)));
            Value::Map(all.collect::<Result<_, Mismatch>>()?)
        }
        (_, value) => value,
    })
}

impl<S: InstanceState> Opener<'_, S> {
    /// A value that was checked, with all in it opened for the guest to have.
    pub(crate) fn into_guest(
        &mut self,
        ty: &Type,
        value: Value,
        opened: &mut OpenedIn,
    ) -> Result<Value, Mismatch> {
        each_carried(ty, value, &mut |ty, value| match ty {
            Type::Own(_) | Type::Borrow(_) => self.hand_in(ty, value, opened),
            _ => {
                let flow = self.open_in(ty, value)?;
                opened.flows.push(flow.clone());
                Ok(Value::Raw(flow))
            }
        })
    }

    /// A value of the guest's, with all in it opened for the outside.
    pub(crate) fn out_of_guest(&mut self, ty: &Type, value: Value) -> Result<Value, Mismatch> {
        each_carried(ty, value, &mut |ty, value| match ty {
            Type::Own(of) | Type::Borrow(of) => match (self.kinds.of(&of.name), value) {
                (Some(kind), Value::Resource(resource))
                    if resource.ty() == ResourceType::host_dynamic(kind) =>
                {
                    let object = self.hand_out(resource);
                    object.map(Value::Object).map_err(lost)
                }
                (_, value) => Ok(value),
            },
            _ => self.open_out(ty, value),
        })
    }

    /// An object of the embedder's, as the guest is given or lent it; what lives in the guest stays
    /// as it is.
    fn hand_in(
        &mut self,
        ty: &Type,
        value: Value,
        opened: &mut OpenedIn,
    ) -> Result<Value, Mismatch> {
        let (object, of) = match (ty, value) {
            (Type::Own(of) | Type::Borrow(of), Value::Object(object)) => (object, of),
            (_, value) => return Ok(value),
        };
        let kind = self.kinds.of(&of.name).ok_or_else(|| {
            Mismatch::new(format!("`{}` is no resource of the host's", of.name.name))
        })?;
        let place = self.store.data_mut().core().objects.put(object);
        let place = place.map_err(|error| {
            let mismatch = Mismatch::new(format!("it cannot be passed: {error:#}"));
            opened.full = Some(error);
            mismatch
        })?;
        let resource = ResourceDynamic::new_own(place, kind);
        let resource = resource
            .try_into_resource_any(&mut self.store)
            .map_err(lost)?;
        match ty {
            Type::Own(_) => opened.given.push(resource),
            _ => opened.lent.push(resource),
        }
        Ok(Value::Resource(resource))
    }

    /// The object that a handle of the guest's stands for; one that is given away is in the table no
    /// more.
    fn hand_out(&mut self, resource: ResourceAny) -> wasmtime::Result<Object> {
        let handle = resource.try_into_resource_dynamic(&mut self.store)?;
        let objects = &mut self.store.data_mut().core().objects;
        match handle.owned() {
            true => objects.take(handle.rep()),
            false => objects.get(handle.rep()),
        }
    }

    fn open_in(&mut self, ty: &Type, value: Value) -> Result<Raw, Mismatch> {
        let wrong = |e: wasmtime::Error| Mismatch::new(format!("it cannot be opened: {e:#}"));
        match (ty, value) {
            (Type::Stream(Some(of)), value) => {
                let flow = match value {
                    Value::Stream(flow) => flow,
                    list => Flow::of(list),
                };
                let pieces = flow.pieces().ok_or_else(taken)?;
                with_item!(&**of, T => {
                    let producer = Producer::<T> { pieces, item: std::marker::PhantomData };
                    let reader = StreamReader::new(&mut self.store, producer).map_err(wrong)?;
                    let any = StreamAny::try_from_stream_reader(&mut self.store, reader);
                    any.map(Raw::Stream).map_err(wrong)
                })
            }
            (Type::Future(Some(of)), value) => {
                let flow = match value {
                    Value::Future(flow) => flow,
                    item => Flow::of(item),
                };
                let mut pieces = flow.pieces().ok_or_else(taken)?;
                with_item!(&**of, T => {
                    let item = async move {
                        let item = pieces.next().await.and_then(<T as Item>::from);
                        item.ok_or_else(|| wasmtime::Error::msg("a future was given up without a value"))
                    };
                    let reader = FutureReader::<T>::new(&mut self.store, item).map_err(wrong)?;
                    let any = FutureAny::try_from_future_reader(&mut self.store, reader);
                    any.map(Raw::Future).map_err(wrong)
                })
            }
            _ => Err(cannot_open(ty)),
        }
    }

    fn open_out(&mut self, ty: &Type, value: Value) -> Result<Value, Mismatch> {
        let wrong = |e: wasmtime::Error| Mismatch::new(format!("it cannot be opened: {e:#}"));
        let (sender, flow) = Flow::new();
        let flows = (self.open.clone(), self.ends.add(&flow));
        match (ty, value) {
            (Type::Stream(Some(of)), Value::Raw(Raw::Stream(any))) => with_item!(&**of, T => {
                let reader: StreamReader<T> = any.try_into_stream_reader().map_err(wrong)?;
                let consumer = Consumer::<T> { sender, _flows: flows, item: std::marker::PhantomData };
                reader.pipe(&mut self.store, consumer).map_err(wrong)?;
                Ok(Value::Stream(flow))
            }),
            (Type::Future(Some(of)), Value::Raw(Raw::Future(any))) => with_item!(&**of, T => {
                let reader: FutureReader<T> = any.try_into_future_reader().map_err(wrong)?;
                let consumer = Consumer::<T> { sender, _flows: flows, item: std::marker::PhantomData };
                reader.pipe(&mut self.store, consumer).map_err(wrong)?;
                Ok(Value::Future(flow))
            }),
            _ => Err(cannot_open(ty)),
        }
    }
}

fn lost(error: wasmtime::Error) -> Mismatch {
    Mismatch::new(format!("a resource was lost: {error:#}"))
}

fn taken() -> Mismatch {
    Mismatch::new("this stream was given away already")
}

/// A stream into the guest.
struct Producer<T> {
    pieces: Pieces,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: Item, S: Send + 'static> StreamProducer<S> for Producer<T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, S>,
        mut to: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A guest that only asks whether there is something: it will come back with room for it.
        if to.remaining(store.as_context_mut()) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            match Pin::new(&mut self.pieces).poll_next(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Ready(Some(piece)) => match T::items(piece) {
                    Some(items) if items.is_empty() => {}
                    Some(items) => {
                        to.set_buffer(items.into());
                        return Poll::Ready(Ok(StreamResult::Completed));
                    }
                    None => {
                        return Poll::Ready(Err(wasmtime::Error::msg(
                            "a piece of a stream has items of another type",
                        )));
                    }
                },
            }
        }
    }
}

/// A stream or a future out of the guest.
struct Consumer<T> {
    sender: FlowSender,
    /// It flows, for as long as this lives.
    _flows: (mpsc::Sender<()>, Arc<()>),
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: Item, S: Send + 'static> StreamConsumer<S> for Consumer<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, S>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.sender.0.poll_ready(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            // Nobody reads any more.
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        let items = source.remaining(store.as_context_mut()).min(PIECE_ITEMS);
        if items > 0 {
            let mut piece = Vec::with_capacity(items);
            source.read(store.as_context_mut(), &mut piece)?;
            let _ = self.sender.0.start_send(T::piece(piece));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<T: Item, S: Send + 'static> FutureConsumer<S> for Consumer<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, S>,
        mut source: Source<'_, T>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let room = ready!(self.sender.0.poll_ready(cx)).is_ok();
        let mut item: Option<T> = None;
        source.read(store.as_context_mut(), &mut item)?;
        if let Some(item) = item.filter(|_| room) {
            let _ = self.sender.0.start_send(item.value());
        }
        Poll::Ready(Ok(()))
    }
}

/// A value with each of its flows read to its end: a stream becomes a list, a future its item. All
/// at once, because a guest may fill the second before the first.
pub(super) fn collected<'a>(
    ty: &'a Type,
    value: Value,
    left: &'a AtomicUsize,
) -> BoxFuture<'a, Result<Value, Mismatch>> {
    let one = async |ty: Option<&Type>, value: Option<Box<Value>>| match (ty, value) {
        (Some(ty), Some(value)) => Ok(Some(Box::new(collected(ty, *value, left).await?))),
        (_, value) => Ok::<_, Mismatch>(value),
    };
    Box::pin(async move {
        if !ty.flows() {
            return Ok(value);
        }
        Ok(match (ty, value) {
            (Type::Stream(Some(of)), Value::Stream(flow)) => whole(of, &flow, left).await?,
            (Type::Future(Some(_)), Value::Future(flow)) => {
                let mut pieces = flow.pieces().ok_or_else(taken)?;
                let item = pieces.next().await;
                item.ok_or_else(|| Mismatch::new("the future was given up without a value"))?
            }
            (Type::Option(of), Value::Option(value)) => Value::Option(one(Some(of), value).await?),
            (Type::Result(of, _), Value::Result(Ok(value))) => {
                Value::Result(Ok(one(of.as_deref(), value).await?))
            }
            (Type::Result(_, of), Value::Result(Err(value))) => {
                Value::Result(Err(one(of.as_deref(), value).await?))
            }
            (Type::Variant(of), Value::Variant(at, value)) => {
                let case = of.cases.get(at as usize).and_then(|case| case.ty.as_ref());
                Value::Variant(at, one(case, value).await?)
            }
            (Type::Tuple(types), Value::Tuple(values)) => {
                let all = types
                    .iter()
                    .zip(values)
                    .map(|(ty, v)| collected(ty, v, left));
                Value::Tuple(try_join_all(all).await?)
            }
            (Type::Record(of), Value::Record(values)) => {
                let all = of
                    .fields
                    .iter()
                    .zip(values)
                    .map(|(f, v)| collected(&f.ty, v, left));
                Value::Record(try_join_all(all).await?)
            }
            (Type::Map(_, of), Value::Map(pairs)) => {
                let all = pairs
                    .into_iter()
                    .map(async |(k, v)| Ok((k, collected(of, v, left).await?)));
                Value::Map(try_join_all(all).await?)
            }
            (Type::List(of) | Type::FixedList(of, _), Value::List(list)) => {
                let all = list.into_iter().map(|v| collected(of, v, left));
                Value::List(try_join_all(all).await?)
            }
            (_, value) => value,
        })
    })
}

/// All items of a stream.
async fn whole(of: &Type, flow: &Flow, left: &AtomicUsize) -> Result<Value, Mismatch> {
    let mut pieces = flow.pieces().ok_or_else(taken)?;
    let mut whole = match Numbers::of(of) {
        Some(none) => Value::Numbers(none),
        None => Value::List(Vec::new()),
    };
    while let Some(piece) = pieces.next().await {
        spend(left, &piece)?;
        match (&mut whole, piece) {
            (Value::Numbers(all), Value::Numbers(more)) => {
                all.append(&more);
            }
            (Value::List(all), Value::List(more)) => all.extend(more),
            _ => return Err(cannot_open(of)),
        }
    }
    Ok(whole)
}

/// Counts what a piece takes, so that a stream without end is refused and not collected.
fn spend(left: &AtomicUsize, piece: &Value) -> Result<(), Mismatch> {
    let bytes = match piece {
        Value::Numbers(numbers) => numbers.size() * numbers.len(),
        Value::List(list) => list
            .iter()
            .map(|v| size_of::<Value>() + if let Value::String(s) = v { s.len() } else { 0 })
            .sum(),
        _ => 0,
    };
    let take = |left: usize| left.checked_sub(bytes);
    match left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .ok()
    {
        Some(_) => Ok(()),
        None => Err(
            Mismatch::new("the stream is longer than what is collected of one").help(
                "read it as it comes: over HTTP where it is the whole result, or from Python",
            ),
        ),
    }
}
