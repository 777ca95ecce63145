//! A guest's connection: dialled by us to the address that was checked.
//!
//! When its handle is closed the server resets the session, and the connection is kept for the
//! component's next event. A statement that nobody waits for any more is killed at the server, and its
//! connection is closed.

use super::address::{Login, read};
use super::call::Statements;
use super::types::{ParameterValue, RowSet};
use super::value;
use super::wire::{Channel, Trouble};
use crate::network::Unreached;
use crate::outbound::{
    self, ANSWER_BYTES_MAX, Address, CALL_TIME, CONNECT_TIME, CONNECTIONS_MAX, Connected, Counted,
    Lease, Moved, Pool, Pooled, STATEMENTS_KEPT, Tally, TooLarge, Used, Way, Wire,
};
use mysql_common::constants::Command;
use mysql_common::packets::CommonOkPacket;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

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
    /// The statement, in the server's words.
    Query(String),
    /// A value of the server's.
    Conversion(String),
    /// What a guest is told otherwise.
    Other(String),
}

impl From<TooLarge> for Fault {
    fn from(_: TooLarge) -> Self {
        Fault::Other(outbound::too_large())
    }
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
    channel: Channel,
    statements: Statements,
    wire: Arc<Wire>,
    peer: IpAddr,
}

impl Pooled for Link {
    /// Whether it is, who takes it will ask the server.
    fn is_open(&self) -> bool {
        true
    }
}

/// A guest's connection. It connects anew when the server has closed it.
pub struct Session {
    client: Arc<Client>,
    address: Address,
    login: Login,
    text: String,
    lease: Option<Lease<String, Link>>,
    /// What it has run on its connection.
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
        let (address, login) = read(text).map_err(Fault::BadAddress)?;
        Ok(Session {
            client: client.clone(),
            address,
            login,
            text: text.to_owned(),
            lease: None,
            used: Used::Fresh,
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
        if let Some(lease) = &self.lease {
            return Ok(lease.peer);
        }
        if self.used == Used::Any {
            return Err(Fault::Lost);
        }
        self.used = Used::Fresh;
        // One that the server closed while it was idle is only noticed when it is used.
        while let Some(mut lease) = self.client.pool.take(&self.text) {
            self.tally.taken(&lease.wire);
            lease.spoil();
            lease.wire.begin(ANSWER_BYTES_MAX);
            let alive = ping(&mut lease.channel);
            if let Ok(Ok(())) = timeout(CONNECT_TIME, alive).await {
                lease.mend();
                let peer = lease.peer;
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
        let peer = link.peer;
        self.lease = Some(pool.lease(self.text.clone(), link, seat));
        Ok(peer)
    }

    async fn dial(&mut self) -> Result<Link, Fault> {
        let way = &self.client.way;
        let dialled = way.dial(&self.address, CONNECT_TIME).await;
        let connected = dialled.map_err(Fault::Unreached)?;
        let (wire, peer) = (connected.wire.clone(), connected.peer);
        self.tally.dialled(&wire);
        let made = Channel::log_in(way, &self.address, &self.login, connected).await;
        let channel = made.map_err(|trouble| {
            let (Trouble::Server(_, told) | Trouble::Broken(told)) = trouble;
            Fault::Refused(told)
        })?;
        Ok(Link {
            channel,
            statements: Statements::new(STATEMENTS_KEPT),
            wire,
            peer,
        })
    }

    /// Runs a statement; the rows are empty where it returns none.
    pub async fn query(
        &mut self,
        statement: &str,
        values: Vec<ParameterValue>,
    ) -> Result<RowSet, Fault> {
        let values: Vec<_> = values.into_iter().map(value::write).collect();
        self.connect().await?;
        self.used = self.used.max(Used::by(statement));
        let patience = self.client.patience;
        let Some(lease) = &mut self.lease else {
            return Err(Fault::Lost);
        };
        // If nobody waits for the answer it is killed, and the connection closed with its handle.
        lease.spoil();
        lease.wire.begin(ANSWER_BYTES_MAX);
        let mut under_way = UnderWay {
            client: Some(self.client.clone()),
            address: self.address.clone(),
            login: self.login.clone(),
            peer: lease.peer,
            id: lease.channel.id,
        };
        let Link {
            channel,
            statements,
            ..
        } = &mut **lease;
        let running = channel.run(statements, statement, &values);
        let Ok(done) = timeout(patience, running).await else {
            self.lease = None;
            return Err(Fault::Other(outbound::too_slow(patience)));
        };
        match &done {
            Ok(_) | Err(Fault::Query(_)) => {
                under_way.client = None;
                lease.mend();
            }
            // The rest of the answer is still to come, or nothing is.
            Err(_) => {
                let over = lease.wire.is_over();
                self.lease = None;
                if over {
                    return Err(TooLarge.into());
                }
            }
        }
        done
    }
}

async fn ping(channel: &mut Channel) -> Result<(), Trouble> {
    channel.command(Command::COM_PING as u8, &[]).await?;
    let packet = channel.packet().await?;
    channel.ok::<CommonOkPacket>(&packet)
}

/// Makes a session what it was when it had just logged in.
async fn reset(link: &mut Link, login: &Login) -> Result<(), Trouble> {
    link.statements.clear();
    let channel = &mut link.channel;
    let reset = Command::COM_RESET_CONNECTION as u8;
    channel.command(reset, &[]).await?;
    let packet = channel.packet().await?;
    channel.ok::<CommonOkPacket>(&packet)?;
    // The database that was chosen last outlives it.
    if let Some(database) = &login.database {
        let choose = Command::COM_INIT_DB as u8;
        channel.command(choose, database.as_bytes()).await?;
        let packet = channel.packet().await?;
        channel.ok::<CommonOkPacket>(&packet)?;
    }
    Ok(())
}

/// Kills a statement that nobody waits for any more.
struct UnderWay {
    client: Option<Arc<Client>>,
    address: Address,
    login: Login,
    peer: IpAddr,
    id: u32,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (address, login) = (self.address.clone(), self.login.clone());
        let (peer, id) = (self.peer, self.id);
        runtime.spawn(async move {
            let kill = async {
                // Where the connection went, and nowhere else.
                let stream = TcpStream::connect((peer, address.port)).await?;
                let wire = Arc::<Wire>::default();
                wire.begin(ANSWER_BYTES_MAX);
                let connected = Connected {
                    stream: Counted::new(stream, wire.clone()),
                    wire,
                    peer,
                };
                let mut channel = Channel::log_in(&client.way, &address, &login, connected).await?;
                let kill = format!("KILL QUERY {id}");
                let query = Command::COM_QUERY as u8;
                channel.command(query, kill.as_bytes()).await?;
                channel.packet().await.map(|_| ())
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
        if self.used == Used::Fresh || !lease.is_fit() {
            return;
        }
        lease.spoil();
        // Who began in no database cannot be put back into none.
        if self.used == Used::Any && self.login.database.is_none() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (patience, login) = (self.client.patience, self.login.clone());
        runtime.spawn(async move {
            lease.wire.begin(ANSWER_BYTES_MAX);
            // The server may not know how; then the connection has done its work.
            if let Ok(Ok(())) = timeout(patience, reset(&mut lease, &login)).await {
                lease.mend();
            }
        });
    }
}
