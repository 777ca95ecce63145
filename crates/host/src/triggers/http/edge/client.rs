//! Whose request it is, where proxies that are trusted stand in front.

use holm_manifest::{Proxies, ProxyHeader};
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client: the other end of the connection, or, where that is a proxy that is trusted,
/// the last one that the proxies name which is not one of them.
pub fn client(proxies: Option<&Proxies>, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.to_canonical();
    let Some(proxies) = proxies else {
        return client;
    };
    if !proxies.trusts(client) {
        return client;
    }
    let name = match proxies.header {
        ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
        ProxyHeader::Forwarded => FORWARDED,
    };
    // Each proxy adds the one that it got the request from at the end, so the end is read first; what
    // stands before an address that is not trusted is that client's own word.
    let values = headers.get_all(name).iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        let named = match proxies.header {
            ProxyHeader::XForwardedFor => address(hop),
            ProxyHeader::Forwarded => forwarded(hop),
        };
        let Some(named) = named else {
            return client;
        };
        client = named;
        if !proxies.trusts(client) {
            return client;
        }
    }
    client
}

/// `for=…` of one element of `forwarded` (RFC 7239).
fn forwarded(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut pairs = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    address(pairs.next()?.1)
}

/// An address, with or without quotes, brackets and a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let plain = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let ip = plain.unwrap_or(text).parse::<IpAddr>().ok();
    let ip = ip.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &str, peer: &str, values: &[(&'static str, &str)]) -> String {
        let table = holm_manifest::Value::table(vec![
            (
                "trusted",
                holm_manifest::Value::from(vec!["10.0.0.0/8", "fd00::/8"]),
            ),
            ("header", header.into()),
        ]);
        let proxies: Proxies = table.parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, value.parse().unwrap());
        }
        client(Some(&proxies), peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_client_names_nobody_but_itself() {
        let xff = "x-forwarded-for";
        for (peer, values, is) in [
            ("192.0.2.1", &[(xff, "1.1.1.1")][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "1.1.1.1")], "1.1.1.1"),
            ("::ffff:10.0.0.1", &[(xff, "1.1.1.1:99")], "1.1.1.1"),
            // The client has written the first.
            (
                "10.0.0.1",
                &[(xff, "9.9.9.9, 1.1.1.1, 10.0.0.2")],
                "1.1.1.1",
            ),
            ("10.0.0.1", &[(xff, "9.9.9.9"), (xff, "1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[(xff, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", &[(xff, "1.1.1.1, rubbish")], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "1.1.1.1,")], "10.0.0.1"),
            ("fd00::1", &[(xff, "[2001:db8::1]:80")], "2001:db8::1"),
            // Another header than the one that the proxy writes is the client's own word.
            ("10.0.0.1", &[("forwarded", "for=1.1.1.1")], "10.0.0.1"),
        ] {
            assert_eq!(found(xff, peer, values), is, "{peer} {values:?}");
        }
        for (value, is) in [
            ("for=1.1.1.1;proto=https", "1.1.1.1"),
            ("For=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            (
                "for=9.9.9.9, for=1.1.1.1;by=10.0.0.2, for=10.0.0.2",
                "1.1.1.1",
            ),
            ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            let values = [("forwarded", value)];
            assert_eq!(found("forwarded", "10.0.0.1", &values), is, "{value}");
        }
    }

    #[test]
    fn whatever_stands_there_is_read() {
        let words = [
            "for=", "\"[", "]:1\"", ",", ";", "1.1.1.1", "10.0.0.1", "::1",
        ];
        crate::fuzz::text("forwarded", &words, |text| {
            let _ = (forwarded(text), address(text));
        });
    }
}
