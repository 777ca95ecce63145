//! The options of a TCP socket, each asked of the system or told to it.

use super::{TcpSocket, View, at};
use rustix::io::Errno;
use rustix::net::sockopt;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use wasmtime::component::Resource;
use wasmtime_wasi::p3::bindings::sockets::types::{Duration as Nanoseconds, IpAddressFamily};
use wasmtime_wasi::p3::sockets::SocketResult;
use wasmtime_wasi::sockets::ErrorCode;

/// What Linux takes at most for times and counts of keep-alive, the least of all systems.
const KEEP_ALIVE_SECONDS_MAX: u64 = 32_767;
const KEEP_ALIVE_COUNT_MAX: u32 = 127;

type Handle = Resource<TcpSocket>;

fn option<T>(
    view: &mut View<'_>,
    socket: &Handle,
    act: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
) -> SocketResult<T> {
    let fd = at(view, socket)?.fd()?;
    Ok(act(fd).map_err(ErrorCode::from)?)
}

/// WASI: zero is never a value.
fn not_zero<T: PartialEq + From<u8>>(value: T) -> SocketResult<T> {
    match value == T::from(0) {
        true => Err(ErrorCode::InvalidArgument.into()),
        false => Ok(value),
    }
}

/// `tcp-socket.set-listen-backlog-size`
pub fn set_listen_backlog_size(
    view: &mut View<'_>,
    socket: Handle,
    value: u64,
) -> SocketResult<()> {
    let value = u32::try_from(not_zero(value)?).unwrap_or(u32::MAX);
    Ok(at(view, &socket)?.set_backlog(value.min(i32::MAX.unsigned_abs()))?)
}

/// `tcp-socket.get-keep-alive-enabled`
pub fn get_keep_alive_enabled(view: &mut View<'_>, socket: Handle) -> SocketResult<bool> {
    option(view, &socket, |fd| sockopt::socket_keepalive(fd))
}

/// `tcp-socket.set-keep-alive-enabled`
pub fn set_keep_alive_enabled(
    view: &mut View<'_>,
    socket: Handle,
    value: bool,
) -> SocketResult<()> {
    option(view, &socket, |fd| sockopt::set_socket_keepalive(fd, value))
}

/// `tcp-socket.get-keep-alive-idle-time`
pub fn get_keep_alive_idle_time(view: &mut View<'_>, socket: Handle) -> SocketResult<Nanoseconds> {
    option(view, &socket, |fd| sockopt::tcp_keepidle(fd)).map(nanoseconds)
}

/// `tcp-socket.set-keep-alive-idle-time`
pub fn set_keep_alive_idle_time(
    view: &mut View<'_>,
    socket: Handle,
    value: Nanoseconds,
) -> SocketResult<()> {
    let value = keep_alive(not_zero(value)?);
    option(view, &socket, |fd| sockopt::set_tcp_keepidle(fd, value))
}

/// `tcp-socket.get-keep-alive-interval`
pub fn get_keep_alive_interval(view: &mut View<'_>, socket: Handle) -> SocketResult<Nanoseconds> {
    option(view, &socket, |fd| sockopt::tcp_keepintvl(fd)).map(nanoseconds)
}

/// `tcp-socket.set-keep-alive-interval`
pub fn set_keep_alive_interval(
    view: &mut View<'_>,
    socket: Handle,
    value: Nanoseconds,
) -> SocketResult<()> {
    let value = keep_alive(not_zero(value)?);
    option(view, &socket, |fd| sockopt::set_tcp_keepintvl(fd, value))
}

/// `tcp-socket.get-keep-alive-count`
pub fn get_keep_alive_count(view: &mut View<'_>, socket: Handle) -> SocketResult<u32> {
    option(view, &socket, |fd| sockopt::tcp_keepcnt(fd))
}

/// `tcp-socket.set-keep-alive-count`
pub fn set_keep_alive_count(view: &mut View<'_>, socket: Handle, value: u32) -> SocketResult<()> {
    let value = not_zero(value)?.min(KEEP_ALIVE_COUNT_MAX);
    option(view, &socket, |fd| sockopt::set_tcp_keepcnt(fd, value))
}

/// `tcp-socket.get-hop-limit`
pub fn get_hop_limit(view: &mut View<'_>, socket: Handle) -> SocketResult<u8> {
    match at(view, &socket)?.family() {
        IpAddressFamily::Ipv4 => {
            let limit = option(view, &socket, |fd| sockopt::ip_ttl(fd))?;
            Ok(u8::try_from(limit).map_err(|_| ErrorCode::NotSupported)?)
        }
        IpAddressFamily::Ipv6 => option(view, &socket, |fd| sockopt::ipv6_unicast_hops(fd)),
    }
}

/// `tcp-socket.set-hop-limit`
pub fn set_hop_limit(view: &mut View<'_>, socket: Handle, value: u8) -> SocketResult<()> {
    let value = not_zero(value)?;
    let family = at(view, &socket)?.family();
    option(view, &socket, |fd| match family {
        IpAddressFamily::Ipv4 => sockopt::set_ip_ttl(fd, value.into()),
        IpAddressFamily::Ipv6 => sockopt::set_ipv6_unicast_hops(fd, Some(value)),
    })
}

/// `tcp-socket.get-receive-buffer-size`
pub fn get_receive_buffer_size(view: &mut View<'_>, socket: Handle) -> SocketResult<u64> {
    option(view, &socket, |fd| sockopt::socket_recv_buffer_size(fd)).map(buffer)
}

/// `tcp-socket.set-receive-buffer-size`
pub fn set_receive_buffer_size(
    view: &mut View<'_>,
    socket: Handle,
    value: u64,
) -> SocketResult<()> {
    let value = wished_buffer(not_zero(value)?);
    option(view, &socket, |fd| {
        hint(sockopt::set_socket_recv_buffer_size(fd, value))
    })
}

/// `tcp-socket.get-send-buffer-size`
pub fn get_send_buffer_size(view: &mut View<'_>, socket: Handle) -> SocketResult<u64> {
    option(view, &socket, |fd| sockopt::socket_send_buffer_size(fd)).map(buffer)
}

/// `tcp-socket.set-send-buffer-size`
pub fn set_send_buffer_size(view: &mut View<'_>, socket: Handle, value: u64) -> SocketResult<()> {
    let value = wished_buffer(not_zero(value)?);
    option(view, &socket, |fd| {
        hint(sockopt::set_socket_send_buffer_size(fd, value))
    })
}

fn nanoseconds(time: Duration) -> Nanoseconds {
    Nanoseconds::try_from(time.as_nanos()).unwrap_or(Nanoseconds::MAX)
}

/// The system counts in seconds, and takes no zero.
fn keep_alive(time: Nanoseconds) -> Duration {
    Duration::from_nanos(time).clamp(
        Duration::from_secs(1),
        Duration::from_secs(KEEP_ALIVE_SECONDS_MAX),
    )
}

/// Linux doubles what it is told, for its own needs, and says so when asked.
fn buffer(size: usize) -> u64 {
    let size = if cfg!(target_os = "linux") {
        size / 2
    } else {
        size
    };
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn wished_buffer(size: u64) -> usize {
    // The system's type is an `int`.
    usize::try_from(size.min(i32::MAX.unsigned_abs().into())).unwrap_or(usize::MAX)
}

/// A size of a buffer is a wish: most systems take what they can, the others say that it is too much.
fn hint(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOBUFS) => Ok(()),
        other => other,
    }
}
