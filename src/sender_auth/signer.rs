//! Signs outgoing mail: DKIM (RFC 6376) with every key that an account has, RSA (RFC 8301) and Ed25519 (RFC 8463).
//!
//! Decides which fields are covered: each of [`OVERSIGNED`] once more than it stands in the header, so that whoever adds
//! a second `From` or `Subject` breaks the signature. No `l=`: what is appended to the body breaks it too. Refuses octets
//! whose lines another host could read in another way. Pure but for the keys it holds; times are arguments.

use super::alignment::is_same_or_below;
use super::fields::{RawField, RawMail};
use super::signature::relaxed_body_hash;
use crate::config::checked::DkimKey;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, rsa};
use data_encoding::BASE64;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;

/// The keys of one account, parsed once: reading an RSA key takes as long as signing with it.
#[derive(Debug)]
pub struct Signer {
    keys: Vec<SigningKey>,
}

struct SigningKey {
    domain: String,
    selector: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A key that cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {selector}._domainkey.{domain} {reason}; make one with replyd init")]
pub struct KeyError {
    pub domain: String,
    pub selector: String,
    pub reason: &'static str,
}

/// Why there is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the mail holds a bare CR, a bare LF or a NUL, which hosts read in different ways")]
    Lines,
    #[error("the cryptography library failed")]
    Failed,
}

/// Which of an account's keys sign a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Those that speak for the author's domain.
    Aligned,
    /// None does: the others sign, which proves less.
    Foreign,
}

impl Signer {
    pub fn load(keys: &[DkimKey]) -> Result<Signer, KeyError> {
        Ok(Signer { keys: keys.iter().map(SigningKey::load).collect::<Result<_, _>>()? })
    }

    /// Whether some key speaks for mail from this domain.
    pub fn alignment(&self, domain: &str) -> Alignment {
        let aligned = self.keys.iter().any(|key| key.speaks_for(domain));
        if aligned { Alignment::Aligned } else { Alignment::Foreign }
    }

    /// The `DKIM-Signature` fields to put before the mail, by each fitting key; none without keys. `at`: seconds since the
    /// Unix epoch.
    pub fn sign(&self, octets: &[u8], author_domain: &str, at: i64) -> Result<Vec<u8>, SignError> {
        if !has_clean_lines(octets) {
            return Err(SignError::Lines);
        }
        let alignment = self.alignment(author_domain);
        let mail = RawMail::split(octets);
        let names = covered(&mail);
        let signed = canonical_header(&mail, &names);
        let body_hash = BASE64.encode(&relaxed_body_hash(mail.body));
        let fitting = self.keys.iter().filter(|key| alignment == Alignment::Foreign || key.speaks_for(author_domain));
        let mut fields = Vec::with_capacity(2048);
        for key in fitting {
            let unsigned = key.unsigned(&names, &body_hash, at);
            let mut data = signed.clone();
            relax(b"DKIM-Signature", unsigned.as_bytes(), &mut data);
            let signature = BASE64.encode(&key.pair.sign(&data)?);
            fields.extend_from_slice(b"DKIM-Signature:");
            fields.extend_from_slice(unsigned.as_bytes());
            for piece in signature.as_bytes().chunks(72) {
                fields.extend_from_slice(b"\r\n\t");
                fields.extend_from_slice(piece);
            }
            fields.extend_from_slice(b"\r\n");
        }
        Ok(fields)
    }
}

impl SigningKey {
    fn load(key: &DkimKey) -> Result<SigningKey, KeyError> {
        let refuse = |reason| KeyError { domain: key.domain.clone(), selector: key.selector.clone(), reason };
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.key.expose().as_bytes())
            .map_err(|_| refuse("is no private key in PKCS#8 PEM form"))?;
        let pair = Pair::read(der.secret_pkcs8_der()).map_err(refuse)?;
        Ok(SigningKey { domain: key.domain.clone(), selector: key.selector.clone(), pair })
    }

    /// Relaxed alignment (RFC 9989 §4.10.2) as far as names alone tell it.
    fn speaks_for(&self, domain: &str) -> bool {
        is_same_or_below(domain, &self.domain) || is_same_or_below(&self.domain, domain)
    }

    /// The field's value up to and with `b=`.
    fn unsigned(&self, names: &[&str], body_hash: &str, at: i64) -> String {
        let algorithm = match &self.pair {
            Pair::Rsa(_) => "rsa-sha256",
            Pair::Ed25519(_) => "ed25519-sha256",
        };
        let (domain, selector, covered) = (&self.domain, &self.selector, folded(names));
        let expires = at.saturating_add(LIFE_SECONDS);
        format!(
            " v=1; a={algorithm}; c=relaxed/relaxed; d={domain};\r\n\ts={selector}; t={at}; x={expires};\r\n\t\
             h={covered};\r\n\tbh={body_hash};\r\n\tb="
        )
    }
}

