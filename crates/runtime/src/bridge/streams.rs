//! Streams and futures between two stores: what one side writes goes to the other, piece by piece,
//! with as much waiting in between as one piece. Each side moves when its own store is polled.

use super::values::OpenEnd;
use crate::core::InstanceState;
use futures::Stream as _;
use futures::channel::{mpsc, oneshot};
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime::component::types::Type;
use wasmtime::component::{
    ComponentType, Destination, FutureAny, FutureConsumer, FutureReader, Lift, Lower, Source,
    StreamAny, StreamConsumer, StreamProducer, StreamReader, StreamResult, Val, VecBuffer,
};
use wasmtime::{Result, StoreContextMut, bail};

/// Items that move at once, at most.
const ITEMS_MAX: usize = 64 << 10;

/// Whether what moves in a stream or future can be bridged: the engine opens those alone whose
/// element is known when Holm is built.
pub(super) fn is_bridged(element: Option<&Type>) -> bool {
    matches!(
        element,
        None | Some(
            Type::U8
                | Type::S8
                | Type::U16
                | Type::S16
                | Type::U32
                | Type::S32
                | Type::U64
                | Type::S64
                | Type::Float32
                | Type::Float64
                | Type::Bool
                | Type::Char
                | Type::String
        )
    )
}

/// Tries each type of [`is_bridged`].
macro_rules! of_its_type {
    ($it:ident, $into:ident, $make:ident, $store:ident) => {
        of_its_type!(@ $it, $into, $make, $store,
            u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool char String ())
    };
    (@ $it:ident, $into:ident, $make:ident, $store:ident, $($element:tt)*) => {$(
        if let Ok(reader) = $it.clone().$into::<$element>() {
            return $make::<S, $element>(reader, $store);
        }
    )*};
}

/// Takes a stream out of a store.
pub(super) fn stream<S: InstanceState>(
    stream: &StreamAny,
    store: &mut StoreContextMut<'_, S>,
) -> Result<OpenEnd<S>> {
    of_its_type!(stream, try_into_stream_reader, stream_of, store);
    bail!("a stream of a type that cannot be bridged")
}

/// Takes a future out of a store.
pub(super) fn future<S: InstanceState>(
    future: &FutureAny,
    store: &mut StoreContextMut<'_, S>,
) -> Result<OpenEnd<S>> {
    of_its_type!(future, try_into_future_reader, future_of, store);
    bail!("a future of a type that cannot be bridged")
}

/// What may move.
trait Element: ComponentType + Lift + Lower + Send + Sync + 'static {}

impl<T: ComponentType + Lift + Lower + Send + Sync + 'static> Element for T {}

fn stream_of<S: InstanceState, T: Element>(
    reader: StreamReader<T>,
    store: &mut StoreContextMut<'_, S>,
) -> Result<OpenEnd<S>> {
    let (pieces, arriving) = mpsc::channel::<Vec<T>>(0);
    reader.pipe(&mut *store, Sink(pieces))?;
    Ok(Box::new(move |to| {
        let reader = StreamReader::new(&mut *to, Spring(arriving))?;
        Ok(Val::Stream(StreamAny::try_from_stream_reader(to, reader)?))
    }))
}

fn future_of<S: InstanceState, T: Element>(
    reader: FutureReader<T>,
    store: &mut StoreContextMut<'_, S>,
) -> Result<OpenEnd<S>> {
    let (value, arriving) = oneshot::channel::<T>();
    reader.pipe(&mut *store, Taker(Some(value)))?;
    Ok(Box::new(move |to| {
        let arriving = async move {
            // Only who trapped sends nothing, and then the whole event fails.
            let value = arriving.await;
            value.map_err(|_| wasmtime::Error::msg("whoever was to write a future is gone"))
        };
        let reader = FutureReader::new(&mut *to, arriving)?;
        Ok(Val::Future(FutureAny::try_from_future_reader(to, reader)?))
    }))
}

/// Takes what is written on one side.
struct Sink<T>(mpsc::Sender<Vec<T>>);

impl<S: 'static, T: Element> StreamConsumer<S> for Sink<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<S>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        match self.0.poll_ready(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        let waiting = source.remaining(&mut store).min(ITEMS_MAX);
        let mut piece = Vec::with_capacity(waiting);
        source.read(&mut store, &mut piece)?;
        if !piece.is_empty() && self.0.start_send(piece).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Gives it out on the other.
struct Spring<T>(mpsc::Receiver<Vec<T>>);

impl<S: 'static, T: Element> StreamProducer<S> for Spring<T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, S>,
        mut destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match Pin::new(&mut self.0).poll_next(cx) {
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Some(piece)) => {
                destination.set_buffer(piece.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
        }
    }
}

/// Takes the one value of a future.
struct Taker<T>(Option<oneshot::Sender<T>>);

impl<T> Unpin for Taker<T> {}

impl<S: 'static, T: Element> FutureConsumer<S> for Taker<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<S>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<Result<()>> {
        let mut value = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(to)) = (value, self.0.take()) {
            // Nobody may be there to read it any more.
            let _ = to.send(value);
        }
        Poll::Ready(Ok(()))
    }
}
