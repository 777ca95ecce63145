//! Sending a request that was admitted: a connection, the request, the head of the response.

use super::body::{Account, Progress, RequestBody, ResponseBody};
use super::connect::{Connection, Connector};
use super::destination::Destination;
use super::fault::{self, Fault};
use super::pool::{Lease, Pool, Sender, Wire};
use super::retry::{self, Kept, Retry};
use holm_runtime::limits::Share;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// A request's place among those that an instance may have under way.
pub struct Slot {
    /// Its place among the instance's.
    pub(super) _own: OwnedSemaphorePermit,
    /// Its place among its app's.
    pub(super) _of_app: Share,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection: look-up, dial, handshake.
    pub connect: Duration,
    /// For the head of the response, since the request last moved.
    pub first_byte: Duration,
    /// Between two pieces of the response's body.
    pub between_bytes: Duration,
}

impl Patience {
    // Timers count in milliseconds of a word; nobody waits for longer than this.
    const MOST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// The defaults, where the guest says nothing else.
    pub fn of(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        let or = |own: Option<Duration>, seconds| {
            own.unwrap_or(Duration::from_secs(seconds)).min(Self::MOST)
        };
        Patience {
            connect: or(options.connect_timeout, 10),
            first_byte: or(options.first_byte_timeout, 30),
            between_bytes: or(options.between_bytes_timeout, 60),
        }
    }
}

/// The address that a response came from; an extension of it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// One component's way out.
pub struct Outbound {
    /// Makes connections, and holds the policy.
    pub connector: Connector,
    pool: Arc<Pool>,
}

impl Outbound {
    /// A way out with no connections yet.
    pub fn new(connector: Connector) -> Self {
        Outbound {
            connector,
            pool: Arc::default(),
        }
    }

    /// Sends a request to where it was admitted to go, and waits for the head of the response.
    pub async fn send(
        &self,
        to: Destination,
        request: Request<WasiBody>,
        patience: Patience,
        account: Account,
        slot: Slot,
    ) -> Result<Response<ResponseBody>, Fault> {
        let retry = self.connector.settings(&to).and_then(|(one, _)| one.retry);
        let sent = match retry.filter(|retry| retry.is_for(request.method())) {
            Some(retry) => self.tried(&to, request, patience, &account, retry).await,
            None => self.once(&to, request, patience, &account).await,
        };
        let (head, sender) = sent?;
        Ok(self.receive(head, to, sender, patience, account, slot))
    }

    /// Sends a request as often as it takes.
    async fn tried(
        &self,
        to: &Destination,
        request: Request<WasiBody>,
        patience: Patience,
        account: &Account,
        retry: Retry,
    ) -> Result<(Response<Incoming>, Sender), Fault> {
        let (parts, body) = request.into_parts();
        let kept = Kept::new(body);
        let mut number = 0;
        loop {
            // The first has nothing to read again.
            let Some(body) = kept.again() else {
                return Err(Error::ConnectionTerminated.into());
            };
            let request = Request::from_parts(parts.clone(), body.boxed_unsync());
            let sent = self.once(to, request, patience, account).await;
            number += 1;
            let passes = match &sent {
                Ok((head, _)) => retry::passes_with(head.status()),
                Err(fault) => retry::passes(fault),
            };
            if !passes || number > retry.times || !kept.is_there() {
                return sent;
            }
            drop(sent);
            tokio::time::sleep(retry.delay(number)).await;
        }
    }

    /// Sends a request; the head of the response, and the connection that its body comes over.
    async fn once(
        &self,
        to: &Destination,
        request: Request<WasiBody>,
        patience: Patience,
        account: &Account,
    ) -> Result<(Response<Incoming>, Sender), Fault> {
        let progress = Arc::new(Progress::new());
        let path = request.uri().path_and_query().map(rooted).transpose()?;
        let mut request = request.map(|guest| RequestBody {
            guest,
            account: account.clone(),
            progress: progress.clone(),
        });
        loop {
            let (mut sender, fresh) = match self.pool.take(to) {
                Some(sender) => (sender, false),
                None => (self.connect(to, patience.connect).await?, true),
            };
            address(&mut request, to, path.clone(), &sender)?;
            let sent = tokio::select! {
                sent = sender.send(request) => sent,
                () = stalled(&progress, patience.first_byte) => {
                    return Err(Error::ConnectionReadTimeout.into());
                }
            };
            match sent {
                Ok(head) => return Ok((head, sender)),
                // The origin had closed it while it was idle.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(fault::of_hyper(&error.into_error()).into()),
                },
            }
        }
    }

    async fn connect(&self, to: &Destination, limit: Duration) -> Result<Sender, Fault> {
        let Connection { io, http2, peer } = self.connector.connect(to, limit).await?;
        let failed = |error| Fault::Error(fault::of_hyper(&error));
        if http2 {
            let (sender, driver) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .handshake(io)
                .await
                .map_err(failed)?;
            tokio::spawn(driver);
            self.pool.put(
                to.clone(),
                Sender {
                    peer,
                    wire: Wire::Http2(sender.clone()),
                },
            );
            Ok(Sender {
                peer,
                wire: Wire::Http2(sender),
            })
        } else {
            let (sender, driver) = http1::Builder::new().handshake(io).await.map_err(failed)?;
            tokio::spawn(driver);
            Ok(Sender {
                peer,
                wire: Wire::Http1(sender),
            })
        }
    }

    fn receive(
        &self,
        head: Response<Incoming>,
        to: Destination,
        sender: Sender,
        patience: Patience,
        account: Account,
        slot: Slot,
    ) -> Response<ResponseBody> {
        let peer = Peer(sender.peer);
        let lease = Lease {
            pool: self.pool.clone(),
            to,
            sender,
        };
        let patience = patience.between_bytes;
        let mut response = head.map(|body| ResponseBody::new(body, account, patience, lease, slot));
        response.extensions_mut().insert(peer);
        response
    }
}

/// Writes the destination onto the request: not what the guest wrote, but what was checked.
fn address<B>(
    request: &mut Request<B>,
    to: &Destination,
    path: Option<PathAndQuery>,
    sender: &Sender,
) -> Result<(), Error> {
    let invalid = |_| Error::HttpRequestUriInvalid;
    request.headers_mut().remove(HOST);
    match sender.wire {
        Wire::Http1(_) => {
            let host = HeaderValue::try_from(to.authority()).map_err(invalid)?;
            request.headers_mut().insert(HOST, host);
            *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        }
        Wire::Http2(_) => *request.uri_mut() = to.uri(path)?,
    }
    Ok(())
}

/// A path that begins with a slash: what the guest left empty is the root (RFC 9112, 3.2.1).
fn rooted(path: &PathAndQuery) -> Result<PathAndQuery, Fault> {
    match path.as_str() {
        "" => Ok(PathAndQuery::from_static("/")),
        text if text.starts_with(['/', '*']) => {
            Ok(text.parse().map_err(|_| Error::HttpRequestUriInvalid)?)
        }
        text => Ok(format!("/{text}")
            .parse()
            .map_err(|_| Error::HttpRequestUriInvalid)?),
    }
}

/// Ends when nothing has moved for as long as `patience`.
pub(super) async fn stalled(progress: &Progress, patience: Duration) {
    loop {
        let until = progress.last() + patience;
        if Instant::now() >= until {
            return;
        }
        sleep_until(until).await;
    }
}
