//! Who may call: at a port, whoever has the token, and no web page of a browser on this machine.

use super::answer::Refusal;
use super::token::Token;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{Request, StatusCode};
use std::net::SocketAddr;

/// What is asked of a caller.
pub enum Guard {
    /// Nothing: the file system has let nobody else in.
    Socket,
    /// The token, and a host that is ours.
    Port {
        /// The token.
        token: Token,
        /// How the port may be called.
        hosts: [String; 3],
    },
}

impl Guard {
    /// The guard of a port.
    pub fn port(addr: SocketAddr, token: Token) -> Guard {
        let hosts = [
            addr.to_string(),
            format!("localhost:{}", addr.port()),
            format!("[::1]:{}", addr.port()),
        ];
        Guard::Port { token, hosts }
    }

    /// Refuses who may not call.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let Guard::Port { token, hosts } = self else {
            return Ok(());
        };
        // A page whose name was made to lead here calls us by that name.
        let mut named = request.headers().get_all(HOST).iter();
        let host = named.next().and_then(|host| host.to_str().ok());
        if named.next().is_some() || !host.is_some_and(|host| hosts.iter().any(|h| h == host)) {
            let what = "the admin API does not answer to this host name";
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, what));
        }
        if request.headers().contains_key(ORIGIN) {
            let what = "the admin API is not for web pages";
            return Err(Refusal::new(StatusCode::FORBIDDEN, what));
        }
        let given = request.headers().get(AUTHORIZATION);
        let bearer = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match bearer {
            Some(given) if token.is(given) => Ok(()),
            Some(_) => Err(unknown("the admin token is a wrong one")),
            None => Err(unknown("the admin API wants a token")),
        }
    }
}

fn unknown(what: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, what)
        .help("--admin-token-file FILE, or HOLM_ADMIN_TOKEN in the environment")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(headers: &[(&str, &str)]) -> Option<u16> {
        let guard = Guard::port(
            "127.0.0.1:3001".parse().unwrap(),
            Token::new("0123456789abcdef").unwrap(),
        );
        let mut request = Request::get("/v1/apps");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let refused = guard.check(&request.body(()).unwrap()).err();
        refused.map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn the_token_and_a_host_of_ours() {
        let good = ("authorization", "Bearer 0123456789abcdef");
        for host in ["127.0.0.1:3001", "localhost:3001", "[::1]:3001"] {
            assert_eq!(status(&[("host", host), good]), None, "{host}");
        }
        let here = ("host", "127.0.0.1:3001");
        assert_eq!(status(&[here]), Some(401));
        assert_eq!(status(&[here, ("authorization", "Bearer x")]), Some(401));
        assert_eq!(
            status(&[here, ("authorization", "Basic 0123456789abcdef")]),
            Some(401)
        );
        for host in ["evil.example:3001", "127.0.0.1", "localhost:3002"] {
            assert_eq!(status(&[("host", host), good]), Some(421), "{host}");
        }
        assert_eq!(status(&[good]), Some(421));
        assert_eq!(status(&[here, here, good]), Some(421));
        assert_eq!(
            status(&[here, good, ("origin", "http://127.0.0.1:3001")]),
            Some(403)
        );
    }
}
