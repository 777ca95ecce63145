//! The functions of `spin:sqlite`, linked through the seam.

use super::wit::{Handle, sqlite};
use super::{View, legacy, v3_1};
use crate::{Era, State};
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker};

/// The part of the state that functions work on which are async.
pub(super) struct Part;

impl HasData for Part {
    type Data<'a> = View<'a>;
}

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

/// `spin:sqlite@3.0.0` and 3.1.0, which has the same functions once more as async ones: those only where
/// the engine has concurrency.
pub(super) fn spin_3(linker: &mut Linker<State>, era: Era) -> Result<()> {
    cross!(linker, "spin:sqlite/sqlite", "@3.0.0", (), view, {
        drop async "connection" Handle = sqlite::HostConnection::drop;
        async value "[static]connection.open" = sqlite::HostConnection::open { a };
        async value "[method]connection.execute" = sqlite::HostConnection::execute { a, b, c };
        async value "[method]connection.last-insert-rowid" = sqlite::HostConnection::last_insert_rowid { a };
        async value "[method]connection.changes" = sqlite::HostConnection::changes { a };
    });
    if era == Era::P2 {
        return Ok(());
    }
    cross!(linker, "spin:sqlite/sqlite", "@3.1.0", Part, view, {
        drop async "connection" Handle = sqlite::HostConnection::drop;
        async value "[static]connection.open" = sqlite::HostConnection::open { a };
        async value "[method]connection.execute" = sqlite::HostConnection::execute { a, b, c };
        async value "[method]connection.last-insert-rowid" = sqlite::HostConnection::last_insert_rowid { a };
        async value "[method]connection.changes" = sqlite::HostConnection::changes { a };
        concurrent value "[static]connection.open-async" = v3_1::open { a };
        concurrent value "[method]connection.execute-async" = v3_1::execute { a, b, c };
        concurrent value "[method]connection.last-insert-rowid-async" = v3_1::last_insert_rowid { a };
        concurrent value "[method]connection.changes-async" = v3_1::changes { a };
    });
    Ok(())
}
