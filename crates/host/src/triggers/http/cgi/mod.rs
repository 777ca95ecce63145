//! `cgi = true`: a program answers each request as it would behind a web server of 1995. It finds the
//! request in its environment and standard input, and prints header fields, an empty line and a body.
//!
//! ```toml
//! [[http]]
//! route = "/..."
//! component = "app"     # a module of WASI 0.1 or a component with wasi:cli/run
//! cgi = true
//! ```
//!
//! The variables are those of CGI 1.1 (RFC 3875) and the few that WAGI adds to them, as Spin has them.

mod answer;
mod head;

pub(super) use answer::{answer, collected};

use super::metadata::Told;
use crate::server::Peer;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Request};
use percent_encoding::percent_decode_str;
use wasmtime_wasi::WasiCtxBuilder;

/// What a program is told of its request beside the body; an extension of the request.
#[derive(Clone, Debug)]
pub struct Gateway {
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// Header fields that make no variable: secrets that a program prints too easily, and one that whole
/// families of libraries take for a setting of theirs (`HTTP_PROXY`).
const KEPT_BACK: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "proxy",
    "connection",
];

impl Gateway {
    /// Of a request that came by this route.
    pub fn of<B>(request: &Request<B>, told: &Told<'_>, peer: &Peer) -> Self {
        let uri = request.uri();
        let headers = request.headers();
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let authority = uri.authority().map(|authority| authority.as_str());
        let host = authority.or_else(|| text(headers, HOST.as_str()));
        let host = host.unwrap_or("localhost");
        let (scheme, usual) = if peer.tls {
            ("https", "443")
        } else {
            ("http", "80")
        };
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
            _ => (host, usual),
        };
        let asked = uri.path_and_query().map_or("/", |path| path.as_str());
        let client = peer.addr.ip().to_string();
        let rest = percent_decode_str(told.rest).decode_utf8_lossy();
        let mut set = Variables::default();
        set.put("GATEWAY_INTERFACE", "CGI/1.1");
        set.put(
            "SERVER_SOFTWARE",
            concat!("holm/", env!("CARGO_PKG_VERSION")),
        );
        set.put("SERVER_PROTOCOL", &format!("{:?}", request.version()));
        set.put("SERVER_NAME", name);
        set.put("SERVER_PORT", port);
        set.put("REQUEST_METHOD", request.method().as_str());
        set.put("REQUEST_URI", asked);
        set.put("SCRIPT_NAME", told.base);
        set.put("PATH_INFO", &rest);
        set.put("PATH_TRANSLATED", &rest);
        set.put("QUERY_STRING", query);
        set.put("REMOTE_ADDR", &client);
        set.put("REMOTE_HOST", &client);
        set.put("REMOTE_PORT", &peer.addr.port().to_string());
        set.put("REMOTE_USER", "");
        set.put("AUTH_TYPE", "");
        set.put(
            "CONTENT_TYPE",
            text(headers, CONTENT_TYPE.as_str()).unwrap_or_default(),
        );
        set.put(
            "CONTENT_LENGTH",
            text(headers, CONTENT_LENGTH.as_str()).unwrap_or("0"),
        );
        if peer.tls {
            set.put("HTTPS", "on");
        }
        set.put("X_FULL_URL", &format!("{scheme}://{host}{asked}"));
        set.put("X_MATCHED_ROUTE", told.route);
        set.put("X_COMPONENT_ROUTE", told.base);
        set.put("X_RAW_COMPONENT_ROUTE", told.route);
        set.put("X_RAW_PATH_INFO", told.rest);
        set.put("X_BASE_PATH", "/");
        set.put("X_CLIENT_ADDR", &peer.addr.to_string());
        for (name, value) in &told.parameters {
            set.put(&format!("X_PATH_MATCH_{}", in_capitals(name)), value);
        }
        set.headers(headers);
        Gateway {
            variables: set.0,
            arguments: arguments(path, query),
        }
    }

    /// The body turned out to have so many bytes.
    fn length(&mut self, bytes: usize) {
        for (name, value) in &mut self.variables {
            if name == "CONTENT_LENGTH" {
                *value = bytes.to_string();
            }
        }
    }

    /// The beginning of a program's context.
    pub fn context(&self) -> WasiCtxBuilder {
        let mut wasi = WasiCtxBuilder::new();
        wasi.envs(&self.variables).args(&self.arguments);
        wasi
    }
}

