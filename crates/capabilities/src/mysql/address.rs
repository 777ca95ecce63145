//! Where a guest wants to go, and how it logs in.

use crate::network::Service;
use crate::outbound::Address;
use url::Url;

/// How to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub user: String,
    pub password: String,
    /// The database that a session begins in.
    pub database: Option<String>,
    /// Whether the connection is TLS.
    pub tls: bool,
}

/// Options that other clients know, for their pools and sockets; what they are about is decided here.
const IGNORED: &[&str] = &[
    "abs_conn_ttl",
    "abs_conn_ttl_jitter",
    "built_in_roots",
    "compression",
    "conn_ttl",
    "enable_cleartext_plugin",
    "inactive_connection_ttl",
    "max_allowed_packet",
    "pool_max",
    "pool_min",
    "prefer_socket",
    "reset_connection",
    "secure_auth",
    "socket",
    "stmt_cache_size",
    "tcp_keepalive",
    "tcp_nodelay",
    "ttl_check_interval",
    "verify_ca",
    "verify_identity",
    "wait_timeout",
];

/// Reads `mysql://user:secret@host:port/database?ssl-mode=required`.
pub(super) fn read(text: &str) -> Result<(Address, Login), String> {
    let parsed = Address::parse(Service::Mysql, text);
    let (address, url) = parsed.ok_or("it is not of the form mysql://host:port/database")?;
    let mut tls = false;
    for (name, value) in url.query_pairs() {
        let (name, value) = (name.to_lowercase(), value.to_lowercase());
        match &*name {
            // `preferred` would be satisfied without.
            "ssl-mode" | "sslmode" | "ssl_mode" => {
                tls |= !["disabled", "disable", "preferred", "prefer"].contains(&&*value);
            }
            "require_ssl" => tls |= value != "false",
            other if IGNORED.contains(&other) => {}
            other => return Err(format!("`{other}` is not known; `ssl-mode` is")),
        }
    }
    let database = decoded(url.path().trim_start_matches('/'))?;
    Ok((
        address,
        Login {
            user: decoded(url.username())?,
            password: decoded(Url::password(&url).unwrap_or_default())?,
            database: Some(database).filter(|name| !name.is_empty()),
            tls,
        },
    ))
}

/// A part of a URL without its percent signs.
fn decoded(part: &str) -> Result<String, String> {
    // A form's pairs are decoded by the same rules, but for the plus.
    let pair = part
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
    let text = decoded.map_or_else(String::new, |(text, _)| text.into_owned());
    // The protocol ends its texts with it.
    match text.contains('\0') {
        true => Err("it has a NUL in it".to_owned()),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_once() {
        for (text, origin, tls) in [
            (
                "mysql://me:secret@DB.internal/x",
                "mysql://db.internal",
                false,
            ),
            (
                "mysql://[::1]:3307/x?ssl-mode=required",
                "mysql://[::1]:3307",
                true,
            ),
            ("mysql://a/x?sslMode=DISABLED", "mysql://a", false),
            (
                "mysql://a/x?require_ssl=true&verify_ca=false",
                "mysql://a",
                true,
            ),
            (
                "mysql://a/x?stmt_cache_size=4000000000&socket=/run/s",
                "mysql://a",
                false,
            ),
        ] {
            let (address, login) = read(text).unwrap();
            assert_eq!(address.to_string(), origin, "{text}");
            assert_eq!(login.tls, tls, "{text}");
        }
        for text in [
            "",
            "a:3306",
            "mysql://",
            "mysql://a/x?nonsense=1",
            "mysql://a/%00",
            "postgres://a",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_log_in_is_decoded() {
        let (_, login) = read("mysql://a%40b:1+2%26%3D%25@h/my%20db").unwrap();
        assert_eq!(login.user, "a@b");
        assert_eq!(login.password, "1+2&=%");
        assert_eq!(login.database.as_deref(), Some("my db"));
        assert_eq!(read("mysql://h/").unwrap().1.database, None);
    }
}
