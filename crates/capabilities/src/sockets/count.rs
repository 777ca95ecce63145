//! How many sockets an instance may hold: the rows that make one ask for room first.
//!
//! Sockets live in the instance's table of resources. Counting them there is exact but takes as
//! long as the table is, so it is done only when as many were made as there was room for.
//! A 0.3 listener makes sockets without a call; those count here, but are not refused.

use super::lookup::{convert, whole};
use crate::{Era, State};
use holm_runtime::cross;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::tcp::{InputStream, OutputStream};
use wasmtime_wasi::p2::bindings::sockets::{network, tcp, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{self, SocketResult};
use wasmtime_wasi::p3::bindings::sockets::types;
use wasmtime_wasi::p3::sockets as p3;
use wasmtime_wasi::sockets::{TcpSocket, UdpSocket, WasiSocketsView as _};

/// Sockets of one instance.
pub(super) const SOCKETS_MAX: usize = 256;

/// How many more sockets can be made before they have to be counted.
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Room(SOCKETS_MAX)
    }
}

/// Takes room for one socket; `false`: there is none.
fn take_room(state: &mut State) -> bool {
    if state.parts.sockets.room.0 == 0 {
        let is_socket = |entry: &&mut (dyn std::any::Any + Send)| {
            entry.is::<p2::TcpSocket>()
                || entry.is::<p2::UdpSocket>()
                || entry.is::<TcpSocket>()
                || entry.is::<UdpSocket>()
        };
        let (table, parts) = state.table_and_parts();
        let open = table.iter_mut().filter(is_socket).count();
        parts.sockets.room.0 = SOCKETS_MAX.saturating_sub(open);
    }
    let room = &mut state.parts.sockets.room.0;
    let left = room.checked_sub(1);
    *room = left.unwrap_or(0);
    left.is_some()
}

/// Links the rows.
pub fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
    cross!(linker, "wasi:sockets/tcp-create-socket", "@0.2.12", HasSelf<State>, whole, {
        sync fallible(convert) "create-tcp-socket" = create_tcp { a };
    });
    cross!(linker, "wasi:sockets/udp-create-socket", "@0.2.12", HasSelf<State>, whole, {
        async fallible(convert) "create-udp-socket" = create_udp { a };
    });
    cross!(linker, "wasi:sockets/tcp", "@0.2.12", HasSelf<State>, whole, {
        sync fallible(convert) "[method]tcp-socket.accept" = accept { a };
    });
    if era == Era::P3 {
        cross!(linker, "wasi:sockets/types", "@0.3.0", HasSelf<State>, whole, {
            sync fallible(convert_0_3) "[static]tcp-socket.create" = create_tcp_0_3 { a };
            async fallible(convert_0_3) "[static]udp-socket.create" = create_udp_0_3 { a };
        });
    }
    Ok(())
}

pub(super) fn create_tcp(
    state: &mut &mut State,
    family: network::IpAddressFamily,
) -> SocketResult<Resource<p2::TcpSocket>> {
    if !take_room(state) {
        return Err(network::ErrorCode::NewSocketLimit.into());
    }
    tcp_create_socket::Host::create_tcp_socket(&mut state.sockets(), family)
}

pub(super) async fn create_udp(
    state: &mut &mut State,
    family: network::IpAddressFamily,
) -> SocketResult<Resource<p2::UdpSocket>> {
    if !take_room(state) {
        return Err(network::ErrorCode::NewSocketLimit.into());
    }
    udp_create_socket::Host::create_udp_socket(&mut state.sockets(), family).await
}

pub(super) type Accepted = (
    Resource<p2::TcpSocket>,
    Resource<InputStream>,
    Resource<OutputStream>,
);

pub(super) fn accept(
    state: &mut &mut State,
    listener: Resource<p2::TcpSocket>,
) -> SocketResult<Accepted> {
    if !take_room(state) {
        return Err(network::ErrorCode::NewSocketLimit.into());
    }
    tcp::HostTcpSocket::accept(&mut state.sockets(), listener)
}

fn create_tcp_0_3(
    state: &mut &mut State,
    family: types::IpAddressFamily,
) -> p3::SocketResult<Resource<TcpSocket>> {
    if !take_room(state) {
        return Err(types::ErrorCode::OutOfMemory.into());
    }
    types::HostTcpSocket::create(&mut state.sockets(), family)
}

async fn create_udp_0_3(
    state: &mut &mut State,
    family: types::IpAddressFamily,
) -> p3::SocketResult<Resource<UdpSocket>> {
    if !take_room(state) {
        return Err(types::ErrorCode::OutOfMemory.into());
    }
    types::HostUdpSocket::create(&mut state.sockets(), family).await
}

fn convert_0_3(_: &mut &mut State, error: p3::SocketError) -> wasmtime::Result<types::ErrorCode> {
    error.downcast()
}
