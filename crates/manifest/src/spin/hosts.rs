//! `allowed_outbound_hosts`, by scheme: what Spin has in one list is a grant each here.

use super::{Entries, Words, string};
use crate::{Problem, Span, Value, ValueKind};

/// Schemes, the grant that each belongs to, and the port where none is written.
const SCHEMES: [(&str, &str, Option<&str>); 9] = [
    ("http", "http", Some("80")),
    ("https", "http", Some("443")),
    ("redis", "redis", Some("6379")),
    ("rediss", "redis", Some("6379")),
    ("mqtt", "mqtt", Some("1883")),
    ("mqtts", "mqtt", Some("8883")),
    ("postgres", "postgres", Some("5432")),
    ("postgresql", "postgres", Some("5432")),
    ("mysql", "mysql", Some("3306")),
];

/// What the scheme `*` stands for, besides sockets.
const ALL_SCHEMES: [&str; 8] = [
    "http", "https", "redis", "rediss", "mqtt", "mqtts", "postgres", "mysql",
];

/// The app itself. The second is for SDKs that want a dot in a host.
const SELF: [&str; 2] = ["self", "self.alt"];
/// How the grant writes it.
const TO_SELF: &str = "http://self";

/// What opens everything in `allowed_http_hosts`.
const ALL_HTTP: &str = "insecure:allow-all";

/// The word that lets names lead to private addresses; Spin tells no ranges apart.
const PRIVATE: &str = "private";

/// The grants that a component's lists of hosts become.
pub(super) struct Hosts<'a> {
    words: &'a Words<'a>,
    /// By grant, in the order in which they came up; whether `private` is needed with it.
    grants: Vec<(&'static str, Vec<Value>, bool)>,
    pub(super) problems: Vec<Problem>,
}

/// The most ports of a range: each is an entry of its own.
const RANGE_MAX: u16 = 64;

/// An entry taken apart.
#[derive(Clone)]
struct Entry<'v> {
    scheme: &'v str,
    host: String,
    port: Option<String>,
}

