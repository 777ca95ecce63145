//! What the rows of `wasi_snapshot_preview1` do beside the call, where it is about files.

use super::watch::{not_permitted, settle_one};
use crate::State;
use crate::stdio::counted::Counter;
use holm_runtime::InstanceState;
use std::collections::HashMap;
use wiggle::{GuestMemory, GuestPtr};

/// The number of the first granted folder; below it are the standard streams.
const FIRST: u32 = 3;

/// `path_open`'s `oflags` that make or empty a file, and the right to write.
const OFLAGS_CREAT_OR_TRUNC: i32 = 0b1001;
const RIGHT_FD_WRITE: i64 = 1 << 6;

/// What a call returns that did what it was asked to, and one that was not permitted to.
const SUCCESS: i32 = 0;
const PERM: i32 = 63;

/// What is known of a 0.1 guest's file descriptors.
pub(super) struct Fds {
    /// Descriptors to folders; kept only when somebody asked which folders are used.
    places: Option<HashMap<u32, usize>>,
    /// Where the standard streams are: their bytes are counted by the streams themselves.
    stdio: [Option<u32>; 3],
}

impl Fds {
    pub(super) fn new(dirs: usize, uses: bool) -> Fds {
        let places = uses.then(|| (FIRST..).zip(0..dirs).collect());
        Fds {
            places,
            stdio: [Some(0), Some(1), Some(2)],
        }
    }

    fn is_file(&self, fd: i32) -> bool {
        !self.stdio.contains(&Some(fd.cast_unsigned()))
    }

    fn forget(&mut self, fd: u32) {
        for place in self.stdio.iter_mut().filter(|place| **place == Some(fd)) {
            *place = None;
        }
        if let Some(places) = &mut self.places {
            places.remove(&fd);
        }
    }
}

/// The arguments of a call on a file descriptor.
pub(crate) trait OfFd {
    fn fd(&self) -> i32;
}

macro_rules! of_fd {
    ($($other:ident)*) => {
        impl<$($other),*> OfFd for (i32, $($other,)*) {
            fn fd(&self) -> i32 {
                self.0
            }
        }
    };
}
of_fd!();
of_fd!(A);
of_fd!(A B);
of_fd!(A B C);
of_fd!(A B C D);
of_fd!(A B C D E);
of_fd!(A B C D E F);

fn settle(state: &mut State, fd: i32, writes: bool, done: bool) {
    if let Some(dir) = dir_of(state, fd) {
        settle_one(state, dir, writes, done);
    }
}

/// The folder that a descriptor lies in, if it is known.
fn dir_of(state: &State, fd: i32) -> Option<usize> {
    let watch = &state.parts.files;
    match &watch.fds.places {
        Some(places) => places.get(&fd.cast_unsigned()).copied(),
        None => watch.only().filter(|_| watch.fds.is_file(fd)),
    }
}

/// The same for a call with a path, which lies in the guest's memory and may lead out of the folder.
fn settle_path(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (fd, path, length): (i32, i32, i32),
    writes: bool,
    errno: i32,
) {
    settle(state, fd, writes, errno == SUCCESS);
    let place = (path.cast_unsigned(), length.cast_unsigned());
    if errno == PERM
        && let Ok(path) = memory.as_cow_str(GuestPtr::<str>::new(place))
    {
        let dir = dir_of(state, fd);
        not_permitted(state, dir, writes, &path);
    }
}

/// The number that a call has left at `pointer`; the engine has written there, so it can be read.
fn result(memory: &GuestMemory<'_>, pointer: i32) -> Option<u32> {
    memory
        .read(GuestPtr::<u32>::new(pointer.cast_unsigned()))
        .ok()
}

/// After a call that only looks at its first argument.
pub(crate) fn looked<A: OfFd>(state: &mut State, _: &GuestMemory<'_>, call: A, errno: i32) {
    settle(state, call.fd(), false, errno == SUCCESS);
}

/// After a call that changes its first argument.
pub(crate) fn changed<A: OfFd>(state: &mut State, _: &GuestMemory<'_>, call: A, errno: i32) {
    settle(state, call.fd(), true, errno == SUCCESS);
}

