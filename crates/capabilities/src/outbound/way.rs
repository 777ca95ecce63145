//! One component's way to servers of one kind: its policy, the resolver, TLS.

use super::address::Address;
use super::wire::{Counted, Wire};
use crate::network::{OriginPolicy, Resolve, Service, System, Target, Unreached, addresses, dial};
use holm_manifest::{Problem, Value};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The way out.
pub struct Way {
    policy: OriginPolicy,
    resolver: Arc<dyn Resolve>,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// A connection that was dialled.
pub struct Connected {
    /// Its bytes, counted.
    pub stream: Counted<TcpStream>,
    /// Where they are counted.
    pub wire: Arc<Wire>,
    /// The address at the other end.
    pub peer: IpAddr,
}

impl Way {
    /// A way to what `policy` names.
    pub fn new(policy: OriginPolicy, resolver: Arc<dyn Resolve>) -> Self {
        Way {
            policy,
            resolver,
            tls: OnceCell::new(),
        }
    }

    /// A way that trusts whom `config` says, and not whom the system does.
    pub fn trusting(mut self, config: ClientConfig) -> Self {
        self.tls = OnceCell::new_with(Some(Arc::new(config)));
        self
    }

    /// What a grant means.
    pub fn granted(service: Service, value: Option<&Value>) -> Result<Arc<Self>, Problem> {
        let (policy, problems) = match value {
            Some(value) => OriginPolicy::read(service, value),
            None => (OriginPolicy::of(service), Vec::new()),
        };
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(Arc::new(Way::new(policy, Arc::new(System::default())))),
        }
    }

    /// What it names.
    pub fn policy(&self) -> &OriginPolicy {
        &self.policy
    }

    /// The addresses of the target that may be dialled.
    pub async fn addresses(&self, to: &Address) -> Result<Vec<IpAddr>, Unreached> {
        addresses(&self.policy, &*self.resolver, &to.target, to.port).await
    }

    /// Dials an address that was admitted: one look-up, and what was checked is what is dialled.
    pub async fn dial(&self, to: &Address, limit: Duration) -> Result<Connected, Unreached> {
        let deadline = Instant::now() + limit;
        let late = |_| Unreached::LookUp(io::ErrorKind::TimedOut.into());
        let found = timeout_at(deadline, self.addresses(to)).await;
        let (stream, peer) = dial(&found.map_err(late)??, to.port, deadline).await?;
        // Small writes are whole messages; a failure costs only time.
        let _ = stream.set_nodelay(true);
        let wire = Arc::<Wire>::default();
        wire.begin(super::ANSWER_BYTES_MAX);
        Ok(Connected {
            stream: Counted::new(stream, wire.clone()),
            wire,
            peer,
        })
    }

    /// TLS on a connection to `to`, whose certificate is checked.
    pub async fn tls(
        &self,
        to: &Address,
        stream: Counted<TcpStream>,
    ) -> io::Result<TlsStream<Counted<TcpStream>>> {
        let name = match &to.target {
            Target::Ip(ip) => ServerName::from(*ip),
            Target::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(io::Error::other)?
            }
        };
        let config = self.tls_config().await?;
        TlsConnector::from(config).connect(name, stream).await
    }

    /// What TLS connections are made with: the system's trusted roots.
    pub async fn tls_config(&self) -> io::Result<Arc<ClientConfig>> {
        let made = self.tls.get_or_try_init(async || {
            let shared = tokio::task::spawn_blocking(crate::http::prepare_tls)
                .await
                .map_err(io::Error::other)?;
            let mut config = (*shared).clone();
            config.alpn_protocols.clear();
            // No session of another component's is resumed.
            config.resumption = Resumption::in_memory_sessions(64);
            Ok::<_, io::Error>(Arc::new(config))
        });
        Ok(made.await?.clone())
    }
}
