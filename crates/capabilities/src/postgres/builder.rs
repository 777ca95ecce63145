//! `connection-builder` of `spin:postgres@4.1.0`: a connection to a server that is trusted by a
//! certificate of the guest's own.

use super::View;
use super::types::Error;
use super::wit::{Done, Handle};
use crate::http::Identity;
use rustls::ClientConfig;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The longest certificate, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// A connection that is not made yet. It holds a place as a connection does.
pub struct Builder {
    /// Where it is to go; or why a guest may not have so many.
    address: Done<String>,
    trusted: Option<Trusted>,
}

/// Who is trusted beside those that the system trusts.
#[derive(Clone)]
pub(super) struct Trusted {
    /// The certificate, by which connections are told apart that are kept.
    pub certificate: String,
    /// What TLS connections are made with.
    pub config: Arc<ClientConfig>,
}

pub(super) async fn new(view: &mut View<'_>, address: String) -> Result<Resource<Builder>> {
    let place = view.part.caller.seat();
    let address = match place {
        Ok(()) => Ok(address),
        Err(hit) => Err(Error::ConnectionFailed(hit.to_string())),
    };
    Ok(view.table.push(Builder {
        address,
        trusted: None,
    })?)
}

pub(super) async fn set_ca_root(
    view: &mut View<'_>,
    builder: Resource<Builder>,
    certificate: String,
) -> Result<Done<()>> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        let told = "the certificate is too long".to_owned();
        return Ok(Err(Error::Other(told)));
    }
    let read = {
        let certificate = certificate.clone();
        move || {
            Identity::trusting(&certificate)?
                .config()
                .map_err(|e| e.to_string())
        }
    };
    // The system's roots may have to be read.
    let config = match tokio::task::spawn_blocking(read).await? {
        Ok(mut config) => {
            config.alpn_protocols.clear();
            Arc::new(config)
        }
        Err(why) => {
            let told = format!("invalid root certificate: {why}");
            return Ok(Err(Error::Other(told)));
        }
    };
    view.table.get_mut(&builder)?.trusted = Some(Trusted {
        certificate,
        config,
    });
    Ok(Ok(()))
}

pub(super) async fn build(
    view: &mut View<'_>,
    builder: Resource<Builder>,
) -> Result<Done<Resource<Handle>>> {
    let (address, trusted) = match asked(view, &builder)? {
        Ok(asked) => asked,
        Err(error) => return Ok(Err(error)),
    };
    view.connect(address, trusted).await
}

/// What a connection is made of.
pub(super) fn asked(
    view: &View<'_>,
    builder: &Resource<Builder>,
) -> Result<Done<(String, Option<Trusted>)>> {
    let builder = view.table.get(builder)?;
    let address = builder.address.clone();
    Ok(address.map(|address| (address, builder.trusted.clone())))
}

pub(super) async fn drop(view: &mut View<'_>, builder: Resource<Builder>) -> Result<()> {
    let builder = view.table.delete(builder)?;
    if builder.address.is_ok() {
        view.part.caller.leave();
    }
    Ok(())
}
