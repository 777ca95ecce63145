//! Sockets of 0.3 on this machine: what they may do when, who is let in, how a connection ends.

use super::streams::{Listener, code as code_of};
use super::*;
use crate::sockets::check::Checks;
use crate::sockets::count::create_tcp_0_3;
use crate::sockets::room::Room;
use crate::sockets::tests::{SOCKETS_MAX, at, checks, policy, state};
use holm_runtime::Core;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime_wasi::p3::bindings::sockets::types;
use wasmtime_wasi::sockets::{ErrorCode, WasiSocketsView as _};

const V4: IpAddressFamily = IpAddressFamily::Ipv4;
const V6: IpAddressFamily = IpAddressFamily::Ipv6;

/// Makes sockets that may do what `net` says.
struct Maker {
    checks: Arc<Checks>,
    room: Room,
    core: Core,
}

impl Maker {
    fn new(connect: &[&str], listen: &[&str]) -> Maker {
        let (checks, core) = checks(connect, listen, &[]);
        let room = Room::new(&core);
        Maker { checks, room, core }
    }

    fn socket(&self, family: IpAddressFamily) -> TcpSocket {
        let seat = self.room.take().unwrap();
        TcpSocket::new(family, self.checks.clone(), seat).unwrap()
    }

    fn listening(&self) -> (TcpSocket, Listener, SocketAddr) {
        let mut socket = self.socket(V4);
        socket.bind(at("127.0.0.1:0")).unwrap();
        let listener = socket.listen().unwrap();
        let address = socket.local_address().unwrap();
        (socket, listener, address)
    }
}

async fn connect(socket: &mut TcpSocket, to: SocketAddr) -> Result<(), ErrorCode> {
    let result = socket.start_connect(to)?.await;
    socket.finish_connect(result)
}