impl<'a> Hosts<'a> {
    pub(super) fn new(words: &'a Words<'a>) -> Self {
        Hosts {
            words,
            grants: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds an entry of `allowed_outbound_hosts`.
    pub(super) fn add(&mut self, value: &Value) {
        let Some(text) = value.as_str() else {
            return;
        };
        self.add_all(text.trim(), value.span);
    }

    /// Adds an entry of the older list, `allowed_http_hosts`: hosts for HTTP alone.
    pub(super) fn add_old(&mut self, value: &Value) {
        let Some(text) = value.as_str() else {
            return;
        };
        let host = match text.trim() {
            ALL_HTTP => "*:*",
            text => match text.split_once("://") {
                Some(("http" | "https", host)) => host,
                Some(_) => {
                    self.problems.push(
                        Problem::error("`allowed_http_hosts` is for http and https alone")
                            .at(value.span)
                            .label("another scheme")
                            .help("write it into allowed_outbound_hosts"),
                    );
                    return;
                }
                None => text,
            },
        };
        for scheme in ["http", "https"] {
            if !self.add_all(&format!("{scheme}://{host}"), value.span) {
                return;
            }
        }
    }

    /// Adds all that one text stands for, a range of ports port by port; no if it cannot be read.
    fn add_all(&mut self, text: &str, at: Span) -> bool {
        match Entry::parse(text).and_then(Entry::each_port) {
            Ok(entries) => {
                entries.iter().for_each(|entry| self.sort(entry, at));
                true
            }
            Err(problem) => {
                self.problems.push(problem.at(at));
                false
            }
        }
    }

    /// Puts an entry into the grants that its scheme is for.
    fn sort(&mut self, entry: &Entry<'_>, at: Span) {
        if SELF.contains(&entry.host.as_str()) {
            return self.put("http", TO_SELF.into(), false, at);
        }
        if entry.scheme != "*" {
            match SCHEMES.iter().find(|(scheme, ..)| *scheme == entry.scheme) {
                Some((_, grant, port)) => {
                    if self.has(grant, entry.scheme, at) {
                        self.put(
                            grant,
                            entry.pattern(entry.scheme, *port),
                            entry.may_be_private(),
                            at,
                        );
                    }
                }
                None => self.sockets(entry, at),
            }
            return;
        }
        let everywhere = entry.host == "*" && entry.port.as_deref() == Some("*");
        for scheme in ALL_SCHEMES {
            let known = SCHEMES.iter().find(|(known, ..)| *known == scheme);
            let Some((_, grant, _)) = known.filter(|(_, grant, _)| (self.words.grant)(grant))
            else {
                continue;
            };
            let pattern = match everywhere {
                true => "*".to_owned(),
                false => entry.pattern(scheme, None),
            };
            self.put(grant, pattern, entry.may_be_private(), at);
        }
        self.sockets(entry, at);
    }

    fn sockets(&mut self, entry: &Entry<'_>, at: Span) {
        let Some(port) = entry.port.as_deref() else {
            self.problems.push(
                Problem::error(format!(
                    "the scheme `{}` has no port of its own",
                    entry.scheme.escape_debug()
                ))
                .at(at)
                .label("no port here")
                .help(format!(
                    "write \"{}://{}:*\" for any port",
                    entry.scheme, entry.host
                )),
            );
            return;
        };
        let pattern = match (&*entry.host, port) {
            ("*", "*") => "*".to_owned(),
            (host, port) => format!("{host}:{port}"),
        };
        self.put("net", pattern, entry.may_be_private(), at);
    }

    /// Whether there is such a grant; says so where there is none.
    fn has(&mut self, grant: &str, scheme: &str, at: Span) -> bool {
        let known = (self.words.grant)(grant);
        if !known {
            let what = format!("`{scheme}://` is not supported yet by this version");
            self.problems.push(
                Problem::error(what)
                    .at(at)
                    .label("no component can call it"),
            );
        }
        known
    }

    fn put(&mut self, grant: &'static str, pattern: String, private: bool, at: Span) {
        let place = match self.grants.iter().position(|(name, ..)| *name == grant) {
            Some(place) => place,
            None => {
                self.grants.push((grant, Vec::new(), false));
                self.grants.len() - 1
            }
        };
        let (_, patterns, needs_private) = &mut self.grants[place];
        if !patterns
            .iter()
            .any(|known| known.as_str() == Some(&pattern))
        {
            patterns.push(string(pattern, at));
        }
        *needs_private |= private;
    }

    /// Writes the grants.
    pub(super) fn grants(self, at: Span, out: &mut Entries) {
        for (grant, mut patterns, private) in self.grants {
            if private {
                patterns.push(string(PRIVATE, at));
            }
            out.put(grant, at, Value::new(ValueKind::Array(patterns), at));
        }
    }
}

impl<'v> Entry<'v> {
    fn parse(text: &'v str) -> Result<Self, Problem> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Problem::error("a host without a scheme")
                .label("expected scheme://host:port")
                .help(match text {
                    "*" | "insecure:allow-all" => "\"*://*:*\" opens everything".to_owned(),
                    _ => format!(
                        "write \"https://{}\", or \"*://{0}:*\"",
                        text.escape_debug()
                    ),
                }));
        };
        if scheme.contains("{{") {
            return Err(Problem::error("the scheme cannot be a template")
                .label("this decides which grant it is")
                .help("write it out, one entry for each scheme"));
        }
        if scheme != "*" && (scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphabetic()))
        {
            let what = format!("`{}` is no scheme", scheme.escape_debug());
            return Err(Problem::error(what)
                .label("expected letters, or `*`")
                .help("for example: \"https://api.example.com\""));
        }
        let rest = rest.trim().strip_suffix('/').unwrap_or(rest.trim());
        let (host, port) = split_port(rest);
        if host.is_empty() {
            return Err(Problem::error("no host").label("expected scheme://host:port"));
        }
        if let Some((before, after)) = host.split_once('/') {
            let bits = !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit());
            if !bits && !(after.starts_with("{{") && after.ends_with("}}")) {
                return Err(Problem::error("a host with a path")
                    .label("the whole host is allowed, or none of it")
                    .help(format!("write \"{scheme}://{}\"", before.escape_debug())));
            }
        }
        // An IPv6 range needs no brackets in Spin.
        let host = match host.matches(':').count() {
            0 => host.to_owned(),
            _ if host.starts_with('[') => host.to_owned(),
            _ => format!("[{host}]"),
        };
        let port = port.map(str::to_owned);
        Ok(Entry { scheme, host, port })
    }

    /// One entry for each port of a range, whose end is not in it; itself where it has none.
    fn each_port(self) -> Result<Vec<Self>, Problem> {
        let range = self.port.as_deref().and_then(|port| port.split_once(".."));
        let Some((start, end)) = range else {
            return Ok(vec![self]);
        };
        let (Ok(start), Ok(end)) = (start.parse::<u16>(), end.parse::<u16>()) else {
            return Err(Problem::error("no range of ports")
                .label("expected FIRST..END, two numbers")
                .help("the last port is the one before END: 8000..8003 is 8000, 8001 and 8002"));
        };
        match end.saturating_sub(start) {
            0 => Err(Problem::error("a range with no port in it")
                .label("its end is not behind its first")
                .help("the last port is the one before the end: 8000..8001 is 8000 alone")),
            1..=RANGE_MAX => Ok((start..end)
                .map(|port| Entry {
                    port: Some(port.to_string()),
                    ..self.clone()
                })
                .collect()),
            more => Err(Problem::error(format!(
                "a range of {more} ports; {RANGE_MAX} are the most"
            ))
            .label("each becomes an entry of its own")
            .help("write `*` for all ports")),
        }
    }

    /// As the grants of schemes write it; a port only where the scheme's own is not meant.
    fn pattern(&self, scheme: &str, own: Option<&str>) -> String {
        let host = &self.host;
        match (self.port.as_deref(), own) {
            (Some(port), Some(own)) if port == own && host != "*" => format!("{scheme}://{host}"),
            (Some(port), _) => format!("{scheme}://{host}:{port}"),
            // Without a port `*` would be every port here.
            (None, Some(own)) if host == "*" => format!("{scheme}://*:{own}"),
            (None, _) => format!("{scheme}://{host}"),
        }
    }

    /// Whether it is a name that may lead to a private address; `localhost` does so by itself.
    fn may_be_private(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        let internal = host.ends_with(".spin.internal");
        let local = host == "localhost" || host.ends_with(".localhost");
        let address = host.starts_with('[')
            || host
                .split('/')
                .next()
                .is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok());
        !(internal || local || address)
    }
}

/// Host and port, by the one colon that stands outside of brackets and templates; more than one are
/// an IPv6 address.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let mut colons = text.char_indices().filter_map(|(at, c)| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    });
    match (colons.next(), colons.next()) {
        (Some(at), None) => (
            &text[..at],
            Some(&text[at + 1..]).filter(|port| !port.is_empty()),
        ),
        _ => (text, None),
    }
}