impl Pair {
    fn read(der: &[u8]) -> Result<Pair, &'static str> {
        if let Ok(pair) = rsa::KeyPair::from_pkcs8(der) {
            // RFC 8301 §3.2: signers use at least 2048 bits; what is below 1024 no verifier counts.
            return match pair.public_modulus_len() {
                ..128 => Err("is an RSA key of less than 1024 bits, which no receiver counts"),
                128.. => Ok(Pair::Rsa(Box::new(pair))),
            };
        }
        // openssl writes PKCS#8 without the public half.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        pair.map(Pair::Ed25519).map_err(|_| "is neither an RSA nor an Ed25519 key")
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignError> {
        match self {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature)
                    .map_err(|_| SignError::Failed)?;
                Ok(signature)
            }
            // RFC 8463 §3: the hash of the data is what is signed.
            Pair::Ed25519(pair) => Ok(pair.sign(digest::digest(&digest::SHA256, data).as_ref()).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}._domainkey.{})", self.selector, self.domain)
    }
}

/// RFC 5321 §2.3.8: CR and LF stand together only, and nothing else ends a line.
pub fn has_clean_lines(octets: &[u8]) -> bool {
    let is_line_end = |at: usize| match octets.get(at) {
        Some(b'\n') => at > 0 && octets.get(at - 1) == Some(&b'\r'),
        Some(b'\r') => octets.get(at + 1) == Some(&b'\n'),
        Some(_) | None => false,
    };
    memchr::memchr3_iter(b'\r', b'\n', 0, octets).all(is_line_end)
}

/// The names with colons, in lines of at most 78 octets.
fn folded(names: &[&str]) -> String {
    let (mut text, mut column) = (String::new(), 4);
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push(':');
        }
        if column + name.len() + 1 > 70 {
            text.push_str("\r\n\t");
            column = 0;
        }
        text.push_str(name);
        column += name.len() + 1;
    }
    text
}

fn covered<'a>(mail: &RawMail<'_>) -> Vec<&'a str> {
    let mut names = Vec::with_capacity(32);
    for name in OVERSIGNED {
        names.extend(std::iter::repeat_n(name, mail.all(name).count() + 1));
    }
    for name in SIGNED_IF_PRESENT {
        let present = mail.all(name).count();
        names.extend(std::iter::repeat_n(name, if present == 0 { 0 } else { present + 1 }));
    }
    names
}

/// The fields that `names` choose, from the bottom (RFC 6376 §5.4.2), in relaxed form.
fn canonical_header(mail: &RawMail<'_>, names: &[&str]) -> Vec<u8> {
    let mut data = Vec::with_capacity(2048);
    let mut before = "";
    let mut left: Vec<&RawField<'_>> = Vec::new();
    for name in names {
        if *name != before {
            left = mail.all(name).collect();
            before = name;
        }
        if let Some(field) = left.pop() {
            relax(field.name, field.value, &mut data);
            data.extend_from_slice(b"\r\n");
        }
    }
    data
}

/// RFC 6376 §3.4.2, without the line end.
fn relax(name: &[u8], value: &[u8], data: &mut Vec<u8>) {
    data.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    data.push(b':');
    let start = data.len();
    for word in value.split(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty()) {
        if data.len() > start {
            data.push(b' ');
        }
        data.extend_from_slice(word);
    }
}

/// What people see and clients act upon: a second one, or a first one where there was none, breaks the signature.
const OVERSIGNED: [&str; 12] = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// A mailing list may add its own where there was none.
const SIGNED_IF_PRESENT: [&str; 4] = ["Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post", "X-Replyd-Loop"];

/// A queue keeps a mail for five days, and forwarders and slow readers get as many again.
const LIFE_SECONDS: i64 = 15 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        for clean in [&b""[..], b"a", b"a\r\n", b"a\r\n\r\n.\r\nb"] {
            assert!(has_clean_lines(clean), "{clean:?}");
        }
        for unclean in [&b"\n"[..], b"\r", b"a\rb\r\n", b"a\n.\n", b"a\r\n\n", b"\r\r\n", b"a\0b\r\n", b"a\r"] {
            assert!(!has_clean_lines(unclean), "{unclean:?}");
            let signer = Signer { keys: Vec::new() };
            assert_eq!(signer.sign(unclean, "a.example", 0), Err(SignError::Lines));
        }
    }

    #[test]
    fn relaxed_fields() {
        // RFC 6376 §3.4.5
        let mut data = Vec::new();
        relax(b"B ", b" Y\t\r\n\tZ  \r\n", &mut data);
        assert_eq!(data, b"b:Y Z");
    }

    #[test]
    fn each_field_is_covered_once_more_than_it_stands_there() {
        let mail = RawMail::split(b"From: a\r\nto: b\r\nAuto-Submitted: no\r\n\r\n");
        let names = covered(&mail);
        let count = |name: &str| names.iter().filter(|n| **n == name).count();
        assert_eq!((count("From"), count("To"), count("Reply-To"), count("Auto-Submitted")), (2, 2, 1, 2));
        assert_eq!(count("List-Unsubscribe"), 0);
    }

    #[test]
    fn no_debug_print_and_no_error_shows_a_key() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        let key = |pem: &str| DkimKey {
            domain: "a.example".into(),
            selector: "r1".into(),
            key: crate::config::secret::Secret::from(pem.to_owned()),
        };
        let signer = Signer::load(&[key(pem)]).expect("a key as openssl writes it");
        assert_eq!(format!("{signer:?}"), "Signer { keys: [SigningKey(r1._domainkey.a.example)] }");
        let refused = Signer::load(&[key(&pem.replace("MC4C", "MC4D"))]).expect_err("no key");
        assert!(!refused.to_string().contains("MC4D"), "{refused}");
    }
}
