//! `metadata`: what a guest is told about its request in headers of the host's. What a client sends
//! under their names is dropped.

use super::cgi::Gateway;
use super::route::Match;
use crate::server::Peer;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use schemars::JsonSchema;
use serde::Deserialize;

/// Whose headers a guest finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// Those that Spin's guests read: `spin-full-url`, `spin-path-info` and so on.
    Spin,
    /// None: a program finds what they say in its environment. `cgi = true` says so.
    #[serde(skip)]
    Cgi,
}

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
    /// What is said of a request.
    pub fn of<B>(self, request: &Request<B>, told: &Told<'_>, peer: &Peer) -> Said {
        if self == Metadata::Cgi {
            return Said::Gateway(Gateway::of(request, told, peer));
        }
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
        Said::Headers(headers)
    }
}

/// What a request's guest is told.
pub enum Said {
    /// In headers.
    Headers(HeaderMap),
    /// In a program's environment.
    Gateway(Gateway),
}

impl Said {
    /// Adds it to the request: headers in the place of those that a client sent.
    pub fn onto<B>(self, request: &mut Request<B>) {
        let said = match self {
            Said::Headers(said) => said,
            Said::Gateway(gateway) => {
                request.extensions_mut().insert(gateway);
                return;
            }
        };
        let headers = request.headers_mut();
        let is_match = |name: &&HeaderName| name.as_str().starts_with(PATH_MATCH);
        let sent: Vec<HeaderName> = headers.keys().filter(is_match).cloned().collect();
        for name in sent {
            headers.remove(name);
        }
        for (name, value) in said {
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
        let told = Metadata::Spin.of(&request, &Told::by(&found), &peer());
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
        let told = Metadata::Spin.of(&request, &Told::by_name("/x"), &peer);
        told.onto(&mut request);
        let headers = request.headers();
        assert_eq!(headers["spin-full-url"], "http://pay.internal/x?y");
        assert_eq!(headers["spin-path-info"], "/x");
        assert_eq!(headers["spin-matched-route"], "/...");
    }
}
