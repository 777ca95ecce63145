//! Streams and futures between two stores: what one side writes goes to the other, piece by piece,
//! with as much waiting in between as one piece. Each side moves when its own store is polled.
//!
//! A side that drops its end ends the other's. One that is gone because the callee has failed fails
//! the caller: it must not take half of a stream for a whole one.

use super::passage::{Parked, Within};
use super::values::OpenEnd;
use crate::core::InstanceState;
use crate::values::Raw;
use futures::Stream as _;
use futures::channel::{mpsc, oneshot};
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime::component::types::Type;
use wasmtime::component::{
    ComponentType, Destination, FutureAny, FutureConsumer, FutureReader, Lift, Lower, Source,
    StreamAny, StreamConsumer, StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut, bail};

/// Bytes of items that move at once, at most; at least one item does.
const PIECE_BYTES_MAX: usize = 64 << 10;

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
    ($it:ident, $into:ident, $make:ident, $store:ident, $within:ident) => {
        of_its_type!(@ $it, $into, $make, $store, $within,
            u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool char String ())
    };
    (@ $it:ident, $into:ident, $make:ident, $store:ident, $within:ident, $($element:tt)*) => {$(
        if let Ok(reader) = $it.clone().$into::<$element>() {
            return $make::<S, $element>(reader, $store, $within);
        }
    )*};
}

/// Takes a stream out of a store.
pub(super) fn stream<S: InstanceState>(
    stream: &StreamAny,
    store: &mut StoreContextMut<'_, S>,
    within: &Within,
) -> Result<OpenEnd<S>> {
    of_its_type!(stream, try_into_stream_reader, stream_of, store, within);
    bail!("a stream of a type that cannot be bridged")
}

/// Takes a future out of a store.
pub(super) fn future<S: InstanceState>(
    future: &FutureAny,
    store: &mut StoreContextMut<'_, S>,
    within: &Within,
) -> Result<OpenEnd<S>> {
    of_its_type!(future, try_into_future_reader, future_of, store, within);
    bail!("a future of a type that cannot be bridged")
}

/// What may move.
trait Element: ComponentType + Lift + Lower + Send + Sync + 'static {
    /// How much it has beyond itself.
    fn beyond(&self) -> usize {
        0
    }
}

macro_rules! elements {
    ($($plain:ty),*) => { $(impl Element for $plain {})* };
}

elements!(
    u8,
    i8,
    u16,
    i16,
    u32,
    i32,
    u64,
    i64,
    f32,
    f64,
    bool,
    char,
    ()
);

impl Element for String {
    fn beyond(&self) -> usize {
        self.len()
    }
}

fn stream_of<S: InstanceState, T: Element>(
    reader: StreamReader<T>,
    store: &mut StoreContextMut<'_, S>,
    within: &Within,
) -> Result<OpenEnd<S>> {
    let (pieces, arriving) = mpsc::channel(0);
    let within = within.clone();
    let sink = Sink {
        pieces,
        within: within.clone(),
    };
    reader.pipe(&mut *store, sink)?;
    Ok(Box::new(move |to| {
        let spring = Spring {
            arriving,
            within,
            read: None,
        };
        let reader = StreamReader::new(&mut *to, spring)?;
        Ok(Raw::Stream(StreamAny::try_from_stream_reader(to, reader)?))
    }))
}

fn future_of<S: InstanceState, T: Element>(
    reader: FutureReader<T>,
    store: &mut StoreContextMut<'_, S>,
    within: &Within,
) -> Result<OpenEnd<S>> {
    let (value, arriving) = oneshot::channel::<(T, Parked)>();
    let within = within.clone();
    let taker = Taker {
        value: Some(value),
        within: within.clone(),
    };
    reader.pipe(&mut *store, taker)?;
    Ok(Box::new(move |to| {
        let arriving = async move {
            match arriving.await {
                Ok((value, _)) => Ok(value),
                // A guest cannot drop a future's writer without having written.
                Err(_) => Err(within.passage.told(&within.function)),
            }
        };
        let reader = FutureReader::new(&mut *to, arriving)?;
        Ok(Raw::Future(FutureAny::try_from_future_reader(to, reader)?))
    }))
}

/// Some items, on the way.
type Piece<T> = (Vec<T>, Parked);

/// Takes what is written on one side.
struct Sink<T> {
    pieces: mpsc::Sender<Piece<T>>,
    within: Within,
}

impl<S: 'static, T: Element> StreamConsumer<S> for Sink<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<S>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        match self.pieces.poll_ready(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => {
                self.within.check()?;
                return Poll::Ready(Ok(StreamResult::Dropped));
            }
            Poll::Ready(Ok(())) => {}
        }
        let at_once = (PIECE_BYTES_MAX / size_of::<T>().max(1)).max(1);
        let waiting = source.remaining(&mut store).min(at_once);
        if waiting == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut piece = Vec::with_capacity(waiting);
        source.read(&mut store, &mut piece)?;
        let beyond: usize = piece.iter().map(Element::beyond).sum();
        let parked = self.within.passage.park(size_of_val(&*piece) + beyond)?;
        if self.pieces.start_send((piece, parked)).is_err() {
            self.within.check()?;
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Gives it out on the other.
struct Spring<T> {
    arriving: mpsc::Receiver<Piece<T>>,
    within: Within,
    /// Of the piece that is being read.
    read: Option<Parked>,
}

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
        // It is asked again when the piece before is read.
        self.read = None;
        match Pin::new(&mut self.arriving).poll_next(cx) {
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.within.check()?;
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(Some((piece, parked))) => {
                self.read = Some(parked);
                destination.set_buffer(piece.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
        }
    }
}

/// Takes the one value of a future.
struct Taker<T> {
    value: Option<oneshot::Sender<(T, Parked)>>,
    within: Within,
}

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
        if let (Some(value), Some(to)) = (value, self.value.take()) {
            let parked = self.within.passage.park(size_of::<T>() + value.beyond())?;
            // Nobody may be there to read it any more.
            let _ = to.send((value, parked));
        }
        Poll::Ready(Ok(()))
    }
}
