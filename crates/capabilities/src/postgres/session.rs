//! A guest's connection: dialled by us to the address that was checked, spoken on by the library.
//!
//! When its handle is closed the session is made fresh (what it left open is rolled back, what it set is
//! reset) and kept for the component's next event. A statement that nobody waits for any more is
//! cancelled at the server, and its connection is closed.

use super::address::read;
use super::after::{UnderWay, freshen};
use super::builder::Trusted;
use super::param::{Bad, Param};
use super::types::{Column, ParameterValue, RowSet};
use super::value::{self, Unreadable};
use crate::network::Unreached;
use crate::outbound::{
    self, ANSWER_BYTES_MAX, ANSWER_ROWS_MAX, Address, CALL_TIME, CONNECT_TIME, CONNECTIONS_MAX,
    Connected, Counted, Held, Lease, Moved, Pool, Pooled, STATEMENT_BYTES_KEPT, STATEMENTS_KEPT,
    Tally, TooLarge, Used, Way, Wire,
};
use futures::TryStreamExt;
use lru::LruCache;
use rustls::ClientConfig;
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// The address says nothing, and what is wrong with it.
    BadAddress(String),
    /// The policy, or the network.
    Unreached(Unreached),
    /// The server does not let the guest in, or TLS failed.
    Refused(String),
    /// The connection has gone, and with it what the guest had set up there.
    Lost,
    /// A value of the guest's.
    BadParameter(String),
    /// The statement, in the server's words.
    Query(tokio_postgres::Error),
    /// A value of the server's.
    Conversion(String),
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
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
    wire: Arc<Wire>,
    peer: SocketAddr,
    tls: Option<Tls>,
    statements: LruCache<String, Statement>,
}

/// What a connection goes over, below its TLS.
type Stream = Counted<TcpStream>;

/// How a connection to one host is encrypted.
#[derive(Clone)]
pub(super) struct Tls {
    config: MakeRustlsConnect,
    host: String,
}

impl Tls {
    /// For one connection.
    pub(super) fn connector<S>(&self) -> <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(connector) =
            MakeTlsConnect::<S>::make_tls_connect(&mut self.config.clone(), &self.host);
        connector
    }
}

impl Pooled for Link {
    fn is_open(&self) -> bool {
        !self.client.is_closed() && !self.driver.is_finished()
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
    config: Config,
    /// The name by which its connection is kept.
    text: String,
    /// What TLS is spoken with, in the place of what all of the component's have.
    trusted: Option<Arc<ClientConfig>>,
    lease: Option<Lease<String, Link>>,
    /// How much has to be done before somebody else has the connection.
    used: Used,
    /// Bytes of its calls.
    tally: Tally,
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
        let (address, config) = read(text).map_err(Fault::BadAddress)?;
        Ok(Session {
            client: client.clone(),
            address,
            config,
            text: text.to_owned(),
            trusted: None,
            lease: None,
            used: Used::Fresh,
            tally: Tally::default(),
        })
    }

