//! How an app is served: address, certificate, and how long clients are waited for.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Problem, Proxies, Spanned, Time, Value};

// A head comes in one or two packets; ten seconds bear a lost one on a bad line.
const HEADER_TIMEOUT: Time = Time::seconds(10);

// Browsers come back to a page within a minute or not at all.
const IDLE_TIMEOUT: Time = Time::seconds(60);

// The same minute for a line that breaks and comes back in the middle of a body.
const BODY_TIMEOUT: Time = Time::seconds(60);

/// How the app is served.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Serve {
    /// Address to listen on.
    #[schemars(example = "127.0.0.1:3000")]
    pub listen: Option<String>,
    /// Certificate and key; with them the app is served over TLS.
    pub tls: Option<Tls>,
    /// Whether responses carry a `Server-Timing` header.
    pub server_timing: bool,
    /// How long a client may take for a request's head, and for a TLS handshake.
    pub header_timeout: Time,
    /// How long a connection waits for its next request.
    pub idle_timeout: Time,
    /// A body must move at 1 KiB/s on average over so much waiting for the client, in both directions.
    pub body_timeout: Time,
    /// A path that a new version must answer with 2xx before it takes the old one's place.
    #[schemars(example = "/healthz")]
    pub health: Option<Spanned<String>>,
    /// Proxies in front of the server that are trusted to name the client: `{ trusted = ["10.0.0.0/8"] }`.
    pub proxies: Option<Proxies>,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            server_timing: false,
            header_timeout: HEADER_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            health: None,
            proxies: None,
        }
    }
}

/// Certificate and key of a server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// File of the certificate chain (PEM).
    pub cert: PathBuf,
    /// File of the private key (PEM).
    pub key: PathBuf,
}

impl Serve {
    /// What the schema cannot say about a table that passed it.
    pub(crate) fn check(&self, value: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let (Some(text), Some(written)) = (&self.listen, value.get("listen"))
            && !is_address(text)
        {
            problems.push(
                Problem::error("`listen` is not an address")
                    .at(written.span)
                    .label("expected a host and a port")
                    .help("for example: listen = \"127.0.0.1:3000\""),
            );
        }
        if let Some(health) = self.health.as_ref().filter(|path| !is_path(path)) {
            problems.push(
                Problem::error("`health` is not a path")
                    .at(health.span)
                    .label("expected a slash and printable ASCII")
                    .help("for example: health = \"/healthz\""),
            );
        }
        for (name, time, usual) in [
            ("header_timeout", self.header_timeout, HEADER_TIMEOUT),
            ("idle_timeout", self.idle_timeout, IDLE_TIMEOUT),
            ("body_timeout", self.body_timeout, BODY_TIMEOUT),
        ] {
            if let Some(written) = value.get(name).filter(|_| time.is_zero()) {
                problems.push(
                    Problem::error(format!("`{name}` of zero would cut every client"))
                        .at(written.span)
                        .label("expected some time")
                        .help(format!(
                            "write {name} = \"{usual}\", or leave it out for the default"
                        )),
                );
            }
        }
        problems
    }
}

/// A path as a request's first line has it, with or without a query.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// `host:port`, the host a name, an IPv4 address, or an IPv6 address in brackets.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let host_ok = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(bare),
    };
    host_ok && !port.starts_with('+') && port.parse::<u16>().is_ok()
}
