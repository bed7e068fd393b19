//! Line ends of mails that came by a pipe or in a request: CRLF is what is signed, LF is what such doors bring. Pure.

use memchr::memchr_iter;
use std::borrow::Cow;

/// The mail with every line ended by CRLF (RFC 5322 §2.1). A CR of its own stays: it ends no line.
pub fn with_crlf(raw: &[u8]) -> Cow<'_, [u8]> {
    let bare = |at: &usize| at.checked_sub(1).and_then(|before| raw.get(before)) != Some(&b'\r');
    let count = memchr_iter(b'\n', raw).filter(bare).count();
    if count == 0 {
        return Cow::Borrowed(raw);
    }
    let (mut whole, mut done) = (Vec::with_capacity(raw.len() + count), 0);
    for at in memchr_iter(b'\n', raw).filter(bare) {
        whole.extend_from_slice(raw.get(done..at).unwrap_or_default());
        whole.push(b'\r');
        done = at;
    }
    whole.extend_from_slice(raw.get(done..).unwrap_or_default());
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lf_gets_its_cr_and_nothing_else_changes() {
        for (raw, expected) in [
            ("", ""),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("\n", "\r\n"),
            ("a\nb\n\nc", "a\r\nb\r\n\r\nc"),
            ("a\r\nb\nc\r\r\n\rd", "a\r\nb\r\nc\r\r\n\rd"),
        ] {
            assert_eq!(with_crlf(raw.as_bytes()), expected.as_bytes(), "{raw:?}");
        }
        assert!(matches!(with_crlf(b"a\r\n"), Cow::Borrowed(_)), "what is right is not copied");
    }
}
