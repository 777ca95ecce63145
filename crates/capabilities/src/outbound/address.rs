//! Where a connection goes, parsed once: what the grant is asked about is what is dialled.

use crate::network::{Scheme, Service, Target};
use std::fmt;
use url::Url;

/// The origin of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// What is spoken there.
    pub scheme: Scheme,
    /// The host.
    pub target: Target,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The origin of a URL such as `redis://user:secret@db.internal:6379/1`, and the URL itself.
    pub fn parse(service: Service, text: &str) -> Option<(Address, Url)> {
        // Longer than any address: not worth parsing.
        const BYTES_MAX: usize = 8 << 10;
        if text.len() > BYTES_MAX {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let scheme = service.scheme(url.scheme())?;
        let address = Address {
            scheme,
            target: Target::parse(url.host_str()?)?,
            port: match url.port() {
                Some(0) => return None,
                Some(port) => port,
                None => scheme.default_port(),
            },
        };
        Some((address, url))
    }

    /// The host as it stands in an authority, without brackets.
    pub fn host(&self) -> String {
        match &self.target {
            Target::Name(name) => name.to_string(),
            Target::Ip(ip) => ip.to_string(),
        }
    }
}

/// The origin, as a grant writes it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.target)?;
        match self.port == self.scheme.default_port() {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_address() {
        let of = |service, text: &str| Address::parse(service, text).map(|(a, _)| a.to_string());
        for (service, text, origin) in [
            (Service::Redis, "redis://LocalHost/2", "redis://localhost"),
            (Service::Redis, "REDISS://u:p@a:1", "rediss://a:1"),
            (Service::Redis, "redis://[::1]:7000", "redis://[::1]:7000"),
            (Service::Mqtt, "mqtt://a:1883?client_id=x", "mqtt://a"),
            (Service::Mqtt, "mqtts://a", "mqtts://a"),
            (Service::Mysql, "mysql://u:p@0x7f.1/d", "mysql://127.0.0.1"),
            (Service::Postgres, "postgresql://a", "postgres://a"),
        ] {
            assert_eq!(of(service, text).as_deref(), Some(origin), "{text}");
        }
        for text in [
            "redis://",
            "redis:///0",
            "localhost:6379",
            "unix:///run/redis.sock",
            "redis+unix:///run/redis.sock",
            "mqtt://a",
            "http://a",
            "redis://a:0",
            "redis://a:99999",
            "redis://a..b",
            "",
        ] {
            assert_eq!(of(Service::Redis, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_parsed_is_parsed_again_the_same() {
        let words = [
            "redis://",
            "rediss://",
            "@",
            "[::1]",
            ":6379",
            "%40",
            "..",
            "#",
            "?",
        ];
        crate::fuzz::text("destination", &words, |text| {
            if let Some((address, _)) = Address::parse(Service::Redis, text) {
                let again = Address::parse(Service::Redis, &address.to_string());
                assert_eq!(again.map(|(again, _)| again), Some(address));
            }
        });
    }
}
