//! Where the admin API is: a socket in the file system, or a port of this machine.

use holm_runtime::{Error, Result};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where the admin API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A loopback port.
    Port(SocketAddr),
}

impl Address {
    /// Reads `unix:PATH`, `127.0.0.1:PORT`, `[::1]:PORT` or `localhost:PORT`.
    pub fn parse(text: &str) -> Result<Address> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(not_an_address(text)),
                path => Ok(Address::Unix(path.into())),
            };
        }
        let bare = text.strip_prefix("http://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let addr: SocketAddr = match bare.strip_prefix("localhost:") {
            // The name could lead elsewhere; who writes it means this machine.
            Some(port) => port
                .parse()
                .map(|port: u16| (IpAddr::from(Ipv4Addr::LOCALHOST), port).into())
                .map_err(|_| not_an_address(text))?,
            None => bare.parse().map_err(|_| not_an_address(text))?,
        };
        if addr.ip().is_loopback() {
            return Ok(Address::Port(addr));
        }
        Err(Error::yours(format!(
            "the admin API is for this machine only, and {addr} is not a loopback address"
        ))
        .help(format!(
            "--admin 127.0.0.1:{}, or --admin unix:PATH",
            addr.port()
        ))
        .help("from elsewhere it is reached through SSH: ssh -L 3001:127.0.0.1:3001 HOST"))
    }
}

fn not_an_address(text: &str) -> Error {
    Error::yours(format!("`{text}` is no address of an admin API"))
        .help("write unix:PATH or 127.0.0.1:PORT")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Port(addr) => write!(f, "{addr}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        let is =
            |text: &str, shown: &str| assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        is("unix:/run/holm.sock", "unix:/run/holm.sock");
        is("127.0.0.1:3001", "127.0.0.1:3001");
        is("http://127.0.0.1:3001/", "127.0.0.1:3001");
        is("localhost:0", "127.0.0.1:0");
        is("[::1]:80", "[::1]:80");
        is("127.1.2.3:80", "127.1.2.3:80");
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "0.0.0.0:3001",
            "10.0.0.1:80",
            "[::]:80",
            "[::ffff:10.0.0.1]:80",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.message.contains("not a loopback"), "{text}: {error}");
        }
        for text in [
            "",
            "unix:",
            "3001",
            "example.com:80",
            "localhost:http",
            "127.0.0.1",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.message.contains("no address"), "{text}: {error}");
        }
    }
}
