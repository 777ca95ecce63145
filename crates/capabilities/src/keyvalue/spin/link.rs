//! The functions of Spin's key-value interfaces, linked through the seam.

use super::super::link::view;
use super::super::wit::Bucket;
use super::{legacy, v2, v3};
use crate::{Era, State};
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

/// Links all versions; those with async functions only where the engine has concurrency.
pub(in super::super) fn link(linker: &mut Linker<State>, era: Era) -> Result<()> {
    cross!(linker, "fermyon:spin/key-value", "@2.0.0", (), view, {
        drop async "store" Bucket = v2::HostStore::drop;
        async value "[static]store.open" = v2::HostStore::open { a };
        async value "[method]store.get" = v2::HostStore::get { a, b };
        async value "[method]store.set" = v2::HostStore::set { a, b, c };
        async value "[method]store.delete" = v2::HostStore::delete { a, b };
        async value "[method]store.exists" = v2::HostStore::exists { a, b };
        async value "[method]store.get-keys" = v2::HostStore::get_keys { a };
    });
    cross!(linker, "fermyon:spin/key-value", "", (), view, {
        async value "open" = legacy::Host::open { a };
        async value "get" = legacy::Host::get { a, b };
        async value "set" = legacy::Host::set { a, b, c };
        async value "delete" = legacy::Host::delete { a, b };
        async value "exists" = legacy::Host::exists { a, b };
        async value "get-keys" = legacy::Host::get_keys { a };
        async unit "close" = legacy::Host::close { a };
    });
    match era {
        Era::P2 => Ok(()),
        Era::P3 => v3::link(linker),
    }
}
