//! TLS for the listeners: certificates from files, by name, reloaded when the files change or on request.
//!
//! Mail senders do not check names, so an unknown or missing SNI gets the first certificate. No session tickets and
//! no session cache: some large senders break on TLS 1.3 tickets sent by port 25, and nothing may resume a session of
//! another listener. No early data (RFC 8446 §8: it can be replayed), no ALPN, no client certificates.

use super::x509;
use crate::clock::UnixMs;
use crate::config::checked::Certificate;
use crate::config::permission;
use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto::CryptoProvider};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Why a certificate is not taken. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {reason}{way_out}", path = path.display(), way_out = permission::way_out(path, reason))]
    Read { path: PathBuf, reason: std::io::Error },
    #[error("{path} holds no {what} in PEM form", path = path.display())]
    Missing { path: PathBuf, what: &'static str },
    #[error("the key {key} does not belong to the certificate {certificate}", key = key.display(), certificate = certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("{path} cannot be used: {reason}", path = path.display())]
    Unusable { path: PathBuf, reason: rustls::Error },
}

/// The certificates in use and the TLS that serves them; clones share both.
#[derive(Debug, Clone)]
pub struct Tls {
    loaded: Arc<Loaded>,
    server: Arc<ServerConfig>,
}

/// How often the files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

impl Tls {
    /// Loads every pair, or says which one is broken. Without a pair there is no TLS: [`Tls::is_available`].
    pub fn load(pairs: &[Certificate]) -> Result<Tls, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let loaded = Arc::new(Loaded { keys: ArcSwap::from_pointee(load_all(pairs, &provider)?), provider });
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&loaded.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider supports both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&loaded) as Arc<dyn ResolvesServerCert>);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;
        Ok(Tls { loaded, server: Arc::new(server) })
    }

    /// Whether there is a certificate to offer TLS with.
    pub fn is_available(&self) -> bool {
        !self.loaded.keys.load().is_empty()
    }

    /// Takes these pairs for new handshakes, all or none.
    pub fn reload(&self, pairs: &[Certificate]) -> Result<(), TlsError> {
        let keys = load_all(pairs, &self.loaded.provider)?;
        self.loaded.keys.store(Arc::new(keys));
        Ok(())
    }

    /// The certificate files in use, and when each ceases to be valid.
    pub fn not_after(&self) -> Vec<(PathBuf, UnixMs)> {
        let read = |pair: &Pair| Some((pair.path.clone(), x509::not_after(pair.key.cert.first()?)?));
        self.loaded.keys.load().iter().filter_map(read).collect()
    }

    /// For `tokio_rustls`.
    pub fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        tokio_rustls::TlsAcceptor::from(Arc::clone(&self.server))
    }

    /// Looks at the files until `stop`, and reloads when they changed.
    pub async fn watch(self, pairs: impl Fn() -> Vec<Certificate>, stop: CancellationToken) {
        let mut watched = Watched::new(&pairs());
        while stop.run_until_cancelled(tokio::time::sleep(WATCH_INTERVAL)).await.is_some() {
            watched.look(&self, &pairs());
        }
    }

    /// [`Tls::reload`] for callers that have nobody to tell but the log.
    pub fn reload_logged(&self, pairs: &[Certificate]) {
        match self.reload(pairs) {
            Ok(()) => tracing::info!(certificates = pairs.len(), "certificates reloaded"),
            Err(error) => tracing::error!(%error, "new certificate refused, the old one stays in use"),
        }
    }
}

/// Files as they were seen last.
#[derive(Debug)]
pub struct Watched {
    seen: Vec<Stamp>,
}

/// What tells that a file was replaced; `None` is a file that is not there.
type Stamp = Option<(SystemTime, u64)>;

impl Watched {
    pub fn new(pairs: &[Certificate]) -> Watched {
        Watched { seen: stamps(pairs) }
    }

    /// Reloads what changed since the last look. A pair that is replaced in two steps is refused after the first and
    /// taken after the second.
    pub fn look(&mut self, tls: &Tls, pairs: &[Certificate]) {
        let stamps = stamps(pairs);
        if stamps != self.seen {
            self.seen = stamps;
            tls.reload_logged(pairs);
        }
    }
}

fn stamps(pairs: &[Certificate]) -> Vec<Stamp> {
    let stamp = |path: &Path| std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
    pairs.iter().flat_map(|pair| [stamp(&pair.certificate), stamp(&pair.key)]).collect()
}

#[derive(Debug)]
struct Loaded {
    keys: ArcSwap<Vec<Pair>>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Pair {
    path: PathBuf,
    key: Arc<CertifiedKey>,
}

impl Pair {
    /// RFC 6066 §3: whether the certificate is for this name.
    fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let parsed = self.key.end_entity_cert().and_then(ParsedCertificate::try_from);
        parsed.is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, &name).is_ok())
    }
}

impl ResolvesServerCert for Loaded {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.keys.load();
        let named = match (keys.len(), hello.server_name()) {
            (0 | 1, _) | (_, None) => None,
            (_, Some(name)) => keys.iter().find(|pair| pair.is_for(name)),
        };
        named.or(keys.first()).map(|pair| Arc::clone(&pair.key))
    }
}

fn load_all(pairs: &[Certificate], provider: &CryptoProvider) -> Result<Vec<Pair>, TlsError> {
    pairs.iter().map(|pair| load_pair(pair, provider)).collect()
}

fn load_pair(files: &Certificate, provider: &CryptoProvider) -> Result<Pair, TlsError> {
    let pem = read(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(TlsError::Missing { path: files.certificate.clone(), what: "certificate" });
    }
    let private = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|_| TlsError::Missing { path: files.key.clone(), what: "private key" })?;
    let key = CertifiedKey::from_der(chain, private, provider).map_err(|reason| match reason {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        rustls::Error::InvalidCertificate(_) => TlsError::Unusable { path: files.certificate.clone(), reason },
        _ => TlsError::Unusable { path: files.key.clone(), reason },
    })?;
    Ok(Pair { path: files.certificate.clone(), key: Arc::new(key) })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|reason| TlsError::Read { path: path.to_owned(), reason })
}

/// Why a handshake failed, as the metric's label: few words, each telling the operator something else.
pub fn failure_reason(error: &std::io::Error) -> &'static str {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return "connection_lost";
    };
    match error {
        rustls::Error::PeerIncompatible(_) => "no_common_version_or_cipher",
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => "not_tls",
        rustls::Error::AlertReceived(_) => "alert_received",
        rustls::Error::PeerMisbehaved(_) | rustls::Error::InappropriateHandshakeMessage { .. } => "misbehaved",
        rustls::Error::DecryptError => "decrypt_error",
        rustls::Error::NoApplicationProtocol => "alpn",
        _ => "other",
    }
}
