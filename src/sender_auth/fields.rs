//! The header of a mail as fields of raw octets, and where the body begins: what is hashed must be what came.

use crate::mail::defects::Defects;
use crate::mail::headers;

/// A field as it stands: name before the colon, everything behind it up to and with the line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawField<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
}

impl RawField<'_> {
    /// RFC 5322 §4.5.3 allows white space before the colon; readers ignore it, so do we.
    pub fn is(&self, name: &str) -> bool {
        self.name.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A mail, split once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawMail<'a> {
    pub fields: Vec<RawField<'a>>,
    pub body: &'a [u8],
}

impl<'a> RawMail<'a> {
    /// Splits by the rules of the one reader of headers, so that what is verified is what is shown.
    pub fn split(raw: &'a [u8]) -> RawMail<'a> {
        let mut fields = Vec::with_capacity(32);
        let mut at = headers::skip_preamble(raw, &mut Defects::default());
        while let Some(first) = headers::line(raw, at) {
            if headers::is_blank(first) {
                at += first.len();
                break;
            }
            let end = at + headers::folded_length(raw, at, first);
            match headers::split(first) {
                Some((_, colon)) => {
                    if let (Some(name), Some(value)) = (raw.get(at..at + colon), raw.get(at + colon + 1..end)) {
                        fields.push(RawField { name, value });
                    }
                }
                None if headers::goes_on(raw, end) => {}
                None => break,
            }
            at = end;
        }
        RawMail { fields, body: raw.get(at..).unwrap_or_default() }
    }

    pub fn all<'b>(&'b self, name: &'b str) -> impl DoubleEndedIterator<Item = &'b RawField<'a>> {
        self.fields.iter().filter(move |field| field.is(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_body() {
        let raw = b"From : a\r\nno colon here\r\nX:b\r\n\tc\r\n\r\nbody: x\r\n";
        let mail = RawMail::split(raw);
        let shown: Vec<_> = mail.fields.iter().map(|f| (f.name, f.value)).collect();
        assert_eq!(shown, [(&b"From "[..], &b" a\r\n"[..]), (b"X", b"b\r\n\tc\r\n")]);
        assert_eq!(mail.body, b"body: x\r\n");
        assert!(mail.fields[0].is("from"));
    }

    /// The same fields and body as the reader of whole mails sees.
    #[test]
    fn one_reading_of_a_header() {
        for raw in [
            &b""[..],
            b"\n",
            b"\r\n",
            b":",
            b"\n\n",
            b"a",
            b"a:",
            b" a\n b",
            b"\r",
            b"a\r:b\r\r\n",
            b"\0\xff:\xfe",
            b"\r\nx",
            b"A: b",
            b"\r\nFrom: a\r\n\r\nb",
            b"From x y\r\nFrom: a\r\n\r\nb",
            b"A: b\r\nbody\r\nC: d",
            b"A: b\r\nnoise\r\nC: d\r\n\r\n",
            b"A: b\r\n \r\nC: d\r\n\r\nE: f",
            b" From: a\r\nFrom: b\r\n\r\n",
        ] {
            let mail = RawMail::split(raw);
            let start = headers::skip_preamble(raw, &mut Defects::default());
            let (fields, body) = headers::read(raw, start, |_| false, &mut Defects::default());
            let names = |name: &[u8]| String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
            let said: Vec<String> = mail.fields.iter().map(|field| names(field.name)).collect();
            assert_eq!(said, fields.into_iter().map(|field| field.name).collect::<Vec<_>>(), "{raw:?}");
            assert_eq!(mail.body, &raw[body..], "{raw:?}");
        }
    }
}