/// Codes have no equality of their own.
fn code<T>(result: Result<T, ErrorCode>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

async fn accept(listener: &mut Listener) -> TcpSocket {
    poll_fn(|cx| listener.poll_accept(cx)).await
}

#[tokio::test]
async fn a_socket_goes_one_way_only() {
    let maker = Maker::new(&["127.0.0.1:*"], &["127.0.0.1:*"]);
    let (mut server, mut listener, address) = maker.listening();
    assert!(server.is_listening());
    assert_eq!(code(server.bind(address)), "InvalidState");
    assert_eq!(code(server.listen()), "InvalidState");
    assert_eq!(code(connect(&mut server, address).await), "InvalidState");
    assert_eq!(code(server.send()), "InvalidState");

    let mut client = maker.socket(V4);
    assert_eq!(code(client.local_address()), "InvalidState");
    assert_eq!(code(client.remote_address()), "InvalidState");
    assert_eq!(code(client.receive()), "InvalidState");
    connect(&mut client, address).await.unwrap();
    let accepted = accept(&mut listener).await;
    assert_eq!(client.remote_address().unwrap(), address);
    assert_eq!(
        accepted.remote_address().unwrap(),
        client.local_address().unwrap()
    );
    assert_eq!(code(client.listen()), "InvalidState");
    let _half = client.send().unwrap();
    assert_eq!(code(client.send()), "InvalidState");
}

#[tokio::test]
async fn addresses_that_make_no_sense() {
    let maker = Maker::new(&["all"], &["all"]);
    for (family, address) in [
        (V4, "[::1]:80"),
        (V4, "224.0.0.1:80"),
        (V4, "255.255.255.255:80"),
        (V6, "127.0.0.1:80"),
        (V6, "[::ffff:127.0.0.1]:80"),
        (V6, "[::7f00:1]:80"),
        (V6, "[ff02::1]:80"),
    ] {
        let mut socket = maker.socket(family);
        assert_eq!(
            code(socket.bind(at(address))),
            "InvalidArgument",
            "{address}"
        );
        let connected = connect(&mut socket, at(address)).await;
        assert_eq!(code(connected), "InvalidArgument", "{address}");
    }
    for nowhere in ["0.0.0.0:80", "127.0.0.1:0"] {
        let mut socket = maker.socket(V4);
        let connected = connect(&mut socket, at(nowhere)).await;
        assert_eq!(code(connected), "InvalidArgument", "{nowhere}");
    }
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_recorded() {
    let maker = Maker::new(&[], &[]);
    let mut socket = maker.socket(V4);
    assert_eq!(code(socket.bind(at("127.0.0.1:0"))), "AccessDenied");
    assert_eq!(code(socket.listen()), "AccessDenied");
    let connected = connect(&mut socket, at("127.0.0.1:9")).await;
    assert_eq!(code(connected), "AccessDenied");
    // And so it stays.
    assert_eq!(code(socket.local_address()), "AccessDenied");
    assert_eq!(code(socket.send()), "AccessDenied");
    let flags: Vec<_> = maker.core.denials.list();
    let flags: Vec<_> = flags.iter().map(|d| d.flag.as_str()).collect();
    assert_eq!(
        flags,
        [
            "--bind 127.0.0.1:*",
            "--bind 0.0.0.0:*",
            "--net 127.0.0.1:9"
        ]
    );
}

#[tokio::test]
async fn nobody_is_accepted_without_a_seat() {
    let maker = Maker::new(&[], &["127.0.0.1:*"]);
    let (_server, mut listener, address) = maker.listening();
    let mut seats: Vec<_> = std::iter::from_fn(|| maker.room.take()).collect();
    assert_eq!(seats.len(), SOCKETS_MAX - 1);
    // It connects, as the system queues it, but nobody takes it from there.
    let mut client = TcpStream::connect(address).await.unwrap();
    let waited = timeout(Duration::from_millis(100), accept(&mut listener)).await;
    assert!(waited.is_err(), "accepted one too many");
    let closing = async {
        tokio::task::yield_now().await;
        seats.pop();
    };
    let (mut accepted, ()) = tokio::join!(accept(&mut listener), closing);
    assert!(maker.room.take().is_none(), "it has a seat of its own");

    // The seat goes with what is last of the socket, here a stream.
    let half = accepted.send().unwrap();
    std::mem::drop(accepted);
    assert!(maker.room.take().is_none());
    std::mem::drop(half);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(maker.room.take().is_some());
}

/// A connection that was accepted when the guest only asked whether there is one is not lost.
#[tokio::test]
async fn asking_whether_somebody_came() {
    let maker = Maker::new(&[], &["127.0.0.1:*"]);
    let (_server, mut listener, address) = maker.listening();
    let client = TcpStream::connect(address).await.unwrap();
    poll_fn(|cx| listener.poll_ready(cx)).await;
    poll_fn(|cx| listener.poll_ready(cx)).await;
    let accepted = accept(&mut listener).await;
    let from = accepted.remote_address().unwrap();
    assert_eq!(from, client.local_addr().unwrap());
}

#[tokio::test]
async fn the_halves_of_a_connection_end_apart() {
    let maker = Maker::new(&[], &["127.0.0.1:*"]);
    let (_server, mut listener, address) = maker.listening();
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut accepted = accept(&mut listener).await;
    let (sending, receiving) = (accepted.send().unwrap(), accepted.receive().unwrap());
    let size = poll_fn(|cx| sending.poll_write(cx, b"bye")).await.unwrap();
    assert_eq!(size, 3);
    std::mem::drop(sending);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "bye");

    client.write_all(b"still here").await.unwrap();
    let mut buffer = [0; 64];
    let size = poll_fn(|cx| receiving.poll_read(cx, &mut buffer)).await;
    assert_eq!(&buffer[..size.unwrap()], b"still here");
    std::mem::drop(client);
    let size = poll_fn(|cx| receiving.poll_read(cx, &mut buffer)).await;
    assert_eq!(size.unwrap(), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_or_that_nobody_has() {
    let maker = Maker::new(&["127.0.0.1:*"], &["127.0.0.1:*"]);
    let (_server, listener, address) = maker.listening();
    let mut second = maker.socket(V4);
    let bound = second
        .bind(address)
        .and_then(|()| second.listen().map(|_| ()));
    assert_eq!(code(bound), "AddressInUse");
    std::mem::drop((_server, listener));
    let mut client = maker.socket(V4);
    assert_eq!(
        code(connect(&mut client, address).await),
        "ConnectionRefused"
    );
    assert_eq!(code(client.receive()), "ConnectionRefused");
}

#[tokio::test]
async fn options_reach_the_system_and_zero_is_none() {
    const SECOND: u64 = 1_000_000_000;
    let mut state = state(policy(&[], &[]));
    for family in [V4, V6] {
        let socket = create_tcp_0_3(&mut &mut state, family).unwrap();
        let it = || Resource::new_borrow(socket.rep());
        let view = &mut state.sockets();
        set_keep_alive_enabled(view, it(), true).unwrap();
        assert!(get_keep_alive_enabled(view, it()).unwrap());
        for (set, got) in [
            (30 * SECOND, 30 * SECOND),
            (1, SECOND),
            (u64::MAX, 32_767 * SECOND),
        ] {
            set_keep_alive_idle_time(view, it(), set).unwrap();
            assert_eq!(get_keep_alive_idle_time(view, it()).unwrap(), got);
            set_keep_alive_interval(view, it(), set).unwrap();
            assert_eq!(get_keep_alive_interval(view, it()).unwrap(), got);
        }
        for (set, got) in [(3, 3), (u32::MAX, 127)] {
            set_keep_alive_count(view, it(), set).unwrap();
            assert_eq!(get_keep_alive_count(view, it()).unwrap(), got);
        }
        set_hop_limit(view, it(), 42).unwrap();
        assert_eq!(get_hop_limit(view, it()).unwrap(), 42);
        set_receive_buffer_size(view, it(), 65_536).unwrap();
        assert_eq!(get_receive_buffer_size(view, it()).unwrap(), 65_536);
        set_send_buffer_size(view, it(), 65_536).unwrap();
        assert_eq!(get_send_buffer_size(view, it()).unwrap(), 65_536);
        set_send_buffer_size(view, it(), u64::MAX).unwrap();
        set_listen_backlog_size(view, it(), u64::MAX).unwrap();

        for refused in [
            set_keep_alive_idle_time(view, it(), 0),
            set_keep_alive_interval(view, it(), 0),
            set_keep_alive_count(view, it(), 0),
            set_hop_limit(view, it(), 0),
            set_receive_buffer_size(view, it(), 0),
            set_send_buffer_size(view, it(), 0),
            set_listen_backlog_size(view, it(), 0),
        ] {
            let code = refused.unwrap_err().downcast().unwrap();
            assert!(
                matches!(code, types::ErrorCode::InvalidArgument),
                "{code:?}"
            );
        }
    }
}

/// The guest is told what broke a connection, and not just that something did.
#[test]
fn errors_of_a_connection_have_names() {
    use types::ErrorCode::{ConnectionBroken, ConnectionReset};
    let code = |number| code_of(std::io::Error::from_raw_os_error(number));
    assert!(matches!(code(libc::EPIPE), ConnectionBroken));
    assert!(matches!(code(libc::ECONNRESET), ConnectionReset));
}
