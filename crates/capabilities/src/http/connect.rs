//! Dialling an origin: look its name up once, check every address, dial one that passed.

use super::destination::Destination;
use super::fault::{self, Fault};
use super::origins::Settings;
use super::tls;
use crate::network::{OriginPolicy, Resolve, Target, addresses, dial};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

/// A connection, TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A fresh connection.
pub struct Connection {
    /// The bytes.
    pub io: TokioIo<Box<dyn Stream>>,
    /// Both sides agreed on HTTP/2.
    pub http2: bool,
    /// The address at the other end.
    pub peer: IpAddr,
}

/// Makes the connections of one component.
pub struct Connector {
    /// What the component was granted.
    pub policy: Arc<OriginPolicy>,
    resolver: Arc<dyn Resolve>,
    trust: Option<Arc<ClientConfig>>,
    tls: OnceCell<TlsConnector>,
    /// What holds for some origins, each with what it connects with there.
    settings: Vec<(Arc<Settings>, OnceCell<TlsConnector>)>,
}

impl Connector {
    /// A connector that trusts whom the system trusts.
    pub fn new(policy: Arc<OriginPolicy>, resolver: Arc<dyn Resolve>) -> Self {
        Connector {
            policy,
            resolver,
            trust: None,
            tls: OnceCell::new(),
            settings: Vec::new(),
        }
    }

    /// The same with settings for some origins.
    pub fn with(mut self, settings: Vec<Arc<Settings>>) -> Self {
        let apart = settings.into_iter().map(|one| (one, OnceCell::new()));
        self.settings = apart.collect();
        self
    }

    /// What holds for an origin; nothing special for most.
    pub fn settings(&self, to: &Destination) -> Option<&(Arc<Settings>, OnceCell<TlsConnector>)> {
        let covers = |(one, _): &&(Arc<Settings>, _)| one.covers(to.scheme, &to.target, to.port);
        self.settings.iter().find(covers)
    }

    /// A connector with a TLS configuration of its own.
    #[cfg(test)]
    pub fn trusting(mut self, config: ClientConfig) -> Self {
        self.trust = Some(Arc::new(config));
        self
    }

    /// Connects within `limit`: look-up, dial and handshake together.
    pub async fn connect(&self, to: &Destination, limit: Duration) -> Result<Connection, Fault> {
        let deadline = Instant::now() + limit;
        let look_up = addresses(&self.policy, &*self.resolver, &to.target, to.port);
        let addresses = timeout_at(deadline, look_up)
            .await
            .map_err(|_| Error::DnsTimeout)??;
        let (tcp, peer) = dial(&addresses, to.port, deadline).await?;
        // Small writes are whole messages; a failure costs only time.
        let _ = tcp.set_nodelay(true);
        match to.scheme.is_tls() {
            false => Ok(Connection {
                io: TokioIo::new(Box::new(tcp)),
                http2: false,
                peer,
            }),
            true => {
                let shaken = timeout_at(deadline, self.handshake(to, tcp, peer)).await;
                shaken
                    .unwrap_or(Err(Error::ConnectionTimeout))
                    .map_err(|error| Fault::Beyond(peer, error))
            }
        }
    }

    async fn handshake(
        &self,
        to: &Destination,
        tcp: TcpStream,
        peer: IpAddr,
    ) -> Result<Connection, Error> {
        let name = match &to.target {
            Target::Ip(ip) => ServerName::from(*ip),
            Target::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?
            }
        };
        let own = self.settings(to).filter(|(one, _)| one.identity.is_some());
        let tls = match own {
            Some((one, tls)) => tls.get_or_try_init(|| own_connector(one.clone())).await?,
            None => self.tls.get_or_try_init(|| self.tls_connector()).await?,
        };
        let stream = tls
            .connect(name, tcp)
            .await
            .map_err(|error| fault::of_tls(&error))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connection {
            io: TokioIo::new(Box::new(stream)),
            http2,
            peer,
        })
    }

    async fn tls_connector(&self) -> Result<TlsConnector, Error> {
        let config = match &self.trust {
            Some(own) => own.clone(),
            None => tokio::task::spawn_blocking(tls::prepare)
                .await
                .map_err(|error| Error::InternalError(Some(error.to_string())))?,
        };
        Ok(tls::connector(&config))
    }
}

/// What a component connects with where it is somebody of its own.
async fn own_connector(settings: Arc<Settings>) -> Result<TlsConnector, Error> {
    let failed = |what: String| Error::InternalError(Some(what));
    let config = tokio::task::spawn_blocking(move || match &settings.identity {
        Some(identity) => identity.config(),
        None => Ok((*tls::prepare()).clone()),
    });
    let config = config.await.map_err(|error| failed(error.to_string()))?;
    let config = config.map_err(|error| failed(error.to_string()))?;
    Ok(tls::connector(&config))
}
