//! Streams and futures of a call, opened: the engine wants their items' type known when Holm is
//! built, so there is code for each.

use super::flow::{Flow, FlowSender, Pieces};
use super::mismatch::Mismatch;
use super::ty::Type;
use super::value::{Numbers, Raw, Value};
use futures::channel::mpsc;
use futures::future::{BoxFuture, try_join_all};
use futures::stream::AbortHandle;
use futures::{Stream as _, StreamExt as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use wasmtime::component::{
    ComponentType, Destination, FutureAny, FutureConsumer, FutureReader, Lift, Lower, Source,
    StreamAny, StreamConsumer, StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut as _, StoreContextMut};

/// Items that are taken from a guest at once.
const PIECE_ITEMS: usize = 64 << 10;

/// A type of items that the engine can open a stream of.
trait Item: ComponentType + Lower + Lift + Send + Sync + Sized + 'static {
    fn piece(items: Vec<Self>) -> Value;
    fn items(piece: Value) -> Option<Vec<Self>>;
    fn value(self) -> Value;
    fn from(value: Value) -> Option<Self>;
}

macro_rules! numbers {
    ($($rust:ty => $case:ident)*) => { $(
        impl Item for $rust {
            fn piece(items: Vec<Self>) -> Value {
                Value::Numbers(Numbers::$case(items))
            }

            fn items(piece: Value) -> Option<Vec<Self>> {
                match piece {
                    Value::Numbers(Numbers::$case(items)) => Some(items),
                    Value::List(list) if list.is_empty() => Some(Vec::new()),
                    _ => None,
                }
            }

            fn value(self) -> Value {
                Value::$case(self)
            }

            fn from(value: Value) -> Option<Self> {
                match value {
                    Value::$case(value) => Some(value),
                    _ => None,
                }
            }
        }
    )* };
}
numbers! {
    i8 => S8 u8 => U8 i16 => S16 u16 => U16 i32 => S32 u32 => U32 i64 => S64 u64 => U64
    f32 => F32 f64 => F64
}

macro_rules! others {
    ($($rust:ty => $case:ident)*) => { $(
        impl Item for $rust {
            fn piece(items: Vec<Self>) -> Value {
                Value::List(items.into_iter().map(Value::$case).collect())
            }

            fn items(piece: Value) -> Option<Vec<Self>> {
                match piece {
                    Value::List(list) => list.into_iter().map(<Self as Item>::from).collect(),
                    _ => None,
                }
            }

            fn value(self) -> Value {
                Value::$case(self)
            }

            fn from(value: Value) -> Option<Self> {
                match value {
                    Value::$case(value) => Some(value),
                    _ => None,
                }
            }
        }
    )* };
}
others! { bool => Bool char => Char String => String }

/// Runs code with the Rust type of a type of items.
macro_rules! with_item {
    ($ty:expr, $rust:ident => $body:expr) => {
        match $ty {
            Type::Bool => {
                type $rust = bool;
                $body
            }
            Type::S8 => {
                type $rust = i8;
                $body
            }
            Type::U8 => {
                type $rust = u8;
                $body
            }
            Type::S16 => {
                type $rust = i16;
                $body
            }
            Type::U16 => {
                type $rust = u16;
                $body
            }
            Type::S32 => {
                type $rust = i32;
                $body
            }
            Type::U32 => {
                type $rust = u32;
                $body
            }
            Type::S64 => {
                type $rust = i64;
                $body
            }
            Type::U64 => {
                type $rust = u64;
                $body
            }
            Type::F32 => {
                type $rust = f32;
                $body
            }
            Type::F64 => {
                type $rust = f64;
                $body
            }
            Type::Char => {
                type $rust = char;
                $body
            }
            Type::String => {
                type $rust = String;
                $body
            }
            _ => Err(cannot_open($ty)),
        }
    };
}

fn cannot_open(item: &Type) -> Mismatch {
    Mismatch::new(format!(
        "items of type {item} cannot move through it: only numbers, bool, char and string can"
    ))
}

