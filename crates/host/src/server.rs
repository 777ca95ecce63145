//! The listener: one port for HTTP/1.1 and HTTP/2, in clear or in TLS, with a graceful end.

use crate::body::Body;
use crate::connection;
use crate::patience::Patience;
use crate::shutdown::Shutdown;
use crate::slot::Slot;
use crate::tls::Tls;
use holm_runtime::lanes::Account;
use http::{Request, Response};
use hyper::body::Incoming;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one; dropped when its client goes away.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The other end of the connection.
    pub addr: SocketAddr,
    /// Whether the server listens for this machine alone.
    pub local: bool,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// By which version of TLS: `1.3`.
    pub tls_version: Option<&'static str>,
    /// The name that the client asked TLS for.
    pub sni: Option<Arc<str>>,
    /// Who pays for what the connection costs; the handler says so when it knows.
    pub account: Arc<Account>,
}

/// What a server allows its clients. Every one of these is on by default.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Streams at a time on one HTTP/2 connection.
    pub streams: u32,
    /// Bytes of a request's head, or of its decoded header list in HTTP/2.
    pub head_bytes: usize,
    /// Header fields of an HTTP/1 request.
    pub headers: usize,
    /// How long a connection waits for its client.
    pub patience: Patience,
    /// How long a drain waits for requests in flight.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 65_536,
            streams: 250,
            head_bytes: 64 * 1024,
            headers: 128,
            patience: Patience::default(),
            grace: Duration::from_secs(30),
        }
    }
}

/// A listener that is bound and not yet served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<Tls>,
    limits: Limits,
}

impl Server {
    /// Listens at an address; port 0 takes a free one.
    pub fn bind(addr: SocketAddr, tls: Option<Tls>) -> Result<Server, BindError> {
        let bind = || {
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            // A server that has just ended leaves its port in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            let listener = socket.listen(4096)?;
            let addr = listener.local_addr()?;
            Ok((listener, addr))
        };
        let (listener, bound) = bind().map_err(|source| BindError { addr, source })?;
        Ok(Server {
            listener,
            addr: bound,
            tls,
            limits: Limits::default(),
        })
    }

    /// With other limits.
    pub fn with_limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until asked to end, then drains. Returns how many requests were cut.
    pub async fn serve<H: Handler>(self, handler: Arc<Slot<H>>, shutdown: &Shutdown) -> usize {
        let Server {
            listener,
            tls,
            limits,
            ..
        } = self;
        let shared = Arc::new(Shared {
            handler,
            tls: tls.as_ref().map(Tls::acceptor),
            limits,
            local: listener
                .local_addr()
                .is_ok_and(|addr| addr.ip().is_loopback()),
            shutdown: shutdown.clone(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            requests: AtomicUsize::new(0),
            runtime: Handle::current(),
        });
        let follow = async {
            match &tls {
                Some(tls) => tls.follow().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.draining() => {}
            () = accept(&listener, &shared) => {}
            () = follow => {}
        }
        accept_rest(listener, &shared);
        shared.tasks.close();
        tokio::select! {
            () = shared.tasks.wait() => {}
            () = tokio::time::sleep(limits.grace) => {}
            () = shutdown.stopping() => {}
        }
        let cut = shared.requests.load(Relaxed);
        shared.cancel.cancel();
        // A guest in the middle of a poll ends at its next epoch; it is not waited for longer.
        let _ = tokio::time::timeout(Duration::from_millis(500), shared.tasks.wait()).await;
        cut
    }
}

/// What all connections of a server share.
pub(crate) struct Shared<H> {
    pub handler: Arc<Slot<H>>,
    pub tls: Option<TlsAcceptor>,
    pub limits: Limits,
    pub local: bool,
    pub shutdown: Shutdown,
    pub cancel: CancellationToken,
    pub tasks: TaskTracker,
    pub requests: AtomicUsize,
    /// Where its connections run; one may ask for more tasks while it is driven elsewhere.
    pub runtime: Handle,
}

impl<H> Shared<H> {
    pub fn executor(&self, account: &Arc<Account>) -> Executor {
        Executor {
            tasks: self.tasks.clone(),
            cancel: self.cancel.clone(),
            runtime: self.runtime.clone(),
            account: account.clone(),
        }
    }
}

impl<H: Handler> Shared<H> {
    fn spawn(self: Arc<Self>, stream: TcpStream, addr: SocketAddr, place: impl Send + 'static) {
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            connection::serve(stream, addr, self).await;
            drop(place);
        });
    }
}

/// Where HTTP/2 runs its streams: counted, cut and paid for like the connection itself.
#[derive(Clone)]
pub(crate) struct Executor {
    tasks: TaskTracker,
    cancel: CancellationToken,
    runtime: Handle,
    account: Arc<Account>,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (cancel, account) = (self.cancel.clone(), self.account.clone());
        let stream = async move {
            cancel.run_until_cancelled(account.drive(stream)).await;
        };
        self.tasks.spawn_on(stream, &self.runtime);
    }
}

async fn accept<H: Handler>(listener: &TcpListener, shared: &Arc<Shared<H>>) {
    let places = Arc::new(Semaphore::new(shared.limits.connections));
    let mut pause = Pause::default();
    // The semaphore is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, addr)) => {
                pause = Pause::default();
                shared.clone().spawn(stream, addr, place);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => pause.after(&error).await,
        }
    }
}

/// Connections that the kernel has accepted already: they would be reset with the listener. Asks
/// the kernel itself, because the event loop may not have heard of them yet.
fn accept_rest<H: Handler>(listener: TcpListener, shared: &Arc<Shared<H>>) {
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((stream, addr)) = listener.accept() {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            shared.clone().spawn(stream, addr, ());
        }
    }
}

/// Errors that say something about the connection, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// A pause that grows with each error in a row: out of descriptors, accepting again at once only
/// burns a core, and the descriptors come back when connections end.
#[derive(Default)]
struct Pause(Duration);

impl Pause {
    async fn after(&mut self, error: &io::Error) {
        if self.0.is_zero() {
            let raise = match error.raw_os_error() {
                Some(libc::EMFILE) => "; raise RLIMIT_NOFILE (ulimit -n)",
                Some(libc::ENFILE) => "; raise fs.file-max (sysctl)",
                _ => "",
            };
            tracing::error!(%error, "no connection can be accepted at the moment{raise}");
        }
        self.0 = (self.0 * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
        tokio::time::sleep(self.0).await;
    }
}

/// Why an address cannot be listened at.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub addr: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl BindError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let ip = match self.addr {
            SocketAddr::V4(addr) => addr.ip().to_string(),
            SocketAddr::V6(addr) => format!("[{}]", addr.ip()),
        };
        match self.source.kind() {
            io::ErrorKind::AddrInUse => Some(format!("try --listen {ip}:0")),
            io::ErrorKind::PermissionDenied => Some(format!("try --listen {ip}:3000")),
            io::ErrorKind::AddrNotAvailable => {
                Some(format!("try --listen 127.0.0.1:{}", self.addr.port()))
            }
            _ => None,
        }
    }

    /// What is wrong, without what to do.
    pub fn message(&self) -> String {
        let addr = self.addr;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => format!("{addr} is in use"),
            io::ErrorKind::PermissionDenied => {
                format!("{addr} is not yours to listen at: ports below 1024 need a privilege")
            }
            io::ErrorKind::AddrNotAvailable => format!("{addr} is not an address of this machine"),
            _ => format!("cannot listen at {addr}: {}", self.source),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())?;
        match self.help() {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
