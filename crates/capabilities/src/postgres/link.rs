//! The functions of the interfaces for PostgreSQL, linked through the seam.

use super::older::{v2, v3};
use super::session::Session;
use super::types as v4;
use super::{View, legacy};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        table,
        part: &mut parts.postgres,
    }
}

/// `fermyon:spin@2.0.0`, and the same before it had a version.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/postgres", "@2.0.0", (), view, {
        drop async "connection" Session = v2::HostConnection::drop;
        async value "[static]connection.open" = v2::HostConnection::open { a };
        async value "[method]connection.query" = v2::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = v2::HostConnection::execute { a, b, c };
    });
    cross!(linker, "fermyon:spin/postgres", "", (), view, {
        async value "query" = legacy::Host::query { a, b, c };
        async value "execute" = legacy::Host::execute { a, b, c };
    });
    Ok(())
}

/// `spin:postgres@3.0.0`.
pub(super) fn postgres_3(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:postgres/postgres", "@3.0.0", (), view, {
        drop async "connection" Session = v3::HostConnection::drop;
        async value "[static]connection.open" = v3::HostConnection::open { a };
        async value "[method]connection.query" = v3::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = v3::HostConnection::execute { a, b, c };
    });
    Ok(())
}

/// `spin:postgres@4.0.0`.
pub(super) fn postgres_4(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:postgres/postgres", "@4.0.0", (), view, {
        drop async "connection" Session = v4::HostConnection::drop;
        async value "[static]connection.open" = v4::HostConnection::open { a };
        async value "[method]connection.query" = v4::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = v4::HostConnection::execute { a, b, c };
    });
    Ok(())
}
