//! What the rows of `wasi:filesystem` do beside the call: count bytes, note which granted folders
//! were really used, and record what a read-only folder refused, and which paths lead out of one.

use super::{Access, Dir};
use crate::State;
use crate::stdio::counted::Counter;
use holm_runtime::limits::Limit;
use holm_runtime::{Core, Denial, InstanceState};
use std::collections::HashMap;
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types as types_0_2;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError};
use wasmtime_wasi::p3::bindings::filesystem::types as types_0_3;
use wasmtime_wasi::p3::filesystem::FilesystemError;

/// An instance's folders, and which of them each open descriptor lies in.
pub struct Watch {
    pub(super) dirs: Arc<Vec<Dir>>,
    /// See [`super::Files::blocking`].
    pub(super) blocking: bool,
    pub(super) open: super::bounds::Open,
    /// Descriptors to folders; kept only when somebody asked which folders are used. Numbers of
    /// closed descriptors stay until they are given out again, so it is never longer than the most
    /// descriptors that were open at once.
    places: Option<HashMap<u32, usize>>,
    /// The same for 0.1.
    pub(super) fds: super::watch_0_1::Fds,
}

impl Watch {
    pub(super) fn new(dirs: Arc<Vec<Dir>>, blocking: bool, core: &Core) -> Watch {
        let uses = core.seam.uses().is_some();
        let fds = super::watch_0_1::Fds::new(dirs.len(), uses);
        Watch {
            dirs,
            blocking,
            open: super::bounds::Open::new(core),
            places: uses.then(HashMap::new),
            fds,
        }
    }

    /// The folder that a descriptor lies in, if it is known. Without a record it still is when
    /// there is only one.
    fn dir_of(&self, descriptor: u32) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&descriptor).copied(),
            None => self.only(),
        }
    }

    pub(super) fn only(&self) -> Option<usize> {
        (self.dirs.len() == 1).then_some(0)
    }
}

/// Which folders a call goes to; mostly one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Touch {
    dirs: [Option<usize>; 2],
    writes: bool,
}

/// The same of a call with a path, which may lead out of the folder.
pub(crate) struct Toward {
    touch: Touch,
    path: Box<str>,
}

impl Toward {
    fn settle<T, E: Refusal>(&self, state: &mut State, result: &Result<T, E>) {
        if matches!(result, Err(error) if error.is_not_permitted()) {
            not_permitted(state, self.touch.dirs[0], self.touch.writes, &self.path);
        }
    }
}

/// The error of a call to the file system.
pub(crate) trait Refusal {
    fn is_not_permitted(&self) -> bool;
}

impl Refusal for FsError {
    fn is_not_permitted(&self) -> bool {
        matches!(
            self.downcast_ref(),
            Some(types_0_2::ErrorCode::NotPermitted)
        )
    }
}

impl Refusal for FilesystemError {
    fn is_not_permitted(&self) -> bool {
        matches!(
            self.downcast_ref(),
            Some(types_0_3::ErrorCode::NotPermitted)
        )
    }
}

/// The arguments of a method of `descriptor`.
pub(crate) trait OfDescriptor {
    fn descriptor(&self) -> u32;
}

macro_rules! of_descriptor {
    ($($other:ident)*) => {
        impl<$($other),*> OfDescriptor for (&Resource<Descriptor>, $(&$other,)*) {
            fn descriptor(&self) -> u32 {
                self.0.rep()
            }
        }
    };
}
of_descriptor!();
of_descriptor!(A);
of_descriptor!(A B);
of_descriptor!(A B C);
of_descriptor!(A B C D);

fn touch(state: &State, descriptors: [Option<u32>; 2], writes: bool) -> Touch {
    let watch = &state.parts.files;
    Touch {
        dirs: descriptors.map(|rep| watch.dir_of(rep?)),
        writes,
    }
}

/// Before any method of a descriptor.
pub(crate) fn at<A: OfDescriptor>(state: &mut State, arguments: A) -> Touch {
    touch(state, [Some(arguments.descriptor()), None], false)
}