/// Opens the flows of one call in its store.
pub(super) struct Opener<'a, S: 'static> {
    pub(super) store: StoreContextMut<'a, S>,
    /// Held by each flow that comes out of the guest, for as long as it flows.
    pub(super) open: mpsc::Sender<()>,
    /// How each of them is ended from outside.
    pub(super) ends: &'a mut Vec<AbortHandle>,
}

/// What is done with a flow where it stands in a value.
type Change<'a> = &'a mut dyn FnMut(&Type, Value) -> Result<Value, Mismatch>;

/// A value with each of its flows changed; what has none is left as it is, as a whole.
fn each_flow(ty: &Type, value: Value, change: Change<'_>) -> Result<Value, Mismatch> {
    if !ty.flows() {
        return Ok(value);
    }
    let mut inside = |ty: Option<&Type>, value: Option<Box<Value>>| match (ty, value) {
        (Some(ty), Some(value)) => each_flow(ty, *value, change).map(|v| Some(Box::new(v))),
        (_, value) => Ok(value),
    };
    Ok(match (ty, value) {
        (Type::Stream(_) | Type::Future(_), value) => change(ty, value)?,
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
            let all = each.map(|(at, (ty, v))| each_flow(ty, v, change).map_err(|m| m.at(at)));
            Value::Tuple(all.collect::<Result<_, _>>()?)
        }
        (Type::Record(of), Value::Record(values)) => {
            let each = of.fields.iter().zip(values);
            let all = each.map(|(f, v)| each_flow(&f.ty, v, change).map_err(|m| m.within(&f.name)));
            Value::Record(all.collect::<Result<_, _>>()?)
        }
        (Type::List(of) | Type::FixedList(of, _), Value::List(values)) => {
            let each = values.into_iter().enumerate();
            let all = each.map(|(at, v)| each_flow(of, v, change).map_err(|m| m.at(at)));
            Value::List(all.collect::<Result<_, _>>()?)
        }
        (Type::Map(_, of), Value::Map(pairs)) => {
            let all = pairs.into_iter();
            let all = all.map(|(k, v)| Ok((k, each_flow(of, v, change)?)));
            Value::Map(all.collect::<Result<_, Mismatch>>()?)
        }
        (_, value) => value,
    })
}

impl<S: Send + 'static> Opener<'_, S> {
    /// A value that was checked, with each of its flows opened for the guest to read.
    pub(super) fn into_guest(&mut self, ty: &Type, value: Value) -> Result<Value, Mismatch> {
        each_flow(ty, value, &mut |ty, value| {
            self.open_in(ty, value).map(Value::Raw)
        })
    }

    /// A value of the guest's, with each of its flows opened to be read.
    pub(super) fn out_of_guest(&mut self, ty: &Type, value: Value) -> Result<Value, Mismatch> {
        each_flow(ty, value, &mut |ty, value| self.open_out(ty, value))
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
        let open = self.open.clone();
        self.ends.push(flow.end());
        match (ty, value) {
            (Type::Stream(Some(of)), Value::Raw(Raw::Stream(any))) => with_item!(&**of, T => {
                let reader: StreamReader<T> = any.try_into_stream_reader().map_err(wrong)?;
                let consumer = Consumer::<T> { sender, _open: open, item: std::marker::PhantomData };
                reader.pipe(&mut self.store, consumer).map_err(wrong)?;
                Ok(Value::Stream(flow))
            }),
            (Type::Future(Some(of)), Value::Raw(Raw::Future(any))) => with_item!(&**of, T => {
                let reader: FutureReader<T> = any.try_into_future_reader().map_err(wrong)?;
                let consumer = Consumer::<T> { sender, _open: open, item: std::marker::PhantomData };
                reader.pipe(&mut self.store, consumer).map_err(wrong)?;
                Ok(Value::Future(flow))
            }),
            _ => Err(cannot_open(ty)),
        }
    }
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
    _open: mpsc::Sender<()>,
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
