//! What can go wrong between here and an origin, in the words of `wasi:http`.

use crate::network::{Range, Unreached};
use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use wasmtime_wasi_http::Error;

/// Why no connection was made.
#[derive(Debug)]
pub enum Fault {
    /// All addresses of the name are in ranges that the grant does not open; one of them.
    Prohibited(IpAddr, Range),
    /// This address was dialled, and then something went wrong.
    Beyond(IpAddr, Error),
    /// Everything else.
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Error(error)
    }
}

impl From<Unreached> for Fault {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::NotNamed => Error::HttpRequestDenied.into(),
            Unreached::Closed(ip, range) => Fault::Prohibited(ip, range),
            Unreached::LookUp(error) => of_look_up(&error).into(),
            Unreached::NoAddress => Error::DestinationNotFound.into(),
            Unreached::Dial(ip, Some(error)) => Fault::Beyond(ip, of_dial(&error)),
            Unreached::Dial(ip, None) => Fault::Beyond(ip, Error::ConnectionTimeout),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Prohibited(..) => Error::DestinationIpProhibited,
            Fault::Beyond(_, error) | Fault::Error(error) => error,
        }
    }
}

/// A failed look-up. The system's resolver does not tell what the server answered.
fn of_look_up(error: &io::Error) -> Error {
    tracing::debug!(%error, "look-up failed");
    Error::DnsError {
        rcode: None,
        info_code: None,
    }
}

/// A failed dial.
pub fn of_dial(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Error::DestinationIpUnroutable
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Error::ConnectionTerminated
        }
        _ => Error::DestinationUnavailable,
    }
}

/// A failed TLS handshake.
pub fn of_tls(error: &io::Error) -> Error {
    tracing::debug!(%error, "TLS handshake failed");
    let cause = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Error::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        Some(_) => Error::TlsProtocolError,
        None => of_dial(error),
    }
}

/// A connection that broke, or did not speak HTTP, while a request was on it.
pub fn of_hyper(error: &hyper::Error) -> Error {
    tracing::debug!(?error, "request failed");
    if error.is_timeout() {
        return Error::ConnectionReadTimeout;
    }
    if error.is_incomplete_message() {
        return Error::HttpResponseIncomplete;
    }
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(None);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<Error>() {
            // The guest's own body failed; it cannot be moved out of here.
            return match own {
                Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
                other => Error::InternalError(Some(other.to_string())),
            };
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // Of the last word of a handshake a client hears only afterwards: that its certificate is
            // missing, or not liked.
            if io
                .get_ref()
                .is_some_and(|inner| inner.is::<rustls::Error>())
            {
                return of_tls(io);
            }
            return match io.kind() {
                io::ErrorKind::UnexpectedEof => Error::HttpResponseIncomplete,
                io::ErrorKind::TimedOut => Error::ConnectionReadTimeout,
                io::ErrorKind::InvalidData => Error::TlsProtocolError,
                _ => Error::ConnectionTerminated,
            };
        }
        cause = error.source();
    }
    if error.is_closed() || error.is_canceled() || error.is_body_write_aborted() {
        return Error::ConnectionTerminated;
    }
    Error::HttpProtocolError
}
