//! A TCP socket: the stages that it passes through, and what may be done at each.

use super::streams::{Half, Listener};
use crate::sockets::check::Checks;
use crate::sockets::room::Seat;
use rustix::net::{Shutdown, sockopt};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use tokio::net::{self, TcpListener, TcpStream};
use wasmtime_wasi::p3::bindings::sockets::types::IpAddressFamily;
use wasmtime_wasi::sockets::{ErrorCode, SocketAddrUse};

/// What is asked of the system when the guest says nothing: as Rust's standard library.
const BACKLOG_DEFAULT: u32 = 128;

/// The resource `tcp-socket`.
pub struct TcpSocket {
    stage: Stage,
    family: IpAddressFamily,
    backlog: u32,
    checks: Arc<Checks>,
    seat: Seat,
}

enum Stage {
    /// Made, and maybe bound.
    New(net::TcpSocket),
    /// The connection is made by the call that asked for it. One that was given up stays here: the
    /// socket went with the call.
    Connecting,
    Listening(Arc<TcpListener>),
    Connected {
        stream: Arc<TcpStream>,
        /// `send` and `receive` are for once.
        sent: bool,
        received: bool,
    },
    Closed(ErrorCode),
}

impl Stage {
    fn connected(result: Result<TcpStream, ErrorCode>) -> Self {
        match result {
            Ok(stream) => Stage::Connected {
                stream: Arc::new(stream),
                sent: false,
                received: false,
            },
            Err(code) => Stage::Closed(code),
        }
    }
}

impl TcpSocket {
    /// A fresh socket.
    pub(in crate::sockets) fn new(
        family: IpAddressFamily,
        checks: Arc<Checks>,
        seat: Seat,
    ) -> Result<Self, ErrorCode> {
        let socket = match family {
            IpAddressFamily::Ipv4 => net::TcpSocket::new_v4()?,
            IpAddressFamily::Ipv6 => {
                let socket = net::TcpSocket::new_v6()?;
                sockopt::set_ipv6_v6only(&socket, true)?;
                socket
            }
        };
        Ok(TcpSocket {
            stage: Stage::New(socket),
            family,
            backlog: BACKLOG_DEFAULT,
            checks,
            seat,
        })
    }

    /// A socket that a listener accepted; if that failed, its first use says so.
    pub(super) fn accepted(
        result: Result<TcpStream, ErrorCode>,
        family: IpAddressFamily,
        checks: Arc<Checks>,
        seat: Seat,
    ) -> Self {
        TcpSocket {
            stage: Stage::connected(result),
            family,
            backlog: BACKLOG_DEFAULT,
            checks,
            seat,
        }
    }

    pub(super) fn bind(&mut self, address: SocketAddr) -> Result<(), ErrorCode> {
        let Stage::New(socket) = &self.stage else {
            return Err(ErrorCode::InvalidState);
        };
        if is_bound(socket) {
            return Err(ErrorCode::InvalidState);
        }
        if !is_unicast(address.ip()) || !is_of(self.family, address.ip()) {
            return Err(ErrorCode::InvalidArgument);
        }
        self.ask(address, SocketAddrUse::TcpBind)?;
        Ok(bind(socket, address)?)
    }

    /// Begins to connect; how that ends is for [`TcpSocket::finish_connect`].
    pub(super) fn start_connect(
        &mut self,
        to: SocketAddr,
    ) -> Result<impl Future<Output = Result<TcpStream, ErrorCode>> + Send + use<>, ErrorCode> {
        let Stage::New(socket) = &self.stage else {
            return Err(ErrorCode::InvalidState);
        };
        let ip = to.ip();
        let nowhere = ip.to_canonical().is_unspecified() || to.port() == 0;
        if nowhere || !is_unicast(ip) || !is_of(self.family, ip) {
            return Err(ErrorCode::InvalidArgument);
        }
        // The system binds a socket that is not bound yet.
        let allowed = match is_bound(socket) {
            true => Ok(()),
            false => self.ask(self.anywhere(), SocketAddrUse::TcpBind),
        }
        .and_then(|()| self.ask(to, SocketAddrUse::TcpConnect));

        let stage = std::mem::replace(&mut self.stage, Stage::Connecting);
        Ok(async move {
            allowed?;
            match stage {
                Stage::New(socket) => Ok(socket.connect(to).await?),
                _ => Err(ErrorCode::InvalidState),
            }
        })
    }

    pub(super) fn finish_connect(
        &mut self,
        result: Result<TcpStream, ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let outcome = result.as_ref().map(|_| ()).map_err(|code| *code);
        self.stage = Stage::connected(result);
        outcome
    }

