//! The functions of `fermyon:spin/mysql`, linked through the seam.

use super::session::Session;
use super::wit::mysql;
use super::{View, legacy};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

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
        drop async "connection" Session = mysql::HostConnection::drop;
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
