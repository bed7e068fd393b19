//! Header fields as this program sees them everywhere: shown, threaded, authenticated from one reading.
//!
//! Two readers that disagree about a header are an attack (a shown author who is not the proven one), so the
//! rules are few and every deviation leaves a defect: RFC 5322 §2.2, with LF accepted for CRLF.

use super::defects::Defects;
use super::{charset, encoded_word};
use std::borrow::Cow;

/// A header field as it stands in the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As written; compare without case.
    pub name: String,
    /// Unfolded, RFC 2047 words decoded, controls replaced by spaces.
    pub value: String,
    /// The value before its words were decoded, where that differs: structure is read from it, because
    /// RFC 2047 §5 keeps encoded words out of structure and attackers do not.
    pub encoded: Option<String>,
}

impl Field {
    /// Unfolded, controls replaced by spaces, encoded words as they stand.
    pub fn structured(&self) -> &str {
        self.encoded.as_deref().unwrap_or(&self.value)
    }

    /// Reads a name and what stands behind its colon.
    pub fn read(name: &[u8], value: &[u8], defects: &mut Defects) -> Field {
        if value.contains(&0) {
            defects.add("nul_in_header");
        }
        let unfolded = unfold(value.trim_ascii(), defects);
        let text = charset::decode(&unfolded, None).0;
        let structured = encoded_word::one_line(&text);
        let name = String::from_utf8_lossy(name).into_owned();
        match encoded_word::decode(&structured) {
            Cow::Borrowed(_) => Field { name, value: structured.into_owned(), encoded: None },
            Cow::Owned(value) => Field { name, encoded: Some(structured.into_owned()), value },
        }
    }
}

/// Fields one header may have: more than the receiver accepts, so only files given to `inspect` reach it.
pub const FIELDS_MAX: usize = 5000;

/// Reads the header that begins at `start`; answers its fields and where the body begins.
/// `ends` tells of a line that cannot belong to it: a boundary of an enclosing multipart.
pub fn read(octets: &[u8], start: usize, ends: impl Fn(&[u8]) -> bool, defects: &mut Defects) -> (Vec<Field>, usize) {
    let mut fields = Vec::new();
    let mut at = start;
    while let Some(first) = line(octets, at) {
        if is_blank(first) {
            return (fields, at + first.len());
        }
        if ends(first) {
            return (fields, at);
        }
        let end = at + folded_length(octets, at, first);
        match split(first) {
            Some((name, colon)) => {
                note_name(name, colon, defects);
                if fields.len() < FIELDS_MAX {
                    let value = octets.get(at + colon + 1..end).unwrap_or_default();
                    fields.push(Field::read(name, value, defects));
                } else {
                    defects.add("too_many_header_fields");
                }
            }
            // A line that is no field is passed over if the header goes on behind it, else the body begins with it.
            None if goes_on(octets, end) => defects.add("header_line_without_colon"),
            None => {
                defects.add("header_without_blank_line");
                return (fields, at);
            }
        }
        at = end;
    }
    (fields, at.max(start).min(octets.len()))
}

/// Passes over what precedes the header of a whole mail: an mbox `From ` line, blank lines.
pub fn skip_preamble(octets: &[u8], defects: &mut Defects) -> usize {
    let mut at = 0;
    while let Some(first) = line(octets, at).filter(|first| is_blank(first)) {
        at += first.len();
    }
    if at > 0 && goes_on(octets, at) && line(octets, at).is_some_and(|first| !is_blank(first)) {
        defects.add("leading_blank_line");
    } else {
        at = 0;
    }
    let is_mbox =
        |first: &&[u8]| (first.starts_with(b"From ") || first.starts_with(b">From ")) && split(first).is_none();
    if let Some(first) = line(octets, at).filter(is_mbox) {
        defects.add("mbox_from_line");
        at += first.len();
    }
    at
}

/// The line at `at`, its end included; `None` behind the last octet.
pub fn line(octets: &[u8], at: usize) -> Option<&[u8]> {
    let rest = octets.get(at..).filter(|rest| !rest.is_empty())?;
    let end = rest.iter().position(|&octet| octet == b'\n').map_or(rest.len(), |lf| lf + 1);
    rest.get(..end)
}

/// A line that ends the header.
pub fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// Octets of the line at `at` and the lines folded to it (RFC 5322 §2.2.3).
pub fn folded_length(octets: &[u8], at: usize, first: &[u8]) -> usize {
    let mut length = first.len();
    while let Some(next) = line(octets, at + length) {
        if !next.starts_with(b" ") && !next.starts_with(b"\t") {
            break;
        }
        length += next.len();
    }
    length
}

