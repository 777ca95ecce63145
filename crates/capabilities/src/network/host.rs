//! Hosts: what a guest asks for ([`Target`]) and what a grant names ([`Host`], [`Port`]).
//!
//! Both are parsed by the same rules, the WHATWG ones of the `url` crate: letters are folded,
//! international names become punycode, and every spelling of an IPv4 address (decimal, octal,
//! hexadecimal, short) becomes that address. What is compared afterwards is never text.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A pattern that does not say anything: what is wrong with it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadPattern {
    /// What is wrong: `missing port`.
    pub what: String,
    /// What to do about it: ``write `db.internal:5432`, or `db.internal:*` for any port``.
    pub help: String,
}

impl BadPattern {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        BadPattern {
            what: what.into(),
            help: help.into(),
        }
    }
}

/// A host name in its one spelling: lower case, punycode, no trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `localhost` and what is under it, which never leave the machine (RFC 6761).
    pub fn is_localhost(&self) -> bool {
        &*self.0 == "localhost" || self.0.ends_with(".localhost")
    }

    /// Whether it is a proper subdomain of `parent`.
    fn is_under(&self, parent: &Name) -> bool {
        self.0
            .strip_suffix(&*parent.0)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }

    fn from_domain(domain: &str) -> Option<Name> {
        let name = domain.strip_suffix('.').unwrap_or(domain);
        let fits = name.len() <= 253 && name.split('.').all(|l| (1..=63).contains(&l.len()));
        // Stricter than the WHATWG parser, which lets through what no host is called.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (fits && name.bytes().all(plain)).then(|| Name(name.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host that a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// To be resolved.
    Name(Name),
    /// An address; IPv4-mapped ones are the IPv4 address.
    Ip(IpAddr),
}

impl Target {
    /// Parses a host as it stands in an authority, IPv6 addresses in brackets; `None` if it is none.
    pub fn parse(host: &str) -> Option<Target> {
        // Longer than any host, however it is escaped: not worth decoding.
        if host.len() > 1024 {
            return None;
        }
        match url::Host::parse(host).ok()? {
            url::Host::Domain(domain) => Name::from_domain(&domain).map(Target::Name),
            url::Host::Ipv4(ip) => Some(Target::Ip(ip.into())),
            url::Host::Ipv6(ip) => Some(Target::Ip(IpAddr::V6(ip).to_canonical())),
        }
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Target::Name(name) => Some(name),
            Target::Ip(_) => None,
        }
    }
}

/// As it stands in an authority.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name) => name.fmt(f),
            Target::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Target::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// The hosts that a pattern names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `*`: every host, as far as its address is open.
    Any,
    /// `db.internal`.
    Name(Name),
    /// `*.example.com`: every proper subdomain.
    Under(Name),
    /// `10.0.0.0/8`, `10.1.2.3`, `[::1]`: the addresses themselves.
    Net(IpNet),
}

impl Host {
    /// Whether it names the host, leaving aside which address that turns out to have.
    pub fn covers(&self, target: &Target) -> bool {
        match (self, target) {
            (Host::Any, _) => true,
            (Host::Name(own), Target::Name(name)) => own == name,
            (Host::Under(parent), Target::Name(name)) => name.is_under(parent),
            (Host::Net(net), Target::Ip(ip)) => net.contains(&ip.to_canonical()),
            _ => false,
        }
    }

    /// Whether it covers the host by more than covering all.
    pub fn names(&self, target: &Target) -> bool {
        *self != Host::Any && self.covers(target)
    }

    /// Whether it names the address itself, which opens it in whatever range it is.
    pub fn is_literally(&self, ip: IpAddr) -> bool {
        matches!(self, Host::Net(net) if net.contains(&ip.to_canonical()))
    }
}

