//! The grant `http`: which origins requests may be sent to.

use super::host::split_port;
use super::{ALL, BadPattern, Host, PRIVATE, Port, Range, Refusal, Target, opens, toml_list};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The schemes that a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The port where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

/// A pattern of origins: `https://api.example.com`, `https://*.example.com`,
/// `http://localhost:8080`, `https://*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Option<Scheme>,
    host: Host,
    port: Port,
}

impl Origin {
    fn covers(&self, scheme: Scheme, target: &Target, port: u16) -> bool {
        self.scheme.is_none_or(|own| own == scheme)
            && self.port.covers(port)
            && self.host.covers(target)
    }
}

impl FromStr for Origin {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text == "*" {
            return Ok(Origin {
                scheme: None,
                host: Host::Any,
                port: Port::Any,
            });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(BadPattern::new(
                "an origin without a scheme",
                format!("write `https://{}`", text.escape_debug()),
            ));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => {
                return Err(BadPattern::new(
                    format!("`{}` is not a scheme of HTTP", other.escape_debug()),
                    "an origin begins with `https://` or `http://`",
                ));
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(BadPattern::new(
                "a user name in an origin",
                "an origin is a scheme, a host and a port",
            ));
        }
        // A range of addresses has a slash of its own.
        let is_range =
            |end| rest[end..].starts_with('/') && split_port(rest).0.parse::<Host>().is_ok();
        if let Some(end) = rest.find(['/', '?', '#', '\\'])
            && !is_range(end)
        {
            return Err(BadPattern::new(
                "a path in an origin",
                format!(
                    "an origin is a scheme, a host and a port: `{scheme}://{}`",
                    rest[..end].escape_debug()
                ),
            ));
        }
        let (host, port) = split_port(rest);
        let host = Host::from_str(host)?;
        let port = match port {
            Some(port) => port.parse()?,
            None if host == Host::Any => Port::Any,
            None => Port::One(scheme.default_port()),
        };
        Ok(Origin {
            scheme: Some(scheme),
            host,
            port,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(scheme) = self.scheme else {
            return f.write_str("*");
        };
        write!(f, "{scheme}://{}", self.host)?;
        match (&self.host, self.port) {
            (Host::Any, Port::Any) => Ok(()),
            (Host::Any, port) => write!(f, ":{port}"),
            (_, Port::One(port)) if port == scheme.default_port() => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

/// Which requests a component may send. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    origins: Vec<Origin>,
    private: bool,
    all: bool,
}

impl OriginPolicy {
    /// Adds an origin pattern, or one of the words `private` and `all`.
    pub fn add(&mut self, text: &str) -> Result<(), BadPattern> {
        match text {
            PRIVATE => self.private = true,
            ALL => self.all = true,
            _ => self.origins.push(text.parse()?),
        }
        Ok(())
    }

    /// Is the origin named?
    pub fn may_send(&self, scheme: Scheme, target: &Target, port: u16) -> bool {
        self.all || self.origins.iter().any(|o| o.covers(scheme, target, port))
    }

    /// May this address be dialled for the target? It is what the target resolved to.
    pub fn may_dial(&self, target: &Target, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        let range = Range::of(ip);
        let named = self.origins.iter().any(|o| o.host.names(target));
        let open = self.all
            || opens(self.private, target.name(), named, range)
            || self
                .origins
                .iter()
                .any(|o| o.port.covers(port) && o.host.is_literally(ip));
        if open {
            Ok(())
        } else {
            Err(Refusal::Closed(range))
        }
    }

    /// The manifest's line that grants `more` besides what is granted already.
    pub fn line_with(&self, more: &str) -> String {
        let words: &[&str] = if self.private { &[PRIVATE] } else { &[] };
        format!("http = {}", toml_list(&self.origins, words, Some(more)))
    }
}
