//! `metadata`: what a guest is told about its request in headers of the host's. What a client sends
//! under their names is dropped.

use super::cgi::Gateway;
use super::route::Match;
use crate::server::Peer;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Version};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// Whose headers a guest finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// Who asks, and over what: `holm-client-ip`, `holm-tls-version`, `holm-tls-sni`, `holm-http-version`.
    Edge,
    /// Those that Spin's guests read: `spin-full-url`, `spin-path-info` and so on.
    Spin,
    /// None: a program finds what they say in its environment. `cgi = true` says so.
    #[serde(skip)]
    Cgi,
}

/// How the names of our own begin.
const EDGE: &str = "holm-";
const CLIENT_IP: HeaderName = HeaderName::from_static("holm-client-ip");
const TLS_VERSION: HeaderName = HeaderName::from_static("holm-tls-version");
const TLS_SNI: HeaderName = HeaderName::from_static("holm-tls-sni");
const HTTP_VERSION: HeaderName = HeaderName::from_static("holm-http-version");

const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");
/// A parameter's name follows.
const PATH_MATCH: &str = "spin-path-match-";

/// How the host names end by which components call each other.
const INSIDE: &str = ".spin.internal";

/// The only base that apps still have.
const BASE: &str = "/";

/// By which route a request came, as far as the guest is told.
pub struct Told<'a> {
    /// The pattern as it was written.
    pub(super) route: &'a str,
    /// The same without `/...`.
    pub(super) base: &'a str,
    /// What `/...` stands for.
    pub(super) rest: &'a str,
    pub(super) parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Told<'a> {
    /// By a route that was found.
    pub fn by<'t: 'a, 'p: 'a>(found: &Match<'t, 'p>) -> Self {
        Told {
            route: found.component_route(),
            base: found.base(),
            rest: found.trailing_wildcard().unwrap_or_default(),
            parameters: found.parameters().collect(),
        }
    }

    /// By the component's name alone: as if its route were for everything.
    pub fn by_name(path: &'a str) -> Self {
        Told {
            route: "/...",
            base: "",
            rest: path,
            parameters: Vec::new(),
        }
    }
}

impl Metadata {
    /// The headers for a request; `client` is the address that it comes from, where it comes from outside.
    pub fn of<B>(
        self,
        request: &Request<B>,
        told: &Told<'_>,
        peer: &Peer,
        client: Option<IpAddr>,
    ) -> Said {
        match self {
            Metadata::Edge => Said::Headers(Self::of_edge(request, peer, client)),
            Metadata::Spin => Said::Headers(Self::of_spin(request, told, peer)),
            Metadata::Cgi => Said::Gateway(Gateway::of(request, told, peer)),
        }
    }