#[derive(Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn put(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// `HTTP_` and the field's name; a field that stands twice is one list.
    fn headers(&mut self, headers: &HeaderMap) {
        let shown = headers.keys().filter(|name| {
            let length = [
                CONTENT_TYPE,
                CONTENT_LENGTH,
                AUTHORIZATION,
                PROXY_AUTHORIZATION,
            ];
            !length.contains(*name) && !KEPT_BACK.contains(&name.as_str())
        });
        for name in shown {
            // `_` is what `-` becomes: a client must not write one variable under another's name.
            if name.as_str().contains('_') {
                continue;
            }
            let between = if name == "cookie" { "; " } else { ", " };
            let values: Vec<&str> = headers
                .get_all(name)
                .iter()
                .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
                .collect();
            let variable = format!("HTTP_{}", in_capitals(name.as_str()));
            self.put(&variable, &values.join(between));
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn in_capitals(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

/// The command line: the path, then the names and values of the query.
fn arguments(path: &str, query: &str) -> Vec<String> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        // A command line cannot hold a NUL.
        let plain = percent_decode_str(&spaced).decode_utf8_lossy().into_owned();
        plain.replace('\0', "\u{fffd}")
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let words = pairs.flat_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        [Some(name), Some(value).filter(|value| !value.is_empty())]
    });
    std::iter::once(path.to_owned())
        .chain(words.flatten().map(decoded))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::http::RouteTable;
    use std::sync::Arc;

    fn gateway(route: &str, request: http::request::Builder) -> Gateway {
        let table = RouteTable::new([(route, None)]).unwrap();
        let request = request.body(()).unwrap();
        let path = request.uri().path().to_owned();
        let found = table.find(None, &path).unwrap().unwrap();
        let peer = Peer {
            addr: "192.0.2.7:8777".parse().unwrap(),
            local: false,
            tls_version: None,
            tls: false,
            sni: None,
            account: Arc::default(),
        };
        Gateway::of(&request, &Told::by(&found), &peer)
    }

    fn value<'a>(gateway: &'a Gateway, name: &str) -> Option<&'a str> {
        let mut all = gateway.variables.iter().filter(|(key, _)| key == name);
        let first = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} stands twice");
        first
    }

    #[test]
    fn a_request_as_variables() {
        let request = Request::post("/shop/caf%C3%A9/1?q=a+b&flag&x=%2F&=")
            .header("host", "example.com:8080")
            .header("content-type", "text/plain")
            .header("content-length", "5")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("accept", "text/html")
            .header("accept", "*/*")
            .header("authorization", "Bearer secret")
            .header("proxy", "http://evil.example")
            .header("x_client_addr", "forged");
        let gateway = gateway("/shop/...", request);
        for (name, expected) in [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "example.com"),
            ("SERVER_PORT", "8080"),
            ("REQUEST_METHOD", "POST"),
            ("REQUEST_URI", "/shop/caf%C3%A9/1?q=a+b&flag&x=%2F&="),
            ("SCRIPT_NAME", "/shop"),
            ("PATH_INFO", "/café/1"),
            ("X_RAW_PATH_INFO", "/caf%C3%A9/1"),
            ("QUERY_STRING", "q=a+b&flag&x=%2F&="),
            ("REMOTE_ADDR", "192.0.2.7"),
            ("REMOTE_PORT", "8777"),
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "5"),
            ("HTTP_HOST", "example.com:8080"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_ACCEPT", "text/html, */*"),
            (
                "X_FULL_URL",
                "http://example.com:8080/shop/caf%C3%A9/1?q=a+b&flag&x=%2F&=",
            ),
            ("X_CLIENT_ADDR", "192.0.2.7:8777"),
        ] {
            assert_eq!(value(&gateway, name), Some(expected), "{name}");
        }
        for name in [
            "HTTP_AUTHORIZATION",
            "HTTP_PROXY",
            "HTTP_X_CLIENT_ADDR",
            "HTTPS",
        ] {
            assert_eq!(value(&gateway, name), None, "{name}");
        }
        let words = ["/shop/caf%C3%A9/1", "q", "a b", "flag", "x", "/", ""];
        assert_eq!(gateway.arguments, words);
    }

    #[test]
    fn parameters_and_a_length_that_came_late() {
        let mut gateway = gateway("/users/:user-id", Request::get("/users/7"));
        assert_eq!(value(&gateway, "X_PATH_MATCH_USER_ID"), Some("7"));
        assert_eq!(value(&gateway, "SERVER_PORT"), Some("80"));
        assert_eq!(value(&gateway, "CONTENT_LENGTH"), Some("0"));
        gateway.length(12);
        assert_eq!(value(&gateway, "CONTENT_LENGTH"), Some("12"));
    }
}
