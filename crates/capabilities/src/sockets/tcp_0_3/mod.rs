//! TCP of WASI 0.3. Its connections move their bytes in streams, without a host call for each piece,
//! and its listeners accept without one. So what counts the bytes and bounds the sockets has to be
//! in those streams; wasmtime-wasi's cannot be reached, so the resource is ours.
//!
//! The functions here are the rows of `tcp-socket` in `wasi_0_3.rs`, but for `create`, which asks
//! for a seat (`count.rs`).

mod options;
mod socket;
mod streams;
#[cfg(test)]
mod tests;

pub use options::{
    get_hop_limit, get_keep_alive_count, get_keep_alive_enabled, get_keep_alive_idle_time,
    get_keep_alive_interval, get_receive_buffer_size, get_send_buffer_size, set_hop_limit,
    set_keep_alive_count, set_keep_alive_enabled, set_keep_alive_idle_time,
    set_keep_alive_interval, set_listen_backlog_size, set_receive_buffer_size,
    set_send_buffer_size,
};
pub use socket::TcpSocket;

use crate::State;
use crate::stdio::counted::Counter;
use crate::stdio::ending::Ending;
use holm_runtime::InstanceState as _;
use holm_runtime::limits::Limit;
use holm_runtime::receipt::Flows;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use streams::{Receiving, Sending};
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};
use wasmtime_wasi::p3::bindings::sockets::types::{ErrorCode, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p3::sockets::{SocketError, SocketResult};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtxView};

type View<'a> = WasiSocketsCtxView<'a>;
type Store<'a> = Access<'a, State, WasiSockets>;
type Outcome = FutureReader<Result<(), ErrorCode>>;

fn at<'a>(view: &'a mut View<'_>, socket: &Resource<TcpSocket>) -> SocketResult<&'a mut TcpSocket> {
    view.table.get_mut(socket).map_err(SocketError::trap)
}

/// `[resource-drop]tcp-socket`: streams of the connection go on.
pub fn drop(view: &mut View<'_>, socket: Resource<TcpSocket>) -> wasmtime::Result<()> {
    view.table.delete(socket)?;
    Ok(())
}

/// `tcp-socket.bind`
pub async fn bind(
    view: &mut View<'_>,
    socket: Resource<TcpSocket>,
    local: IpSocketAddress,
) -> SocketResult<()> {
    Ok(at(view, &socket)?.bind(local.into())?)
}

/// `tcp-socket.connect`
pub async fn connect(
    store: &Accessor<State, WasiSockets>,
    socket: Resource<TcpSocket>,
    remote: IpSocketAddress,
) -> SocketResult<()> {
    let connection = store.with(|mut store| -> SocketResult<_> {
        Ok(at(&mut store.get(), &socket)?.start_connect(SocketAddr::from(remote))?)
    })?;
    let result = connection.await;
    store.with(|mut store| Ok(at(&mut store.get(), &socket)?.finish_connect(result)?))
}

/// `tcp-socket.listen`
pub async fn listen(
    mut store: Store<'_>,
    socket: Resource<TcpSocket>,
) -> SocketResult<StreamReader<Resource<TcpSocket>>> {
    let listener = at(&mut store.get(), &socket)?.listen()?;
    StreamReader::new(&mut store, listener).map_err(SocketError::trap)
}

/// `tcp-socket.send`
pub fn send(
    mut store: Store<'_>,
    socket: Resource<TcpSocket>,
    mut data: StreamReader<u8>,
) -> wasmtime::Result<Outcome> {
    let (mut ending, end) = Ending::new();
    let half = store.get().table.get_mut(&socket)?.send();
    match half {
        Ok(half) => {
            let counter = counter(&mut store, |flows| &flows.sockets_out);
            data.pipe(&mut store, Sending::new(half, counter, ending))?;
        }
        Err(code) => {
            data.close(&mut store)?;
            ending.tell(Err(code.into()));
        }
    }
    FutureReader::new(&mut store, end)
}

/// Counts against the limit on bytes over the network.
fn counter(store: &mut Store<'_>, which: fn(&Flows) -> &AtomicU64) -> Counter {
    Counter::within(store.data_mut().core(), Limit::OutboundBytes, which)
}

/// `tcp-socket.receive`
pub fn receive(
    mut store: Store<'_>,
    socket: Resource<TcpSocket>,
) -> wasmtime::Result<(StreamReader<u8>, Outcome)> {
    let (mut ending, end) = Ending::new();
    let half = store.get().table.get_mut(&socket)?.receive();
    let data = match half {
        Ok(half) => {
            let counter = counter(&mut store, |flows| &flows.sockets_in);
            StreamReader::new(&mut store, Receiving::new(half, counter, ending))?
        }
        Err(code) => {
            ending.tell(Err(code.into()));
            StreamReader::new(&mut store, std::iter::empty())?
        }
    };
    Ok((data, FutureReader::new(&mut store, end)?))
}

/// `tcp-socket.get-local-address`
pub fn get_local_address(
    view: &mut View<'_>,
    socket: Resource<TcpSocket>,
) -> SocketResult<IpSocketAddress> {
    Ok(at(view, &socket)?.local_address()?.into())
}

/// `tcp-socket.get-remote-address`
pub fn get_remote_address(
    view: &mut View<'_>,
    socket: Resource<TcpSocket>,
) -> SocketResult<IpSocketAddress> {
    Ok(at(view, &socket)?.remote_address()?.into())
}

/// `tcp-socket.get-is-listening`
pub fn get_is_listening(
    view: &mut View<'_>,
    socket: Resource<TcpSocket>,
) -> wasmtime::Result<bool> {
    Ok(view.table.get(&socket)?.is_listening())
}

/// `tcp-socket.get-address-family`
pub fn get_address_family(
    view: &mut View<'_>,
    socket: Resource<TcpSocket>,
) -> wasmtime::Result<IpAddressFamily> {
    Ok(view.table.get(&socket)?.family())
}
