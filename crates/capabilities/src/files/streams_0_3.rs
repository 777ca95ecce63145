//! The bytes of files in WASI 0.3: one host call makes a stream, and no host call follows for its
//! chunks. So the streams themselves count, which those of wasmtime-wasi cannot be made to do;
//! these are theirs (`p3/filesystem/host.rs`) with a counter.

use crate::State;
use crate::stdio::counted::Counter;
use crate::stdio::ending::Ending;
use bytes::BytesMut;
use holm_runtime::InstanceState;
use holm_runtime::limits::Limit;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Access, Destination, FutureReader, Resource, Source, StreamConsumer, StreamProducer,
    StreamReader, StreamResult,
};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem};
use wasmtime_wasi::p3::bindings::filesystem::types::ErrorCode;

/// What moves at once when a thread of the pool does the work: the hand-over costs more than 64 KiB
/// of reading.
const CHUNK_BYTES: usize = 64 << 10;

type Store<'a> = Access<'a, State, WasiFilesystem>;
type Outcome = FutureReader<Result<(), ErrorCode>>;

/// `descriptor.read-via-stream`
pub(super) fn read_via_stream(
    mut store: Store<'_>,
    descriptor: Resource<Descriptor>,
    offset: u64,
) -> wasmtime::Result<(StreamReader<u8>, Outcome)> {
    let file = match store.get().table.get(&descriptor)? {
        Descriptor::File(file) => file.file.clone(),
        Descriptor::Dir(_) => {
            let refused = async { wasmtime::error::Ok(Err(ErrorCode::IsDirectory)) };
            let nothing = StreamReader::new(&mut store, std::iter::empty())?;
            return Ok((nothing, FutureReader::new(&mut store, refused)?));
        }
    };
    let (ending, end) = Ending::new();
    let reader = Reader {
        file,
        blocking: store.data_mut().parts.files.blocking,
        offset,
        counter: Counter::new(store.data_mut().core(), |flows| &flows.files_in),
        ending,
        task: None,
    };
    Ok((
        StreamReader::new(&mut store, reader)?,
        FutureReader::new(&mut store, end)?,
    ))
}

/// `descriptor.write-via-stream`
pub(super) fn write_via_stream(
    store: Store<'_>,
    descriptor: Resource<Descriptor>,
    data: StreamReader<u8>,
    offset: u64,
) -> wasmtime::Result<Outcome> {
    write(store, descriptor, data, Some(offset))
}

/// `descriptor.append-via-stream`
pub(super) fn append_via_stream(
    store: Store<'_>,
    descriptor: Resource<Descriptor>,
    data: StreamReader<u8>,
) -> wasmtime::Result<Outcome> {
    write(store, descriptor, data, None)
}

fn write(
    mut store: Store<'_>,
    descriptor: Resource<Descriptor>,
    mut data: StreamReader<u8>,
    offset: Option<u64>,
) -> wasmtime::Result<Outcome> {
    let (mut ending, end) = Ending::new();
    let file = match store.get().table.get(&descriptor)? {
        Descriptor::File(file) if file.perms == FsPerms::ReadOnly => Err(ErrorCode::NotPermitted),
        Descriptor::File(file) => Ok(file.file.clone()),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor),
    };
    match file {
        Ok(file) => {
            let writer = Writer {
                file,
                blocking: store.data_mut().parts.files.blocking,
                offset,
                counter: Counter::within(store.data_mut().core(), Limit::BytesWritten, |flows| {
                    &flows.files_out
                }),
                ending,
                buffer: BytesMut::new(),
                task: None,
            };
            data.pipe(&mut store, writer)?;
        }
        Err(code) => {
            data.close(&mut store)?;
            ending.tell(Err(code));
        }
    }
    FutureReader::new(&mut store, end)
}

/// The position after `size` more bytes.
fn advance(offset: u64, size: usize) -> Option<u64> {
    offset.checked_add(u64::try_from(size).ok()?)
}

/// Waits for a task of the pool. One that runs already cannot be cancelled, only awaited.
fn finished<T>(
    task: &mut JoinHandle<T>,
    cx: &mut Context<'_>,
    finish: bool,
) -> Poll<Result<T, JoinError>> {
    match Pin::new(&mut *task).poll(cx) {
        Poll::Pending if finish => {
            task.abort();
            Pin::new(task).poll(cx)
        }
        other => other,
    }
}

