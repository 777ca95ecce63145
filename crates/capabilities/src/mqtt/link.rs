//! The functions of `fermyon:spin/mqtt`, linked through the seam.

use super::View;
use super::wit::{Handle, mqtt};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

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
