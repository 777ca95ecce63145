//! The functions of Spin's interfaces for MQTT, linked through the seam.

use super::wit::{Handle, mqtt};
use super::{View, v3};
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
        part: &mut parts.mqtt,
    }
}

/// `fermyon:spin@2.0.0`.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/mqtt", "@2.0.0", (), view, {
        drop async "connection" Handle = mqtt::HostConnection::drop;
        async value "[static]connection.open" = mqtt::HostConnection::open { a, b, c, d };
        async value "[method]connection.publish" = mqtt::HostConnection::publish { a, b, c, d };
    });
    Ok(())
}

/// `spin:mqtt@3.0.0`; the engine must have concurrency.
pub(super) fn spin_3(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:mqtt/mqtt", "@3.0.0", Part, view, {
        drop async "connection" Handle = mqtt::HostConnection::drop;
        concurrent value "[static]connection.open" = v3::open { a, b, c, d };
        concurrent value "[method]connection.publish" = v3::publish { a, b, c, d };
    });
    Ok(())
}