struct Reader {
    file: Arc<File>,
    blocking: bool,
    offset: u64,
    counter: Counter,
    ending: Ending<ErrorCode>,
    task: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl Reader {
    fn moved(&mut self, size: usize) -> StreamResult {
        self.counter.add(size);
        match advance(self.offset, size) {
            Some(offset) => {
                self.offset = offset;
                StreamResult::Completed
            }
            None => self.ending.tell(Err(ErrorCode::Overflow)),
        }
    }
}

impl StreamProducer<State> for Reader {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, State>,
        mut to: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let me = &mut *self;
        if me.blocking {
            let mut to = to.as_direct(store, CHUNK_BYTES);
            let buffer = to.remaining();
            if buffer.is_empty() {
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            return Poll::Ready(Ok(match me.file.read_at(buffer, me.offset) {
                Ok(0) => me.ending.tell(Ok(())),
                Ok(size) => {
                    to.mark_written(size);
                    me.moved(size)
                }
                Err(error) => me.ending.tell(Err(error.into())),
            }));
        }

        let task = me.task.get_or_insert_with(|| {
            let mut buffer = to.take_buffer();
            buffer.resize(CHUNK_BYTES, 0);
            let (file, offset) = (me.file.clone(), me.offset);
            spawn_blocking(move || {
                let size = file.read_at(&mut buffer, offset)?;
                buffer.truncate(size);
                Ok(buffer)
            })
        });
        let result = ready!(finished(task, cx, finish));
        me.task = None;
        Poll::Ready(Ok(match result {
            Ok(Ok(buffer)) if buffer.is_empty() => me.ending.tell(Ok(())),
            Ok(Ok(buffer)) => {
                let size = buffer.len();
                to.set_buffer(buffer);
                me.moved(size)
            }
            Ok(Err(error)) => me.ending.tell(Err(error.into())),
            Err(gone) if gone.is_cancelled() => StreamResult::Cancelled,
            Err(_) => me.ending.tell(Err(ErrorCode::Io)),
        }))
    }
}

struct Writer {
    file: Arc<File>,
    blocking: bool,
    /// `None`: at the end of the file, wherever that is by then.
    offset: Option<u64>,
    counter: Counter,
    ending: Ending<ErrorCode>,
    buffer: BytesMut,
    task: Option<JoinHandle<io::Result<(BytesMut, usize)>>>,
}

impl Writer {
    fn moved(&mut self, size: usize) -> StreamResult {
        self.counter.add(size);
        let Some(offset) = &mut self.offset else {
            return StreamResult::Completed;
        };
        match advance(*offset, size) {
            Some(next) => {
                *offset = next;
                StreamResult::Completed
            }
            None => self.ending.tell(Err(ErrorCode::Overflow)),
        }
    }
}

fn write_to(file: &File, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
    match offset {
        Some(offset) => file.write_at(bytes, offset),
        None => append(file, bytes),
    }
}

/// Writes at the end of a file that was not opened for appending, in one step with finding the end
/// where system and file system have such a step.
fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{Errno, ReadWriteFlags, pwritev2};
        match pwritev2(file, &[io::IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND) {
            Err(Errno::NOSYS | Errno::NOTSUP) => {}
            done => return Ok(done?),
        }
    }
    file.write_at(bytes, file.metadata()?.len())
}

impl StreamConsumer<State> for Writer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        from: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let me = &mut *self;
        let mut from = from.as_direct(store);
        let most = match me.blocking {
            true => from.remaining().len(),
            false => from.remaining().len().min(CHUNK_BYTES),
        };
        if me.task.is_none() && me.counter.room(most).is_err() {
            return Poll::Ready(Ok(me.ending.tell(Err(ErrorCode::Quota))));
        }
        if me.blocking {
            return Poll::Ready(Ok(match write_to(&me.file, from.remaining(), me.offset) {
                Ok(size) => {
                    from.mark_read(size);
                    me.moved(size)
                }
                Err(error) => me.ending.tell(Err(error.into())),
            }));
        }

        let task = me.task.get_or_insert_with(|| {
            let bytes = from.remaining();
            me.buffer
                .extend_from_slice(&bytes[..bytes.len().min(CHUNK_BYTES)]);
            let buffer = std::mem::take(&mut me.buffer);
            let (file, offset) = (me.file.clone(), me.offset);
            spawn_blocking(move || write_to(&file, &buffer, offset).map(|size| (buffer, size)))
        });
        let result = ready!(finished(task, cx, finish));
        me.task = None;
        Poll::Ready(Ok(match result {
            Ok(Ok((mut buffer, size))) => {
                from.mark_read(size);
                buffer.clear();
                me.buffer = buffer;
                me.moved(size)
            }
            Ok(Err(error)) => me.ending.tell(Err(error.into())),
            Err(gone) if gone.is_cancelled() => StreamResult::Cancelled,
            Err(_) => me.ending.tell(Err(ErrorCode::Io)),
        }))
    }
}