fn moved(
    state: &mut State,
    memory: &GuestMemory<'_>,
    fd: i32,
    size: i32,
    writes: bool,
    done: bool,
) {
    if !state.parts.files.fds.is_file(fd) {
        return;
    }
    settle(state, fd, writes, done);
    if let Some(bytes) = result(memory, size).filter(|_| done) {
        let counter = match writes {
            true => Counter::new(state.core(), |flows| &flows.files_out),
            false => Counter::new(state.core(), |flows| &flows.files_in),
        };
        counter.add(bytes as usize);
    }
}

/// After `fd_read`.
pub(crate) fn read(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (fd, _, _, size): (i32, i32, i32, i32),
    errno: i32,
) {
    moved(state, memory, fd, size, false, errno == SUCCESS);
}

/// After `fd_pread`.
pub(crate) fn pread(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (fd, _, _, _, size): (i32, i32, i32, i64, i32),
    errno: i32,
) {
    moved(state, memory, fd, size, false, errno == SUCCESS);
}

/// After `fd_write`.
pub(crate) fn written(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (fd, _, _, size): (i32, i32, i32, i32),
    errno: i32,
) {
    moved(state, memory, fd, size, true, errno == SUCCESS);
}

/// After `fd_pwrite`.
pub(crate) fn pwritten(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (fd, _, _, _, size): (i32, i32, i32, i64, i32),
    errno: i32,
) {
    moved(state, memory, fd, size, true, errno == SUCCESS);
}

/// After `path_filestat_get`.
pub(crate) fn looked_at(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (at, _, path, length, _): (i32, i32, i32, i32, i32),
    errno: i32,
) {
    settle_path(state, memory, (at, path, length), false, errno);
}

/// After `path_open`: what was opened lies where its parent lies.
pub(crate) fn opened(
    state: &mut State,
    memory: &GuestMemory<'_>,
    (at, _, path, length, oflags, rights, _, _, fd): (i32, i32, i32, i32, i32, i64, i64, i32, i32),
    errno: i32,
) {
    let writes = oflags & OFLAGS_CREAT_OR_TRUNC != 0 || rights & RIGHT_FD_WRITE != 0;
    settle_path(state, memory, (at, path, length), writes, errno);
    let fds = &mut state.parts.files.fds;
    if let Some(fd) = result(memory, fd).filter(|_| errno == SUCCESS) {
        fds.forget(fd);
        if let Some(places) = &mut fds.places
            && let Some(dir) = places.get(&at.cast_unsigned()).copied()
        {
            places.insert(fd, dir);
        }
    }
}

/// After `fd_close`.
pub(crate) fn closed(state: &mut State, _: &GuestMemory<'_>, (fd,): (i32,), errno: i32) {
    if errno == SUCCESS {
        state.parts.files.fds.forget(fd.cast_unsigned());
    }
}

/// After `fd_renumber`: what was `from` is now `to`.
pub(crate) fn renumbered(
    state: &mut State,
    _: &GuestMemory<'_>,
    (from, to): (i32, i32),
    errno: i32,
) {
    if errno != SUCCESS || from == to {
        return;
    }
    let (from, to) = (from.cast_unsigned(), to.cast_unsigned());
    let fds = &mut state.parts.files.fds;
    fds.forget(to);
    if let Some(places) = &mut fds.places
        && let Some(dir) = places.remove(&from)
    {
        places.insert(to, dir);
    }
    for place in fds.stdio.iter_mut().filter(|place| **place == Some(from)) {
        *place = Some(to);
    }
}

/// After `path_link`, which touches two folders.
pub(crate) fn linked(
    state: &mut State,
    _: &GuestMemory<'_>,
    (from, _, _, _, to, _, _): (i32, i32, i32, i32, i32, i32, i32),
    errno: i32,
) {
    settle(state, from, true, errno == SUCCESS);
    settle(state, to, true, errno == SUCCESS);
}

/// After `path_rename`, which touches two folders.
pub(crate) fn renamed(
    state: &mut State,
    _: &GuestMemory<'_>,
    (from, _, _, to, _, _): (i32, i32, i32, i32, i32, i32),
    errno: i32,
) {
    settle(state, from, true, errno == SUCCESS);
    settle(state, to, true, errno == SUCCESS);
}

/// After `path_symlink`, whose folder comes third.
pub(crate) fn symlinked(
    state: &mut State,
    _: &GuestMemory<'_>,
    (_, _, at, _, _): (i32, i32, i32, i32, i32),
    errno: i32,
) {
    settle(state, at, true, errno == SUCCESS);
}
