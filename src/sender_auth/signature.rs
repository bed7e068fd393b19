//! Signatures over a mail's fields and body, as DKIM-Signature and ARC-Message-Signature share them
//! (RFC 6376 §3.4-3.7): reading the tags, hashing the body, choosing the fields, verifying.

use super::fields::{RawField, RawMail};
use super::key_record::KeyRecord;
use super::tag_list::{TagList, base64, items, squeezed};
use crate::mail::address::{canonical_domain, is_host_name};
use aws_lc_rs::digest;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::Canonicalization;

/// Names in `h=`: signers that list every field twice stay far below, and each costs a search.
const NAMES_MAX: usize = 256;

/// Why a field is no signature that we count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw(pub &'static str);

/// What every signature has: DKIM-Signature, ARC-Message-Signature and ARC-Seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    pub domain: String,
    pub selector: String,
    pub algorithm: Algorithm,
    pub signature: Vec<u8>,
}

/// What a signature over fields and body has besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coverage {
    pub names: Vec<String>,
    pub header_form: Canonicalization,
    pub body_form: Canonicalization,
    pub body_hash: Vec<u8>,
    /// `l=`
    pub body_octets: Option<u64>,
    pub signed_at: Option<u64>,
    pub expires_at: Option<u64>,
}

impl Signer {
    pub fn parse(tags: &TagList<'_>) -> Result<Signer, Flaw> {
        let algorithm = match tags.get("a").map(str::to_ascii_lowercase).as_deref() {
            Some("rsa-sha256") => Algorithm::RsaSha256,
            Some("ed25519-sha256") => Algorithm::Ed25519Sha256,
            // RFC 8301 §3.1: rsa-sha1 is not to be verified.
            Some("rsa-sha1") => return Err(Flaw("rsa-sha1 is not counted")),
            _ => return Err(Flaw("the algorithm is missing or unknown")),
        };
        let signature = tags.get("b").and_then(base64).ok_or(Flaw("b= is missing or no base64"))?;
        // The lookup name is made of these two, so nothing but a host name may stand in them.
        let name = |tag| tags.get(tag).and_then(host_name).ok_or(Flaw("d= or s= is missing or no host name"));
        Ok(Signer { domain: name("d")?, selector: name("s")?, algorithm, signature })
    }
}

/// RFC 8616 §4 allows U-labels in both.
fn host_name(text: &str) -> Option<String> {
    canonical_domain(text).ok().filter(|name| is_host_name(name))
}

impl Coverage {
    /// `unsaid`: the form of header and body if there is no `c=`.
    pub fn parse(tags: &TagList<'_>, unsaid: Canonicalization) -> Result<Coverage, Flaw> {
        let (header_form, body_form) = forms(tags.get("c"), unsaid)?;
        let names: Vec<String> = items(tags.get("h").ok_or(Flaw("h= is missing"))?)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if names.len() > NAMES_MAX {
            return Err(Flaw("h= names more than 256 fields"));
        }
        Ok(Coverage {
            names,
            header_form,
            body_form,
            body_hash: tags.get("bh").and_then(base64).ok_or(Flaw("bh= is missing or no base64"))?,
            body_octets: number(tags, "l")?,
            signed_at: number(tags, "t")?,
            expires_at: number(tags, "x")?,
        })
    }

    pub fn names(&self, field: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(field))
    }
}

/// RFC 6376 §3.5 `c=`: one word leaves the body simple.
fn forms(value: Option<&str>, unsaid: Canonicalization) -> Result<(Canonicalization, Canonicalization), Flaw> {
    let form = |word: &str| match squeezed(word).to_ascii_lowercase().as_str() {
        "simple" => Ok(Canonicalization::Simple),
        "relaxed" => Ok(Canonicalization::Relaxed),
        _ => Err(Flaw("c= is unknown")),
    };
    match value.map(|value| value.split_once('/').ok_or(value)) {
        None => Ok((unsaid, unsaid)),
        Some(Ok((header, body))) => Ok((form(header)?, form(body)?)),
        Some(Err(header)) => Ok((form(header)?, Canonicalization::Simple)),
    }
}

