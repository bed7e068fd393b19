//! Text, HTML and files as one body (RFC 2046): an alternative of both, inside of a mixed one if files go along.

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, MultiPart, SinglePart};

/// The body, with its own `Content-Type` as the header's last field.
#[derive(Debug)]
pub struct Parts {
    whole: MultiPart,
}

impl Parts {
    /// `boundary` is keyed, so that no text can hold it, and the same at every attempt.
    pub fn new(text: &str, html: &str, files: Vec<SinglePart>, boundary: &str) -> Parts {
        let alternative = MultiPart::alternative()
            .boundary(format!("=_{boundary}_a"))
            .singlepart(part(ContentType::TEXT_PLAIN, text))
            .singlepart(part(ContentType::TEXT_HTML, html));
        if files.is_empty() {
            return Parts { whole: alternative };
        }
        let mixed = MultiPart::mixed().boundary(format!("=_{boundary}_m")).multipart(alternative);
        Parts { whole: files.into_iter().fold(mixed, MultiPart::singlepart) }
    }

    pub fn formatted(&self) -> Vec<u8> {
        self.whole.formatted()
    }
}

fn part(content_type: ContentType, text: &str) -> SinglePart {
    // A template file may have line ends of any kind.
    let text = text.replace("\r\n", "\n").replace(['\r', '\0'], "\n");
    let text = text.trim_end().replace('\n', "\r\n");
    SinglePart::builder().header(content_type).body(encoded(text))
}

/// As it stands where every host leaves it so; where lines are long, end in white space or look like a separator or the
/// end of the mail, some host would change them, and the signature breaks.
fn encoded(text: String) -> Body {
    let is_touchy = |line: &str| {
        line.len() > LINE_OCTETS_MAX
            || line.ends_with([' ', '\t'])
            || line.starts_with("From ")
            || line.starts_with("--")
            || line.starts_with('.')
    };
    let plain = text.is_ascii() && !text.lines().any(is_touchy);
    if plain {
        return Body::new(text);
    }
    // Quoted-printable lets people read the source where most letters are ASCII.
    let beyond = text.bytes().filter(|octet| !octet.is_ascii()).count();
    if beyond * 3 > text.len() {
        return Body::new_with_encoding(text, ContentTransferEncoding::Base64)
            .expect("any text can be written in Base64");
    }
    Body::dangerous_pre_encoded(quoted_printable(&text), ContentTransferEncoding::QuotedPrintable)
}

/// RFC 2045 §6.7, and its advice for hosts that change lines: no line begins with a dot or `From `, which lettre's leaves.
fn quoted_printable(text: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len() + text.len() / 8);
    for (index, line) in text.split("\r\n").enumerate() {
        if index > 0 {
            written.extend_from_slice(b"\r\n");
        }
        quoted_line(line.as_bytes(), &mut written);
    }
    written
}

fn quoted_line(line: &[u8], written: &mut Vec<u8>) {
    let mut column = 0;
    for (at, octet) in line.iter().enumerate() {
        let rest = line.get(at..).unwrap_or_default();
        let last = rest.len() == 1;
        let plain = matches!(octet, b'!'..=b'~') && *octet != b'=' || matches!(octet, b' ' | b'\t') && !last;
        // One column is left for the soft line break, unless the line ends here.
        if column + if plain { 1 } else { 3 } > LINE_OCTETS_MAX - usize::from(!last) {
            written.extend_from_slice(b"=\r\n");
            column = 0;
        }
        let is_mark = column == 0 && (*octet == b'.' || rest.starts_with(b"From "));
        if plain && !is_mark {
            written.push(*octet);
            column += 1;
        } else {
            written.extend_from_slice(format!("={octet:02X}").as_bytes());
            column += 3;
        }
    }
}

/// RFC 2045 §6.7.
const LINE_OCTETS_MAX: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::parsed::ParsedMail;

    #[track_caller]
    fn check(text: &str) {
        let octets = Parts::new(text, "<p>x</p>", Vec::new(), "00ff").formatted();
        assert!(octets.is_ascii() && crate::sender_auth::has_clean_lines(&octets), "{text:?}");
        assert!(!octets.windows(5).any(|five| five == b"\r\n.\r\n"), "{text:?}");
        let mail = ParsedMail::parse(&octets);
        assert_eq!(mail.parts[1].text().map(str::trim_end), Some(text.trim_end()), "{text:?}");
    }

    #[test]
    fn every_text_arrives_as_it_was() {
        for text in
            ["", "a", "a\n.\nb", ".\n..\n", "From me\n", "x \n\ty\t\n", "--=_00ff_a--", "ä\n.\nö", "日本語\n.\n"]
        {
            check(text);
        }
        let octets = Parts::new("a\r\nb\rc\0d\n", "", Vec::new(), "00ff").formatted();
        assert_eq!(ParsedMail::parse(&octets).parts[1].text().map(str::trim_end), Some("a\nb\nc\nd"));
        check(&"x".repeat(5000));
        check(&"x y ".repeat(5000));
        check(&"ä".repeat(5000));
        check(&(".".repeat(75) + "\n").repeat(20));
        check(&"a.b=c".repeat(200));
    }
}
