//! Why a TLS handshake failed, with what to do about it where the library's own words leave an operator alone.

use rustls::CertificateError;
use std::io;

/// The error, and a way out for the mistakes that are usual with an authority of one's own.
pub fn of(error: &io::Error) -> String {
    let certificate = error.get_ref().and_then(|inner| match inner.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(certificate) => Some(certificate),
        _ => None,
    });
    let hint = match certificate {
        Some(CertificateError::UnknownIssuer) => UNKNOWN,
        Some(CertificateError::Other(other)) if format!("{other:?}").contains("CaUsedAsEndEntity") => AUTHORITY,
        Some(_) | None => "",
    };
    format!("{error}{hint}")
}

const UNKNOWN: &str =
    "; no authority that is known here signed its certificate: if one of your own did, put that into outbound.ca_file";
const AUTHORITY: &str = "; its certificate is an authority's (CA:TRUE), and no host may show such a one, even if outbound.ca_file has it: \
    make one that is none (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE) and put it into outbound.ca_file, or \
    sign one with that authority";

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use std::sync::Arc;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    /// How a handshake ends with a host that shows a certificate signed by itself.
    async fn shown(is_ca: rcgen::IsCa, is_known: Option<()>) -> Result<(), String> {
        let mut made = rcgen::CertificateParams::new(vec!["smtp.example".to_owned()]).unwrap();
        made.is_ca = is_ca;
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = made.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        let mut other = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
        other.distinguished_name.push(rcgen::DnType::CommonName, "other");
        let other = other.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        roots.add(if is_known.is_some() { certificate.der().clone() } else { other.der().clone() }).unwrap();
        let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
        let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("smtp.example").unwrap();
        let connecting = TlsConnector::from(Arc::new(client)).connect(name, near);
        let accepting = TlsAcceptor::from(Arc::new(server)).accept(far);
        let (connected, _) = tokio::join!(connecting, accepting);
        connected.map(|_| ()).map_err(|error| of(&error))
    }

    #[tokio::test]
    async fn a_certificate_that_is_an_authority_says_what_to_make_instead_and_that_works() {
        let authority = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let words = shown(authority, Some(())).await.unwrap_err();
        assert!(
            words.contains("CA:TRUE") && words.contains("CA:FALSE") && words.contains("outbound.ca_file"),
            "{words}"
        );
        assert_eq!(shown(rcgen::IsCa::ExplicitNoCa, Some(())).await, Ok(()));
    }

    #[tokio::test]
    async fn an_authority_that_is_not_known_is_one_to_add() {
        let words = shown(rcgen::IsCa::ExplicitNoCa, None).await.unwrap_err();
        assert!(words.contains("UnknownIssuer") && words.ends_with("put that into outbound.ca_file"), "{words}");
    }
}
