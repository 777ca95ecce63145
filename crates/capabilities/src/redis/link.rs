//! The functions of Spin's interfaces for Redis, linked through the seam.

use super::wit::{Handle, redis};
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
        part: &mut parts.redis,
    }
}

/// `fermyon:spin@2.0.0`, and the same before it had a version.
pub(super) fn spin_2(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/redis", "@2.0.0", (), view, {
        drop async "connection" Handle = redis::HostConnection::drop;
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

/// `spin:redis@3.0.0`; the engine must have concurrency.
pub(super) fn spin_3(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "spin:redis/redis", "@3.0.0", Part, view, {
        drop async "connection" Handle = redis::HostConnection::drop;
        concurrent value "[static]connection.open" = v3::open { a };
        concurrent value "[method]connection.publish" = v3::publish { a, b, c };
        concurrent value "[method]connection.get" = v3::get { a, b };
        concurrent value "[method]connection.set" = v3::set { a, b, c };
        concurrent value "[method]connection.incr" = v3::incr { a, b };
        concurrent value "[method]connection.del" = v3::del { a, b };
        concurrent value "[method]connection.sadd" = v3::sadd { a, b, c };
        concurrent value "[method]connection.smembers" = v3::smembers { a, b };
        concurrent value "[method]connection.srem" = v3::srem { a, b, c };
        concurrent value "[method]connection.execute" = v3::execute { a, b, c };
    });
    Ok(())
}
