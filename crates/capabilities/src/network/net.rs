//! The grant `net`: which hosts and ports may be connected to, and which may be listened on.

use super::host::split_port;
use super::{ALL, BadPattern, Host, Name, PRIVATE, Port, Range, Refusal, Target, opens, toml_list};
use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A host and a port: `db.internal:5432`, `10.0.0.0/8:*`, `*.example.com:443`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The hosts.
    pub host: Host,
    /// The ports.
    pub port: Port,
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text == "*" {
            return Ok(Pattern {
                host: Host::Any,
                port: Port::Any,
            });
        }
        if text.contains("://") {
            return Err(BadPattern::new(
                "an address with a scheme",
                "`net` names a host and a port, `example.com:443`; origins belong under `http`",
            ));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadPattern::new(
                "a port without a host",
                format!("write `127.0.0.1:{text}` for this machine, or `*:{text}` for any host"),
            ));
        }
        let (host, port) = split_port(text);
        if host.is_empty() && port.is_some() {
            return Err(BadPattern::new(
                "no host before the port",
                format!("write `127.0.0.1{text}` for this machine, or `*{text}` for any host"),
            ));
        }
        let host = Host::from_str(host)?;
        match port {
            Some(port) => Ok(Pattern {
                host,
                port: port.parse()?,
            }),
            None => Err(BadPattern::new(
                "missing port",
                format!("write `{host}:443` for one port, or `{host}:*` for any"),
            )),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern {
                host: Host::Any,
                port: Port::Any,
            } => f.write_str("*"),
            Pattern { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// What a component may do with sockets. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetPolicy {
    connect: Vec<Pattern>,
    listen: Vec<Pattern>,
    private: bool,
    all: bool,
    /// A pattern was made of a secret variable: what is granted already is shown to nobody.
    pub(super) secret: bool,
}

impl NetPolicy {
    /// Adds something to connect to: a pattern, or one of the words `private` and `all`.
    pub fn add_connect(&mut self, text: &str) -> Result<(), BadPattern> {
        match text {
            PRIVATE => self.private = true,
            ALL => self.all = true,
            _ => self.connect.push(text.parse()?),
        }
        Ok(())
    }

    /// Adds something to listen on: an address of this machine and a port, or the word `all`.
    pub fn add_listen(&mut self, text: &str) -> Result<(), BadPattern> {
        let pattern: Pattern = if text == ALL { "*" } else { text }.parse()?;
        match &pattern.host {
            Host::Any | Host::Net(_) => {}
            Host::Name(name) if name.is_localhost() => {}
            host => {
                return Err(BadPattern::new(
                    format!("`{host}` is not an address to listen on"),
                    "name an address of this machine: `127.0.0.1:8080`, `0.0.0.0:*`",
                ));
            }
        }
        self.listen.push(pattern);
        Ok(())
    }

    /// Whether it grants nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.all && self.connect.is_empty() && self.listen.is_empty()
    }

    /// Whether it grants listening on anything.
    pub fn listens(&self) -> bool {
        self.all || !self.listen.is_empty()
    }

    /// May the name be looked up? Only if it could then be connected to at some port. The answer is
    /// the port that the grant names, for the report of uses.
    pub fn may_look_up(&self, name: &Name) -> Option<Port> {
        let target = Target::Name(name.clone());
        let covers = |pattern: &&Pattern| pattern.host.covers(&target);
        let own = self.connect.iter().find(covers).map(|pattern| pattern.port);
        own.or(self.all.then_some(Port::Any))
    }

    /// Of what a name resolved to: could this address be connected to at some port?
    pub fn may_resolve_to(&self, name: &Name, ip: IpAddr) -> Result<(), Range> {
        let range = Range::of(ip);
        let target = Target::Name(name.clone());
        let named = self.connect.iter().any(|p| p.host.names(&target));
        let open = self.all
            || opens(self.private, Some(name), named, range)
            || self.connect.iter().any(|p| p.host.is_literally(ip));
        if open { Ok(()) } else { Err(range) }
    }

    /// May `address` be connected or sent to? `names` are the names that it was looked up under.
    /// The answer is the host that the grant names, for the report of uses.
    pub fn may_connect(&self, address: SocketAddr, names: &[Name]) -> Result<Target, Refusal> {
        let ip = address.ip().to_canonical();
        let targets = || {
            names
                .iter()
                .cloned()
                .map(Target::Name)
                .chain([Target::Ip(ip)])
        };
        let here = || {
            self.connect
                .iter()
                .filter(|p| p.port.covers(address.port()))
        };
        let covered = |target: &Target| self.all || here().any(|p| p.host.covers(target));
        let Some(target) = targets().find(covered) else {
            return Err(Refusal::NotNamed);
        };
        if self.all || here().any(|p| p.host.is_literally(ip)) {
            return Ok(target);
        }
        // Of several names any one may be `localhost`, so each that is covered is asked.
        let range = Range::of(ip);
        let named = |t: &Target| here().any(|p| p.host.names(t));
        let open = |t: &Target| covered(t) && opens(self.private, t.name(), named(t), range);
        targets().find(open).ok_or(Refusal::Closed(range))
    }

    /// May a socket be bound to `address` and receive there from anybody? The answer is the port
    /// that the grant names, for the report of uses.
    pub fn may_listen(&self, address: SocketAddr) -> Option<Port> {
        let ip = address.ip().to_canonical();
        let covers = |pattern: &&Pattern| {
            let host = match &pattern.host {
                Host::Any => true,
                Host::Name(_) => ip.is_loopback(),
                // `0.0.0.0` is every address of its family.
                Host::Net(net) if net.addr().is_unspecified() => {
                    net.addr().is_ipv4() == ip.is_ipv4()
                }
                host => host.is_literally(ip),
            };
            host && pattern.port.covers(address.port())
        };
        let own = self.listen.iter().find(covers).map(|pattern| pattern.port);
        own.or(self.all.then_some(Port::Any))
    }

    /// The manifest's line that grants `more` besides what is granted already.
    pub fn line_with_connect(&self, more: &str) -> String {
        let connect = toml_list(&self.connect, self.secret, self.words(), Some(more));
        if self.listen.is_empty() {
            return format!("net = {connect}");
        }
        format!(
            "net = {{ connect = {connect}, listen = {} }}",
            toml_list(&self.listen, self.secret, &[], None)
        )
    }

    /// The manifest's line that grants listening on `more` besides what is granted already.
    pub fn line_with_listen(&self, more: &str) -> String {
        let listen = toml_list(&self.listen, self.secret, &[], Some(more));
        let connect = toml_list(&self.connect, self.secret, self.words(), None);
        if connect == "[]" {
            return format!("net = {{ listen = {listen} }}");
        }
        format!("net = {{ connect = {connect}, listen = {listen} }}")
    }

    fn words(&self) -> &'static [&'static str] {
        if self.private { &[PRIVATE] } else { &[] }
    }
}

/// Which addresses were looked up under which names, newest last. A guest can make it only so long.
#[derive(Default)]
pub struct Remembered(VecDeque<(IpAddr, Name)>);

impl Remembered {
    const MOST: usize = 1024;

    /// Remembers that `name` resolved to `ip`.
    pub fn add(&mut self, ip: IpAddr, name: &Name) {
        let ip = ip.to_canonical();
        if self.0.iter().any(|(i, n)| *i == ip && n == name) {
            return;
        }
        if self.0.len() >= Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back((ip, name.clone()));
    }

    /// The names that resolved to `ip`.
    pub fn names(&self, ip: IpAddr) -> Vec<Name> {
        let ip = ip.to_canonical();
        self.0
            .iter()
            .filter(|(i, _)| *i == ip)
            .map(|(_, n)| n.clone())
            .collect()
    }
}
