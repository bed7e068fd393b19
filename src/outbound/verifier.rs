//! TLS as a client: which certificates are good enough for which route.
//!
//! TLS 1.2 and later, no early data (RFC 8446 §8: it can be replayed), no session resumption: connections are kept instead,
//! and no session made under a laxer rule can serve a stricter one.

use super::dane;
use super::hop::Verification;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::fmt;
use std::sync::Arc;

/// The TLS that sessions use; clones share it.
#[derive(Clone)]
pub struct ClientTls {
    provider: Arc<CryptoProvider>,
    unverified: Arc<ClientConfig>,
    /// `None`: there is no root to trust.
    by_host_name: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("has_roots", &self.by_host_name.is_some()).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// With the roots of the system: reads files, once per process.
    pub fn with_system_roots() -> ClientTls {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a CA certificate of the system cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            tracing::warn!("the system has no CA certificates: hosts that must be verified get no mail");
        }
        ClientTls::with_roots(roots)
    }

    pub fn with_roots(roots: RootCertStore) -> ClientTls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unverified = client_config(&provider, Arc::new(AnyCertificate(Arc::clone(&provider))));
        let by_host_name = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let by_host_name = by_host_name.ok().map(|verifier| client_config(&provider, verifier));
        ClientTls { provider, unverified, by_host_name }
    }

    /// `None`: nothing here can verify that.
    pub fn config(&self, verification: &Verification) -> Option<Arc<ClientConfig>> {
        match verification {
            Verification::Nothing => Some(Arc::clone(&self.unverified)),
            Verification::HostName => self.by_host_name.clone(),
            Verification::Dane(dane) => {
                Some(client_config(&self.provider, dane::verifier(dane, Arc::clone(&self.provider))))
            }
        }
    }
}

fn client_config(provider: &Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider supports both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Arc::new(config)
}

/// RFC 7435: encryption without a name is worth more than none, so nothing about the certificate can end it; not even its
/// signature is looked at, because old keys that webpki refuses would otherwise mean plaintext.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