    /// The same with a server that is trusted by a certificate of the guest's own.
    pub(super) fn trusting(mut self, trusted: Option<Trusted>) -> Self {
        if let Some(Trusted {
            certificate,
            config,
        }) = trusted
        {
            // No address has a NUL: no other connection has this name.
            self.text = format!("{}\0{certificate}", self.text);
            self.trusted = Some(config);
        }
        self
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
            return Ok(lease.peer.ip());
        }
        self.lease = None;
        if self.used == Used::Any {
            return Err(Fault::Lost);
        }
        self.used = Used::Fresh;
        self.lease = self.client.pool.take(&self.text);
        if let Some(lease) = &self.lease {
            self.tally.taken(&lease.wire);
            return Ok(lease.peer.ip());
        }
        let pool = self.client.pool.clone();
        let Some(seat) = pool.seat(CONNECT_TIME).await else {
            return Err(Fault::Refused(format!(
                "all {CONNECTIONS_MAX} connections are in use"
            )));
        };
        let link = timeout(CONNECT_TIME, self.dial())
            .await
            .map_err(|_| Fault::Refused(outbound::too_slow(CONNECT_TIME)))??;
        let peer = link.peer.ip();
        self.lease = Some(pool.lease(self.text.clone(), link, seat));
        Ok(peer)
    }

    async fn dial(&mut self) -> Result<Link, Fault> {
        let mode = self.config.get_ssl_mode();
        if mode == SslMode::Disable {
            return self.log_in(None, mode).await;
        }
        let config = match &self.trusted {
            Some(config) => Ok(config.clone()),
            None => self.client.way.tls_config().await,
        };
        let config = config.map_err(|error| Fault::Refused(format!("TLS failed: {error}")))?;
        let tls = Tls {
            config: MakeRustlsConnect::new((*config).clone()),
            host: self.address.host(),
        };
        match self.log_in(Some(tls), mode).await {
            // Whoever only prefers TLS takes what there is.
            Err(Fault::Refused(_)) if mode == SslMode::Prefer => {
                self.log_in(None, SslMode::Disable).await
            }
            done => done,
        }
    }

    async fn log_in(&mut self, tls: Option<Tls>, mode: SslMode) -> Result<Link, Fault> {
        let dialled = self.client.way.dial(&self.address, CONNECT_TIME).await;
        let Connected { stream, wire, peer } = dialled.map_err(Fault::Unreached)?;
        self.tally.dialled(&wire);
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        let refused = |error| Fault::Refused(told(&error));
        // The statement under way tells of an error.
        let (client, driver) = match &tls {
            None => {
                let made = config.connect_raw(stream, NoTls).await;
                let (client, connection) = made.map_err(refused)?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
            Some(tls) => {
                let made = config.connect_raw(stream, tls.connector::<Stream>()).await;
                let (client, connection) = made.map_err(refused)?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
        };
        Ok(Link {
            client,
            driver,
            wire,
            peer: SocketAddr::new(peer, self.address.port),
            tls,
            statements: LruCache::new(STATEMENTS_KEPT),
        })
    }

    /// Runs a statement that returns rows.
    pub async fn query(
        &mut self,
        statement: &str,
        values: Vec<ParameterValue>,
    ) -> Result<RowSet, Fault> {
        self.run(statement, values, async |link, statement, params| {
            rows(link, statement, params).await
        })
        .await
    }

    /// Runs a statement that returns how many rows it changed.
    pub async fn execute(
        &mut self,
        statement: &str,
        values: Vec<ParameterValue>,
    ) -> Result<u64, Fault> {
        self.run(statement, values, async |link, statement, params| {
            let changed = link.client.execute_raw(statement, params).await;
            changed.map_err(Fault::from)
        })
        .await
    }

    async fn run<T>(
        &mut self,
        statement: &str,
        values: Vec<ParameterValue>,
        call: impl AsyncFn(&Link, &Statement, &[Param]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let params: Result<Vec<Param>, Bad> = values.into_iter().map(Param::new).collect();
        let params = params.map_err(|Bad(told)| Fault::BadParameter(told))?;
        self.connect().await?;
        self.used = self.used.max(Used::by(statement));
        let patience = self.client.patience;
        let Some(lease) = &mut self.lease else {
            return Err(Fault::Lost);
        };
        let wire = lease.wire.clone();
        wire.begin(ANSWER_BYTES_MAX);
        // If nobody waits for the answer, or for the rest of it, it is cancelled.
        lease.spoil();
        let under_way = UnderWay::new(lease.client.cancel_token(), lease.peer, lease.tls.clone());
        let done = timeout(patience, prepared(lease, statement, &params, &call)).await;
        let Ok(result) = done else {
            self.lease = None;
            return Err(Fault::Other(outbound::too_slow(patience)));
        };
        if wire.is_over() {
            self.lease = None;
            return Err(TooLarge.into());
        }
        match &result {
            // The rest of the rows is still to come.
            Err(Fault::Other(_) | Fault::Conversion(_)) => {
                self.lease = None;
                return result;
            }
            Err(Fault::Query(error)) if is_the_end(error) => self.lease = None,
            _ if !lease.is_open() => self.lease = None,
            _ => lease.mend(),
        }
        under_way.is_over();
        result
    }
}

/// Runs a statement that is prepared, or prepares it; once more, where what was prepared is stale.
async fn prepared<T>(
    link: &mut Link,
    text: &str,
    params: &[Param],
    call: &impl AsyncFn(&Link, &Statement, &[Param]) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if let Some(statement) = link.statements.get(text).cloned() {
        match call(link, &statement, params).await {
            Err(Fault::Query(error)) if is_stale(&error) => {
                link.statements.pop(text);
            }
            done => return done,
        }
    }
    let statement = link.client.prepare(text).await.map_err(Fault::from)?;
    if text.len() <= STATEMENT_BYTES_KEPT {
        link.statements.put(text.to_owned(), statement.clone());
    }
    call(link, &statement, params).await
}

/// The tables have changed since it was prepared.
fn is_stale(error: &tokio_postgres::Error) -> bool {
    let stale = [
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::INVALID_SQL_STATEMENT_NAME,
    ];
    error.code().is_some_and(|code| stale.contains(code))
}

/// The server has closed the connection, or is about to.
pub(super) fn is_the_end(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(server) => matches!(
            server.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        ),
        None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<io::Error>()),
    }
}

async fn rows(link: &Link, statement: &Statement, params: &[Param]) -> Result<RowSet, Fault> {
    let columns = statement.columns().iter().map(|column| Column {
        name: column.name().to_owned(),
        data_type: value::data_type(column.type_()),
    });
    let mut found = RowSet {
        columns: columns.collect(),
        rows: Vec::new(),
    };
    let mut held = Held::default();
    let stream = link.client.query_raw(statement, params).await?;
    futures::pin_mut!(stream);
    while let Some(row) = stream.try_next().await? {
        if found.rows.len() >= ANSWER_ROWS_MAX {
            return Err(Fault::Other(outbound::too_many_rows()));
        }
        found.rows.push(value::row(&row, &mut held)?);
    }
    Ok(found)
}

impl From<TooLarge> for Fault {
    fn from(_: TooLarge) -> Self {
        Fault::Other(outbound::too_large())
    }
}

impl From<Unreadable> for Fault {
    fn from(bad: Unreadable) -> Self {
        match bad {
            Unreadable::TooLarge => TooLarge.into(),
            Unreadable::Value { column, ty } => Fault::Conversion(format!(
                "column {column:?} of type {ty} holds what cannot be given to a guest"
            )),
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.source().and_then(|cause| cause.downcast_ref::<Bad>()) {
            Some(Bad(told)) => Fault::BadParameter(told.clone()),
            None => Fault::Query(error),
        }
    }
}

/// The error and what caused it.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(server), _) => format!("{}: {}", server.severity(), server.message()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        if self.used == Used::Fresh || !lease.is_fit() {
            return;
        }
        let (used, patience) = (self.used, self.client.patience);
        lease.spoil();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            lease.wire.begin(ANSWER_BYTES_MAX);
            let Link {
                client, statements, ..
            } = &mut *lease;
            let fresh = timeout(patience, freshen(client, statements, used)).await;
            if let Ok(Ok(())) = fresh {
                lease.mend();
            }
        });
    }
}
