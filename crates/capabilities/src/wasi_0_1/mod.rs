//! WASI 0.1 (`wasi_snapshot_preview1`, and `wasi_unstable` before it) for core modules, each
//! function through the seam.
//!
//! The rows mirror what `wiggle` generates inside of wasmtime-wasi.

use crate::{State, environment, files::watch_0_1 as files};
use holm_runtime::InstanceState;
use holm_runtime::seam::FnId;
use wasmtime::{Caller, Extern, Linker};
use wasmtime_wasi::p0::wasi_unstable::WasiUnstable;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::GuestMemory;

/// One function per row: its name, its WebAssembly parameters, and what happens after a call that
/// did not trap: that gets the state, the guest's memory, the parameters, and what it returned.
macro_rules! wasi_0_1 {
    ($linker:ident, $module:literal, $abi:path, $trait:ident; $($rest:tt)*) => {{
        use $abi as abi;
        wasi_0_1!(@rows $linker, $module, abi, $trait; $($rest)*);
    }};
    (@rows $linker:ident, $module:literal, $abi:ident, $trait:ident; ) => {};
    (@rows $linker:ident, $module:literal, $abi:ident, $trait:ident;
     sync $name:ident($($arg:ident: $ty:ty),*) $(, then $then:path)?; $($rest:tt)*) => {
        {
            let id = FnId::of($module, stringify!($name));
            $linker.func_wrap($module, stringify!($name), move |mut caller: Caller<'_, State>, $($arg: $ty),*| {
                wasi_0_1!(@body caller, id, $abi, $trait, $name($($arg),*) ($($arg,)*) [] $(, then $then)?)
            })?;
        }
        wasi_0_1!(@rows $linker, $module, $abi, $trait; $($rest)*);
    };
    (@rows $linker:ident, $module:literal, $abi:ident, $trait:ident;
     async $name:ident($($arg:ident: $ty:ty),*) $(, then $then:path)?; $($rest:tt)*) => {
        {
            let id = FnId::of($module, stringify!($name));
            $linker.func_wrap_async($module, stringify!($name), move |mut caller: Caller<'_, State>, ($($arg,)*): ($($ty,)*)| {
                Box::new(async move {
                    wasi_0_1!(@body caller, id, $abi, $trait, $name($($arg),*) ($($arg,)*) [.await] $(, then $then)?)
                })
            })?;
        }
        wasi_0_1!(@rows $linker, $module, $abi, $trait; $($rest)*);
    };
    (@body $caller:ident, $id:ident, $abi:ident, $trait:ident, $name:ident($($arg:ident),*) $all:tt [$($await:tt)*]
     $(, then $then:path)?) => {{
        let export = $caller.get_export("memory");
        let fuel = wasmtime::AsContextMut::as_context_mut(&mut $caller).hostcall_fuel();
        let (mut memory, state) = match &export {
            Some(Extern::Memory(memory)) => {
                let (bytes, state) = memory.data_and_store_mut(&mut $caller);
                (GuestMemory::Unshared(bytes), state)
            }
            Some(Extern::SharedMemory(memory)) => {
                (GuestMemory::Shared(memory.data()), $caller.data_mut())
            }
            _ => wasmtime::bail!("missing required memory export"),
        };
        let crossing = state.core().seam.enter($id);
        let ctx = state.p1();
        $trait::set_hostcall_fuel(ctx, fuel);
        let result = $abi::$name(ctx, &mut memory, $($arg),*)$($await)*;
        $(
            if let Ok(errno) = &result {
                $then(state, &memory, $all, *errno);
            }
        )?
        state.core().seam.exit(crossing);
        result
    }};
}