    pub(super) fn listen(&mut self) -> Result<Listener, ErrorCode> {
        let Stage::New(socket) = &self.stage else {
            return Err(ErrorCode::InvalidState);
        };
        if is_bound(socket) {
            self.ask(socket.local_addr()?, SocketAddrUse::TcpListen)?;
        } else {
            self.ask(self.anywhere(), SocketAddrUse::TcpBind)?;
            self.ask(self.anywhere(), SocketAddrUse::TcpListen)?;
            bind(socket, self.anywhere())?;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Closed(ErrorCode::Other));
        let Stage::New(socket) = stage else {
            return Err(ErrorCode::InvalidState);
        };
        let listener = Arc::new(socket.listen(self.backlog)?);
        self.stage = Stage::Listening(listener.clone());
        Ok(Listener::new(
            listener,
            self.family,
            self.checks.clone(),
            self.seat.clone(),
        ))
    }

    /// The half of a connection that sends.
    pub(super) fn send(&mut self) -> Result<Half, ErrorCode> {
        self.half(Shutdown::Write)
    }

    /// The half of a connection that receives.
    pub(super) fn receive(&mut self) -> Result<Half, ErrorCode> {
        self.half(Shutdown::Read)
    }

    fn half(&mut self, direction: Shutdown) -> Result<Half, ErrorCode> {
        let Stage::Connected {
            stream,
            sent,
            received,
        } = &mut self.stage
        else {
            return Err(self.not_connected());
        };
        let taken = match direction {
            Shutdown::Write => sent,
            _ => received,
        };
        if std::mem::replace(taken, true) {
            return Err(ErrorCode::InvalidState);
        }
        Ok(Half::new(stream.clone(), direction, self.seat.clone()))
    }

    pub(super) fn local_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.stage {
            Stage::New(socket) if is_bound(socket) => Ok(socket.local_addr()?),
            Stage::Listening(listener) => Ok(listener.local_addr()?),
            Stage::Connected { stream, .. } => Ok(stream.local_addr()?),
            _ => Err(self.not_connected()),
        }
    }

    pub(super) fn remote_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.stage {
            Stage::Connected { stream, .. } => Ok(stream.peer_addr()?),
            _ => Err(self.not_connected()),
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.stage, Stage::Listening(_))
    }

    pub(super) fn family(&self) -> IpAddressFamily {
        self.family
    }

    /// For a later `listen`, or for one that is under way.
    pub(super) fn set_backlog(&mut self, backlog: u32) -> Result<(), ErrorCode> {
        match &self.stage {
            Stage::New(_) => {}
            Stage::Listening(listener) => {
                let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
                rustix::net::listen(listener, backlog).map_err(|_| ErrorCode::NotSupported)?;
            }
            _ => return Err(self.not_connected()),
        }
        self.backlog = backlog;
        Ok(())
    }

    /// The system's handle, for options.
    pub(super) fn fd(&self) -> Result<BorrowedFd<'_>, ErrorCode> {
        match &self.stage {
            Stage::New(socket) => Ok(socket.as_fd()),
            Stage::Listening(listener) => Ok(listener.as_fd()),
            Stage::Connected { stream, .. } => Ok(stream.as_fd()),
            Stage::Connecting | Stage::Closed(_) => Err(self.not_connected()),
        }
    }

    /// Why something that needs another stage is refused.
    fn not_connected(&self) -> ErrorCode {
        match self.stage {
            Stage::Closed(code) => code,
            _ => ErrorCode::InvalidState,
        }
    }

    fn ask(&self, address: SocketAddr, purpose: SocketAddrUse) -> Result<(), ErrorCode> {
        match self.checks.check(address, purpose) {
            true => Ok(()),
            false => Err(ErrorCode::AccessDenied),
        }
    }

    /// The address of a bind that leaves everything to the system.
    fn anywhere(&self) -> SocketAddr {
        match self.family {
            IpAddressFamily::Ipv4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
            IpAddressFamily::Ipv6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }
}

fn is_bound(socket: &net::TcpSocket) -> bool {
    socket.local_addr().is_ok_and(|local| local.port() != 0)
}

fn bind(socket: &net::TcpSocket, address: SocketAddr) -> io::Result<()> {
    // WASI: a connection that was closed a moment ago is no reason to refuse its address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

fn is_unicast(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_multicast(),
    }
}

/// An IPv6 socket speaks IPv6 alone, so an IPv4 address in disguise is of neither family.
fn is_of(family: IpAddressFamily, ip: IpAddr) -> bool {
    match (family, ip) {
        (IpAddressFamily::Ipv4, IpAddr::V4(_)) => true,
        (IpAddressFamily::Ipv6, IpAddr::V6(ip)) => {
            ip.is_unspecified() || ip.is_loopback() || ip.to_ipv4().is_none()
        }
        _ => false,
    }
}
