//! Proxies in front of the server, whose word about a client's address counts.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// Proxies that are trusted to name their clients.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proxies {
    /// Their addresses, or ranges of such.
    #[schemars(length(min = 1), example = ["10.0.0.0/8"])]
    trusted: Vec<Range>,
    /// The header in which they do; what stands in another one is the client's own word.
    #[serde(default)]
    pub header: ProxyHeader,
}

/// The header in which proxies name their clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `x-forwarded-for`
    #[default]
    XForwardedFor,
    /// `forwarded` (RFC 7239)
    Forwarded,
}

/// An address or a range of addresses.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Range(IpNet);

impl TryFrom<String> for Range {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let range = text.parse::<IpNet>().ok();
        let range = range.or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
        let said = || format!("{text:?} is neither an address nor a range as 10.0.0.0/8");
        range.map(Range).ok_or_else(said)
    }
}

impl Proxies {
    /// Whether this address is one of theirs.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|range| range.0.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn who_is_trusted() {
        let table = |trusted: Vec<&str>| Value::table(vec![("trusted", Value::from(trusted))]);
        let proxies: Proxies = table(vec!["10.0.0.0/8", "192.0.2.7", "fd00::/8"])
            .parse()
            .unwrap();
        let trusts = |ip: &str| proxies.trusts(ip.parse().unwrap());
        assert!(trusts("10.9.9.9") && trusts("192.0.2.7") && trusts("fd00::1"));
        assert!(!trusts("11.0.0.1") && !trusts("192.0.2.8") && !trusts("::1"));
        assert_eq!(proxies.header, ProxyHeader::XForwardedFor);
        for bad in ["proxy", "10.0.0.0/33", ""] {
            assert!(table(vec![bad]).parse::<Proxies>().is_err(), "{bad}");
        }
    }
}
