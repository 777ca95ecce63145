//! A guest's connection: dialled by us to the address that was checked, spoken on by the library.
//!
//! When its handle is closed the session is made fresh (what it left open is rolled back, what it set is
//! reset) and kept for the component's next event. A statement that nobody waits for any more is
//! cancelled at the server, and its connection is closed.

use super::address::read;
use super::after::{UnderWay, Used, freshen, kind};
use super::param::{Bad, Param};
use super::types::{Column, ParameterValue, RowSet};
use super::value;
use crate::network::Unreached;
use crate::outbound::{
    self, ANSWER_BYTES_MAX, ANSWER_ROWS_MAX, Address, CALL_TIME, CONNECT_TIME, CONNECTIONS_MAX,
    Connected, Counted, Lease, Pool, Pooled, Way, Wire,
};
use futures::TryStreamExt;
use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 64;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// The address says nothing, and what is wrong with it.
    BadAddress(String),
    /// The policy, or the network.
    Unreached(Unreached),
    /// The server does not let the guest in, or TLS failed.
    Refused(String),
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
    statements: HashMap<String, Statement>,
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
    text: String,
    lease: Option<Lease<String, Link>>,
    /// How much has to be done before somebody else has the connection.
    used: Used,
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
        let (address, config) = read(text).map_err(Fault::BadAddress)?;
        Ok(Session {
            client: client.clone(),
            address,
            config,
            text: text.to_owned(),
            lease: None,
            used: Used::Fresh,
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
            return Ok(lease.peer.ip());
        }
        self.used = Used::Fresh;
        self.lease = self.client.pool.take(&self.text);
        if let Some(lease) = &self.lease {
            return Ok(lease.peer.ip());
        }
        let pool = &self.client.pool;
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

    async fn dial(&self) -> Result<Link, Fault> {
        let mode = self.config.get_ssl_mode();
        if mode == SslMode::Disable {
            return self.log_in(NoTls, mode).await;
        }
        let tls = self.client.way.tls_config().await;
        let tls = tls.map_err(|error| Fault::Refused(format!("TLS failed: {error}")))?;
        let mut tls = MakeRustlsConnect::new((*tls).clone());
        let Ok(tls) =
            MakeTlsConnect::<Counted<TcpStream>>::make_tls_connect(&mut tls, &self.address.host());
        match self.log_in(tls, mode).await {
            // Whoever only prefers TLS takes what there is.
            Err(Fault::Refused(_)) if mode == SslMode::Prefer => {
                self.log_in(NoTls, SslMode::Disable).await
            }
            done => done,
        }
    }

    async fn log_in<T>(&self, tls: T, mode: SslMode) -> Result<Link, Fault>
    where
        T: tokio_postgres::tls::TlsConnect<Counted<TcpStream>>,
        T::Stream: Send + 'static,
    {
        let dialled = self.client.way.dial(&self.address, CONNECT_TIME).await;
        let Connected { stream, wire, peer } = dialled.map_err(Fault::Unreached)?;
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        let (client, connection) = config
            .connect_raw(stream, tls)
            .await
            .map_err(|error| Fault::Refused(told(&error)))?;
        let driver = tokio::spawn(async move {
            // The statement under way tells of the error.
            let _ = connection.await;
        });
        Ok(Link {
            client,
            driver,
            wire,
            peer: SocketAddr::new(peer, self.address.port),
            statements: HashMap::new(),
        })
    }

    /// Runs a statement that returns rows.
    pub async fn query(
        &mut self,
        statement: &str,
        values: Vec<ParameterValue>,
    ) -> Result<(RowSet, Moved), Fault> {
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
    ) -> Result<(u64, Moved), Fault> {
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
    ) -> Result<(T, Moved), Fault> {
        let params: Result<Vec<Param>, Bad> = values.into_iter().map(Param::new).collect();
        let params = params.map_err(|Bad(told)| Fault::BadParameter(told))?;
        self.connect().await?;
        self.used = self.used.max(kind(statement));
        let patience = self.client.patience;
        let Some(lease) = &mut self.lease else {
            return Err(Fault::Other("there is no connection".to_owned()));
        };
        let wire = lease.wire.clone();
        let then = wire.begin(ANSWER_BYTES_MAX);
        // If nobody waits for the answer, it is cancelled.
        lease.spoil();
        let under_way = UnderWay::new(lease.client.cancel_token(), lease.peer);
        let done = timeout(patience, prepared(lease, statement, &params, &call)).await;
        let result = match done {
            Ok(result) => result,
            Err(_) => {
                self.lease = None;
                return Err(Fault::Other(outbound::too_slow(patience)));
            }
        };
        under_way.is_over();
        match &result {
            _ if wire.is_over() => {
                self.lease = None;
                return Err(Fault::Other(outbound::too_large()));
            }
            Err(Fault::Other(_)) => {
                // The rest of the rows is still to come.
                self.lease = None;
            }
            Err(Fault::Query(error)) if is_the_end(error) => self.lease = None,
            _ if !lease.is_open() => self.lease = None,
            _ => lease.mend(),
        }
        result.map(|value| (value, wire.since(then)))
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
                link.statements.remove(text);
            }
            done => return done,
        }
    }
    let statement = link.client.prepare(text).await.map_err(Fault::from)?;
    if link.statements.len() >= STATEMENTS_MAX {
        link.statements.clear();
    }
    link.statements.insert(text.to_owned(), statement.clone());
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
fn is_the_end(error: &tokio_postgres::Error) -> bool {
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
    let stream = link.client.query_raw(statement, params).await?;
    futures::pin_mut!(stream);
    while let Some(row) = stream.try_next().await? {
        if found.rows.len() >= ANSWER_ROWS_MAX {
            return Err(Fault::Other(outbound::too_many_rows()));
        }
        let values = value::row(&row).map_err(|bad| {
            Fault::Conversion(format!(
                "column {:?} of type {} holds what cannot be given to a guest",
                bad.column, bad.ty
            ))
        })?;
        found.rows.push(values);
    }
    Ok(found)
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
