//! The load: keep-alive connections that each send their next request when the last is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;

use super::spread::percentile;

/// What one round of load saw
pub struct Load {
    /// Requests answered
    pub requests: usize,
    /// From the first request to the last answer
    pub wall: Duration,
    /// Sorted, in nanoseconds
    latencies: Vec<u64>,
}

impl Load {
    /// The latency that a share of the requests stayed under, in microseconds
    pub fn latency_us(&self, share: f64) -> f64 {
        percentile(&self.latencies, share) as f64 / 1e3
    }
}

impl Load {
    /// What was measured in some other way than by [`drive_with`]
    pub fn of(mut latencies: Vec<u64>, wall: Duration) -> Result<Self> {
        ensure!(!latencies.is_empty(), "no request was answered");
        latencies.sort_unstable();
        Ok(Self {
            requests: latencies.len(),
            wall,
            latencies,
        })
    }
}

/// A connection
pub type Sender = SendRequest<Empty<Bytes>>;

/// Who is asked for what
#[derive(Clone)]
pub struct Target {
    /// Where the server listens
    pub address: SocketAddr,
    /// The `host` header
    pub host: String,
    /// What is asked for
    pub path: &'static str,
    /// The status of the answer when all is well
    pub status: u16,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            path: "/",
            status: 200,
        }
    }
}

/// Asks again and again on a connection of its own
pub trait Client: Send + 'static {
    /// Sends a request and makes sure that the answer is a good one.
    fn ask(&mut self) -> impl Future<Output = Result<()>> + Send;
}

impl Client for (Sender, Target) {
    async fn ask(&mut self) -> Result<()> {
        request(&mut self.0, &self.1).await.map(drop)
    }
}

/// Sends requests on so many connections for `time`; see [`drive_with`].
pub fn drive<T>(
    target: impl Into<Target>,
    connections: usize,
    time: Duration,
    sample: impl FnMut() -> Result<T>,
) -> Result<(Load, T, T)> {
    let target = target.into();
    let connect = async {
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push((connect(target.address).await?, target.clone()));
        }
        Ok(clients)
    };
    drive_with(connect, time, sample)
}

/// Connects, takes a sample, lets the clients ask for `time`, and takes another: the two samples
/// bracket the requests without the connecting. All on the calling thread, hence on its core.
pub fn drive_with<C: Client, T>(
    connect: impl Future<Output = Result<Vec<C>>>,
    time: Duration,
    mut sample: impl FnMut() -> Result<T>,
) -> Result<(Load, T, T)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let clients = connect.await?;
        let before = sample()?;
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for client in clients {
            workers.spawn(work(client, start + time));
        }
        let mut latencies = Vec::new();
        while let Some(worker) = workers.join_next().await {
            latencies.extend(worker.context("a client stopped")??);
        }
        let wall = start.elapsed();
        let after = sample()?;
        Ok((Load::of(latencies, wall)?, before, after))
    })
}

/// One request, for its body: servers that are compared must say the same.
pub fn body(target: &Target) -> Result<Bytes> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { request(&mut connect(target.address).await?, target).await })
}

/// Connects; the connection is driven by a task of its own.
pub async fn connect(address: SocketAddr) -> Result<Sender> {
    let socket = TcpStream::connect(address)
        .await
        .context("cannot connect")?;
    socket.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Its errors show up as errors of the requests.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn work(mut client: impl Client, deadline: Instant) -> Result<Vec<u64>> {
    let mut latencies = Vec::new();
    let mut start = Instant::now();
    while start < deadline {
        client.ask().await?;
        let end = Instant::now();
        latencies.push(u64::try_from((end - start).as_nanos())?);
        start = end;
    }
    Ok(latencies)
}

/// A request that fails, or is answered with anything but the right status and a body, spoils the whole round:
/// refusing is cheaper than working.
pub async fn request(sender: &mut Sender, target: &Target) -> Result<Bytes> {
    let request = Request::get(target.path)
        .header("host", &target.host)
        .body(Empty::new())?;
    sender.ready().await.context("the connection was closed")?;
    let response = sender.send_request(request).await.context("no response")?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .context("the body broke off")?
        .to_bytes();
    ensure!(
        status.as_u16() == target.status && !body.is_empty(),
        "answered {status} with {:?}",
        String::from_utf8_lossy(&body)
    );
    Ok(body)
}