/// The functions that both versions have, and those that only one has.
macro_rules! functions {
    ($linker:ident, $module:literal, $abi:path, $trait:ident; $($own:tt)*) => {
        wasi_0_1! { $linker, $module, $abi, $trait;
            $($own)*
            sync args_get(a: i32, b: i32);
            sync args_sizes_get(a: i32, b: i32);
            sync environ_get(a: i32, b: i32), then environ;
            sync environ_sizes_get(a: i32, b: i32);
            sync clock_res_get(a: i32, b: i32);
            sync clock_time_get(a: i32, b: i64, c: i32);
            async fd_advise(a: i32, b: i64, c: i64, d: i32), then files::looked;
            sync fd_allocate(a: i32, b: i64, c: i64), then files::looked;
            async fd_close(a: i32), then files::closed;
            async fd_datasync(a: i32), then files::looked;
            async fd_fdstat_get(a: i32, b: i32);
            sync fd_fdstat_set_flags(a: i32, b: i32);
            sync fd_fdstat_set_rights(a: i32, b: i64, c: i64);
            async fd_filestat_get(a: i32, b: i32), then files::looked;
            async fd_filestat_set_size(a: i32, b: i64), then files::changed;
            async fd_filestat_set_times(a: i32, b: i64, c: i64, d: i32), then files::changed;
            async fd_pread(a: i32, b: i32, c: i32, d: i64, e: i32), then files::pread;
            sync fd_prestat_get(a: i32, b: i32);
            sync fd_prestat_dir_name(a: i32, b: i32, c: i32);
            async fd_pwrite(a: i32, b: i32, c: i32, d: i64, e: i32), then files::pwritten;
            async fd_read(a: i32, b: i32, c: i32, d: i32), then files::read;
            async fd_readdir(a: i32, b: i32, c: i32, d: i64, e: i32), then files::looked;
            async fd_renumber(a: i32, b: i32), then files::renumbered;
            async fd_seek(a: i32, b: i64, c: i32, d: i32);
            async fd_sync(a: i32), then files::looked;
            sync fd_tell(a: i32, b: i32);
            async fd_write(a: i32, b: i32, c: i32, d: i32), then files::written;
            async path_create_directory(a: i32, b: i32, c: i32), then files::changed;
            async path_filestat_get(a: i32, b: i32, c: i32, d: i32, e: i32), then files::looked_at;
            async path_filestat_set_times(a: i32, b: i32, c: i32, d: i32, e: i64, f: i64, g: i32),
                then files::changed;
            async path_link(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32), then files::linked;
            async path_open(a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32),
                then files::opened;
            async path_readlink(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32), then files::looked;
            async path_remove_directory(a: i32, b: i32, c: i32), then files::changed;
            async path_rename(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32), then files::renamed;
            async path_symlink(a: i32, b: i32, c: i32, d: i32, e: i32), then files::symlinked;
            async path_unlink_file(a: i32, b: i32, c: i32), then files::changed;
            async poll_oneoff(a: i32, b: i32, c: i32, d: i32);
            sync proc_raise(a: i32);
            sync sched_yield();
            sync random_get(a: i32, b: i32);
            sync sock_recv(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
            sync sock_send(a: i32, b: i32, c: i32, d: i32, e: i32);
            sync sock_shutdown(a: i32, b: i32);
        }
    };
}

/// Links all functions of WASI 0.1.
pub fn link_module(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_unstable(linker)?;
    link_preview1(linker)?;
    link_exit(linker, "wasi_unstable")?;
    link_exit(linker, "wasi_snapshot_preview1")
}

/// `proc_exit`: the engine's own takes codes below 126 alone, where a native program has 8 bits.
fn link_exit(linker: &mut Linker<State>, module: &'static str) -> wasmtime::Result<()> {
    let id = FnId::of(module, "proc_exit");
    linker.func_wrap(
        module,
        "proc_exit",
        move |mut caller: Caller<'_, State>, code: i32| -> wasmtime::Result<()> {
            let seam = &mut caller.data_mut().core().seam;
            let crossing = seam.enter(id);
            seam.exit(crossing);
            Err(wasmtime_wasi::I32Exit(code).into())
        },
    )?;
    Ok(())
}

fn link_preview1(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    functions! { linker, "wasi_snapshot_preview1",
        wasmtime_wasi::p1::wasi_snapshot_preview1, WasiSnapshotPreview1;
        sync sock_accept(a: i32, b: i32, c: i32);
    }
    Ok(())
}

/// What 0.1 was before it had a number; `wasmtime-wasi` turns its records into those of 0.1.
fn link_unstable(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    functions! { linker, "wasi_unstable", wasmtime_wasi::p0::wasi_unstable, WasiUnstable; }
    Ok(())
}

/// After `environ_get`.
fn environ(state: &mut State, _: &GuestMemory<'_>, _: (i32, i32), _: i32) {
    environment::noted(state, ());
}
