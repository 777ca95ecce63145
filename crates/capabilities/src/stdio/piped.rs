//! Standard input and output as pipes: a program that is given the bytes of one event, and whose output
//! is the answer.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::error::{SendError, TryRecvError, TrySendError};
use tokio::sync::mpsc::{OwnedPermit, Receiver, Sender, channel};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Pieces that may be on their way in one direction; whoever sends more waits.
const PIECES: usize = 4;

/// The most bytes of one piece of output: 64 KiB.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// A program's ends.
pub struct Pipes {
    pub(crate) input: Input,
    pub(crate) output: Output,
}

/// The host's ends. To drop one is to close its pipe.
pub struct Ends {
    /// What the program reads.
    pub input: Sender<Bytes>,
    /// What it prints.
    pub output: Receiver<Bytes>,
}

impl Pipes {
    /// A pair of pipes.
    pub fn new() -> (Pipes, Ends) {
        let (to_input, input) = channel(PIECES);
        let (to_output, output) = channel(PIECES);
        let pipes = Pipes {
            input: Input(Arc::new(Mutex::new(Incoming {
                pieces: input,
                piece: Bytes::new(),
            }))),
            output: Output(to_output),
        };
        let ends = Ends {
            input: to_input,
            output,
        };
        (pipes, ends)
    }
}

/// Standard input; all handles to it read the same bytes.
#[derive(Clone)]
pub(crate) struct Input(Arc<Mutex<Incoming>>);

struct Incoming {
    pieces: Receiver<Bytes>,
    /// What is left of the piece that came last.
    piece: Bytes,
}

impl Incoming {
    /// Waits until there is something to read, or nothing will come any more.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.piece.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Poll::Ready(())
    }
}

impl Input {
    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        poll_fn(|cx| self.lock().poll_ready(cx)).await;
    }
}

impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut incoming = self.lock();
        if incoming.piece.is_empty() {
            match incoming.pieces.try_recv() {
                Ok(piece) => incoming.piece = piece,
                Err(TryRecvError::Empty) => return Ok(Bytes::new()),
                Err(TryRecvError::Disconnected) => return Err(StreamError::Closed),
            }
        }
        let size = size.min(incoming.piece.len());
        Ok(incoming.piece.split_to(size))
    }
}

impl AsyncRead for Input {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut incoming = self.lock();
        ready!(incoming.poll_ready(cx));
        let size = buf.remaining().min(incoming.piece.len());
        buf.put_slice(&incoming.piece.split_to(size));
        Poll::Ready(Ok(()))
    }
}

/// Standard output.
#[derive(Clone)]
pub(crate) struct Output(Sender<Bytes>);

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Writer {
            to: self.0.clone(),
            room: Mutex::new(None),
        })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        // Where nobody reads any more, the next write says so.
        let _ = self.0.reserve().await;
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.0.try_send(bytes).map_err(|error| match error {
            TrySendError::Closed(_) => StreamError::Closed,
            TrySendError::Full(_) => {
                StreamError::trap("standard output was written to before it was ready")
            }
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match (self.0.is_closed(), self.0.capacity()) {
            (true, _) => Err(StreamError::Closed),
            (false, 0) => Ok(0),
            (false, _) => Ok(PIECE_BYTES_MAX),
        }
    }
}

/// Waits for room in the pipe.
type Room = BoxFuture<'static, Result<OwnedPermit<Bytes>, SendError<()>>>;

/// Standard output as 0.3 writes to it.
struct Writer {
    to: Sender<Bytes>,
    /// Behind a lock only because the engine wants to share what it never does.
    room: Mutex<Option<Room>>,
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let Writer { to, room } = &mut *self;
        let room = room.get_mut().unwrap_or_else(PoisonError::into_inner);
        let waiting = room.get_or_insert_with(|| Box::pin(to.clone().reserve_owned()));
        let permit = ready!(waiting.as_mut().poll(cx));
        *room = None;
        let permit = permit.map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        let size = buf.len().min(PIECE_BYTES_MAX);
        permit.send(Bytes::copy_from_slice(&buf[..size]));
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn input_is_read_in_pieces_of_any_size_and_ends() {
        let (pipes, ends) = Pipes::new();
        let mut input = pipes.input.p2_stream();
        assert_eq!(input.read(9).unwrap(), "");
        ends.input.send("hello".into()).await.unwrap();
        ends.input.send("!".into()).await.unwrap();
        drop(ends.input);
        assert_eq!(input.read(2).unwrap(), "he");
        // Another handle goes on where this one stopped.
        let mut rest = String::new();
        let mut other = Box::into_pin(pipes.input.async_stream());
        other.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "llo!");
        input.ready().await;
        assert!(matches!(input.read(1), Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn output_waits_for_its_reader_and_knows_when_it_has_left() {
        let (pipes, mut ends) = Pipes::new();
        let mut output = pipes.output.p2_stream();
        for _ in 0..PIECES {
            assert_eq!(output.check_write().unwrap(), PIECE_BYTES_MAX);
            output.write("x".into()).unwrap();
        }
        assert_eq!(output.check_write().unwrap(), 0);
        assert!(matches!(
            output.write("x".into()),
            Err(StreamError::Trap(_))
        ));
        assert_eq!(ends.output.recv().await.unwrap(), "x");
        output.ready().await;
        let mut other = Box::into_pin(pipes.output.async_stream());
        other.write_all(b"y").await.unwrap();
        for expected in ["x", "x", "x", "y"] {
            assert_eq!(ends.output.recv().await.unwrap(), expected);
        }
        drop(ends);
        output.ready().await;
        assert!(matches!(output.check_write(), Err(StreamError::Closed)));
        assert!(matches!(output.write("x".into()), Err(StreamError::Closed)));
        assert!(other.write_all(b"y").await.is_err());
    }
}
