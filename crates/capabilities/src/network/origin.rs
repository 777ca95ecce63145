//! Grants that name origins: `http`, `redis`, `mqtt`, `postgres`, `mysql`.

use super::host::split_port;
use super::{ALL, BadPattern, Host, PRIVATE, Port, Range, Refusal, Target, opens, toml_list};
use std::fmt;
use std::net::IpAddr;

/// What is spoken at an origin. Each has a grant of its own, which takes its own schemes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Service {
    /// HTTP, under the grant `http`.
    #[default]
    Http,
    /// Redis, under the grant `redis`.
    Redis,
    /// MQTT, under the grant `mqtt`.
    Mqtt,
    /// PostgreSQL, under the grant `postgres`.
    Postgres,
    /// MySQL and MariaDB, under the grant `mysql`.
    Mysql,
}

impl Service {
    /// The name of its grant.
    pub fn grant(self) -> &'static str {
        match self {
            Service::Http => "http",
            Service::Redis => "redis",
            Service::Mqtt => "mqtt",
            Service::Postgres => "postgres",
            Service::Mysql => "mysql",
        }
    }

    /// The scheme that somebody writes who knows no better comes first.
    fn schemes(self) -> &'static [Scheme] {
        match self {
            Service::Http => &[Scheme::Https, Scheme::Http],
            Service::Redis => &[Scheme::Redis, Scheme::Rediss],
            Service::Mqtt => &[Scheme::Mqtt, Scheme::Mqtts],
            Service::Postgres => &[Scheme::Postgres],
            Service::Mysql => &[Scheme::Mysql],
        }
    }

    /// The scheme of that name, if this is spoken under it.
    pub fn scheme(self, name: &str) -> Option<Scheme> {
        let name = match name.to_ascii_lowercase() {
            name if name == "postgresql" => "postgres".to_owned(),
            name => name,
        };
        let schemes = self.schemes().iter().copied();
        schemes.into_iter().find(|scheme| scheme.name() == name)
    }
}

/// Its name.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Http => "HTTP",
            Service::Redis => "Redis",
            Service::Mqtt => "MQTT",
            Service::Postgres => "PostgreSQL",
            Service::Mysql => "MySQL",
        })
    }
}

/// The schemes that an origin may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// Redis in the clear.
    Redis,
    /// Redis over TLS.
    Rediss,
    /// MQTT in the clear.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
    /// PostgreSQL; TLS is agreed on by both sides.
    Postgres,
    /// MySQL; TLS is agreed on by both sides.
    Mysql,
}

impl Scheme {
    /// The port where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Redis | Scheme::Rediss => 6379,
            Scheme::Mqtt => 1883,
            Scheme::Mqtts => 8883,
            Scheme::Postgres => 5432,
            Scheme::Mysql => 3306,
        }
    }

    /// Whether a connection begins with TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Rediss | Scheme::Mqtts)
    }

    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Redis => "redis",
            Scheme::Rediss => "rediss",
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Postgres => "postgres",
            Scheme::Mysql => "mysql",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
    /// Whether this origin is one of them.
    pub fn covers(&self, scheme: Scheme, target: &Target, port: u16) -> bool {
        self.scheme.is_none_or(|own| own == scheme)
            && self.port.covers(port)
            && self.host.covers(target)
    }

    /// Whether some of them have this scheme.
    pub fn may_be(&self, scheme: Scheme) -> bool {
        self.scheme.is_none_or(|own| own == scheme)
    }
}

impl Origin {
    /// Reads a pattern of origins at which `service` is spoken.
    pub fn parse(service: Service, text: &str) -> Result<Self, BadPattern> {
        if text == "*" {
            return Ok(Origin {
                scheme: None,
                host: Host::Any,
                port: Port::Any,
            });
        }
        let schemes = service.schemes();
        let Some((scheme, rest)) = text.split_once("://") else {
            let usual = schemes.first().map_or("", |scheme| scheme.name());
            return Err(BadPattern::new(
                "an origin without a scheme",
                format!("write `{usual}://{}`", text.escape_debug()),
            ));
        };
        let Some(scheme) = service.scheme(scheme) else {
            let known: Vec<_> = schemes.iter().map(|s| format!("`{s}://`")).collect();
            let other = scheme.to_ascii_lowercase();
            return Err(BadPattern::new(
                format!("`{}` is not a scheme of {service}", other.escape_debug()),
                format!("an origin begins with {}", known.join(" or ")),
            ));
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
        let host: Host = host.parse()?;
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

/// Which origins a component may call, of one service. The default is none of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    service: Service,
    origins: Vec<Origin>,
    private: bool,
    all: bool,
    /// A pattern was made of a secret variable: what is granted already is shown to nobody.
    pub(super) secret: bool,
}

impl OriginPolicy {
    /// A policy that names no origin of `service`.
    pub fn of(service: Service) -> Self {
        OriginPolicy {
            service,
            ..OriginPolicy::default()
        }
    }

    /// What is spoken at its origins.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Adds an origin pattern, or one of the words `private` and `all`.
    pub fn add(&mut self, text: &str) -> Result<(), BadPattern> {
        match text {
            PRIVATE => self.private = true,
            ALL => self.all = true,
            _ => self.origins.push(Origin::parse(self.service, text)?),
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
        let list = toml_list(&self.origins, self.secret, words, Some(more));
        format!("{} = {list}", self.service.grant())
    }
}
