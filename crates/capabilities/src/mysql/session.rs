//! A guest's connection: the library is given the addresses that were checked, and dials one of them.
//!
//! When its handle is closed the server resets the session, and the connection is kept for the
//! component's next event. A statement that nobody waits for any more is killed at the server, and its
//! connection is closed.

use super::types::{Column, ParameterValue, RowSet};
use super::value;
use crate::network::{Service, Unreached};
use crate::outbound::{
    self, ANSWER_BYTES_MAX, ANSWER_ROWS_MAX, Address, CALL_TIME, CONNECT_TIME, CONNECTIONS_MAX,
    Lease, Pool, Pooled, Way,
};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Params, SslOpts};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The server's word for a statement that cannot be prepared.
const NOT_PREPARABLE: u16 = 1295;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// The address says nothing, and what is wrong with it.
    BadAddress(String),
    /// The policy, or the network.
    Unreached(Unreached),
    /// The server does not let the guest in, or TLS failed.
    Refused(String),
    /// The statement, in the server's words.
    Query(String),
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

/// A connection.
pub struct Link {
    /// Empty when it is broken.
    connection: Option<Conn>,
    /// The addresses that were checked.
    peers: Vec<IpAddr>,
}

impl Pooled for Link {
    fn is_open(&self) -> bool {
        self.connection.is_some()
    }
}

/// A guest's connection. It connects anew when the server has closed it.
pub struct Session {
    client: Arc<Client>,
    address: Address,
    options: OptsBuilder,
    text: String,
    lease: Option<Lease<String, Link>>,
    /// Whether it has run anything.
    used: bool,
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

/// Reads `mysql://user:secret@host:port/database?ssl-mode=required`.
fn read(text: &str) -> Result<(Address, OptsBuilder), String> {
    let parsed = Address::parse(Service::Mysql, text);
    let (address, mut url) = parsed.ok_or("it is not of the form mysql://host:port/database")?;
    let is_tls = |name: &str| ["ssl-mode", "sslmode", "ssl_mode"].contains(&&*name.to_lowercase());
    let (tls, others): (Vec<_>, Vec<_>) = url
        .query_pairs()
        .into_owned()
        .partition(|(name, _)| is_tls(name));
    // `preferred` would be satisfied without.
    let wants = |(_, mode): &(String, String)| {
        !["disabled", "disable", "preferred", "prefer"].contains(&&*mode.to_lowercase())
    };
    let tls = tls.iter().any(wants).then(SslOpts::default);
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    let options = Opts::from_url(url.as_str()).map_err(|error| error.to_string())?;
    let mut options = OptsBuilder::from_opts(options)
        // The host as it was checked, in its one spelling.
        .ip_or_hostname(address.host())
        .tcp_port(address.port)
        // Never a file of the host's.
        .socket(None::<String>)
        .prefer_socket(false)
        .max_allowed_packet(usize::try_from(ANSWER_BYTES_MAX).ok())
        .tcp_nodelay(true);
    if let Some(tls) = tls {
        options = options.ssl_opts(tls);
    }
    Ok((address, options))
}

impl Session {
    /// A session with the server at `text`; nothing is dialled yet.
    pub fn new(client: &Arc<Client>, text: &str) -> Result<Self, Fault> {
        let (address, options) = read(text).map_err(Fault::BadAddress)?;
        Ok(Session {
            client: client.clone(),
            address,
            options,
            text: text.to_owned(),
            lease: None,
            used: false,
        })
    }

