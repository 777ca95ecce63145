//! Which kind of address an IP address is, for deciding what may be dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of an address. Only [`Range::Public`] is open without further words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Globally reachable unicast.
    Public,
    /// RFC 1918, and `fc00::/7` (and the old `fec0::/10`).
    Private,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Carrier-grade NAT, `100.64.0.0/10`.
    Shared,
    /// Where clouds hand out credentials; `"private"` does not open it, only its own name does.
    Metadata,
    /// `0.0.0.0/8`, `::`; on most systems a way to reach the machine itself.
    Unspecified,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `192.0.2.0/24` and its like.
    Documentation,
    /// Everything else that is nobody's host: benchmarks, tunnels, future use.
    Reserved,
}

impl Range {
    /// The kind of `ip`. Addresses that embed an IPv4 address (mapped, NAT64, 6to4) are judged by
    /// what they embed, because that is where a packet to them ends up.
    pub fn of(ip: IpAddr) -> Range {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Range::of_v4(ip),
            IpAddr::V6(ip) => Range::of_v6(ip),
        }
    }

    /// Whether the word `"private"` opens it.
    pub fn opened_by_private(self) -> bool {
        matches!(
            self,
            Range::Private | Range::Loopback | Range::LinkLocal | Range::Shared
        )
    }

    fn of_v4(ip: Ipv4Addr) -> Range {
        match ip.octets() {
            [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [100, 100, 100, 200] => {
                Range::Metadata
            }
            [255, 255, 255, 255] => Range::Broadcast,
            [0, ..] => Range::Unspecified,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Range::Private,
            [127, ..] => Range::Loopback,
            [169, 254, ..] => Range::LinkLocal,
            [100, 64..=127, ..] => Range::Shared,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Range::Documentation,
            // IETF protocols, 6to4 relays, benchmarks.
            [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Range::Reserved,
            [224..=239, ..] => Range::Multicast,
            [240..=255, ..] => Range::Reserved,
            _ => Range::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Range {
        let embedded = |a: u16, b: u16| {
            let [[a, b], [c, d]] = [a.to_be_bytes(), b.to_be_bytes()];
            Range::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match ip.segments() {
            [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254 | 0x23] => Range::Metadata,
            [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Range::Metadata,
            [0, 0, 0, 0, 0, 0, 0, 0] => Range::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Range::Loopback,
            [0x64, 0xff9b, 0, 0, 0, 0, a, b] => embedded(a, b),
            [0x2002, a, b, ..] => embedded(a, b),
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Range::Private,
            [0xfe80..=0xfebf, ..] => Range::LinkLocal,
            [0xff00..=0xffff, ..] => Range::Multicast,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Range::Documentation,
            // 2001::/23 is for protocols (Teredo, ORCHID); of the rest only 2000::/3 is in use.
            [0x2001, 0..=0x01ff, ..] => Range::Reserved,
            [0x2000..=0x3fff, ..] => Range::Public,
            _ => Range::Reserved,
        }
    }
}

/// As it completes "10.0.0.1 is …".
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Range::Public => "a public address",
            Range::Private => "a private address",
            Range::Loopback => "a loopback address",
            Range::LinkLocal => "a link-local address",
            Range::Shared => "a carrier-grade NAT address",
            Range::Metadata => "a cloud metadata address",
            Range::Unspecified => "an unspecified address",
            Range::Multicast => "a multicast address",
            Range::Broadcast => "the broadcast address",
            Range::Documentation => "a documentation address",
            Range::Reserved => "a reserved address",
        })
    }
}