    fn of_edge<B>(request: &Request<B>, peer: &Peer, client: Option<IpAddr>) -> Headers {
        let mut headers = HeaderMap::with_capacity(4);
        let http = match request.version() {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        let client = client.map(|ip| ip.to_string());
        for (name, value) in [
            (CLIENT_IP, client.as_deref()),
            (TLS_VERSION, peer.tls_version),
            (TLS_SNI, peer.sni.as_deref()),
            (HTTP_VERSION, Some(http)),
        ] {
            // The name that TLS was asked for is one of DNS.
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        Headers {
            headers,
            prefix: EDGE,
        }
    }

    fn of_spin<B>(request: &Request<B>, told: &Told<'_>, peer: &Peer) -> Headers {
        let mut headers = HeaderMap::with_capacity(8 + told.parameters.len());
        let mut put = |name: HeaderName, value: &str| {
            // A path is ASCII without spaces; what could not be one tells the guest nothing.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(FULL_URL, &full_url(request, peer.tls));
        put(PATH_INFO, told.rest);
        put(MATCHED_ROUTE, told.route);
        put(COMPONENT_ROUTE, told.base);
        put(RAW_COMPONENT_ROUTE, told.route);
        put(BASE_PATH, BASE);
        put(CLIENT_ADDR, &peer.addr.to_string());
        for (name, value) in &told.parameters {
            let name = name.replace('_', "-").to_ascii_lowercase();
            if let Ok(name) = HeaderName::try_from(format!("{PATH_MATCH}{name}")) {
                put(name, value);
            }
        }
        Headers {
            headers,
            prefix: PATH_MATCH,
        }
    }
}

/// What a request's guest is told.
pub enum Said {
    /// In headers.
    Headers(Headers),
    /// In a program's environment.
    Gateway(Gateway),
}

impl Said {
    /// Adds it to the request: headers in the place of those that a client sent.
    pub fn onto<B>(self, request: &mut Request<B>) {
        match self {
            Said::Headers(said) => said.onto(request.headers_mut()),
            Said::Gateway(gateway) => {
                request.extensions_mut().insert(gateway);
            }
        }
    }
}

/// Headers for a request's guest.
pub struct Headers {
    headers: HeaderMap,
    /// What begins so is ours alone.
    prefix: &'static str,
}

impl Headers {
    /// Writes them in the place of those that a client sent.
    fn onto(self, headers: &mut HeaderMap) {
        let is_ours = |name: &&HeaderName| name.as_str().starts_with(self.prefix);
        let sent: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
        for name in sent {
            headers.remove(name);
        }
        for (name, value) in self.headers {
            // Each name stands once.
            if let Some(name) = name {
                headers.insert(name, value);
            }
        }
    }
}

/// Whether a host is one by which only components are called.
pub fn is_inside(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let end = host.len().checked_sub(INSIDE.len());
    end.and_then(|end| host.get(end..))
        .is_some_and(|end| end.eq_ignore_ascii_case(INSIDE))
}

/// The address that the client asked for.
fn full_url<B>(request: &Request<B>, tls: bool) -> String {
    let uri = request.uri();
    let scheme = if tls { "https" } else { "http" };
    let header = || request.headers().get(HOST)?.to_str().ok();
    let host = uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(header).unwrap_or("localhost");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::http::RouteTable;
    use std::sync::Arc;

    fn peer() -> Peer {
        Peer {
            addr: "127.0.0.1:8777".parse().unwrap(),
            local: true,
            tls: true,
            tls_version: Some("1.3"),
            sni: None,
            account: Arc::default(),
        }
    }

    fn told(route: &str, uri: &str) -> HeaderMap {
        let table = RouteTable::new([(route, None)]).unwrap();
        let mut request = Request::builder()
            .uri(uri)
            .header("host", "example.com:80")
            .header("Spin-Path-Info", "/forged")
            .header("spin-path-info", "/forged again")
            .header("spin-path-match-other", "forged")
            .header("spin-custom", "kept")
            .body(())
            .unwrap();
        let path = request.uri().path().to_owned();
        let found = table.find(None, &path).unwrap().unwrap();
        let told = Metadata::Spin.of(&request, &Told::by(&found), &peer(), None);
        told.onto(&mut request);
        request.headers().clone()
    }

    #[test]
    fn a_route_with_everything() {
        let headers = told("/a/:user_id/...", "/a/7/b/?q=1");
        for (name, value) in [
            ("spin-full-url", "https://example.com:80/a/7/b/?q=1"),
            ("spin-path-info", "/b/"),
            ("spin-matched-route", "/a/:user_id/..."),
            ("spin-component-route", "/a/:user_id"),
            ("spin-raw-component-route", "/a/:user_id/..."),
            ("spin-base-path", "/"),
            ("spin-client-addr", "127.0.0.1:8777"),
            ("spin-path-match-user-id", "7"),
            ("spin-custom", "kept"),
        ] {
            let all: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(all, [value], "{name}");
        }
        assert_eq!(headers.len(), 10, "{headers:?}");
    }

    #[test]
    fn who_asks_and_over_what() {
        let mut request = Request::builder()
            .uri("/x")
            .version(Version::HTTP_2)
            .header("holm-client-ip", "6.6.6.6")
            .header("holm-tls-sni", "forged.example")
            .header("holm-anything", "forged")
            .header("x-other", "kept")
            .body(())
            .unwrap();
        let told = Told::by_name("/x");
        let client = Some("192.0.2.7".parse().unwrap());
        let headers = Metadata::Edge.of(&request, &told, &peer(), client);
        headers.onto(&mut request);
        let headers = request.headers();
        assert_eq!(headers["holm-client-ip"], "192.0.2.7");
        assert_eq!(headers["holm-tls-version"], "1.3");
        assert_eq!(headers["holm-http-version"], "2");
        assert_eq!(headers["x-other"], "kept");
        assert_eq!(headers.len(), 4, "{headers:?}");
    }

    #[test]
    fn hosts_from_inside() {
        assert!(is_inside("a.spin.internal") && is_inside("A.SPIN.internal."));
        assert!(!is_inside("spin.internal") && !is_inside("a.spin.internal.example.com"));
    }

    #[test]
    fn routes_without() {
        let exact = told("/a", "/a");
        assert_eq!(exact["spin-path-info"], "");
        assert_eq!(exact["spin-component-route"], "/a");
        let all = told("/...", "/x/y");
        assert_eq!(all["spin-path-info"], "/x/y");
        assert_eq!(all["spin-component-route"], "");
    }

    #[test]
    fn by_name_is_as_by_the_route_of_everything() {
        let mut request = Request::builder()
            .uri("http://pay.internal/x?y")
            .body(())
            .unwrap();
        let peer = Peer {
            tls: false,
            ..peer()
        };
        let told = Metadata::Spin.of(&request, &Told::by_name("/x"), &peer, None);
        told.onto(&mut request);
        let headers = request.headers();
        assert_eq!(headers["spin-full-url"], "http://pay.internal/x?y");
        assert_eq!(headers["spin-path-info"], "/x");
        assert_eq!(headers["spin-matched-route"], "/...");
    }
}
