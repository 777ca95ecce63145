//! The servers that a case wants beside its app: echo servers of our own, and the real ones of
//! `scripts/servers`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::copy;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::super::endpoints::Endpoints;
use super::super::spec::{Endpoint, EndpointMode, EndpointResponse, Server, ServerKind};
use super::case::Precondition;

static SHARED: Mutex<()> = Mutex::const_new(());

const TABLES: &str = include_str!("postgres.sql");

/// The servers of one case, by the port that each has where nothing else is said; ours stop when this
/// is dropped.
#[derive(Default)]
pub struct Servers {
    /// Those that all cases share have one case at a time: clients of MQTT put each other out.
    _alone: Option<MutexGuard<'static, ()>>,
    ports: Vec<(u16, u16)>,
    _echo: JoinSet<()>,
    _http: Endpoints,
}

impl Servers {
    /// Starts ours, and finds the others.
    pub async fn start(preconditions: &[Precondition]) -> Result<Self> {
        let mut servers = Self::default();
        let shared = [
            Precondition::Redis,
            Precondition::Mqtt,
            Precondition::Postgres,
        ];
        if preconditions.iter().any(|wanted| shared.contains(wanted)) {
            servers._alone = Some(SHARED.lock().await);
        }
        for precondition in preconditions {
            let (usual, port) = match precondition {
                Precondition::KeyValueStore { .. } | Precondition::Sqlite => continue,
                Precondition::HttpEcho => (80, servers.http_echo().await?),
                Precondition::TcpEcho => (7, servers.tcp_echo().await?),
                Precondition::Redis => (6379, real("HOLM_TEST_REDIS")?),
                Precondition::Mqtt => (1883, real("HOLM_TEST_MQTT")?),
                Precondition::Postgres => {
                    let port = real("HOLM_TEST_POSTGRES")?;
                    fill(port)?;
                    (5432, port)
                }
            };
            servers.ports.push((usual, port));
        }
        Ok(servers)
    }

    /// The port of the server that usually has this one; the usual one where a case wants none there.
    pub fn port(&self, usual: u16) -> u16 {
        let mut known = self.ports.iter();
        known
            .find(|(known, _)| *known == usual)
            .map_or(usual, |(_, port)| *port)
    }

    async fn http_echo(&mut self) -> Result<u16> {
        self._http = Endpoints::start(&[Server {
            name: "echo".into(),
            kind: ServerKind::Listening,
            endpoints: vec![Endpoint {
                method: "POST".into(),
                path: "/".into(),
                mode: EndpointMode::EchoBody,
                response: EndpointResponse::default(),
            }],
        }])
        .await?;
        let address = self._http.variables.first().map(|(_, address)| address);
        port_of(address.context("the echo server has no address")?)
    }

    async fn tcp_echo(&mut self) -> Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("no loopback port for a server")?;
        let port = listener.local_addr()?.port();
        self._echo.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut from, mut to) = socket.split();
                    // A connection that breaks is the guest's to notice.
                    copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Ok(port)
    }
}

/// Makes the tables that the suite's component reads, in the database that it names.
fn fill(port: u16) -> Result<()> {
    let mut psql = Command::new("psql")
        .args([
            "--host=127.0.0.1",
            "--username=postgres",
            "--dbname=spin_dev",
        ])
        .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"])
        .arg(format!("--port={port}"))
        .stdin(Stdio::piped())
        .spawn()
        .context("psql cannot be started: apt-get install postgresql-client")?;
    let stdin = psql.stdin.take().context("psql has no input")?;
    { stdin }.write_all(TABLES.as_bytes())?;
    ensure!(psql.wait()?.success(), "psql could not make the tables");
    Ok(())
}

/// The port of a real server.
fn real(variable: &str) -> Result<u16> {
    match std::env::var(variable) {
        Ok(url) => port_of(url.split_once("://").map_or(&*url, |(_, rest)| rest)),
        Err(_) => bail!("{variable} is not set: eval \"$(scripts/servers start)\""),
    }
}

/// The port of an authority, which may have a user before it and a path behind.
fn port_of(address: &str) -> Result<u16> {
    let authority = address.split(['/', '?']).next().unwrap_or(address);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    port.and_then(|port| port.parse().ok())
        .with_context(|| format!("`{address}` has no port"))
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn ports_of_addresses() {
        assert_eq!(port_of("127.0.0.1:80").unwrap(), 80);
        assert_eq!(port_of("postgres:x@127.0.0.1:5433/db?a=b:1").unwrap(), 5433);
        assert!(port_of("localhost").is_err());
    }
}
