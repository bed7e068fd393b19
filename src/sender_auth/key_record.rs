//! DKIM key records (RFC 6376 §3.6.1): which may be used, and the key in them.

use super::tag_list::{TagList, items, squeezed};
use crate::dns::{DnsFailure, Questions};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;

/// RFC 8301 §3.2: verifiers must not count signatures with shorter keys.
const RSA_BITS_MIN: usize = 1024;
/// RFC 8301 §3.2 asks for 4096; beyond, the peer chooses what a verification costs us.
const RSA_BITS_MAX: usize = 4096;
/// RFC 8032 §5.1.5.
const ED25519_OCTETS: usize = 32;

/// A key that may be used.
pub(super) struct KeyRecord {
    pub key: DomainKey,
    /// `t=s`: the domain of `i=` is `d=` itself (RFC 6376 §3.6.1).
    pub exact_identity: bool,
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The DNS did not say.
    Trouble(String),
    /// There is a key, and our rules do not count it.
    Unfit(&'static str),
    /// The record is missing, revoked or broken.
    Broken(&'static str),
}

/// The key of a selector. Several records are undefined (RFC 6376 §3.6.2.2): the first that can be used counts.
pub(super) async fn fetch(questions: &Questions<'_>, selector: &str, domain: &str) -> Result<KeyRecord, NoKey> {
    let texts = match questions.txt(&format!("{selector}._domainkey.{domain}")).await {
        Ok(texts) => texts,
        Err(trouble @ (DnsFailure::Trouble(_) | DnsFailure::Exhausted)) => {
            return Err(NoKey::Trouble(trouble.to_string()));
        }
        Err(DnsFailure::NoName | DnsFailure::NoRecord) => return Err(NoKey::Broken("no key is published")),
    };
    let mut last = Err(NoKey::Broken("no key is published"));
    for text in &texts {
        last = parse(text);
        if last.is_ok() {
            break;
        }
    }
    last
}

fn parse(text: &[u8]) -> Result<KeyRecord, NoKey> {
    let words =
        std::str::from_utf8(text).map(TagList::lenient).map_err(|_| NoKey::Broken("the key record is no text"))?;
    if words.get("v").is_some_and(|version| version != "DKIM1" || words.first() != Some("v")) {
        return Err(NoKey::Broken("the key record is not of version DKIM1"));
    }
    if words.get("h").is_some_and(|hashes| !items(hashes).any(|hash| hash.eq_ignore_ascii_case("sha256"))) {
        return Err(NoKey::Broken("the key is not for SHA-256"));
    }
    if words.get("s").is_some_and(|services| !items(services).any(|service| matches!(service, "*" | "email"))) {
        return Err(NoKey::Broken("the key is not for mail"));
    }
    let material = squeezed(words.get("p").ok_or(NoKey::Broken("the key record holds no key"))?);
    if material.is_empty() {
        return Err(NoKey::Broken("the key is revoked"));
    }
    let kind = words.get("k").unwrap_or("rsa");
    if kind.eq_ignore_ascii_case("ed25519") {
        check_ed25519(&material)?;
    } else if !kind.eq_ignore_ascii_case("rsa") {
        return Err(NoKey::Broken("the type of the key is unknown"));
    }
    let key = DomainKey::parse(text).map_err(|_| NoKey::Broken("the key cannot be read"))?;
    if kind.eq_ignore_ascii_case("rsa") {
        check_rsa(key.p.public_key_bits())?;
    }
    let exact_identity = words.get("t").is_some_and(|flags| items(flags).any(|flag| flag.eq_ignore_ascii_case("s")));
    Ok(KeyRecord { key, exact_identity })
}

fn check_ed25519(material: &str) -> Result<(), NoKey> {
    match data_encoding::BASE64.decode(material.as_bytes()) {
        Ok(octets) if octets.len() == ED25519_OCTETS => Ok(()),
        _ => Err(NoKey::Broken("the key is no Ed25519 key")),
    }
}

fn check_rsa(bits: usize) -> Result<(), NoKey> {
    match bits {
        0 => Err(NoKey::Broken("the key is no RSA key")),
        1..RSA_BITS_MIN => Err(NoKey::Unfit("the RSA key is shorter than 1024 bits")),
        RSA_BITS_MIN..=RSA_BITS_MAX => Ok(()),
        _ => Err(NoKey::Unfit("the RSA key is longer than 4096 bits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn check(text: &str, expected: &str) {
        let said = match parse(text.as_bytes()) {
            Ok(record) => format!("key exact={}", record.exact_identity),
            Err(NoKey::Trouble(reason)) => reason,
            Err(NoKey::Unfit(reason) | NoKey::Broken(reason)) => reason.to_owned(),
        };
        assert_eq!(said, expected, "{text}");
    }

    /// A DER RSAPublicKey of this many octets of modulus, e = 3.
    fn rsa(octets: u16) -> String {
        let body = [&[0x02, 0x82][..], &octets.to_be_bytes(), &vec![0xc1; octets.into()], &[0x02, 0x01, 0x03]].concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        data_encoding::BASE64.encode(&[&[0x30, 0x82][..], &length, &body].concat())
    }

    #[test]
    fn which_records_hold_a_key_that_counts() {
        check(&format!("v=DKIM1; k=ed25519; {ED25519}"), "key exact=false");
        check(&format!("k=ed25519; t=y:s; s=email; h=sha1:sha256; {ED25519};"), "key exact=true");
        check(&format!("k=ed25519; v=DKIM1; {ED25519}"), "the key record is not of version DKIM1");
        check(&format!("v=DKIM2; k=ed25519; {ED25519}"), "the key record is not of version DKIM1");
        check(&format!("k=ed25519; h=sha1; {ED25519}"), "the key is not for SHA-256");
        check(&format!("k=ed25519; s=tlsrpt; {ED25519}"), "the key is not for mail");
        check(&format!("k=dsa; {ED25519}"), "the type of the key is unknown");
        check("k=ed25519; p=AAAA", "the key is no Ed25519 key");
        check("v=DKIM1; p=", "the key is revoked");
        check("v=DKIM1", "the key record holds no key");
        check("bio=x; p=BARF", "the key is no RSA key");
        check("p=; p=MIG", "the key is revoked");
        check("v=DKIM1; n=a note; with more; p", "the key record holds no key");
    }

    #[test]
    fn rsa_keys_at_the_bounds() {
        check(&format!("p={}", rsa(127)), "the RSA key is shorter than 1024 bits");
        check(&format!("p={}", rsa(128)), "key exact=false");
        check(&format!("p={}", rsa(512)), "key exact=false");
        check(&format!("p={}", rsa(513)), "the RSA key is longer than 4096 bits");
        check(&format!("p={}", rsa(2048)), "the RSA key is longer than 4096 bits");
    }

    #[test]
    fn any_octets_are_read() {
        let der = [
            "MA==",
            "MIA=",
            "MIH/",
            "MIL//w==",
            "MP8=",
            "MAGC",
            "MAAwBg==",
            "MAMGDQ==",
            "MAAwDQYNAAAAAAAAAAAAAAAAAAM=",
        ];
        for material in der {
            assert!(parse(format!("p={material}").as_bytes()).is_err(), "{material}");
        }
        for text in [&b""[..], b"\0", b"\xff\xff", b"p", b"p=\0", b"%n%n;p=%s"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
