//! The functions of `wasi:keyvalue`, linked through the seam.

use super::View;
use super::cas::Cas;
use super::draft;
use super::wit::{Bucket, atomics, batch, store};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

/// The part of the state that the functions of this folder work on.
pub(super) fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        table,
        part: &mut parts.keyvalue,
    }
}

/// `0.2.0-draft`: wasmtime, wasmCloud.
pub(super) fn draft(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:keyvalue/store", "@0.2.0-draft", (), view, {
        drop async "bucket" Bucket = store::HostBucket::drop;
        async value "open" = store::Host::open { a };
        async value "[method]bucket.get" = store::HostBucket::get { a, b };
        async value "[method]bucket.set" = store::HostBucket::set { a, b, c };
        async value "[method]bucket.delete" = store::HostBucket::delete { a, b };
        async value "[method]bucket.exists" = store::HostBucket::exists { a, b };
        async value "[method]bucket.list-keys" = draft::list_keys { a, b };
    });
    cross!(linker, "wasi:keyvalue/atomics", "@0.2.0-draft", (), view, {
        async value "increment" = draft::increment { a, b, c };
    });
    cross!(linker, "wasi:keyvalue/batch", "@0.2.0-draft", (), view, {
        async value "get-many" = draft::get_many { a, b };
        async value "set-many" = batch::Host::set_many { a, b };
        async value "delete-many" = batch::Host::delete_many { a, b };
    });
    Ok(())
}

/// `0.2.0-draft2`: Spin.
pub(super) fn draft2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "wasi:keyvalue/store", "@0.2.0-draft2", (), view, {
        drop async "bucket" Bucket = store::HostBucket::drop;
        async value "open" = store::Host::open { a };
        async value "[method]bucket.get" = store::HostBucket::get { a, b };
        async value "[method]bucket.set" = store::HostBucket::set { a, b, c };
        async value "[method]bucket.delete" = store::HostBucket::delete { a, b };
        async value "[method]bucket.exists" = store::HostBucket::exists { a, b };
        async value "[method]bucket.list-keys" = store::HostBucket::list_keys { a, b };
    });
    cross!(linker, "wasi:keyvalue/atomics", "@0.2.0-draft2", (), view, {
        drop async "cas" Cas = atomics::HostCas::drop;
        async value "[static]cas.new" = atomics::HostCas::new { a, b };
        async value "[method]cas.current" = atomics::HostCas::current { a };
        async value "increment" = atomics::Host::increment { a, b, c };
        async value "swap" = atomics::Host::swap { a, b };
    });
    cross!(linker, "wasi:keyvalue/batch", "@0.2.0-draft2", (), view, {
        async value "get-many" = batch::Host::get_many { a, b };
        async value "set-many" = batch::Host::set_many { a, b };
        async value "delete-many" = batch::Host::delete_many { a, b };
    });
    Ok(())
}
