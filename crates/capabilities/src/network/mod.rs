//! Network policy, shared by all that leaves the machine: which hosts a grant names, and which
//! addresses a name may turn out to be. Pure data and decisions, the one resolver, and the dialling
//! of what was decided.
//!
//! Two questions are asked of every connection, in this order. *Is the target named by the grant?*
//! is decided on the parsed host, never on text ([`Host`], [`NetPolicy`], [`OriginPolicy`]). *May
//! this address be dialled?* is decided on each address that the name resolved to ([`Range`]): a
//! public one may; a private one only if the grant names the address itself, or says `"private"`.
//! A name is resolved once, and the address that was checked is the address that is dialled.

mod dial;
mod grant;
mod host;
mod net;
mod origin;
mod range;
mod resolve;

#[cfg(test)]
mod tests;

pub use dial::{Unreached, addresses, dial};
pub use host::{BadPattern, Host, Name, Port, Target};
pub use net::{NetPolicy, Pattern, Remembered};
pub use origin::{Origin, OriginPolicy, Scheme, Service};
pub use range::Range;
pub use resolve::{Answer, Resolve, System, look_up};

/// Why a target was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No part of the grant names it.
    NotNamed,
    /// It is named, but the address is in a range that the grant does not open.
    Closed(Range),
}

/// The word that opens private ranges.
pub const PRIVATE: &str = "private";
/// The word that opens everything.
pub const ALL: &str = "all";

/// May an address in `range` be dialled that nothing names literally? `named` says whether a pattern
/// has the name itself: `*` means the public hosts, and `localhost` is none.
fn opens(private: bool, name: Option<&Name>, named: bool, range: Range) -> bool {
    match range {
        Range::Public => true,
        Range::Loopback if named && name.is_some_and(Name::is_localhost) => true,
        _ => private && range.opened_by_private(),
    }
}

/// Did reaching `ip` under this host take the word `private`, if nothing names the address itself?
pub fn needs_private(target: &Target, ip: std::net::IpAddr) -> bool {
    target
        .name()
        .is_some_and(|name| !opens(false, Some(name), true, Range::of(ip)))
}

/// A list of patterns as a manifest writes it; those that may hold a `secret` are one word.
fn toml_list<T: std::fmt::Display>(
    patterns: &[T],
    secret: bool,
    words: &[&str],
    more: Option<&str>,
) -> String {
    let mut items: Vec<String> = match secret {
        true if patterns.is_empty() => Vec::new(),
        true => vec!["\"[redacted]\"".into()],
        false => patterns
            .iter()
            .map(|p| format!("{:?}", p.to_string()))
            .collect(),
    };
    items.extend(words.iter().chain(more.iter()).map(|w| format!("{w:?}")));
    items.dedup();
    format!("[{}]", items.join(", "))
}