/// The field name and where its colon stands.
pub fn split(line: &[u8]) -> Option<(&[u8], usize)> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let fine = !name.is_empty() && name.iter().all(|&octet| octet.is_ascii_graphic() || octet >= 0x80);
    (fine && !line.starts_with(b" ") && !line.starts_with(b"\t")).then_some((name, colon))
}

fn note_name(name: &[u8], colon: usize, defects: &mut Defects) {
    if name.len() != colon {
        defects.add("space_before_colon");
    }
    if !name.is_ascii() {
        defects.add("header_name_not_ascii");
    }
}

/// Whether a field or the end of the header follows.
pub fn goes_on(octets: &[u8], at: usize) -> bool {
    line(octets, at).is_some_and(|next| is_blank(next) || split(next).is_some())
}

/// RFC 5322 §2.2.3: only the line end goes. A bare CR is neither a line end nor text: it becomes a space.
fn unfold<'a>(value: &'a [u8], defects: &mut Defects) -> Cow<'a, [u8]> {
    if !value.contains(&b'\n') && !value.contains(&b'\r') {
        return value.into();
    }
    let mut unfolded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.iter().position(|&octet| octet == b'\r' || octet == b'\n') {
        let (before, end) = rest.split_at(at);
        unfolded.extend_from_slice(before);
        rest = match end {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            _ => {
                defects.add("bare_cr");
                unfolded.push(b' ');
                end.get(1..).unwrap_or_default()
            }
        };
    }
    unfolded.extend_from_slice(rest);
    unfolded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &[(&str, &str)], body: &str, defects: &[&str]) {
        let mut found = Defects::default();
        let start = skip_preamble(raw.as_bytes(), &mut found);
        let (fields, at) = read(raw.as_bytes(), start, |_| false, &mut found);
        let fields: Vec<(&str, &str)> = fields.iter().map(|f| (f.name.as_str(), f.value.as_str())).collect();
        assert_eq!((fields.as_slice(), &raw[at..]), (expected, body), "{raw:?}");
        assert_eq!(found.into_sorted(), defects, "{raw:?}");
    }

    #[test]
    fn fields_are_unfolded_and_decoded_in_order() {
        check(
            "A: 1\r\nSubject: =?utf-8?q?h=C3=A9?=\r\n  =?utf-8?q?_x?=\r\nA: 2\r\n\r\nbody",
            &[("A", "1"), ("Subject", "hé x"), ("A", "2")],
            "body",
            &[],
        );
        check("A: 1\nB:\n 2\n\nbody", &[("A", "1"), ("B", "2")], "body", &[]);
    }

    #[test]
    fn each_ambiguity_is_a_defect() {
        check("From : a@b\r\n\r\n", &[("From", "a@b")], "", &["space_before_colon"]);
        check("From x Mon\r\nA: 1\r\n\r\n", &[("A", "1")], "", &["mbox_from_line"]);
        check("\r\n\r\nA: 1\r\n\r\nb", &[("A", "1")], "b", &["leading_blank_line"]);
        check("A: 1\rFrom: z\r\n\r\n", &[("A", "1 From: z")], "", &["bare_cr"]);
        check("A: 1\r\njunk\r\nB: 2\r\n\r\n", &[("A", "1"), ("B", "2")], "", &["header_line_without_colon"]);
        check("From\r\n : a@b\r\nB: 2\r\n\r\n", &[("B", "2")], "", &["header_line_without_colon"]);
        check(" From: a@b\r\nB: 2\r\n\r\n", &[("B", "2")], "", &["header_line_without_colon"]);
        check(
            "A: 1\r\nno header\r\nat all\r\n",
            &[("A", "1")],
            "no header\r\nat all\r\n",
            &["header_without_blank_line"],
        );
        check("A: a\0b\r\n\r\n", &[("A", "a b")], "", &["nul_in_header"]);
    }

    #[test]
    fn any_octets_end_somewhere() {
        for raw in ["", "\n", "\r", ":", " ", "A", "A:", "From ", "\r\n\r\n", "A:\r\n b\r\n c"] {
            let (_, at) = read(raw.as_bytes(), 0, |_| false, &mut Defects::default());
            assert!(at <= raw.len(), "{raw:?}");
        }
    }
}
