//! A DKIM key's public half, as its DNS record must show it.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// `p=` of the record: SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the bare key for Ed25519 (RFC 8463 §4).
pub fn public_half(pem: &str) -> Option<String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let der = der.secret_pkcs8_der();
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der) {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        return Some(BASE64.encode(public.as_ref()));
    }
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    Some(BASE64.encode(pair.public_key().as_ref()))
}