    /// Where it goes.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Connects, unless it is connected. The answer is an address at the other end.
    pub async fn connect(&mut self) -> Result<Option<IpAddr>, Fault> {
        let peer = |lease: &Lease<String, Link>| lease.peers.first().copied();
        if let Some(lease) = &self.lease
            && lease.is_open()
        {
            return Ok(peer(lease));
        }
        self.used = false;
        // One that the server closed while it was idle is only noticed when it is used.
        while let Some(mut lease) = self.client.pool.take(&self.text) {
            lease.spoil();
            let alive = match &mut lease.connection {
                Some(connection) => timeout(CONNECT_TIME, connection.ping()).await,
                None => continue,
            };
            if let Ok(Ok(())) = alive {
                lease.mend();
                let peer = peer(&lease);
                self.lease = Some(lease);
                return Ok(peer);
            }
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
        let lease = pool.lease(self.text.clone(), link, seat);
        let peer = peer(&lease);
        self.lease = Some(lease);
        Ok(peer)
    }

    async fn dial(&self) -> Result<Link, Fault> {
        let found = self.client.way.addresses(&self.address).await;
        let peers = found.map_err(Fault::Unreached)?;
        let options = self.options.clone().resolved_ips(Some(peers.clone()));
        match Conn::new(options).await {
            Ok(connection) => Ok(Link {
                connection: Some(connection),
                peers,
            }),
            Err(Error::Io(mysql_async::IoError::Io(error))) => {
                let peer = peers.first().copied();
                Err(match peer {
                    Some(peer) => Fault::Unreached(Unreached::Dial(peer, Some(error))),
                    None => Fault::Unreached(Unreached::NoAddress),
                })
            }
            Err(error) => Err(Fault::Refused(told(&error))),
        }
    }

    /// Runs a statement; the rows are empty where it returns none.
    pub async fn query(
        &mut self,
        statement: &str,
        values: Vec<ParameterValue>,
    ) -> Result<(RowSet, Moved), Fault> {
        let values: Vec<_> = values.into_iter().map(value::write).collect();
        let written = statement.len() + values.iter().map(value::size).sum::<usize>();
        let params = match values.is_empty() {
            true => Params::Empty,
            false => Params::Positional(values),
        };
        self.connect().await?;
        self.used = true;
        let patience = self.client.patience;
        let none = || Fault::Other("there is no connection".to_owned());
        let lease = self.lease.as_mut().ok_or_else(none)?;
        // It is put back when the server has answered.
        lease.spoil();
        let mut connection = lease.connection.take().ok_or_else(none)?;
        let mut under_way = UnderWay {
            options: Some(self.options.clone().resolved_ips(Some(lease.peers.clone()))),
            id: connection.id(),
        };
        let done = timeout(patience, rows(&mut connection, statement, params)).await;
        let Ok(done) = done else {
            self.lease = None;
            return Err(Fault::Other(outbound::too_slow(patience)));
        };
        under_way.options = None;
        let (result, usable) = done;
        match usable {
            true => {
                lease.connection = Some(connection);
                lease.mend();
            }
            false => self.lease = None,
        }
        let (rows, read) = result?;
        Ok((rows, (read, written)))
    }
}

type Read = (RowSet, usize);

/// Reads all rows, and says whether the connection can be used for more.
async fn rows(
    connection: &mut Conn,
    statement: &str,
    params: Params,
) -> (Result<Read, Fault>, bool) {
    let plain = matches!(params, Params::Empty);
    let failed = |error: Error| {
        let usable = matches!(error, Error::Server(_));
        (Err(fault(&error)), usable)
    };
    let prepared = match connection.prep(statement).await {
        Ok(prepared) => Some(prepared),
        Err(Error::Server(error)) if plain && error.code == NOT_PREPARABLE => None,
        Err(error) => return failed(error),
    };
    match prepared {
        Some(prepared) => {
            // The library panics where the numbers differ.
            let given = match &params {
                Params::Positional(values) => values.len(),
                _ => 0,
            };
            if given != usize::from(prepared.num_params()) {
                let wanted = prepared.num_params();
                let told = format!("the statement wants {wanted} values and was given {given}");
                return (Err(Fault::Query(told)), true);
            }
            match connection.exec_iter(prepared, params).await {
                Ok(answer) => collect(answer).await,
                Err(error) => failed(error),
            }
        }
        None => match connection.query_iter(statement).await {
            Ok(answer) => collect(answer).await,
            Err(error) => failed(error),
        },
    }
}

async fn collect<P: mysql_async::prelude::Protocol>(
    mut answer: mysql_async::QueryResult<'_, '_, P>,
) -> (Result<Read, Fault>, bool) {
    let columns = answer.columns();
    let columns: &[mysql_async::Column] = columns.as_deref().unwrap_or_default();
    let column = |column: &mysql_async::Column| Column {
        name: column.name_str().into_owned(),
        data_type: value::data_type(column),
    };
    let mut found = RowSet {
        columns: columns.iter().map(column).collect(),
        rows: Vec::new(),
    };
    let mut bytes = 0;
    loop {
        let row = match answer.next().await {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) => {
                return (Err(fault(&error)), matches!(error, Error::Server(_)));
            }
        };
        if found.rows.len() >= ANSWER_ROWS_MAX {
            return (Err(Fault::Other(outbound::too_many_rows())), false);
        }
        let mut values = Vec::with_capacity(columns.len());
        for (value, column) in row.unwrap().into_iter().zip(columns) {
            bytes += value::size(&value);
            match value::read(value, column) {
                Some(value) => values.push(value),
                None => {
                    let told = format!(
                        "column {:?} holds what cannot be given to a guest",
                        column.name_str()
                    );
                    return (Err(Fault::Conversion(told)), false);
                }
            }
        }
        if bytes as u64 > ANSWER_BYTES_MAX {
            return (Err(Fault::Other(outbound::too_large())), false);
        }
        found.rows.push(values);
    }
    // A procedure may answer more than once; the first answer is the guest's.
    match answer.drop_result().await {
        Ok(()) => (Ok((found, bytes)), true),
        Err(error) => (Err(fault(&error)), matches!(error, Error::Server(_))),
    }
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::Server(_) => Fault::Query(told(error)),
        _ => Fault::Other(told(error)),
    }
}