/// Before `link-at`, which touches two folders.
pub(crate) fn linking<F>(
    state: &mut State,
    (from, _, _, to, _): (
        &Resource<Descriptor>,
        &F,
        &String,
        &Resource<Descriptor>,
        &String,
    ),
) -> Touch {
    touch(state, [Some(from.rep()), Some(to.rep())], true)
}

/// Before `rename-at`, which touches two folders.
pub(crate) fn renaming(
    state: &mut State,
    (from, _, to, _): (
        &Resource<Descriptor>,
        &String,
        &Resource<Descriptor>,
        &String,
    ),
) -> Touch {
    touch(state, [Some(from.rep()), Some(to.rep())], true)
}

macro_rules! opening {
    ($name:ident, $types:ident) => {
        /// Before `open-at`.
        pub(crate) fn $name(
            state: &mut State,
            (at, _, path, open, flags): (
                &Resource<Descriptor>,
                &$types::PathFlags,
                &String,
                &$types::OpenFlags,
                &$types::DescriptorFlags,
            ),
        ) -> Toward {
            use $types::{DescriptorFlags, OpenFlags};
            let writes = open.contains(OpenFlags::CREATE)
                || open.contains(OpenFlags::TRUNCATE)
                || flags.contains(DescriptorFlags::WRITE);
            let touch = touch(state, [Some(at.rep()), None], writes);
            let path = path.as_str().into();
            Toward { touch, path }
        }
    };
}
opening!(opening_0_2, types_0_2);
opening!(opening_0_3, types_0_3);

/// Before `stat-at`.
pub(crate) fn looking<F>(
    state: &mut State,
    (at, _, path): (&Resource<Descriptor>, &F, &String),
) -> Toward {
    Toward {
        touch: touch(state, [Some(at.rep()), None], false),
        path: path.as_str().into(),
    }
}

/// After `stat-at`.
pub(crate) fn looked_at<T, E: Refusal>(
    state: &mut State,
    toward: Toward,
    result: &mut Result<T, E>,
) {
    settle(state, toward.touch, result.is_ok());
    toward.settle(state, result);
}

/// After `open-at`: what was opened lies where its parent lies.
pub(crate) fn opened<E: Refusal>(
    state: &mut State,
    toward: Toward,
    result: &mut Result<Resource<Descriptor>, E>,
) {
    let touch = toward.touch;
    settle(state, touch, result.is_ok());
    toward.settle(state, result);
    if let (Ok(opened), Some(dir)) = (result, touch.dirs[0])
        && let Some(places) = &mut state.parts.files.places
    {
        places.insert(opened.rep(), dir);
    }
}

/// Before `get-directories`.
pub(crate) fn listing(_: &mut State, (): ()) {}

/// After `get-directories`: the folders come in the order in which they were granted. That a
/// guest's libc lists them all is no use of any.
pub(crate) fn listed<E>(
    state: &mut State,
    (): (),
    result: &mut Result<Vec<(Resource<Descriptor>, String)>, E>,
) {
    if let (Ok(list), Some(places)) = (result, &mut state.parts.files.places) {
        places.extend(
            list.iter()
                .enumerate()
                .map(|(dir, (opened, _))| (opened.rep(), dir)),
        );
    }
}

/// After what only looks.
pub(crate) fn looked<T, E>(state: &mut State, touch: Touch, result: &mut Result<T, E>) {
    settle(state, touch, result.is_ok());
}

/// After what changes something.
pub(crate) fn changed<T, E>(state: &mut State, touch: Touch, result: &mut Result<T, E>) {
    settle(
        state,
        Touch {
            writes: true,
            ..touch
        },
        result.is_ok(),
    );
}

/// After `write-via-stream` and `append-via-stream` of 0.3, which tell of a refusal only at the end
/// of the stream.
pub(crate) fn piped<T>(state: &mut State, touch: Touch, result: &mut wasmtime::Result<T>) {
    for dir in touch.dirs.into_iter().flatten() {
        let writable = state.parts.files.dirs.get(dir).map(|dir| dir.access) == Some(Access::Write);
        settle_one(state, dir, true, writable && result.is_ok());
    }
}

