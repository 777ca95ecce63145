//! Which host a request is for, and the `host` of a route.

use http::header::HOST;
use http::{HeaderValue, Request, Version};

/// Longest name that is looked up; the domain name system allows no more.
pub const HOST_BYTES_MAX: usize = 253;

/// A request whose host can be read in two ways, or in none; answers 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHost;

impl std::fmt::Display for BadHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request names no host, or several, or one that cannot be read")
    }
}

impl std::error::Error for BadHost {}

/// The host that a request names, without its port; `None` where the protocol allows that.
pub fn requested<B>(request: &Request<B>) -> Result<Option<&str>, BadHost> {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next().map(text).transpose()?;
    if headers.next().is_some() {
        return Err(BadHost);
    }
    let authority = match (request.uri().authority(), header) {
        // A proxy in front and we would each believe another one.
        (Some(uri), Some(header)) if request.version() == Version::HTTP_2 => {
            if !uri.as_str().eq_ignore_ascii_case(header) {
                return Err(BadHost);
            }
            uri.as_str()
        }
        (Some(uri), _) => uri.as_str(),
        (None, Some(header)) => header,
        (None, None) if request.version() == Version::HTTP_11 => return Err(BadHost),
        (None, None) => return Ok(None),
    };
    if authority.is_empty() {
        return Ok(None);
    }
    without_port(authority)
        .filter(|host| is_plain(host))
        .map(Some)
        .ok_or(BadHost)
}

fn text(value: &HeaderValue) -> Result<&str, BadHost> {
    value.to_str().map_err(|_| BadHost)
}

fn without_port(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let port_is_fine = port.strip_prefix(':').map_or(port.is_empty(), |digits| {
        digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    port_is_fine.then_some(host)
}

fn is_plain(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(allowed)
}

/// The `host` of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `example.com`
    Exact(Box<str>),
    /// `*.example.com`, kept as `example.com`: any name below it, at any depth.
    Below(Box<str>),
}

impl HostPattern {
    /// Reads a `host`; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<HostPattern, &'static str> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name.is_empty() {
            return Err("a host must not be empty");
        }
        if !name.is_ascii() {
            return Err("a host is written in ASCII (`xn--…` for other letters)");
        }
        if name.contains('*') {
            return Err("`*` stands only at the front, as in `*.example.com`");
        }
        if without_port(&name) != Some(&name) {
            return Err("a host is written without a port");
        }
        if !is_plain(&name) {
            return Err("a host is a name or an address, without scheme and path");
        }
        if name.len() > HOST_BYTES_MAX {
            return Err("a host has at most 253 characters");
        }
        let name = name.into_boxed_str();
        Ok(if below {
            HostPattern::Below(name)
        } else {
            HostPattern::Exact(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(version: Version, uri: &str, hosts: &[&str]) -> Result<Option<String>, BadHost> {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(()).unwrap();
        requested(&request).map(|host| host.map(str::to_owned))
    }

    #[test]
    fn the_host_of_a_request() {
        let one = |host: &str| Ok(Some(host.to_owned()));
        assert_eq!(host_of(Version::HTTP_11, "/", &["a.b:80"]), one("a.b"));
        assert_eq!(
            host_of(Version::HTTP_11, "/", &["[::1]:3000"]),
            one("[::1]")
        );
        assert_eq!(host_of(Version::HTTP_11, "http://x/", &["y"]), one("x"));
        assert_eq!(host_of(Version::HTTP_2, "http://x/", &["X"]), one("x"));
        assert_eq!(host_of(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(host_of(Version::HTTP_11, "/", &[""]), Ok(None));
        for (version, uri, hosts) in [
            (Version::HTTP_11, "/", &[][..]),
            (Version::HTTP_11, "/", &["a", "a"]),
            (Version::HTTP_2, "http://x/", &["y"]),
            (Version::HTTP_11, "http://u@x/", &[]),
            (Version::HTTP_11, "/", &["a:b"]),
            (Version::HTTP_11, "/", &["[::1"]),
            (Version::HTTP_11, "/", &["a/b"]),
            (Version::HTTP_11, "/", &["a:123456"]),
            (Version::HTTP_11, "/", &[":80"]),
        ] {
            assert_eq!(
                host_of(version, uri, hosts),
                Err(BadHost),
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn the_host_of_a_route() {
        let exact = |name: &str| Ok(HostPattern::Exact(name.into()));
        assert_eq!(HostPattern::parse("Example.COM."), exact("example.com"));
        assert_eq!(HostPattern::parse("[::1]"), exact("[::1]"));
        assert_eq!(
            HostPattern::parse("*.a.b"),
            Ok(HostPattern::Below("a.b".into()))
        );
        for bad in [
            "",
            "*.",
            "*",
            "a.*.b",
            "a:80",
            "http://a",
            "a/b",
            "bücher.de",
            "a b",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_has_no_port_and_no_path() {
        let words = ["[", "]", ":", ":65536", "@", "*.", "%", ".."];
        crate::fuzz::bytes("host-header", &words, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(HostPattern::Exact(name) | HostPattern::Below(name)) =
                HostPattern::parse(&text)
            {
                assert_eq!(without_port(&name), Some(&*name));
            }
            let Ok(value) = HeaderValue::from_bytes(bytes) else {
                return;
            };
            let request = Request::builder().header(HOST, value).body(()).unwrap();
            if let Ok(Some(host)) = requested(&request) {
                assert!(is_plain(host), "{host}");
                assert_eq!(without_port(host), Some(host));
            }
        });
    }
}
