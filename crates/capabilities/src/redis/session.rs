//! A guest's connection: dialled by us to the address that was checked, spoken on by the library.

use super::weighed::Weighed;
use crate::network::{Service, Unreached};
use crate::outbound::{
    self, ANSWER_BYTES_MAX, Address, CALL_TIME, CONNECT_TIME, CONNECTIONS_MAX, Lease, Moved, Pool,
    Pooled, Tally, Way, Wire,
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
    /// The connection has gone, and with it what the guest had set up there.
    Lost,
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
    /// What the guest has set up on its connection.
    left: Left,
    /// Bytes of its calls.
    tally: Tally,
}

/// What a guest has set up on a connection, and would silently lack on another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Left {
    /// A transaction that is not over.
    transaction: bool,
    /// A database that was chosen, a user, a subscription.
    setting: bool,
}

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
            left: Left::default(),
            tally: Tally::default(),
        })
    }

    /// Where it goes.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Bytes in and out since it was asked last.
    pub fn moved(&mut self) -> Moved {
        self.tally.take()
    }

    /// Connects, unless it is connected. The answer is the address at the other end.
    pub async fn connect(&mut self) -> Result<IpAddr, Fault> {
        if let Some(lease) = &self.lease
            && lease.is_open()
        {
            return Ok(lease.peer);
        }
        self.lease = None;
        if self.left != Left::default() {
            return Err(Fault::Lost);
        }
        self.lease = self.client.pool.take(&self.text);
        if let Some(lease) = &self.lease {
            self.tally.taken(&lease.wire);
            return Ok(lease.peer);
        }
        let pool = self.client.pool.clone();
        let seat = pool.seat(CONNECT_TIME).await.ok_or(Fault::TooMany)?;
        let link = timeout(CONNECT_TIME, self.dial())
            .await
            .map_err(|_| Fault::Other(outbound::too_slow(CONNECT_TIME)))??;
        let peer = link.peer;
        self.lease = Some(pool.lease(self.text.clone(), link, seat));
        Ok(peer)
    }

    async fn dial(&mut self) -> Result<Link, Fault> {
        let way = &self.client.way;
        let dialled = way.dial(&self.address, CONNECT_TIME).await;
        let connected = dialled.map_err(Fault::Unreached)?;
        let (wire, peer) = (connected.wire, connected.peer);
        self.tally.dialled(&wire);
        if !self.address.scheme.is_tls() {
            let stream = Weighed::new(connected.stream, wire.clone());
            return self.log_in(stream, wire, peer).await;
        }
        let stream = way.tls(&self.address, connected.stream).await;
        let stream = stream.map_err(|error| Fault::Other(format!("TLS failed: {error}")))?;
        let stream = Weighed::new(stream, wire.clone());
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
    pub async fn ask(&mut self, command: &Cmd, leaves: Leaves) -> Result<Value, Fault> {
        self.connect().await?;
        let Some(lease) = &mut self.lease else {
            return Err(Fault::Lost);
        };
        let fit = lease.is_fit() && leaves == Leaves::Nothing;
        match leaves {
            Leaves::Nothing | Leaves::Waiting => {}
            Leaves::Transaction => self.left.transaction = true,
            Leaves::NoTransaction => self.left.transaction = false,
            Leaves::Setting => self.left.setting = true,
        }
        // If nobody waits for the answer it is on the connection still.
        lease.spoil();
        let wire = lease.wire.clone();
        wire.begin(ANSWER_BYTES_MAX);
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
                    value => Ok(value),
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

/// What a command leaves behind on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing.
    Nothing,
    /// Nothing, when it has been answered; that may take for ever.
    Waiting,
    /// A transaction has begun, or watches keys for one.
    Transaction,
    /// It is over.
    NoTransaction,
    /// Something that later commands depend on.
    Setting,
}

impl Leaves {
    /// What a command of that name leaves.
    pub fn by(command: &str) -> Leaves {
        const WAITING: &[&str] = &[
            "bllen",
            "blmove",
            "blmpop",
            "blpop",
            "brpop",
            "brpoplpush",
            "bzmpop",
            "bzpopmax",
            "bzpopmin",
            "wait",
            "waitaof",
            "xread",
            "xreadgroup",
        ];
        const TRANSACTION: &[&str] = &["multi", "watch"];
        const NO_TRANSACTION: &[&str] = &["discard", "exec"];
        const SETTING: &[&str] = &[
            "asking",
            "auth",
            "client",
            "hello",
            "monitor",
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
        ];
        let command = command.trim();
        let is = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(command));
        match () {
            () if is(WAITING) => Leaves::Waiting,
            () if is(TRANSACTION) => Leaves::Transaction,
            () if is(NO_TRANSACTION) => Leaves::NoTransaction,
            () if is(SETTING) => Leaves::Setting,
            () => Leaves::Nothing,
        }
    }
}