fn told(error: &Error) -> String {
    match error {
        Error::Server(error) => format!("{} ({}): {}", error.code, error.state, error.message),
        Error::Io(mysql_async::IoError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            "the connection timed out".to_owned()
        }
        Error::Io(error) => format!("the connection broke: {error}"),
        other => other.to_string(),
    }
}

/// Kills a statement that nobody waits for any more.
struct UnderWay {
    options: Option<OptsBuilder>,
    id: u32,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(options) = self.options.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let id = self.id;
        runtime.spawn(async move {
            let kill = async {
                let mut connection = Conn::new(options).await?;
                connection.query_drop(format!("KILL QUERY {id}")).await?;
                connection.disconnect().await
            };
            let _ = timeout(CONNECT_TIME, kill).await;
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        if !self.used || !lease.is_fit() {
            return;
        }
        let patience = self.client.patience;
        lease.spoil();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let Some(mut connection) = lease.connection.take() else {
                return;
            };
            // The server may not know how; then the connection has done its work.
            if let Ok(Ok(true)) = timeout(patience, connection.reset()).await {
                lease.connection = Some(connection);
                lease.mend();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_once() {
        for (text, origin, tls) in [
            (
                "mysql://me:secret@DB.internal/x",
                "mysql://db.internal",
                false,
            ),
            (
                "mysql://[::1]:3307/x?ssl-mode=required",
                "mysql://[::1]:3307",
                true,
            ),
            ("mysql://a/x?sslMode=DISABLED", "mysql://a", false),
        ] {
            let (address, options) = read(text).unwrap();
            let options = Opts::from(options);
            assert_eq!(address.to_string(), origin, "{text}");
            assert_eq!(options.ssl_opts().is_some(), tls, "{text}");
            assert_eq!(options.ip_or_hostname(), address.host(), "{text}");
            assert!(
                !options.prefer_socket() && options.socket().is_none(),
                "{text}"
            );
        }
        let (_, options) = read("mysql://a/x?socket=/run/mysqld.sock&prefer_socket=true").unwrap();
        let options = Opts::from(options);
        assert!(!options.prefer_socket() && options.socket().is_none());
        for text in [
            "",
            "a:3306",
            "mysql://",
            "mysql://a/x?nonsense=1",
            "postgres://a",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
