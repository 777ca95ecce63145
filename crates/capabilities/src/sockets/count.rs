//! The rows that make a socket, or drop one: each asks for a seat first ([`Room`]).
//!
//! The sockets of 0.2, and UDP of 0.3, are of wasmtime-wasi's types; their seats are kept beside
//! them, by their number in the table. TCP of 0.3 is ours and keeps its seat itself.
//!
//! [`Room`]: super::room::Room

use super::bytes;
use super::lookup::{convert, whole};
use super::room::Seat;
use super::tcp_0_3;
use crate::{Era, State};
use holm_runtime::cross;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::tcp::{InputStream, OutputStream};
use wasmtime_wasi::p2::bindings::sockets::{
    network, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::p2::{self, SocketResult};
use wasmtime_wasi::p3::bindings::sockets::types;
use wasmtime_wasi::p3::sockets as p3;
use wasmtime_wasi::sockets::{UdpSocket, WasiSocketsView as _};

/// Links the rows.
pub fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
    cross!(linker, "wasi:sockets/tcp-create-socket", "@0.2.12", HasSelf<State>, whole, {
        sync fallible(convert) "create-tcp-socket" = create_tcp { a };
    });
    cross!(linker, "wasi:sockets/udp-create-socket", "@0.2.12", HasSelf<State>, whole, {
        async fallible(convert) "create-udp-socket" = create_udp { a };
    });
    cross!(linker, "wasi:sockets/tcp", "@0.2.12", HasSelf<State>, whole, {
        drop "tcp-socket" p2::TcpSocket = drop_tcp;
        sync fallible(convert) "[method]tcp-socket.accept" = accept { a },
            note bytes::any => bytes::accepted;
    });
    cross!(linker, "wasi:sockets/udp", "@0.2.12", HasSelf<State>, whole, {
        drop "udp-socket" p2::UdpSocket = drop_udp;
    });
    if era == Era::P3 {
        cross!(linker, "wasi:sockets/types", "@0.3.0", HasSelf<State>, whole, {
            drop "udp-socket" UdpSocket = drop_udp_0_3;
            sync fallible(convert_0_3) "[static]tcp-socket.create" = create_tcp_0_3 { a };
            async fallible(convert_0_3) "[static]udp-socket.create" = create_udp_0_3 { a };
        });
    }
    Ok(())
}

fn seat_0_2(state: &State) -> SocketResult<Seat> {
    let seat = state.parts.sockets.room.take();
    seat.ok_or_else(|| network::ErrorCode::NewSocketLimit.into())
}

fn seat_0_3(state: &State) -> p3::SocketResult<Seat> {
    let seat = state.parts.sockets.room.take();
    seat.ok_or_else(|| types::ErrorCode::OutOfMemory.into())
}

fn keep<T>(state: &mut State, socket: &Resource<T>, seat: Seat) {
    state.parts.sockets.seats.insert(socket.rep(), seat);
}

pub(super) fn create_tcp(
    state: &mut &mut State,
    family: network::IpAddressFamily,
) -> SocketResult<Resource<p2::TcpSocket>> {
    let seat = seat_0_2(state)?;
    let socket = tcp_create_socket::Host::create_tcp_socket(&mut state.sockets(), family)?;
    keep(state, &socket, seat);
    Ok(socket)
}

pub(super) async fn create_udp(
    state: &mut &mut State,
    family: network::IpAddressFamily,
) -> SocketResult<Resource<p2::UdpSocket>> {
    let seat = seat_0_2(state)?;
    let socket = udp_create_socket::Host::create_udp_socket(&mut state.sockets(), family).await?;
    keep(state, &socket, seat);
    Ok(socket)
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
    let seat = seat_0_2(state)?;
    let accepted = tcp::HostTcpSocket::accept(&mut state.sockets(), listener)?;
    keep(state, &accepted.0, seat);
    Ok(accepted)
}

pub(super) fn drop_tcp(
    state: &mut &mut State,
    socket: Resource<p2::TcpSocket>,
) -> wasmtime::Result<()> {
    let number = socket.rep();
    tcp::HostTcpSocket::drop(&mut state.sockets(), socket)?;
    state.parts.sockets.seats.remove(&number);
    Ok(())
}

fn drop_udp(state: &mut &mut State, socket: Resource<p2::UdpSocket>) -> wasmtime::Result<()> {
    let number = socket.rep();
    udp::HostUdpSocket::drop(&mut state.sockets(), socket)?;
    state.parts.sockets.seats.remove(&number);
    Ok(())
}

pub(super) fn create_tcp_0_3(
    state: &mut &mut State,
    family: types::IpAddressFamily,
) -> p3::SocketResult<Resource<tcp_0_3::TcpSocket>> {
    let seat = seat_0_3(state)?;
    let checks = state.parts.sockets.checks.clone();
    let socket = tcp_0_3::TcpSocket::new(family, checks, seat)?;
    let table = state.table_and_parts().0;
    table.push(socket).map_err(p3::SocketError::trap)
}

async fn create_udp_0_3(
    state: &mut &mut State,
    family: types::IpAddressFamily,
) -> p3::SocketResult<Resource<UdpSocket>> {
    let seat = seat_0_3(state)?;
    let socket = types::HostUdpSocket::create(&mut state.sockets(), family).await?;
    keep(state, &socket, seat);
    Ok(socket)
}

fn drop_udp_0_3(state: &mut &mut State, socket: Resource<UdpSocket>) -> wasmtime::Result<()> {
    let number = socket.rep();
    types::HostUdpSocket::drop(&mut state.sockets(), socket)?;
    state.parts.sockets.seats.remove(&number);
    Ok(())
}

fn convert_0_3(_: &mut &mut State, error: p3::SocketError) -> wasmtime::Result<types::ErrorCode> {
    error.downcast()
}
