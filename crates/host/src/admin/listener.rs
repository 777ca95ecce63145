//! The admin API's own listener: a socket that only its owner may open, or a loopback port.

use super::address::Address;
use super::calls::Admin;
use super::guard::Guard;
use super::token::Token;
use super::upload;
use holm_runtime::{Error, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Callers at a time; more wait.
const CONNECTIONS: usize = 64;

/// How long a caller may take for a request's head, and rest between two.
const HEAD: Duration = Duration::from_secs(30);

/// Where callers come in.
pub struct Listener {
    at: At,
    addr: Address,
    guard: Guard,
}

enum At {
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
    Port(TcpListener),
}

/// The socket's file, removed with it.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What is read of a caller that is refused.
const STRANGERS_BYTES_MAX: u64 = 32 << 20;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// Listens at an address; a port wants a token, port 0 takes a free one.
    pub async fn bind(address: &Address, token: Option<Token>) -> Result<Listener> {
        let cannot = |error: io::Error| {
            Error::yours(format!("the admin API cannot listen at {address}"))
                .caused_by(error.to_string())
        };
        match (address, token) {
            (Address::Unix(path), _) => {
                let listener = unix(path).await.map_err(cannot)?;
                Ok(Listener {
                    at: At::Unix {
                        listener,
                        _file: SocketFile(path.clone()),
                    },
                    addr: address.clone(),
                    guard: Guard::Socket,
                })
            }
            (Address::Port(_), None) => Err(Error::yours("an admin API at a port wants a token")
                .help("--admin-token-file FILE, or HOLM_ADMIN_TOKEN in the environment")
                .help("--admin unix:PATH needs none: the file system knows who may open it")),
            (Address::Port(addr), Some(token)) => {
                let listener = TcpListener::bind(addr).await.map_err(cannot)?;
                let addr = listener.local_addr().map_err(cannot)?;
                Ok(Listener {
                    at: At::Port(listener),
                    addr: Address::Port(addr),
                    guard: Guard::port(addr, token),
                })
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.addr
    }

    /// Answers callers for as long as it is polled.
    pub async fn serve(self, admin: Arc<Admin>) {
        let guard = Arc::new(self.guard);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed.
        while let Ok(place) = places.clone().acquire_owned().await {
            let accepted: io::Result<Box<dyn Stream>> = match &self.at {
                At::Unix { listener, .. } => listener.accept().await.map(|(s, _)| Box::new(s) as _),
                At::Port(listener) => listener.accept().await.map(|(s, _)| Box::new(s) as _),
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%error, "the admin API cannot accept at the moment");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (admin, guard) = (admin.clone(), guard.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let (admin, guard) = (admin.clone(), guard.clone());
                    async move {
                        Ok::<_, Infallible>(match guard.check(&request) {
                            Ok(()) => admin.answer(request).await,
                            Err(refusal) => {
                                upload::discard(request.into_body(), STRANGERS_BYTES_MAX).await;
                                refusal.answer()
                            }
                        })
                    }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a caller of the admin API left early");
                }
                drop(place);
            });
        }
    }
}

/// A socket that nobody but its owner can ever open: it has its mode before it has its name.
async fn unix(path: &Path) -> io::Result<UnixListener> {
    if tokio::net::UnixStream::connect(path).await.is_ok() {
        let what = "another server listens there";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    }
    if let Ok(there) = std::fs::symlink_metadata(path)
        && !there.file_type().is_socket()
    {
        let what = "there is a file of that name";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let _ = std::fs::remove_file(&aside);
    let listener = UnixListener::bind(&aside)?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&aside, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&aside);
        })?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_of_its_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("admin.sock");
        let address = Address::Unix(path.clone());
        let first = Listener::bind(&address, None).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = Listener::bind(&address, None).await.err().unwrap();
        assert!(second.to_string().contains("another server"), "{second}");
        drop(first);
        assert!(!path.exists());
        // What a server left behind that was killed is no server.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        Listener::bind(&address, None).await.unwrap();
        std::fs::write(&path, "precious").unwrap();
        let file = Listener::bind(&address, None).await.err().unwrap();
        assert!(file.to_string().contains("a file of that name"), "{file}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_port_wants_a_token() {
        let address = Address::parse("127.0.0.1:0").unwrap();
        let error = Listener::bind(&address, None).await.err().unwrap();
        assert!(error.message.contains("wants a token"), "{error}");
        let token = Token::new("0123456789abcdef").unwrap();
        let bound = Listener::bind(&address, Some(token)).await.unwrap();
        assert_ne!(bound.address(), &address);
    }
}
