//! When two copies of a mail are the same mail, whatever way each took. Pure.
//!
//! On its way a mail gets lines that its author did not write: Received, Return-Path, results of checks, a provider's own
//! fields, other line ends. So identity is a digest of what the author wrote: the fields of RFC 5322 §3.6.1 to §3.6.5 and
//! of MIME, and the body. Two mails that share a Message-ID and differ in anything of that are two mails.

use super::defects::Defects;
use super::headers;
use aws_lc_rs::digest::{Context, SHA256};
use memchr::memchr;

/// The digest of what the author wrote; `None` for a mail without Message-ID, of which only the octets say that it is
/// the same (a person may write "yes" twice).
pub fn authored(raw: &[u8]) -> Option<[u8; 32]> {
    let (fields, body) = split(raw);
    let is_id = |field: &Field<'_>| field.kind == MESSAGE_ID && !field.value.trim_ascii().is_empty();
    if !fields.iter().any(is_id) {
        return None;
    }
    let mut hash = Context::new(&SHA256);
    // By kind, not as they stand: some relays sort.
    for (kind, name) in FIELDS.iter().enumerate() {
        for field in fields.iter().filter(|field| field.kind == kind) {
            hash.update(name.as_bytes());
            hash_words(&mut hash, field.value);
        }
    }
    hash_body(&mut hash, body);
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Some(digest)
}

struct Field<'a> {
    /// Index into [`FIELDS`].
    kind: usize,
    value: &'a [u8],
}

/// The fields that count, and the body, by the rules of the one reader of headers.
fn split(raw: &[u8]) -> (Vec<Field<'_>>, &[u8]) {
    let mut fields = Vec::new();
    let mut at = headers::skip_preamble(raw, &mut Defects::default());
    while let Some(first) = headers::line(raw, at) {
        if headers::is_blank(first) {
            at += first.len();
            break;
        }
        let end = at + headers::folded_length(raw, at, first);
        match headers::split(first) {
            Some((name, colon)) => {
                let kind = FIELDS.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
                if let (Some(kind), Some(value)) = (kind, raw.get(at + colon + 1..end)) {
                    fields.push(Field { kind, value });
                }
            }
            None if headers::goes_on(raw, end) => {}
            None => break,
        }
        at = end;
    }
    (fields, raw.get(at..).unwrap_or_default())
}

/// Folding is the carrier's, words are the author's.
fn hash_words(hash: &mut Context, value: &[u8]) {
    for word in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        hash.update(b" ");
        hash.update(word);
    }
    hash.update(b"\n");
}

/// Lines without their ends. Empty lines at the end do not count: pipes add some, servers cut them.
fn hash_body(hash: &mut Context, body: &[u8]) {
    let (mut rest, mut empty) = (body, 0_usize);
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        rest = tail.get(1..).unwrap_or_default();
        if line.is_empty() {
            empty += 1;
            continue;
        }
        (0..std::mem::take(&mut empty)).for_each(|_| hash.update(b"\n"));
        hash.update(b"\n");
        hash.update(line);
    }
}

const MESSAGE_ID: usize = 0;
const FIELDS: [&str; 15] = [
    "message-id",
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "in-reply-to",
    "references",
    "subject",
    "auto-submitted",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "Message-ID: <a@b>\r\nFrom: Ann <ann@x.example>\r\nTo: r@y.example\r\nSubject: Hi there\r\n\r\nLine one\r\n\r\nLine two\r\n";

    fn same(other: &str) -> bool {
        authored(MAIL.as_bytes()) == authored(other.as_bytes())
    }

    #[test]
    fn what_carriers_add_or_change_makes_no_other_mail() {
        assert!(same(&MAIL.replace("\r\n", "\n")));
        assert!(same(&format!("{MAIL}\r\n\r\n")) && same(MAIL.trim_end()));
        assert!(same(&format!("From ann@x.example Fri Nov 20 10:00:00 2026\n{}", MAIL.replace("\r\n", "\n"))));
        let traced = "Return-Path: <ann@x.example>\r\nReceived: from a by b\r\n\twith SMTP; today\r\nX-Original-To: r@y.example\r\nAuthentication-Results: x; spf=pass\r\nDKIM-Signature: v=1\r\n";
        assert!(same(&format!("{traced}{MAIL}")));
        assert!(same(&MAIL.replace("Subject: Hi there", "subject:\tHi\r\n there")));
        let sorted = "From: Ann <ann@x.example>\r\nSubject: Hi there\r\nTo: r@y.example\r\nMessage-ID: <a@b>\r\n\r\nLine one\r\n\r\nLine two\r\n";
        assert!(same(sorted));
    }

    #[test]
    fn what_the_author_wrote_differently_is_another_mail() {
        for (from, to) in [
            ("Line two", "Line too"),
            ("Line one\r\n\r\n", "Line one\r\n"),
            ("Hi there", "Hithere"),
            ("Ann <", "Eve <"),
            ("To: r@", "Cc: r@"),
            ("<a@b>", "<a@c>"),
            ("Subject", "In-Reply-To: <z@z>\r\nSubject"),
        ] {
            assert!(!same(&MAIL.replace(from, to)), "{from:?} → {to:?}");
        }
    }

    #[test]
    fn without_a_message_id_nothing_but_the_octets_tells() {
        for raw in ["", "Subject: x\r\n\r\nbody", "Message-ID:  \r\n\r\nbody", "\r\nMessage-ID: <a@b>\r\n"] {
            let expected = raw.starts_with("\r\nMessage");
            assert_eq!(authored(raw.as_bytes()).is_some(), expected, "{raw:?}");
        }
    }
}
