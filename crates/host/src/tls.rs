//! TLS: a certificate and its key from PEM files, taken anew when the files change.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
pub const RELOAD_EVERY: Duration = Duration::from_secs(2);

/// A certificate with its key, and the files that they come from.
#[derive(Clone)]
pub struct Tls {
    config: Arc<rustls::ServerConfig>,
    certificate: Arc<Certificate>,
    opened: Stamp,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificate.fmt(f)
    }
}

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// The file that is to blame.
    pub file: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the certificate or its key, {}: {}",
            self.file.display(),
            self.message
        )
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Reads a certificate chain and its private key.
    pub fn open(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Tls, TlsError> {
        let (chain, key) = (chain.into(), key.into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let opened = [stamp(&chain), stamp(&key)];
        let current = load(&chain, &key, &provider)?;
        let ours = |error: rustls::Error| blame(&chain, error);
        let certificate = Arc::new(Certificate {
            current: RwLock::new(Arc::new(current)),
            provider: provider.clone(),
            chain: chain.clone(),
            key,
        });
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ours)?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(ours)?;
        Ok(Tls {
            config: Arc::new(config),
            certificate,
            opened,
        })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.clone().into()
    }

    /// Looks at the files for as long as it is polled. New connections get the new certificate;
    /// one that cannot be used leaves the old one in place.
    pub(crate) async fn follow(&self) {
        let mut seen = self.opened;
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let certificate = self.certificate.clone();
            let look = tokio::task::spawn_blocking(move || certificate.look(seen));
            seen = look.await.unwrap_or(seen);
        }
    }
}

/// What tells that a file has changed.
type Stamp = [Option<(SystemTime, u64, u64)>; 2];

fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), meta.ino()))
}

struct Certificate {
    current: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
    chain: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Takes the files anew if they have changed.
    fn look(&self, seen: Stamp) -> Stamp {
        let now = [stamp(&self.chain), stamp(&self.key)];
        if now != seen {
            match load(&self.chain, &self.key, &self.provider) {
                Ok(next) => {
                    let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                    *current = Arc::new(next);
                    tracing::info!(file = %self.chain.display(), "the certificate was reloaded");
                }
                Err(error) => tracing::error!(%error, "the old certificate stays in use"),
            }
        }
        now
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

fn load(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| blame(chain, pem(error, "certificate")))?;
    if certificates.is_empty() {
        return Err(blame(chain, "no certificate in this file"));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| blame(key, pem(error, "private key")))?;
    CertifiedKey::from_der(certificates, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => blame(
            key,
            format!("this key does not belong to {}", chain.display()),
        ),
        error => blame(key, error),
    })
}

fn pem(error: rustls::pki_types::pem::Error, what: &str) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::NoItemsFound => format!("no {what} in this file"),
        Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn blame(file: &Path, message: impl ToString) -> TlsError {
    TlsError {
        file: file.to_owned(),
        message: message.to_string(),
    }
}
