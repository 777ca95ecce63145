//! The rows that open a file, close one, or write to one without a stream: they hold the instance to
//! `limits.open_files` and the event to `limits.bytes_written` before anything is done. Streams hold
//! themselves, by their counters.

use super::watch;
use crate::{Era, State};
use holm_runtime::limits::{Kind, Limit, Share};
use holm_runtime::{Core, InstanceState as _, cross};
use std::collections::HashSet;
use wasmtime::component::{Accessor, HasSelf, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types as types_0_2;
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::p3::bindings::filesystem::types as types_0_3;
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

/// What an instance holds open, by number in its table; what it was granted does not count.
pub(super) struct Open {
    held: HashSet<u32>,
    /// As many of its app's.
    app: Share,
    /// Calls that open something at the moment.
    opening: usize,
}

impl Open {
    /// Nothing yet.
    pub(super) fn new(core: &Core) -> Self {
        Open {
            held: HashSet::new(),
            app: Share::of(&core.budget, Kind::OpenFiles),
            opening: 0,
        }
    }

    fn close(&mut self, number: u32) {
        if self.held.remove(&number) {
            self.app.give_back();
        }
    }
}

/// Links the rows, in place of the generated ones.
pub(super) fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
    cross!(linker, "wasi:filesystem/types", "@0.2.12", HasSelf<State>, whole, {
        drop "descriptor" Descriptor = drop_0_2;
        async fallible(convert_0_2) "[method]descriptor.open-at" = open_at_0_2 { a, b, c, d, e },
            note watch::opening_0_2 => watch::opened;
        async fallible(convert_0_2) "[method]descriptor.write" = write_0_2 { a, b, c },
            note watch::at => watch::written;
    });
    if era == Era::P3 {
        cross!(linker, "wasi:filesystem/types", "@0.3.0", HasSelf<State>, whole, {
            drop "descriptor" Descriptor = drop_0_3;
            concurrent fallible(convert_0_3) "[method]descriptor.open-at" =
                open_at_0_3 { a, b, c, d, e }, note watch::opening_0_3 => watch::opened;
        });
    }
    Ok(())
}

fn whole(state: &mut State) -> &mut State {
    state
}

fn convert_0_2(_: &mut &mut State, error: FsError) -> wasmtime::Result<types_0_2::ErrorCode> {
    error.downcast()
}

fn convert_0_3(
    _: &mut &mut State,
    error: FilesystemError,
) -> wasmtime::Result<types_0_3::ErrorCode> {
    error.downcast()
}

/// Whether one more may be opened; if so, its place is kept until [`settle`].
fn begin(state: &mut State) -> bool {
    let most = state.core().budget.allowance().open_files;
    let open = &mut state.parts.files.open;
    if open.held.len() + open.opening >= most {
        state.core().budget.meter.hit(Limit::OpenFiles);
        return false;
    }
    let meter = state.core().budget.meter.clone();
    let open = &mut state.parts.files.open;
    if !open.app.take(&meter) {
        return false;
    }
    open.opening += 1;
    true
}

fn settle<E>(state: &mut State, result: &Result<Resource<Descriptor>, E>) {
    let open = &mut state.parts.files.open;
    open.opening = open.opening.saturating_sub(1);
    match result {
        Ok(opened) if open.held.insert(opened.rep()) => {}
        _ => open.app.give_back(),
    }
}

async fn open_at_0_2(
    state: &mut &mut State,
    at: Resource<Descriptor>,
    path_flags: types_0_2::PathFlags,
    path: String,
    open_flags: types_0_2::OpenFlags,
    flags: types_0_2::DescriptorFlags,
) -> FsResult<Resource<Descriptor>> {
    // There is no word for too many open files; this is the one for what the host is short of.
    if !begin(state) {
        return Err(types_0_2::ErrorCode::InsufficientMemory.into());
    }
    let mut view = state.filesystem();
    let result =
        types_0_2::HostDescriptor::open_at(&mut view, at, path_flags, path, open_flags, flags)
            .await;
    settle(state, &result);
    result
}

async fn open_at_0_3(
    host: &Accessor<State, HasSelf<State>>,
    at: Resource<Descriptor>,
    path_flags: types_0_3::PathFlags,
    path: String,
    open_flags: types_0_3::OpenFlags,
    flags: types_0_3::DescriptorFlags,
) -> FilesystemResult<Resource<Descriptor>> {
    if !host.with(|mut store| begin(store.get())) {
        return Err(types_0_3::ErrorCode::InsufficientMemory.into());
    }
    let files = &host.with_getter::<WasiFilesystem>(State::filesystem);
    let result =
        types_0_3::HostDescriptorWithStore::open_at(files, at, path_flags, path, open_flags, flags)
            .await;
    host.with(|mut store| settle(store.get(), &result));
    result
}

async fn write_0_2(
    state: &mut &mut State,
    file: Resource<Descriptor>,
    bytes: Vec<u8>,
    offset: u64,
) -> FsResult<u64> {
    let core = state.core();
    let room = core
        .budget
        .meter
        .room(Limit::BytesWritten, &core.flows, bytes.len());
    if room.is_err() {
        return Err(types_0_2::ErrorCode::Quota.into());
    }
    types_0_2::HostDescriptor::write(&mut state.filesystem(), file, bytes, offset).await
}

fn drop_0_2(state: &mut &mut State, file: Resource<Descriptor>) -> wasmtime::Result<()> {
    let number = file.rep();
    types_0_2::HostDescriptor::drop(&mut state.filesystem(), file)?;
    state.parts.files.open.close(number);
    Ok(())
}

fn drop_0_3(state: &mut &mut State, file: Resource<Descriptor>) -> wasmtime::Result<()> {
    let number = file.rep();
    types_0_3::HostDescriptor::drop(&mut state.filesystem(), file)?;
    state.parts.files.open.close(number);
    Ok(())
}
