//! Where a guest wants to go, as it is written for PostgreSQL's own clients.

use crate::network::{Scheme, Service, Target};
use crate::outbound::Address;
use std::error::Error as _;
use std::net::IpAddr;
use std::str::FromStr;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Reads a URL, or words such as `host=db.internal user=me`.
pub(super) fn read(text: &str) -> Result<(Address, Config), String> {
    const BYTES_MAX: usize = 8 << 10;
    if text.len() > BYTES_MAX {
        return Err("the address is too long".to_owned());
    }
    let config = Config::from_str(text).map_err(|error| match error.source() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    })?;
    let target = match (config.get_hosts(), config.get_hostaddrs()) {
        ([_, _, ..], _) | (_, [_, _, ..]) => {
            return Err("an address names one host".to_owned());
        }
        ([Host::Tcp(host)], []) => {
            // A URL has brackets around an IPv6 address; the words have none.
            let bare = host.parse::<IpAddr>().map(Target::Ip).ok();
            bare.or_else(|| Target::parse(host))
                .ok_or_else(|| format!("{host:?} is not a host"))?
        }
        #[cfg(unix)]
        ([Host::Unix(_)], _) => return Err("sockets in files are not reachable".to_owned()),
        (_, [ip]) => Target::Ip(ip.to_canonical()),
        ([], []) => return Err("the address names no host".to_owned()),
    };
    let scheme = Scheme::Postgres;
    let port = match config.get_ports() {
        [] => scheme.default_port(),
        [0] => return Err("0 is not a port".to_owned()),
        [port] => *port,
        _ => return Err("an address names one port".to_owned()),
    };
    let address = Address {
        scheme,
        target,
        port,
    };
    debug_assert_eq!(address.scheme.to_string(), Service::Postgres.grant());
    Ok((address, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_once() {
        for (text, origin) in [
            (
                "host=localhost port=5433 user=me",
                "postgres://localhost:5433",
            ),
            (
                "postgres://me:secret@DB.internal/x",
                "postgres://db.internal",
            ),
            (
                "postgresql://me@[::1]:6000/x?sslmode=require",
                "postgres://[::1]:6000",
            ),
            ("host=::1", "postgres://[::1]"),
            ("host=name hostaddr=10.0.0.1", "postgres://10.0.0.1"),
        ] {
            assert_eq!(read(text).unwrap().0.to_string(), origin, "{text}");
        }
        for (text, wrong) in [
            ("", "the address names no host"),
            ("host=/run/postgresql", "sockets in files are not reachable"),
            ("host=a,b", "an address names one host"),
            ("host=a..b", "\"a..b\" is not a host"),
            ("host=a port=0", "0 is not a port"),
            ("user=me", "the address names no host"),
        ] {
            assert_eq!(read(text).unwrap_err(), wrong, "{text}");
        }
        assert!(read("host=a nonsense=b").is_err());
    }
}
