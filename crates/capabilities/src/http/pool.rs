//! Idle connections of one component, by destination. No other component ever sees them.

use super::body::RequestBody;
use super::destination::Destination;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Idle connections kept in all.
const IDLE_MAX: usize = 64;
/// How long one is kept.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// The sending end of a connection.
pub struct Sender {
    /// The address at the other end.
    pub peer: IpAddr,
    /// What is spoken.
    pub wire: Wire,
}

/// What is spoken on a connection.
pub enum Wire {
    /// One request at a time.
    Http1(http1::SendRequest<RequestBody>),
    /// Many at once.
    Http2(http2::SendRequest<RequestBody>),
}

impl Sender {
    /// Sends a request; one that did not get onto the connection comes back in the error.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.wire {
            Wire::Http1(sender) => sender.try_send_request(request).await,
            Wire::Http2(sender) => sender.try_send_request(request).await,
        }
    }

    fn is_open(&self) -> bool {
        match &self.wire {
            Wire::Http1(sender) => !sender.is_closed(),
            Wire::Http2(sender) => !sender.is_closed(),
        }
    }
}

/// The idle connections.
#[derive(Default)]
pub struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    senders: HashMap<Destination, Vec<(Sender, Instant)>>,
    swept: bool,
}

impl Idle {
    fn drop_old(&mut self) {
        self.senders.retain(|_, senders| {
            senders.retain(|(sender, since)| sender.is_open() && since.elapsed() < IDLE_FOR);
            !senders.is_empty()
        });
    }

    fn count(&self) -> usize {
        self.senders.values().map(Vec::len).sum()
    }
}

impl Pool {
    /// An open connection to `to`, the one used last, if there is one.
    pub fn take(&self, to: &Destination) -> Option<Sender> {
        let mut idle = self.idle();
        let senders = idle.senders.get_mut(to)?;
        while let Some((sender, since)) = senders.pop() {
            if !sender.is_open() || since.elapsed() >= IDLE_FOR {
                continue;
            }
            if let Wire::Http2(shared) = &sender.wire {
                let wire = Wire::Http2(shared.clone());
                senders.push((
                    Sender {
                        peer: sender.peer,
                        wire,
                    },
                    Instant::now(),
                ));
            }
            return Some(sender);
        }
        idle.senders.remove(to);
        None
    }

    /// Keeps a connection for the next request.
    pub fn put(self: &Arc<Self>, to: Destination, sender: Sender) {
        let mut idle = self.idle();
        if idle.count() >= IDLE_MAX {
            idle.drop_old();
        }
        if idle.count() >= IDLE_MAX {
            return;
        }
        idle.senders
            .entry(to)
            .or_default()
            .push((sender, Instant::now()));
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Closes what was idle for too long, as long as there is something.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE_FOR).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        idle.drop_old();
        if idle.senders.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

/// A connection in use.
pub struct Lease {
    /// Where it goes back to.
    pub pool: Arc<Pool>,
    /// Where it leads.
    pub to: Destination,
    /// The connection.
    pub sender: Sender,
}

impl Lease {
    /// The response was read to its end. HTTP/2 connections never left the pool.
    pub fn give_back(self) {
        let Lease {
            pool,
            to,
            sender: Sender { peer, wire },
        } = self;
        let Wire::Http1(mut wire) = wire else { return };
        if wire.is_ready() {
            pool.put(
                to,
                Sender {
                    peer,
                    wire: Wire::Http1(wire),
                },
            );
            return;
        }
        // Not until the request was written to its end, too; or the origin wants to close.
        tokio::spawn(async move {
            let ready = tokio::time::timeout(IDLE_FOR, wire.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                pool.put(
                    to,
                    Sender {
                        peer,
                        wire: Wire::Http1(wire),
                    },
                );
            }
        });
    }
}
