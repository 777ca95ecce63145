//! TLS towards origins: the system's trusted roots, read once per process, and what a component was given
//! for some of them.

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

static SHARED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// Reads the trusted roots, which takes some files and milliseconds, unless that was done already.
/// A process that closes a sandbox around itself does it before.
pub fn prepare() -> Arc<ClientConfig> {
    SHARED.get_or_init(|| Arc::new(config(roots()))).clone()
}

fn roots() -> Arc<RootCertStore> {
    ROOTS.get_or_init(|| Arc::new(system_roots())).clone()
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder(roots: impl Into<Arc<RootCertStore>>) -> Builder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Both are constants of rustls itself: nothing from outside can make this fail.
    let versions = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("ring has cipher suites for all versions");
    versions.with_root_certificates(roots)
}

/// A configuration that trusts `roots` and speaks HTTP/2 and HTTP/1.1.
pub fn config(roots: impl Into<Arc<RootCertStore>>) -> ClientConfig {
    negotiating(builder(roots).with_no_client_auth())
}

fn negotiating(mut config: ClientConfig) -> ClientConfig {
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

/// Who a component is to an origin, and whom it trusts there beside those that the system trusts.
pub struct Identity {
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    roots: Vec<CertificateDer<'static>>,
}

/// Which of the keys in the manifest is to blame, and what is wrong.
type Wrong = (&'static str, String);

impl Identity {
    /// Reads the files: certificate and key of the client, certificates that are trusted.
    ///
    /// # Errors
    /// One of them cannot be read, or they do not fit.
    pub fn read(pair: Option<(PathBuf, PathBuf)>, roots: Option<PathBuf>) -> Result<Self, Wrong> {
        let client = match pair {
            Some((chain, key)) => {
                let chain = certificates(&chain).map_err(|what| ("client_cert", what))?;
                let read = PrivateKeyDer::from_pem_file(&key);
                let key = read.map_err(|e| ("client_key", cannot(&key, &e)))?;
                Some((chain, key))
            }
            None => None,
        };
        let roots = match roots {
            Some(file) => certificates(&file).map_err(|what| ("roots", what))?,
            None => Vec::new(),
        };
        let identity = Identity { client, roots };
        // So that a key of another certificate is found when the app loads.
        match identity.over(RootCertStore::empty()) {
            Ok(_) => {}
            Err((_, rustls::Error::InconsistentKeys(_))) => {
                return Err((
                    "client_key",
                    "this key is not that of the certificate".into(),
                ));
            }
            Err((key, error)) => return Err((key, error.to_string())),
        }
        Ok(identity)
    }

    /// Nobody in particular, who trusts the certificates in this PEM.
    ///
    /// # Errors
    /// There are none, or one of them is no certificate.
    #[cfg(feature = "postgres")]
    pub fn trusting(pem: &str) -> Result<Self, String> {
        let all = CertificateDer::pem_slice_iter(pem.as_bytes());
        let roots: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        match roots.is_empty() {
            true => Err("no certificate in it".to_owned()),
            false => Ok(Identity {
                client: None,
                roots,
            }),
        }
    }

    /// The configuration that it makes; reads the system's roots, unless that was done already.
    ///
    /// # Errors
    /// A certificate and a key that do not fit, which was told of when they were read.
    pub fn config(&self) -> Result<ClientConfig, rustls::Error> {
        let all = RootCertStore::clone(&roots());
        self.over(all).map_err(|(_, error)| error)
    }

    fn over(
        &self,
        mut roots: RootCertStore,
    ) -> Result<ClientConfig, (&'static str, rustls::Error)> {
        for root in &self.roots {
            roots.add(root.clone()).map_err(|error| ("roots", error))?;
        }
        let builder = builder(roots);
        Ok(negotiating(match &self.client {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| ("client_cert", error))?,
            None => builder.with_no_client_auth(),
        }))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(format!("no certificate in {}", file.display())),
        Ok(all) => Ok(all),
        Err(error) => Err(cannot(file, &error)),
    }
}

fn cannot(file: &Path, error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::NoItemsFound => format!("no private key in {}", file.display()),
        Error::Io(error) => format!("{} cannot be read: {error}", file.display()),
        error => format!("{} is no PEM: {error}", file.display()),
    }
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
