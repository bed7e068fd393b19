//! Certificates made on the spot.

use rcgen::{CertificateParams, KeyPair};
use replyd::config::checked::Certificate;
use rustls::pki_types::CertificateDer;
use std::path::Path;

/// A self-signed certificate and its key, written as the config names them.
pub struct Written {
    pub files: Certificate,
    pub der: CertificateDer<'static>,
}

/// Writes `<stem>.crt` and `<stem>.key`, over what is there.
pub fn write(dir: &Path, stem: &str, names: &[&str]) -> Written {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
    let files = Certificate { certificate: dir.join(format!("{stem}.crt")), key: dir.join(format!("{stem}.key")) };
    std::fs::write(&files.certificate, certificate.pem()).expect("a writable directory");
    std::fs::write(&files.key, key.serialize_pem()).expect("a writable directory");
    Written { files, der: certificate.der().clone() }
}
