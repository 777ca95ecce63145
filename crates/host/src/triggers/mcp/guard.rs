//! Who may call over HTTP: at a port of this machine alone whoever is on it, but no web page; anywhere
//! else whoever has the token.

use crate::admin::Token;
use holm_runtime::{Error, Result};
use http::header::{AUTHORIZATION, ORIGIN};
use http::{Request, StatusCode};
use std::net::SocketAddr;

/// What is asked of a caller. Host names are checked by the protocol's own server.
pub struct Guard {
    token: Option<Token>,
}

impl Guard {
    /// The guard of an address; one that others can reach wants a token.
    pub fn new(addr: SocketAddr, token: Option<Token>) -> Result<Guard> {
        if token.is_none() && !addr.ip().is_loopback() {
            return Err(Error::yours(format!(
                "{addr} can be reached from elsewhere, and then agents must have a token"
            ))
            .help("--token-file FILE, or HOLM_MCP_TOKEN in the environment")
            .help("or listen for this machine alone: --listen 127.0.0.1:PORT"));
        }
        Ok(Guard { token })
    }

    /// Whether callers show a token.
    pub fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    /// Refuses who may not call: a status, and why.
    pub(super) fn check<B>(
        &self,
        request: &Request<B>,
    ) -> std::result::Result<(), (StatusCode, &'static str)> {
        // A browser says where a page is from; programs have nothing to say here.
        if request.headers().contains_key(ORIGIN) {
            return Err((StatusCode::FORBIDDEN, "this server is not for web pages"));
        }
        let Some(token) = &self.token else {
            return Ok(());
        };
        let given = request.headers().get(AUTHORIZATION);
        let bearer = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match bearer {
            Some(given) if token.is(given) => Ok(()),
            Some(_) => Err((StatusCode::UNAUTHORIZED, "the token is a wrong one")),
            None => Err((StatusCode::UNAUTHORIZED, "this server wants a token")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_call() {
        let token = || Token::new("0123456789abcdef").ok();
        let here = "127.0.0.1:80".parse().unwrap();
        let anywhere = "0.0.0.0:80".parse().unwrap();
        assert!(Guard::new(anywhere, None).is_err());
        let open = Guard::new(here, None).unwrap();
        let closed = Guard::new(anywhere, token()).unwrap();
        let status = |guard: &Guard, headers: &[(&str, &str)]| {
            let mut request = Request::builder();
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let checked = guard.check(&request.body(()).unwrap());
            checked.err().map(|(status, _)| status.as_u16())
        };
        let good = ("authorization", "Bearer 0123456789abcdef");
        assert_eq!(status(&open, &[]), None);
        assert_eq!(status(&open, &[("origin", "http://localhost")]), Some(403));
        assert_eq!(status(&open, &[("origin", "null")]), Some(403));
        assert_eq!(status(&closed, &[]), Some(401));
        assert_eq!(status(&closed, &[("authorization", "Bearer x")]), Some(401));
        assert_eq!(status(&closed, &[good]), None);
        assert_eq!(status(&closed, &[good, ("origin", "http://a")]), Some(403));
    }
}
