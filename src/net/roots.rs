//! The certificate authorities that name other hosts for us: the system's, and those of a file.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a file of authorities is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("cannot read {path}: {reason}; a file of certificates in PEM form is expected", path = path.display())]
    Unreadable { path: PathBuf, reason: rustls::pki_types::pem::Error },
    #[error("{path} holds no certificate that can be an authority", path = path.display())]
    Empty { path: PathBuf },
}

/// The system's bundle with what stands in this file. A system without a bundle, as in a small container, has none: hosts that
/// must show a verified certificate are then not mailed, and the log says why.
pub fn load(additional: Option<&Path>) -> Result<Arc<RootCertStore>, RootsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(system.certs);
    if taken == 0 {
        tracing::warn!(errors = ?system.errors, "the system has no certificate authorities; install ca-certificates");
    }
    if let Some(path) = additional {
        let unreadable = |reason| RootsError::Unreadable { path: path.into(), reason };
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(RootsError::Empty { path: path.into() });
        }
    }
    Ok(Arc::new(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_authorities_or_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let (good, empty) = (dir.path().join("ca.crt"), dir.path().join("empty.crt"));
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(&good, made.pem()).unwrap();
        std::fs::write(&empty, "nothing").unwrap();
        let system = load(None).unwrap().len();
        assert_eq!(load(Some(&good)).unwrap().len(), system + 1);
        assert!(load(Some(&empty)).unwrap_err().to_string().contains("empty.crt"));
        assert!(load(Some(&dir.path().join("absent.crt"))).unwrap_err().to_string().contains("absent.crt"));
    }
}
