//! A guest's connection: dialled by us to the address that was checked, spoken on by the library.

use crate::network::{Service, Unreached};
use crate::outbound::{
    self, ANSWER_BYTES_MAX, Address, CALL_TIME, CONNECT_TIME, CONNECTIONS_MAX, Lease, Pool, Pooled,
    Way, Wire,
};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, IntoConnectionInfo, RedisConnectionInfo, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// The address says nothing.
    BadAddress,
    /// The policy, or the network.
    Unreached(Unreached),
    /// As many connections as there may be are in use.
    TooMany,
    /// The server's own word.
    Server(redis::RedisError),
    /// What a guest is told otherwise.
    Other(String),
}

/// One component's connections.
pub struct Client {
    way: Arc<Way>,
    pool: Arc<Pool<String, Link>>,
    /// How long a call may take.
    patience: Duration,
}

/// A connection with the task that drives it.
pub struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    wire: Arc<Wire>,
    peer: IpAddr,
}

impl Pooled for Link {
    fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A guest's connection. It connects anew when the server has closed it.
pub struct Session {
    client: Arc<Client>,
    address: Address,
    text: String,
    info: RedisConnectionInfo,
    lease: Option<Lease<String, Link>>,
}

/// Bytes of one call, in and out.
pub type Moved = (usize, usize);

impl Client {
    /// A client with no connections yet.
    pub fn new(way: Arc<Way>) -> Self {
        Client {
            way,
            pool: Pool::new(CONNECTIONS_MAX),
            patience: CALL_TIME,
        }
    }

    /// The same, with another time that a call may take.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The component's way out.
    pub fn way(&self) -> &Arc<Way> {
        &self.way
    }
}

impl Session {
    /// A session with the server at `text`; nothing is dialled yet.
    pub fn new(client: &Arc<Client>, text: &str) -> Result<Self, Fault> {
        let (address, url) = Address::parse(Service::Redis, text).ok_or(Fault::BadAddress)?;
        let info = url.into_connection_info().map_err(|_| Fault::BadAddress)?;
        Ok(Session {
            client: client.clone(),
            address,
            text: text.to_owned(),
            info: info.redis_settings().clone(),
            lease: None,
        })
    }

    /// Where it goes.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Connects, unless it is connected. The answer is the address at the other end.
    pub async fn connect(&mut self) -> Result<IpAddr, Fault> {
        if let Some(lease) = &self.lease
            && lease.is_open()
        {
            return Ok(lease.peer);
        }
        self.lease = self.client.pool.take(&self.text);
        if let Some(lease) = &self.lease {
            return Ok(lease.peer);
        }
        let pool = &self.client.pool;
        let seat = pool.seat(CONNECT_TIME).await.ok_or(Fault::TooMany)?;
        let link = timeout(CONNECT_TIME, self.dial())
            .await
            .map_err(|_| Fault::Other(outbound::too_slow(CONNECT_TIME)))??;
        let peer = link.peer;
        self.lease = Some(pool.lease(self.text.clone(), link, seat));
        Ok(peer)
    }

    async fn dial(&self) -> Result<Link, Fault> {
        let way = &self.client.way;
        let dialled = way.dial(&self.address, CONNECT_TIME).await;
        let connected = dialled.map_err(Fault::Unreached)?;
        let (wire, peer) = (connected.wire, connected.peer);
        if !self.address.scheme.is_tls() {
            return self.log_in(connected.stream, wire, peer).await;
        }
        let stream = way.tls(&self.address, connected.stream).await;
        let stream = stream.map_err(|error| Fault::Other(format!("TLS failed: {error}")))?;
        self.log_in(stream, wire, peer).await
    }

    async fn log_in(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        wire: Arc<Wire>,
        peer: IpAddr,
    ) -> Result<Link, Fault> {
        // The time is ours to keep.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let made = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, driver) = made.map_err(Fault::Server)?;
        Ok(Link {
            connection,
            driver: tokio::spawn(driver),
            wire,
            peer,
        })
    }

    /// Sends a command and waits for the answer.
    pub async fn ask(&mut self, command: &Cmd, stateful: bool) -> Result<(Value, Moved), Fault> {
        self.connect().await?;
        let Some(lease) = &mut self.lease else {
            return Err(Fault::TooMany);
        };
        let fit = lease.is_fit() && !stateful;
        // If nobody waits for the answer it is on the connection still.
        lease.spoil();
        let wire = lease.wire.clone();
        let then = wire.begin(ANSWER_BYTES_MAX);
        let asked = lease.connection.req_packed_command(command);
        let answer = match timeout(self.client.patience, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                self.lease = None;
                return Err(Fault::Other(outbound::too_slow(self.client.patience)));
            }
        };
        match answer {
            Ok(value) => {
                if fit {
                    lease.mend();
                }
                match value {
                    Value::ServerError(error) => Err(Fault::Server(error.into())),
                    value => Ok((value, wire.since(then))),
                }
            }
            Err(_) if wire.is_over() => {
                self.lease = None;
                Err(Fault::Other(outbound::too_large()))
            }
            Err(error) => {
                match error.is_io_error() {
                    true => self.lease = None,
                    false if fit => lease.mend(),
                    false => {}
                }
                Err(Fault::Server(error))
            }
        }
    }
}

/// Whether a command leaves something behind on its connection, or waits on it.
pub fn is_stateful(command: &str) -> bool {
    const STATEFUL: &[&str] = &[
        "asking",
        "auth",
        "bllen",
        "blmove",
        "blmpop",
        "blpop",
        "brpop",
        "brpoplpush",
        "bzmpop",
        "bzpopmax",
        "bzpopmin",
        "client",
        "discard",
        "exec",
        "hello",
        "monitor",
        "multi",
        "psubscribe",
        "psync",
        "punsubscribe",
        "quit",
        "readonly",
        "readwrite",
        "reset",
        "select",
        "ssubscribe",
        "subscribe",
        "sunsubscribe",
        "sync",
        "unsubscribe",
        "unwatch",
        "wait",
        "waitaof",
        "watch",
        "xread",
        "xreadgroup",
    ];
    let command = command.trim();
    STATEFUL
        .iter()
        .any(|known| known.eq_ignore_ascii_case(command))
}
