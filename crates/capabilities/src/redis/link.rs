//! The functions of `fermyon:spin/redis`, linked through the seam.

use super::session::Session;
use super::wit::redis;
use super::{View, legacy};
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

fn view(state: &mut State) -> View<'_> {
    let (table, parts) = state.table_and_parts();
    View {
        table,
        part: &mut parts.redis,
    }
}

/// `fermyon:spin@2.0.0`, and the same before it had a version.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/redis", "@2.0.0", (), view, {
        drop async "connection" Session = redis::HostConnection::drop;
        async value "[static]connection.open" = redis::HostConnection::open { a };
        async value "[method]connection.publish" = redis::HostConnection::publish { a, b, c };
        async value "[method]connection.get" = redis::HostConnection::get { a, b };
        async value "[method]connection.set" = redis::HostConnection::set { a, b, c };
        async value "[method]connection.incr" = redis::HostConnection::incr { a, b };
        async value "[method]connection.del" = redis::HostConnection::del { a, b };
        async value "[method]connection.sadd" = redis::HostConnection::sadd { a, b, c };
        async value "[method]connection.smembers" = redis::HostConnection::smembers { a, b };
        async value "[method]connection.srem" = redis::HostConnection::srem { a, b, c };
        async value "[method]connection.execute" = redis::HostConnection::execute { a, b, c };
    });
    cross!(linker, "fermyon:spin/redis", "", (), view, {
        async value "publish" = legacy::Host::publish { a, b, c };
        async value "get" = legacy::Host::get { a, b };
        async value "set" = legacy::Host::set { a, b, c };
        async value "incr" = legacy::Host::incr { a, b };
        async value "del" = legacy::Host::del { a, b };
        async value "sadd" = legacy::Host::sadd { a, b, c };
        async value "smembers" = legacy::Host::smembers { a, b };
        async value "srem" = legacy::Host::srem { a, b, c };
        async value "execute" = legacy::Host::execute { a, b, c };
    });
    Ok(())
}
