//! The last look at a mail before it is signed. Everything above makes this needless; if anything above is wrong, the mail
//! is not sent: a header too many, or a line end that hosts read in different ways, would be somebody's to use.

use crate::mail::defects::Defects;
use crate::mail::headers;
use crate::sender_auth::has_clean_lines;

/// What is wrong with the octets of a mail of ours; `fields`: the names its header should have, in order.
pub fn fault(octets: &[u8], fields: &[&str]) -> Option<&'static str> {
    if !has_clean_lines(octets) {
        return Some("a bare CR, a bare LF or a NUL");
    }
    if octets.iter().any(|octet| !octet.is_ascii()) {
        return Some("octets beyond ASCII");
    }
    // RFC 5322 §2.1.1
    if octets.split(|octet| *octet == b'\n').any(|line| line.len() > LINE_OCTETS_MAX + 1) {
        return Some("a line of more than 998 octets");
    }
    if !octets.ends_with(b"\r\n") {
        return Some("an unfinished last line");
    }
    let mut defects = Defects::default();
    let (found, _) = headers::read(octets, 0, |_| false, &mut defects);
    let names: Vec<&str> = found.iter().map(|field| field.name.as_str()).collect();
    if names != fields {
        return Some("other header fields than were composed");
    }
    if !defects.into_sorted().is_empty() {
        return Some("a header with defects");
    }
    let once = |name: &&str| names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count() == 1;
    let present = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To"];
    if !names.iter().all(once) || !present.iter().all(once) {
        return Some("a header field twice, or none of one that must be there");
    }
    None
}

/// Without CRLF.
const LINE_OCTETS_MAX: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "From: a\r\nTo: b\r\nSubject: c\r\nDate: d\r\nMessage-ID: e\r\nMIME-Version: 1.0\r\n\
                        Content-Type: f\r\nReply-To: g\r\n\r\nbody\r\n";
    const FIELDS: [&str; 8] =
        ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To"];

    #[track_caller]
    fn check(octets: &str, expected: Option<&str>) {
        assert_eq!(fault(octets.as_bytes(), &FIELDS), expected, "{octets}");
    }

    #[test]
    fn what_was_not_composed_is_not_sent() {
        check(GOOD, None);
        check(&GOOD.replace("body", "a\nb"), Some("a bare CR, a bare LF or a NUL"));
        check(&GOOD.replace("body", "a\rb"), Some("a bare CR, a bare LF or a NUL"));
        check(&GOOD.replace("body", "a\0b"), Some("a bare CR, a bare LF or a NUL"));
        check(&GOOD.replace("body", "ä"), Some("octets beyond ASCII"));
        check(&GOOD.replace("body", &"x".repeat(998)), None);
        check(&GOOD.replace("body", &"x".repeat(999)), Some("a line of more than 998 octets"));
        check(&GOOD.replace("To: b", "To: b\r\nBcc: z"), Some("other header fields than were composed"));
        check(&GOOD.replace("To: b", "To: b\r\nnoise"), Some("a header with defects"));
        check(GOOD.trim_end(), Some("an unfinished last line"));
        assert!(fault(b"From: a\r\nFrom: b\r\n\r\n", &["From", "From"]).is_some());
    }
}
