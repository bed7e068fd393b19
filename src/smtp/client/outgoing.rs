//! Content before it goes out: refused if a host could read another end of it, or another mail, than we do; then dot-stuffed.
//!
//! Only CRLF ends a line here, and nothing else may look as if it did: `\n.\n`, `\r.\r` and their mixtures are how mail is
//! smuggled past hosts that are more lenient than others (CVE-2023-51764).

use super::command::Content;
use memchr::{memchr2_iter, memmem};
use std::borrow::Cow;

/// Why content is not sent to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    #[error("the mail has a line end that is not CR LF, at octet {0}")]
    BareLineEnd(usize),
    #[error("the mail has a NUL, at octet {0}")]
    Nul(usize),
    #[error("the mail has a line of more than {LINE_OCTETS_MAX} octets, at octet {0}")]
    LineTooLong(usize),
}

/// RFC 5322 §2.1.1, without the CR LF.
const LINE_OCTETS_MAX: usize = 998;

/// Looks at every octet of it.
pub fn check(content: &[u8]) -> Result<Content, ContentFault> {
    if let Some(at) = memchr::memchr(0, content) {
        return Err(ContentFault::Nul(at));
    }
    let mut line = 0;
    let mut after_cr = None;
    for at in memchr2_iter(b'\r', b'\n', content) {
        let ends_line = content.get(at) == Some(&b'\n');
        match (after_cr.replace(at), ends_line) {
            (None, false) => {}
            (Some(cr), true) if cr + 1 == at => {
                check_length(line, cr)?;
                (line, after_cr) = (at + 1, None);
            }
            (Some(cr), _) => return Err(ContentFault::BareLineEnd(cr)),
            (None, true) => return Err(ContentFault::BareLineEnd(at)),
        }
    }
    match after_cr {
        Some(cr) => Err(ContentFault::BareLineEnd(cr)),
        None => check_length(line, content.len()),
    }?;
    Ok(Content { octets: u64::try_from(content.len()).unwrap_or(u64::MAX), eight_bit: !content.is_ascii() })
}

fn check_length(start: usize, end: usize) -> Result<(), ContentFault> {
    if end - start > LINE_OCTETS_MAX { Err(ContentFault::LineTooLong(start)) } else { Ok(()) }
}

/// RFC 5321 §4.5.2: a dot before every line that begins with one, and a CRLF at the end, ready for the final dot.
pub fn stuffed(content: &[u8]) -> Cow<'_, [u8]> {
    let ended = content.ends_with(b"\r\n") || content.is_empty();
    let dots = memmem::find_iter(content, b"\r\n.").map(|at| at + 2);
    let mut dots = content.starts_with(b".").then_some(0).into_iter().chain(dots).peekable();
    if ended && dots.peek().is_none() {
        return Cow::Borrowed(content);
    }
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    let mut from = 0;
    for dot in dots {
        stuffed.extend_from_slice(content.get(from..dot).unwrap_or_default());
        stuffed.push(b'.');
        from = dot;
    }
    stuffed.extend_from_slice(content.get(from..).unwrap_or_default());
    stuffed.extend_from_slice(if ended { b"" } else { b"\r\n" });
    Cow::Owned(stuffed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(content: &str, expected: ContentFault) {
        assert_eq!(check(content.as_bytes()), Err(expected), "{content:?}");
    }

    fn check_stuffed(content: &str, expected: &str) {
        assert!(check(content.as_bytes()).is_ok(), "{content:?}");
        assert_eq!(stuffed(content.as_bytes()), expected.as_bytes(), "{content:?}");
    }

    #[test]
    fn content_with_another_line_end_than_crlf_is_refused() {
        for (content, at) in [
            ("a\n.\nb\r\n", 1),
            ("a\r.\rb\r\n", 1),
            ("a\r\n.\rb\r\n", 4),
            ("a\n.\r\nb", 1),
            ("a\r\r\n.\r\n", 1),
            ("a\r\n\n", 3),
            ("a\r", 1),
            ("\n", 0),
        ] {
            refused(content, ContentFault::BareLineEnd(at));
        }
        refused("a\r\nb\0\r\n", ContentFault::Nul(4));
    }

    #[test]
    fn a_line_has_at_most_998_octets() {
        let line = |octets: usize| format!("a: b\r\n{}\r\n", "x".repeat(octets));
        assert!(check(line(998).as_bytes()).is_ok());
        refused(&line(999), ContentFault::LineTooLong(6));
        refused(&"x".repeat(999), ContentFault::LineTooLong(0));
    }

    #[test]
    fn eight_bit_content_is_told() {
        assert_eq!(check(b"a\r\n").map(|content| content.eight_bit), Ok(false));
        assert_eq!(check("ä\r\n".as_bytes()), Ok(Content { octets: 4, eight_bit: true }));
    }

    #[test]
    fn no_line_of_the_content_is_a_lone_dot() {
        check_stuffed("a\r\nb.\r\n", "a\r\nb.\r\n");
        check_stuffed(".\r\n", "..\r\n");
        check_stuffed("a\r\n.\r\n.\r\n..b\r\n", "a\r\n..\r\n..\r\n...b\r\n");
        check_stuffed("a\r\n.", "a\r\n..\r\n");
        check_stuffed("a", "a\r\n");
        check_stuffed("", "");
    }
}
