//! The streams of TCP: connections that come in, bytes that come in, bytes that go out.
//!
//! A read or write of no length asks whether one with a length would have to wait; `finish` asks
//! whoever waits to give up.

use super::socket::TcpSocket;
use crate::State;
use crate::sockets::check::Checks;
use crate::sockets::room::Seat;
use crate::stdio::counted::Counter;
use crate::stdio::ending::Ending;
use bytes::BytesMut;
use rustix::net::Shutdown;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::net::{TcpListener, TcpStream};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, Resource, Source, StreamConsumer, StreamProducer, StreamResult,
};
use wasmtime_wasi::p3::bindings::sockets::types::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::sockets::{self, SocketAddrUse};

/// What moves at once when the guest's buffer is not there to say how much.
const CHUNK_BYTES: usize = 64 << 10;

type Progress = Poll<wasmtime::Result<StreamResult>>;

/// What a stream answers: `Pending`, unless it was asked to give up.
fn progress(result: Poll<StreamResult>, finish: bool) -> Progress {
    match result {
        Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
        other => other.map(Ok),
    }
}

pub(super) fn code(error: io::Error) -> ErrorCode {
    // By way of the code that both versions of WASI share: it knows a broken pipe.
    sockets::ErrorCode::from(error).into()
}

/// The connections that come to a listener.
pub struct Listener {
    listener: Arc<TcpListener>,
    family: IpAddressFamily,
    checks: Arc<Checks>,
    seat: Seat,
    /// Accepted, and not yet asked for.
    accepted: Option<TcpSocket>,
}

impl Listener {
    pub(super) fn new(
        listener: Arc<TcpListener>,
        family: IpAddressFamily,
        checks: Arc<Checks>,
        seat: Seat,
    ) -> Self {
        Listener {
            listener,
            family,
            checks,
            seat,
            accepted: None,
        }
    }

    /// Waits for a connection. While the instance has as many sockets as it may, none is accepted:
    /// they queue in the system, as those of 0.2 do, until one of the guest's sockets is closed.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.accepted.is_none() {
            ready!(self.seat.room().poll_free(cx));
            let result = ready!(self.listener.poll_accept(cx));
            self.accepted = self.admit(result);
        }
        Poll::Ready(())
    }

    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<TcpSocket> {
        loop {
            ready!(self.poll_ready(cx));
            if let Some(socket) = self.accepted.take() {
                return Poll::Ready(socket);
            }
        }
    }

    /// `None`: not somebody that may come in. An error becomes a socket that tells it, so that the
    /// listener lives on.
    fn admit(&self, result: io::Result<(TcpStream, SocketAddr)>) -> Option<TcpSocket> {
        let stream = match result {
            Ok((stream, from)) => {
                if !self.checks.check(from, SocketAddrUse::TcpAccept) {
                    // At once, and so that the other side sees it.
                    let _ = stream.set_zero_linger();
                    return None;
                }
                Ok(stream)
            }
            Err(error) => Err(error.into()),
        };
        let seat = self.seat.room().take()?;
        let checks = self.checks.clone();
        Some(TcpSocket::accepted(stream, self.family, checks, seat))
    }
}

impl StreamProducer<State> for Listener {
    type Item = Resource<TcpSocket>;
    type Buffer = Option<Resource<TcpSocket>>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut to: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Progress {
        if to.remaining(&mut store) == Some(0) {
            let ready = self.poll_ready(cx);
            return progress(ready.map(|()| StreamResult::Completed), finish);
        }
        match self.poll_accept(cx) {
            Poll::Ready(socket) => {
                let table = store.data_mut().table_and_parts().0;
                to.set_buffer(Some(table.push(socket)?));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Pending => progress(Poll::Pending, finish),
        }
    }
}

/// One direction of a connection. Dropped, it is shut down; the other goes on.
pub struct Half {
    stream: Arc<TcpStream>,
    direction: Shutdown,
    _seat: Seat,
}

impl Half {
    pub(super) fn new(stream: Arc<TcpStream>, direction: Shutdown, seat: Seat) -> Self {
        Half {
            stream,
            direction,
            _seat: seat,
        }
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.try_read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_read_ready(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.try_write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // It may be shut down by the other side already.
        let _ = rustix::net::shutdown(&self.stream, self.direction);
    }
}

/// A half that a stream of the guest moves, and that counts what it moved.
struct Counted {
    half: Option<Half>,
    counter: Counter,
    ending: Ending<ErrorCode>,
}

impl Counted {
    fn moved(&self, size: usize) -> StreamResult {
        self.counter.add(size);
        StreamResult::Completed
    }

    /// The end of a connection that may move nothing more; the error names the limit.
    fn over(&mut self) -> Option<StreamResult> {
        let hit = self.counter.room(1).err()?;
        Some(self.end(Err(ErrorCode::Other(Some(hit.to_string())))))
    }

    /// Shut down first: whoever waits for the end may rely on it.
    fn end(&mut self, result: Result<(), ErrorCode>) -> StreamResult {
        self.half = None;
        self.ending.tell(result)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

/// What `receive` reads from.
pub struct Receiving(Counted);

impl Receiving {
    pub(super) fn new(half: Half, counter: Counter, ending: Ending<ErrorCode>) -> Self {
        Receiving(Counted {
            half: Some(half),
            counter,
            ending,
        })
    }
}

impl StreamProducer<State> for Receiving {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        to: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Progress {
        let counted = &mut self.0;
        let Some(half) = &counted.half else {
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        if to.remaining(&mut store) == Some(0) {
            // An error shows when something is read.
            let ready = half.stream.poll_read_ready(cx);
            return progress(ready.map(|_| StreamResult::Completed), finish);
        }
        if let Some(end) = counted.over() {
            return Poll::Ready(Ok(end));
        }
        let Some(half) = &counted.half else {
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        let mut to = to.as_direct(store, CHUNK_BYTES);
        let read = half.poll_read(cx, to.remaining());
        let result = read.map(|read| match read {
            Ok(0) => counted.end(Ok(())),
            Ok(size) => {
                to.mark_written(size);
                counted.moved(size)
            }
            Err(error) => counted.end(Err(code(error))),
        });
        progress(result, finish)
    }
}

/// What `send` writes to.
pub struct Sending(Counted);

impl Sending {
    pub(super) fn new(half: Half, counter: Counter, ending: Ending<ErrorCode>) -> Self {
        Sending(Counted {
            half: Some(half),
            counter,
            ending,
        })
    }
}

impl StreamConsumer<State> for Sending {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        from: Source<'_, u8>,
        finish: bool,
    ) -> Progress {
        let counted = &mut self.0;
        let Some(half) = &counted.half else {
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        let mut from = from.as_direct(store);
        if from.remaining().is_empty() {
            let ready = half.stream.poll_write_ready(cx);
            return progress(ready.map(|_| StreamResult::Completed), finish);
        }
        if let Some(end) = counted.over() {
            return Poll::Ready(Ok(end));
        }
        let Some(half) = &counted.half else {
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        let written = half.poll_write(cx, from.remaining());
        let result = written.map(|written| match written {
            Ok(size) => {
                from.mark_read(size);
                counted.moved(size)
            }
            Err(error) => counted.end(Err(code(error))),
        });
        progress(result, finish)
    }
}
