//! The functions of the interfaces for PostgreSQL, linked through the seam.

use super::builder::Builder;
use super::older::{v2, v3};
use super::types as v4;
use super::wit::Handle;
use super::{View, builder, legacy, v4_2};
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
        part: &mut parts.postgres,
    }
}

/// `fermyon:spin@2.0.0`, and the same before it had a version.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/postgres", "@2.0.0", (), view, {
        drop async "connection" Handle = v2::HostConnection::drop;
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
        drop async "connection" Handle = v3::HostConnection::drop;
        async value "[static]connection.open" = v3::HostConnection::open { a };
        async value "[method]connection.query" = v3::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = v3::HostConnection::execute { a, b, c };
    });
    Ok(())
}

/// `spin:postgres@4.0.0` and what came after it.
pub(super) fn postgres_4(linker: &mut Linker<State>, era: Era) -> Result<()> {
    cross!(linker, "spin:postgres/postgres", "@4.0.0", (), view, {
        drop async "connection" Handle = v4::HostConnection::drop;
        async value "[static]connection.open" = v4::HostConnection::open { a };
        async value "[method]connection.query" = v4::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = v4::HostConnection::execute { a, b, c };
    });
    cross!(linker, "spin:postgres/postgres", "@4.2.0", (), view, {
        drop async "connection-builder" Builder = builder::drop;
        async value "[constructor]connection-builder" = builder::new { a };
        async value "[method]connection-builder.set-ca-root" = builder::set_ca_root { a, b };
        async value "[method]connection-builder.build" = builder::build { a };
        drop async "connection" Handle = v4::HostConnection::drop;
        async value "[static]connection.open" = v4::HostConnection::open { a };
        async value "[method]connection.query" = v4::HostConnection::query { a, b, c };
        async value "[method]connection.execute" = v4::HostConnection::execute { a, b, c };
    });
    // The rest of 4.2.0; the engine must have concurrency.
    if era == Era::P3 {
        cross!(linker, "spin:postgres/postgres", "@4.2.0", Part, view, {
            concurrent value "[method]connection-builder.build-async" = v4_2::build { a };
            concurrent value "[static]connection.open-async" = v4_2::open { a };
            concurrent value "[method]connection.query-async" = v4_2::query { a, b, c };
            concurrent value "[method]connection.execute-async" = v4_2::execute { a, b, c };
        });
    }
    Ok(())
}