/// RFC 6376 §3.5: decimal digits; times have at most twelve of them, lengths at most 76: what overflows is a flaw.
pub(super) fn number(tags: &TagList<'_>, name: &str) -> Result<Option<u64>, Flaw> {
    let Some(value) = tags.get(name) else { return Ok(None) };
    let digits = !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit());
    let value = value.parse().ok().filter(|_| digits);
    value.map(Some).ok_or(Flaw("t=, x= or l= is no number"))
}

/// Body hashes of one mail: several signatures share one.
#[derive(Debug)]
pub(super) struct BodyHashes<'a> {
    body: &'a [u8],
    known: Vec<(Canonicalization, Option<u64>, Vec<u8>)>,
}

impl<'a> BodyHashes<'a> {
    pub fn new(body: &'a [u8]) -> BodyHashes<'a> {
        BodyHashes { body, known: Vec::new() }
    }

    /// SHA-256 of the canonical body, or of its first octets; `None` if it has not so many.
    fn get(&mut self, form: Canonicalization, octets: Option<u64>) -> Option<Vec<u8>> {
        if let Some((_, _, hash)) = self.known.iter().find(|(f, o, _)| (*f, *o) == (form, octets)) {
            return Some(hash.clone());
        }
        let hash = FirstOctets::hash(canonical_source(self.body, form), form, octets)?;
        self.known.push((form, octets, hash.clone()));
        Some(hash)
    }

    pub fn agree_with(&mut self, coverage: &Coverage) -> bool {
        self.get(coverage.body_form, coverage.body_octets).is_some_and(|hash| hash == coverage.body_hash)
    }
}

/// What `bh=` says of a body that is signed in relaxed form.
pub(super) fn relaxed_body_hash(body: &[u8]) -> Vec<u8> {
    let source = canonical_source(body, Canonicalization::Relaxed);
    FirstOctets::hash(source, Canonicalization::Relaxed, None).expect("a hash of the whole body needs no length")
}

/// RFC 6376 §3.4.4 drops white space at line ends, then empty lines at the end: together, all white space at the
/// end. mail-auth 0.13 keeps lines that hold only spaces (its issue 62), so they do not get there.
fn canonical_source(body: &[u8], form: Canonicalization) -> &[u8] {
    match form {
        Canonicalization::Simple => body,
        Canonicalization::Relaxed => {
            let end = body.iter().rposition(|octet| !matches!(octet, b' ' | b'\t' | b'\r' | b'\n'));
            end.and_then(|end| body.get(..=end)).unwrap_or_default()
        }
    }
}

/// Hashes what a canonical form writes, up to so many octets, without holding it.
struct FirstOctets {
    context: digest::Context,
    left: Option<u64>,
}

impl FirstOctets {
    fn hash(body: &[u8], form: Canonicalization, octets: Option<u64>) -> Option<Vec<u8>> {
        let mut first = FirstOctets { context: digest::Context::new(&digest::SHA256), left: octets };
        form.canonical_body(body, 0).write(&mut first);
        first.left.is_none_or(|left| left == 0).then(|| first.context.finish().as_ref().to_vec())
    }
}

impl Writer for FirstOctets {
    fn write(&mut self, octets: &[u8]) {
        let take = self.left.map_or(octets.len(), |left| octets.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        if let Some(left) = &mut self.left {
            *left -= take as u64;
        }
        self.context.update(octets.get(..take).unwrap_or_default());
    }
}

/// The fields that `names` chooses, from the bottom (RFC 6376 §5.4.2), then the signature's own without its value.
pub(super) fn verify(
    mail: &RawMail<'_>,
    own: &RawField<'_>,
    signer: &Signer,
    coverage: &Coverage,
    key: &KeyRecord,
) -> bool {
    let unsigned = without_signature(own.value);
    let chosen = choose(mail, &coverage.names);
    let mut fields = chosen.iter().map(|field| (field.name, field.value)).chain([(own.name, unsigned.as_slice())]);
    key.key.p.verify(&mut fields, &signer.signature, coverage.header_form, signer.algorithm).is_ok()
}

fn choose<'a>(mail: &RawMail<'a>, names: &[String]) -> Vec<RawField<'a>> {
    let mut below: Vec<(&str, usize)> = Vec::with_capacity(names.len());
    let mut chosen = Vec::with_capacity(names.len());
    for name in names {
        let known = below.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        let slot = known.unwrap_or_else(|| {
            below.push((name, mail.fields.len()));
            below.len() - 1
        });
        let Some((_, end)) = below.get_mut(slot) else { continue };
        let above = mail.fields.get(..*end).unwrap_or_default();
        // A name with no field left signs its absence (RFC 6376 §5.4).
        *end = above.iter().rposition(|field| field.is(name)).unwrap_or(0);
        chosen.extend(above.get(*end).filter(|field| field.is(name)));
    }
    chosen
}

