//! The functions of `spin:sqlite`, linked through the seam.

use super::wit::{Handle, sqlite};
use super::{View, legacy};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        table,
        part: &mut parts.sqlite,
    }
}

/// `fermyon:spin@2.0.0`, and the same before it had a version.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/sqlite", "@2.0.0", (), view, {
        drop async "connection" Handle = sqlite::HostConnection::drop;
        async value "[static]connection.open" = sqlite::HostConnection::open { a };
        async value "[method]connection.execute" = sqlite::HostConnection::execute { a, b, c };
    });
    cross!(linker, "fermyon:spin/sqlite", "", (), view, {
        async value "open" = legacy::Host::open { a };
        async value "execute" = legacy::Host::execute { a, b, c };
        async unit "close" = legacy::Host::close { a };
    });
    Ok(())
}

/// `spin:sqlite@3.0.0`.
pub(super) fn spin_3(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:sqlite/sqlite", "@3.0.0", (), view, {
        drop async "connection" Handle = sqlite::HostConnection::drop;
        async value "[static]connection.open" = sqlite::HostConnection::open { a };
        async value "[method]connection.execute" = sqlite::HostConnection::execute { a, b, c };
        async value "[method]connection.last-insert-rowid" = sqlite::HostConnection::last_insert_rowid { a };
        async value "[method]connection.changes" = sqlite::HostConnection::changes { a };
    });
    Ok(())
}
