//! Counts what moves over sockets: streams of 0.2 as they pass, datagrams as they come and go. The
//! streams of 0.3 count themselves (`tcp_0_3/streams.rs`).

use crate::State;
use crate::stdio::counted::Counter;
use holm_runtime::InstanceState as _;
use holm_runtime::limits::{Limit, LimitHit};
use holm_runtime::receipt::Flows;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::udp::{
    IncomingDatagram, OutgoingDatagram, OutgoingDatagramStream,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, SocketError, TcpSocket};
use wasmtime_wasi::p3::bindings::sockets::types::IpSocketAddress;
use wasmtime_wasi::p3::sockets::{self as p3, SocketResult};
use wasmtime_wasi::sockets::UdpSocket;

/// The two directions of a connection.
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

/// Before a call of which only the result counts.
pub(crate) fn any<A>(_: &mut State, _: A) {}

/// After `finish-connect`.
pub(crate) fn connected(state: &mut State, (): (), result: &mut Result<Streams, SocketError>) {
    if let Ok((input, output)) = result {
        watch(state, input, output);
    }
}

/// After `accept`.
#[allow(clippy::type_complexity)]
pub(crate) fn accepted(
    state: &mut State,
    (): (),
    result: &mut Result<
        (
            Resource<TcpSocket>,
            Resource<DynInputStream>,
            Resource<DynOutputStream>,
        ),
        SocketError,
    >,
) {
    if let Ok((_, input, output)) = result {
        watch(state, input, output);
    }
}

fn watch(state: &mut State, input: &Resource<DynInputStream>, output: &Resource<DynOutputStream>) {
    let core = state.core();
    let received = Counter::within(core, Limit::OutboundBytes, |flows| &flows.sockets_in);
    let sent = Counter::within(core, Limit::OutboundBytes, |flows| &flows.sockets_out);
    let table = state.table_and_parts().0;
    if let Ok(place) = table.get_mut(input) {
        received.watch_input(place);
    }
    if let Ok(place) = table.get_mut(output) {
        sent.watch_output(place);
    }
}

/// A datagram that went over the limit ends the event, because its errors cannot say why.
fn over(state: &mut State, bytes: usize) -> Option<LimitHit> {
    let core = state.core();
    let room = core
        .budget
        .meter
        .room(Limit::OutboundBytes, &core.flows, bytes);
    room.err()
}

/// After `receive`.
pub(crate) fn received(
    state: &mut State,
    (): (),
    result: &mut Result<Vec<IncomingDatagram>, SocketError>,
) {
    if let Ok(datagrams) = result {
        let bytes = datagrams.iter().map(|d| d.data.len()).sum();
        match over(state, bytes) {
            Some(hit) => *result = Err(SocketError::trap(hit)),
            None => Flows::add(&state.core().flows.sockets_in, bytes),
        }
    }
}

/// Before `send`: the sizes of the datagrams, because how many went out is known only after.
pub(crate) fn sending(
    _: &mut State,
    (_, datagrams): (&Resource<OutgoingDatagramStream>, &Vec<OutgoingDatagram>),
) -> Vec<usize> {
    datagrams.iter().map(|d| d.data.len()).collect()
}

/// After `send`.
pub(crate) fn sent(state: &mut State, sizes: Vec<usize>, result: &mut Result<u64, SocketError>) {
    if let Ok(count) = result {
        let bytes = sizes
            .iter()
            .take(usize::try_from(*count).unwrap_or(usize::MAX))
            .sum();
        match over(state, bytes) {
            Some(hit) => *result = Err(SocketError::trap(hit)),
            None => Flows::add(&state.core().flows.sockets_out, bytes),
        }
    }
}

/// After `receive` of 0.3.
pub(crate) fn received_0_3(
    state: &mut State,
    (): (),
    result: &mut SocketResult<(Vec<u8>, IpSocketAddress)>,
) {
    if let Ok((data, _)) = result {
        let size = data.len();
        match over(state, size) {
            Some(hit) => *result = Err(p3::SocketError::trap(hit)),
            None => Flows::add(&state.core().flows.sockets_in, size),
        }
    }
}

/// Before `send` of 0.3: the size, which the call takes away.
pub(crate) fn sending_0_3(
    _: &mut State,
    (_, data, _): (&Resource<UdpSocket>, &Vec<u8>, &Option<IpSocketAddress>),
) -> usize {
    data.len()
}

/// After `send` of 0.3.
pub(crate) fn sent_0_3(state: &mut State, size: usize, result: &mut SocketResult<()>) {
    if result.is_ok() {
        match over(state, size) {
            Some(hit) => *result = Err(p3::SocketError::trap(hit)),
            None => Flows::add(&state.core().flows.sockets_out, size),
        }
    }
}