/// RFC 6376 §3.7: the field with the value of `b=` deleted and without its line end.
pub(super) fn without_signature(value: &[u8]) -> Vec<u8> {
    let value = value.strip_suffix(b"\n").map_or(value, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    let mut kept = Vec::with_capacity(value.len());
    for (index, spec) in value.split(|octet| *octet == b';').enumerate() {
        if index > 0 {
            kept.push(b';');
        }
        let equals = spec.iter().position(|octet| *octet == b'=');
        match equals.and_then(|equals| spec.split_at_checked(equals + 1)) {
            Some((name, _)) if name.strip_suffix(b"=").is_some_and(|name| name.trim_ascii() == b"b") => {
                kept.extend_from_slice(name);
            }
            _ => kept.extend_from_slice(spec),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_octets(body: &[u8], form: Canonicalization) -> Vec<u8> {
        let mut octets = Vec::new();
        form.canonical_body(body, 0).write(&mut octets);
        octets
    }

    #[test]
    fn only_the_value_of_b_goes() {
        for (value, expected) in [
            (" a=x; b=abc\r\n\tdef; bh=b=c\r\n", " a=x; b=; bh=b=c"),
            (" b = abc\r\n", " b ="),
            (" a=x;\r\n b=abc=;\r\n", " a=x;\r\n b=;"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_signature(value.as_bytes())), expected);
        }
    }

    #[test]
    fn fields_are_chosen_from_the_bottom_and_absence_is_signed() {
        let mail = RawMail::split(b"A: 1\r\nB: 2\r\na: 3\r\n\r\n");
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&mail, &names).iter().map(|f| String::from_utf8_lossy(f.value).trim().to_owned()).collect::<String>()
        };
        assert_eq!(chosen(&["a", "B", "A", "a", "c", "a"]), "321");
        assert_eq!(chosen(&["c", "b", "b"]), "2");
    }

    #[test]
    fn hashes_of_a_part_count_canonical_octets() {
        let hash = |octets| FirstOctets::hash(b"a  b \r\nc", Canonicalization::Relaxed, octets);
        let whole = |octets: &[u8]| Some(digest::digest(&digest::SHA256, octets).as_ref().to_vec());
        assert_eq!(hash(None), whole(b"a b\r\nc\r\n"));
        for (count, expected) in [(0, &b""[..]), (4, b"a b\r"), (8, b"a b\r\nc\r\n")] {
            assert_eq!(hash(Some(count)), whole(expected), "{count}");
        }
        assert_eq!(hash(Some(9)), None, "more than there is");
        assert_eq!(hash(Some(u64::MAX)), None);
    }

    #[test]
    fn relaxed_bodies_end_with_their_last_word() {
        // RFC 6376 §3.4.5, and the same with lines of spaces behind it
        for tail in ["", "\r\n", "\r\n\r\n\r\n", "\r\n \t\r\n  \r\n", " ", "\r\n "] {
            let body = format!(" C \r\nD \t E{tail}");
            let source = canonical_source(body.as_bytes(), Canonicalization::Relaxed);
            assert_eq!(canonical_octets(source, Canonicalization::Relaxed), b" C\r\nD E\r\n", "{tail:?}");
        }
        for empty in ["", "\r\n", " \r\n\t\r\n"] {
            let source = canonical_source(empty.as_bytes(), Canonicalization::Relaxed);
            assert_eq!(canonical_octets(source, Canonicalization::Relaxed), b"", "{empty:?}");
        }
        assert_eq!(canonical_octets(b"", Canonicalization::Simple), b"\r\n");
        assert_eq!(canonical_octets(b"abc", Canonicalization::Simple), b"abc\r\n");
        assert_eq!(canonical_octets(b"a \r\n \r\n\r\n\r\n", Canonicalization::Simple), b"a \r\n \r\n");
    }
}
