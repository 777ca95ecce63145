//! Names to addresses: the system's resolver, bounded, and replaceable in tests.

use super::Name;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a look-up comes to.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Turns names into addresses.
pub trait Resolve: Send + Sync + 'static {
    /// Looks `name` up.
    fn resolve(&self, name: &Name) -> Answer;
}

/// The resolver of the operating system. It blocks a thread for each look-up, and a caller that
/// gives up does not unblock it, so each component gets only so many.
pub struct System {
    slots: Arc<Semaphore>,
}

impl System {
    const LOOK_UPS_MAX: usize = 16;
}

impl Default for System {
    fn default() -> Self {
        System {
            slots: Arc::new(Semaphore::new(Self::LOOK_UPS_MAX)),
        }
    }
}

impl Resolve for System {
    fn resolve(&self, name: &Name) -> Answer {
        let (slots, name) = (self.slots.clone(), name.clone());
        Box::pin(async move {
            let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
            let blocking = tokio::task::spawn_blocking(move || {
                let _slot = slot;
                (name.as_str(), 0)
                    .to_socket_addrs()
                    .map(|all| all.map(|a| a.ip()).collect())
            });
            blocking.await.map_err(io::Error::other)?
        })
    }
}

/// Looks a name up: canonical addresses, each once. `localhost` is not asked about.
pub async fn look_up(resolver: &dyn Resolve, name: &Name) -> io::Result<Vec<IpAddr>> {
    const ADDRESSES_MAX: usize = 64;
    if name.is_localhost() {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    for ip in resolver
        .resolve(name)
        .await?
        .into_iter()
        .map(|ip| ip.to_canonical())
    {
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    Ok(addresses)
}
