//! Content-Transfer-Encoding undone (RFC 2045 §6): every octet string decodes to something, the same every time.
//!
//! Broken input is the rule in old clients and in attacks, so junk is passed over (base64) or kept as it
//! stands (quoted-printable), never an error.

/// How a part's octets are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// `7bit`, `8bit`, `binary`, absent, or a word nobody knows.
    Identity,
    Base64,
    QuotedPrintable,
}

impl TransferEncoding {
    /// Reads the field's value; clients add comments, semicolons and spaces.
    pub fn of(value: Option<&str>) -> TransferEncoding {
        let word = value.unwrap_or_default().trim_start().split([';', ' ', '\t', '(']).next().unwrap_or_default();
        match word.trim_matches('"') {
            word if word.eq_ignore_ascii_case("base64") => TransferEncoding::Base64,
            word if word.eq_ignore_ascii_case("quoted-printable") => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Identity,
        }
    }

    /// Undoes the encoding; the flag tells whether anything had to be passed over.
    pub fn decode(self, octets: &[u8]) -> (std::borrow::Cow<'_, [u8]>, bool) {
        match self {
            TransferEncoding::Identity => (octets.into(), false),
            TransferEncoding::Base64 => {
                let (decoded, broken) = base64(octets);
                (decoded.into(), broken)
            }
            TransferEncoding::QuotedPrintable => {
                let (decoded, broken) = quoted_printable(octets);
                (decoded.into(), broken)
            }
        }
    }
}

/// RFC 2045 §6.8. Padding in the middle ends a quantum, not the data: lists and gateways glue encoded texts together.
pub fn base64(octets: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(octets.len() / 4 * 3 + 3);
    let (mut quantum, mut digits, mut broken) = (0u32, 0u8, false);
    for &octet in octets {
        match BASE64_DIGIT.get(octet as usize).copied().unwrap_or(JUNK) {
            digit @ 0..64 => {
                quantum = quantum << 6 | u32::from(digit);
                digits += 1;
                if digits == 4 {
                    let [_, bytes @ ..] = quantum.to_be_bytes();
                    decoded.extend_from_slice(&bytes);
                    (quantum, digits) = (0, 0);
                }
            }
            PADDING => {
                broken |= digits == 1;
                finish_quantum(&mut decoded, quantum, digits);
                (quantum, digits) = (0, 0);
            }
            SPACE => {}
            _ => broken = true,
        }
    }
    finish_quantum(&mut decoded, quantum, digits);
    (decoded, broken || digits == 1)
}

fn finish_quantum(decoded: &mut Vec<u8>, quantum: u32, digits: u8) {
    match digits {
        2 => decoded.push((quantum >> 4) as u8),
        3 => decoded.extend_from_slice(&[(quantum >> 10) as u8, (quantum >> 2) as u8]),
        _ => {}
    }
}

/// RFC 2045 §6.7. A `=` that begins nothing stands for itself; white space before a line end is transport padding.
pub fn quoted_printable(octets: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(octets.len());
    let mut broken = false;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        let content = line.trim_ascii_end();
        // Rule 3 speaks of spaces and tabs; a lone CR before them is a line end that lost its LF.
        let end = line.get(line.len() - line_end(line)..).unwrap_or_default();
        match content.strip_suffix(b"=") {
            Some(soft) => broken |= decode_line(soft, &mut decoded),
            None => {
                broken |= decode_line(content, &mut decoded);
                decoded.extend_from_slice(end);
            }
        }
    }
    (decoded, broken)
}

/// Octets of the line end: CRLF, LF or none.
fn line_end(line: &[u8]) -> usize {
    if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) }
}

pub(super) fn decode_line(mut line: &[u8], decoded: &mut Vec<u8>) -> bool {
    let mut broken = false;
    while let Some(at) = line.iter().position(|&octet| octet == b'=') {
        let (plain, rest) = line.split_at(at);
        decoded.extend_from_slice(plain);
        line = match rest {
            [_, high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest
            }
            _ => {
                decoded.push(b'=');
                broken = true;
                rest.get(1..).unwrap_or_default()
            }
        };
    }
    decoded.extend_from_slice(line);
    broken
}

/// The value of a hex digit of either case; 0 for anything else.
pub fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0)
}

const SPACE: u8 = 64;
const PADDING: u8 = 65;
const JUNK: u8 = 66;

/// RFC 2045 table 1, as a table because this is the loop that large attachments spend their time in.
static BASE64_DIGIT: [u8; 256] = {
    let mut table = [JUNK; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'=' as usize] = PADDING;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(decode: fn(&[u8]) -> (Vec<u8>, bool), input: &str, expected: &str, broken: bool) {
        let (octets, flag) = decode(input.as_bytes());
        assert_eq!((String::from_utf8_lossy(&octets).as_ref(), flag), (expected, broken), "{input:?}");
    }

    #[test]
    fn base64_passes_over_junk_and_goes_on_behind_padding() {
        check(base64, "aGVsbG8=", "hello", false);
        check(base64, "aGVs\r\n bG8", "hello", false);
        check(base64, "aGk=aGk=", "hihi", false);
        check(base64, "aGVs*bG8=", "hello", true);
        check(base64, "a", "", true);
        check(base64, "", "", false);
    }

    #[test]
    fn quoted_printable_keeps_what_it_cannot_read() {
        check(quoted_printable, "a=20b=3d=3D", "a b==", false);
        check(quoted_printable, "soft=\r\nbreak \t\r\nnext", "softbreak\r\nnext", false);
        check(quoted_printable, "soft= \nbreak", "softbreak", false);
        check(quoted_printable, "100=% =G1", "100=% =G1", true);
        check(quoted_printable, "end=", "end", false);
        check(quoted_printable, "=", "", false);
    }

    #[test]
    fn the_field_is_read_through_its_decorations() {
        assert_eq!(TransferEncoding::of(Some(" BASE64 ;")), TransferEncoding::Base64);
        assert_eq!(TransferEncoding::of(Some("Quoted-Printable(x)")), TransferEncoding::QuotedPrintable);
        assert_eq!(TransferEncoding::of(Some("8bit")), TransferEncoding::Identity);
        assert_eq!(TransferEncoding::of(None), TransferEncoding::Identity);
    }
}