/// After `descriptor.read`.
pub(crate) fn read(state: &mut State, touch: Touch, result: &mut Result<(Vec<u8>, bool), FsError>) {
    settle(state, touch, result.is_ok());
    if let Ok((bytes, _)) = result {
        Counter::new(state.core(), |flows| &flows.files_in).add(bytes.len());
    }
}

/// After `descriptor.write`.
pub(crate) fn written(state: &mut State, touch: Touch, result: &mut Result<u64, FsError>) {
    changed(state, touch, result);
    if let Ok(bytes) = result {
        let bytes = usize::try_from(*bytes).unwrap_or(usize::MAX);
        Counter::new(state.core(), |flows| &flows.files_out).add(bytes);
    }
}

/// After `descriptor.read-via-stream`: its bytes are counted as they pass.
pub(crate) fn reading(
    state: &mut State,
    touch: Touch,
    result: &mut Result<Resource<DynInputStream>, FsError>,
) {
    settle(state, touch, result.is_ok());
    if let Ok(stream) = result {
        let counter = Counter::new(state.core(), |flows| &flows.files_in);
        if let Ok(place) = state.table_and_parts().0.get_mut(stream) {
            counter.watch_input(place);
        }
    }
}

/// After `descriptor.write-via-stream` and `append-via-stream`.
pub(crate) fn writing(
    state: &mut State,
    touch: Touch,
    result: &mut Result<Resource<DynOutputStream>, FsError>,
) {
    changed(state, touch, result);
    if let Ok(stream) = result {
        let counter = Counter::within(state.core(), Limit::BytesWritten, |flows| &flows.files_out);
        if let Ok(place) = state.table_and_parts().0.get_mut(stream) {
            counter.watch_output(place);
        }
    }
}

fn settle(state: &mut State, touch: Touch, done: bool) {
    for dir in touch.dirs.into_iter().flatten() {
        settle_one(state, dir, touch.writes, done);
    }
}

/// A call that went to a folder is over. One that wrote has needed `write`; all others, also one
/// that found nothing, have needed `read`. One that wanted to write and could not was refused if the
/// folder is read-only: the engine asks for the permission before it does anything else.
pub(super) fn settle_one(state: &mut State, dir: usize, writes: bool, done: bool) {
    if (done || !writes) && state.core().seam.uses().is_none() {
        return;
    }
    let dirs = state.parts.files.dirs.clone();
    let Some(dir) = dirs.get(dir) else { return };
    let core = state.core();
    if let Some(uses) = core.seam.uses() {
        uses.note(
            "dirs",
            dir.guest.as_str(),
            if writes && done { "write" } else { "read" },
        );
    }
    if writes && !done && dir.access == Access::Read {
        let (line, flag) = dir.to_write();
        let asked = format!("write in {}", dir.guest);
        core.denials.record(Denial {
            asked,
            grant: "dirs",
            line,
            flag,
        });
    }
}

/// The most of a path that a denial repeats, in characters.
const PATH_SHOWN: usize = 200;

/// The engine did not permit it: a path led out of its folder, by `..`, by a link, or because it is
/// absolute. `dir` is the folder where it is known. A write into a read-only folder is not permitted
/// either, and [`settle_one`] has told of it.
pub(super) fn not_permitted(state: &mut State, dir: Option<usize>, writes: bool, path: &str) {
    let dirs = state.parts.files.dirs.clone();
    let dir = dir.and_then(|dir| dirs.get(dir));
    let read_only = |dir: &Dir| dir.access == Access::Read;
    if writes && dir.map_or_else(|| dirs.iter().any(read_only), read_only) {
        return;
    }
    let path: String = path.chars().take(PATH_SHOWN).collect();
    let asked = match dir {
        Some(dir) => format!("leave the folder {} by {path}", dir.guest),
        None => format!("leave a granted folder by {path}"),
    };
    state.core().denials.record(Denial {
        asked,
        grant: "dirs",
        line: "dirs = { \"GUEST\" = \"HOST\" } # HOST: the folder that it leads to".into(),
        flag: "--dir HOST::GUEST".into(),
    });
}