impl FromStr for Host {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text == "*" {
            return Ok(Host::Any);
        }
        if let Some(parent) = text.strip_prefix("*.") {
            return match Target::parse(parent) {
                Some(Target::Name(name)) => Ok(Host::Under(name)),
                _ => Err(BadPattern::new(
                    format!("`{}` is not a host name", parent.escape_debug()),
                    "`*.` goes before a host name: `*.example.com`",
                )),
            };
        }
        if text.contains('*') {
            return Err(BadPattern::new(
                "`*` in the middle of a host name",
                "`*` stands for all hosts, `*.example.com` for all subdomains",
            ));
        }
        let inner = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .unwrap_or(text);
        if inner.contains('/') {
            return IpNet::from_str(inner)
                .map(|net| Host::Net(canonical(net)))
                .map_err(|_| {
                    BadPattern::new(
                        format!("`{}` is not a range of addresses", text.escape_debug()),
                        "a range is an address and a number of bits: `10.0.0.0/8`, `[fc00::/7]`",
                    )
                });
        }
        match Target::parse(text) {
            Some(Target::Name(name)) => Ok(Host::Name(name)),
            Some(Target::Ip(ip)) => Ok(Host::Net(ip.into())),
            None if text.parse::<Ipv6Addr>().is_ok() => Err(BadPattern::new(
                "an IPv6 address without brackets",
                format!("write `[{text}]`"),
            )),
            None => Err(BadPattern::new(
                format!("`{}` is not a host", text.escape_debug()),
                "a host is a name, an address, a range of addresses (`10.0.0.0/8`) or `*`",
            )),
        }
    }
}

/// The range in its one spelling: no bits after the prefix, IPv4-mapped ones as IPv4.
fn canonical(net: IpNet) -> IpNet {
    match net.trunc() {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok())
            .map_or(IpNet::V6(v6), IpNet::V4),
        net => net,
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Any => f.write_str("*"),
            Host::Name(name) => name.fmt(f),
            Host::Under(name) => write!(f, "*.{name}"),
            Host::Net(IpNet::V4(net)) if net.prefix_len() == 32 => net.addr().fmt(f),
            Host::Net(IpNet::V4(net)) => net.fmt(f),
            Host::Net(IpNet::V6(net))
                if net.prefix_len() == Ipv6Net::default().max_prefix_len() =>
            {
                write!(f, "[{}]", net.addr())
            }
            Host::Net(IpNet::V6(net)) => write!(f, "[{net}]"),
        }
    }
}

/// The ports that a pattern names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// `*`.
    Any,
    /// One port.
    One(u16),
}

impl Port {
    /// Whether it names the port.
    pub fn covers(self, port: u16) -> bool {
        match self {
            Port::Any => true,
            Port::One(own) => own == port,
        }
    }
}

impl FromStr for Port {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        match text {
            "*" => Ok(Port::Any),
            // `u16::from_str` takes `+80`, and nobody means port 0.
            _ if text.bytes().all(|b| b.is_ascii_digit()) => match text.parse() {
                Ok(0) | Err(_) => Err(Port::bad(text)),
                Ok(port) => Ok(Port::One(port)),
            },
            _ => Err(Port::bad(text)),
        }
    }
}

impl Port {
    fn bad(text: &str) -> BadPattern {
        BadPattern::new(
            format!("`{}` is not a port", text.escape_debug()),
            "a port is a number from 1 to 65535, or `*` for any",
        )
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Any => f.write_str("*"),
            Port::One(port) => port.fmt(f),
        }
    }
}

/// Splits `host:port`, leaving brackets on the host. No port: `None`.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    let host_ends = match text.rfind(']') {
        Some(bracket) => bracket + 1,
        None => match text.rfind(':') {
            // More than one colon and no brackets: an IPv6 address, for the host parser to refuse.
            Some(colon) if text[..colon].contains(':') => text.len(),
            Some(colon) => colon,
            None => text.len(),
        },
    };
    let (host, rest) = text.split_at(host_ends);
    if rest.is_empty() {
        (host, None)
    } else {
        (host, Some(rest.strip_prefix(':').unwrap_or(rest)))
    }
}
