//! The functions of Spin's interfaces for MySQL, linked through the seam.

use super::wit::{Handle, mysql};
use super::{View, legacy, v3};
use crate::State;
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
        part: &mut parts.mysql,
    }
}

/// `fermyon:spin@2.0.0`, and the same before it had a version.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/mysql", "@2.0.0", (), view, {
        drop async "connection" Handle = mysql::HostConnection::drop;
        async value "[static]connection.open" = mysql::HostConnection::open { a };
        async value "[method]connection.query" = mysql::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = mysql::HostConnection::execute { a, b, c };
    });
    cross!(linker, "fermyon:spin/mysql", "", (), view, {
        async value "query" = legacy::Host::query { a, b, c };
        async value "execute" = legacy::Host::execute { a, b, c };
    });
    Ok(())
}

/// `spin:mysql@3.0.0`; the engine must have concurrency.
pub(super) fn spin_3(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:mysql/mysql", "@3.0.0", Part, view, {
        drop async "connection" Handle = mysql::HostConnection::drop;
        concurrent value "[static]connection.open" = v3::open { a };
        concurrent value "[method]connection.query" = v3::query { a, b, c };
        concurrent value "[method]connection.execute" = v3::execute { a, b, c };
    });
    Ok(())
}
