//! TLS towards origins: the system's trusted roots, read once per process.

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

static SHARED: OnceLock<Arc<ClientConfig>> = OnceLock::new();

/// Reads the trusted roots, which takes some files and milliseconds, unless that was done already.
/// A process that closes a sandbox around itself does it before.
pub fn prepare() -> Arc<ClientConfig> {
    SHARED
        .get_or_init(|| Arc::new(config(system_roots())))
        .clone()
}

/// A configuration that trusts `roots` and speaks HTTP/2 and HTTP/1.1.
pub fn config(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Both are constants of rustls itself: nothing from outside can make this fail.
    let versions = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("ring has cipher suites for all versions");
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// What one component connects with: no session of another's is resumed, which would tell a server
/// that the two run on one machine.
pub fn connector(shared: &ClientConfig) -> TlsConnector {
    const SESSIONS: usize = 64;
    let mut config = shared.clone();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    TlsConnector::from(Arc::new(config))
}

/// The system's roots (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`); where there are none,
/// as in a container without them, Mozilla's as of the build.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some trusted roots of the system cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
