//! Dialling a target: its name is looked up once, every address is checked, one that passed is
//! dialled.

use super::{OriginPolicy, Range, Refusal, Resolve, Target, look_up};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Why nobody was reached.
#[derive(Debug)]
pub enum Unreached {
    /// The policy does not name the target.
    NotNamed,
    /// All addresses of the name are in ranges that the grant does not open; one of them.
    Closed(IpAddr, Range),
    /// The look-up failed.
    LookUp(io::Error),
    /// The name has no address.
    NoAddress,
    /// This address was dialled in vain; without an error, it did not answer in time.
    Dial(IpAddr, Option<io::Error>),
}

/// As it completes "there is no connection: …"; it names no address, which is the host's business.
impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreached::NotNamed => f.write_str("it is not granted"),
            Unreached::Closed(_, range) => write!(f, "it is {range}, which is not granted"),
            Unreached::LookUp(_) | Unreached::NoAddress => f.write_str("its name was not found"),
            Unreached::Dial(_, Some(error)) => match error.kind() {
                io::ErrorKind::ConnectionRefused => f.write_str("it was refused"),
                _ => f.write_str("the address cannot be reached"),
            },
            Unreached::Dial(_, None) => f.write_str("no answer in time"),
        }
    }
}

/// The addresses of the target that may be dialled: at least one.
pub async fn addresses(
    policy: &OriginPolicy,
    resolver: &dyn Resolve,
    target: &Target,
    port: u16,
) -> Result<Vec<IpAddr>, Unreached> {
    let mut addresses = match target {
        Target::Ip(ip) => vec![*ip],
        Target::Name(name) => look_up(resolver, name).await.map_err(Unreached::LookUp)?,
    };
    let mut closed = None;
    addresses.retain(|&ip| match policy.may_dial(target, ip, port) {
        Ok(()) => true,
        Err(refusal) => {
            closed = closed.or(Some((ip, refusal)));
            false
        }
    });
    match closed {
        _ if !addresses.is_empty() => Ok(addresses),
        Some((ip, Refusal::Closed(range))) => Err(Unreached::Closed(ip, range)),
        Some((_, Refusal::NotNamed)) => Err(Unreached::NotNamed),
        None => Err(Unreached::NoAddress),
    }
}

/// Dials one address after the other; each gets its share of the time that is left.
pub async fn dial(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> Result<(TcpStream, IpAddr), Unreached> {
    let mut last = Unreached::NoAddress;
    for (index, &ip) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = now + deadline.saturating_duration_since(now) / left;
        let error = match timeout_at(share, TcpStream::connect(SocketAddr::new(ip, port))).await {
            Ok(Ok(stream)) => return Ok((stream, ip)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        last = Unreached::Dial(ip, error);
    }
    Err(last)
}
