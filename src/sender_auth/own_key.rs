//! DKIM keys of our own: made, written as PKCS#8 PEM, and shown as the DNS record that publishes their public half.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// 2048 bits (RFC 8301 §3.2).
    Rsa,
    /// RFC 8463.
    Ed25519,
}

/// A new private key as PKCS#8 PEM.
pub fn new_key(kind: KeyKind) -> Result<String, Unspecified> {
    match kind {
        KeyKind::Rsa => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?;
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            Ok(pem(der.as_ref()))
        }
        // RFC 5958's second version, with the public half in it, is unreadable for OpenSSL 3.0.
        KeyKind::Ed25519 => Ok(pem(Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())?.as_ref())),
    }
}

/// The TXT record that publishes a key; `None` for what is no key.
pub fn record(pem: &str) -> Option<String> {
    public(pem).map(|(kind, public)| format!("v=DKIM1; k={kind}; p={public}"))
}

/// A TXT record's text as zones write it: RFC 1035 §3.3 gives a character-string 255 octets, so longer ones are several.
pub fn strings(text: &str) -> String {
    let strings = text.as_bytes().chunks(TXT_STRING_MAX).map(String::from_utf8_lossy);
    strings.map(|string| format!("\"{string}\"")).collect::<Vec<_>>().join(" ")
}

const TXT_STRING_MAX: usize = 255;

/// Its `p=`.
pub fn public_half(pem: &str) -> Option<String> {
    public(pem).map(|(_, public)| public)
}

/// `k=` and `p=`: SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the bare key for Ed25519 (RFC 8463 §4).
fn public(pem: &str) -> Option<(&'static str, String)> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let der = der.secret_pkcs8_der();
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der) {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        return Some(("rsa", BASE64.encode(public.as_ref())));
    }
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    Some(("ed25519", BASE64.encode(pair.public_key().as_ref())))
}

/// RFC 7468 §10.
fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_has_a_record_of_its_kind() {
        for (kind, start) in [(KeyKind::Rsa, "v=DKIM1; k=rsa; p=MIIB"), (KeyKind::Ed25519, "v=DKIM1; k=ed25519; p=")] {
            let key = new_key(kind).expect("randomness");
            let record = record(&key).expect("a key");
            assert!(record.starts_with(start) && key.lines().all(|line| line.len() <= 64), "{record}");
        }
        assert_eq!(record("no key"), None);
        assert_eq!(new_key(KeyKind::Ed25519).expect("randomness").len(), 119, "as openssl genpkey writes it");
    }
}
