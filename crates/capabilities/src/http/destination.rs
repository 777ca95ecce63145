//! Where a request goes, parsed once: what the grant is asked about is what is connected to.

use crate::network::{Scheme, Target};
use http::Uri;
use http::uri::PathAndQuery;
use std::fmt;
use wasmtime_wasi_http::Error;

/// The origin of a request. Also the key of pooled connections, so that none is used for another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// In the clear, or TLS.
    pub scheme: Scheme,
    /// The host.
    pub target: Target,
    /// The port.
    pub port: u16,
}

impl Destination {
    /// The destination of a request to `uri`.
    pub fn of(uri: &Uri) -> Result<Destination, Error> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(Error::HttpProtocolError),
        };
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        // A user name is no part of an origin, and the classic way to make one look like another.
        let text = authority.as_str();
        if text.contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let host = authority.host();
        let port = match text.strip_prefix(host) {
            Some("") => scheme.default_port(),
            Some(rest) => parse_port(rest).ok_or(Error::HttpRequestUriInvalid)?,
            None => return Err(Error::HttpRequestUriInvalid),
        };
        let target = Target::parse(host).ok_or(Error::HttpRequestUriInvalid)?;
        Ok(Destination {
            scheme,
            target,
            port,
        })
    }

    /// Host and port as they stand in an authority, the port only where it is not the usual one.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.default_port() {
            true => self.target.to_string(),
            false => format!("{}:{}", self.target, self.port),
        }
    }

    /// The destination with a path, as HTTP/2 wants it.
    pub fn uri(&self, path: Option<PathAndQuery>) -> Result<Uri, Error> {
        Uri::builder()
            .scheme(self.scheme.to_string().as_str())
            .authority(self.authority())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .map_err(|_| Error::HttpRequestUriInvalid)
    }
}

fn parse_port(rest: &str) -> Option<u16> {
    let digits = rest.strip_prefix(':')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|&port| port != 0)
}

/// The origin, as a grant writes it.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Option<String> {
        Destination::of(&uri.parse().ok()?)
            .ok()
            .map(|d| d.to_string())
    }

    #[test]
    fn one_spelling_for_each_origin() {
        for (uri, origin) in [
            ("https://API.example.com/a?b", "https://api.example.com"),
            ("https://api.example.com:443/", "https://api.example.com"),
            ("http://api.example.com:443/", "http://api.example.com:443"),
            ("http://api.example.com./", "http://api.example.com"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://[::ffff:7f00:1]/", "http://127.0.0.1"),
            ("http://0x7f.1:80/", "http://127.0.0.1"),
            ("http://2130706433/", "http://127.0.0.1"),
        ] {
            assert_eq!(of(uri).as_deref(), Some(origin), "{uri}");
        }
    }

    #[test]
    fn what_is_no_origin() {
        for uri in [
            "http://a@b/",
            "http://a:b@c/",
            "http://%6cocalhost/",
            "http://@b/",
            "/path",
            "//evil/x",
            "ftp://a/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:/",
            "http://a:x/",
            "http://[::1/",
            "http://a..b/",
            "http://1.2.3.4.5/",
        ] {
            assert_eq!(of(uri), None, "{uri}");
        }
    }

    #[test]
    fn each_is_its_own_destination() {
        let words = [
            "http://", "https://", "@", "[::1]", ":80", "%40", "..", "#", "?",
        ];
        crate::fuzz::text("destination", &words, |uri| {
            if let Some(origin) = of(uri) {
                assert_eq!(of(&origin), Some(origin));
            }
        });
    }
}
