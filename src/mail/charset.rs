//! Octets to text: the declared charset where it fits, a better guess where it does not. Never an error.
//!
//! Mail lies about charsets in a few well-known ways; each has its rule here. UTF-7 is never decoded: its only
//! use left is to smuggle markup past readers that look at the octets.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

/// Decodes `octets` that were declared to be in `label`. The flag tells whether the label was wrong or unknown.
pub fn decode<'a>(octets: &'a [u8], label: Option<&str>) -> (Cow<'a, str>, bool) {
    if let Some((encoding, bom)) = Encoding::for_bom(octets) {
        return (encoding.decode_without_bom_handling(octets.get(bom..).unwrap_or_default()).0, false);
    }
    let label = label.map(|label| label.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\''));
    match label.filter(|label| !label.is_empty()) {
        None => undeclared(octets),
        Some(label) if is_ascii_or_utf8(label) => undeclared(octets),
        Some(label) if starts_with(label, "utf-16") || starts_with(label, "utf16") => (utf16(octets, label), false),
        Some(label) => declared(octets, label),
    }
}

/// ASCII, UTF-8 and "unknown": UTF-8 if it is, then the Japanese escape sequences, then a guess.
fn undeclared(octets: &[u8]) -> (Cow<'_, str>, bool) {
    if octets.contains(&0x1b) && octets.is_ascii() && has_japanese_escape(octets) {
        let (text, failed) = ISO_2022_JP.decode_without_bom_handling(octets);
        if !failed {
            return (text, true);
        }
    }
    match std::str::from_utf8(octets) {
        Ok(text) => (text.into(), false),
        // A character cut at the end or a stray octet in long UTF-8 does not make it Latin: keep the rest right.
        Err(error)
            if octets.len() > 40
                && error.valid_up_to() * 10 > octets.len() * 9
                && !octets[..error.valid_up_to()].is_ascii() =>
        {
            (String::from_utf8_lossy(octets), true)
        }
        Err(_) => (guess(octets).decode_without_bom_handling(octets).0, true),
    }
}

fn declared<'a>(octets: &'a [u8], label: &str) -> (Cow<'a, str>, bool) {
    let Some(encoding) = encoding_for(label) else {
        return decode_rare(octets, label);
    };
    let (text, failed) = encoding.decode_without_bom_handling(octets);
    // Valid multi-octet UTF-8 does not come about by chance in a single-octet charset.
    if (failed || encoding.is_single_byte())
        && !octets.is_ascii()
        && let Ok(text) = std::str::from_utf8(octets)
    {
        return (text.into(), true);
    }
    if !failed {
        return (text, false);
    }
    let guessed = guess(octets);
    let (better, failed_again) = guessed.decode_without_bom_handling(octets);
    // A guess in the declared charset's favour: only a clean reading beats what the sender said.
    if failed_again || replacements(&text) * 50 < octets.len() { (text, true) } else { (better, true) }
}

/// Charsets the web forgot but mail did not (`cp850`, `macintosh` variants, …); UTF-7 stays as it stands.
fn decode_rare<'a>(octets: &'a [u8], label: &str) -> (Cow<'a, str>, bool) {
    let known = ["utf-7", "utf7", "unicode-1-1-utf-7", "iso-2022-kr", "iso-2022-cn", "hz-gb-2312", "replacement"];
    if !known.iter().any(|name| label.eq_ignore_ascii_case(name))
        && let Some(decoder) = mail_parser::decoders::charsets::map::charset_decoder(label.as_bytes())
    {
        return (decoder(octets).into(), false);
    }
    (undeclared(octets).0, true)
}

fn encoding_for(label: &str) -> Option<&'static Encoding> {
    let by_label = |label: &str| Encoding::for_label_no_replacement(label.as_bytes());
    by_label(label).or_else(|| {
        let lower = label.to_ascii_lowercase().replace('_', "-");
        match lower.as_str() {
            "cp932" | "windows-932" | "ms932" => by_label("shift_jis"),
            "cp936" | "windows-936" | "gb-2312" => by_label("gbk"),
            "cp949" | "windows-949" | "ks-c-5601" => by_label("euc-kr"),
            "cp950" | "windows-950" => by_label("big5"),
            "utf8mb4" | "utf-8n" | "x-utf-8" => Some(UTF_8),
            _ => {
                let number =
                    ["cp-", "cp", "win-", "win", "windows", "ms-", "ms"].iter().find_map(|p| lower.strip_prefix(p));
                let page = number.filter(|n| n.len() >= 3 && n.bytes().all(|octet| octet.is_ascii_digit()));
                page.and_then(|page| by_label(&format!("windows-{page}"))).or_else(|| by_label(&lower))
            }
        }
    })
}

/// RFC 2781 §4.3: without a byte order mark it is big-endian, but Windows writes little-endian; zero octets tell.
fn utf16<'a>(octets: &'a [u8], label: &str) -> Cow<'a, str> {
    if octets.is_ascii() && !octets.contains(&0) {
        return String::from_utf8_lossy(octets);
    }
    let zeros = |parity: usize| octets.iter().skip(parity).step_by(2).take(512).filter(|&&octet| octet == 0).count();
    let little = label.to_ascii_lowercase().ends_with("le") || zeros(1) > zeros(0);
    if little { UTF_16LE } else { UTF_16BE }.decode_without_bom_handling(octets).0
}

/// Statistics over at most this many octets decide: more does not change the answer and costs time.
const GUESS_OCTETS: usize = 16 * 1024;

fn guess(octets: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let start = octets.iter().position(|octet| !octet.is_ascii()).unwrap_or(0).saturating_sub(64);
    let sample = octets.get(start..octets.len().min(start + GUESS_OCTETS)).unwrap_or(octets);
    if !detector.feed(sample, true) {
        return WINDOWS_1252;
    }
    detector.guess(None, Utf8Detection::Allow)
}

fn replacements(text: &str) -> usize {
    text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count()
}

fn has_japanese_escape(octets: &[u8]) -> bool {
    octets.windows(3).any(|window| matches!(window, b"\x1b$B" | b"\x1b$@" | b"\x1b(J"))
}

fn is_ascii_or_utf8(label: &str) -> bool {
    const NAMES: [&str; 12] = [
        "utf-8",
        "us-ascii",
        "utf8",
        "ascii",
        "ansi_x3.4-1968",
        "unknown-8bit",
        "unknown",
        "x-unknown",
        "default",
        "utf-7",
        "unicode-1-1-utf-7",
        "7bit",
    ];
    NAMES.iter().any(|name| label.eq_ignore_ascii_case(name))
}

fn starts_with(label: &str, prefix: &str) -> bool {
    label.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(octets: &[u8], label: Option<&str>, expected: &str) {
        assert_eq!(decode(octets, label).0, expected, "{label:?} {octets:?}");
    }

    #[test]
    fn what_the_label_says_holds_where_it_fits() {
        check("käse".as_bytes(), Some("utf-8"), "käse");
        check(b"k\xe4se", Some("ISO-8859-1"), "käse");
        check(b"\x80 5 \x93x\x94", Some("iso-8859-1"), "€ 5 “x”");
        check(b"\xcf\xf0\xe8\xe2\xe5\xf2", Some("windows-1251"), "Привет");
        check(b"\xf0\xd2\xc9\xd7\xc5\xd4", Some("koi8-r"), "Привет");
        check(b"\xc4\xe3\xba\xc3", Some("gb2312"), "你好");
        check(b"\x1b$B$3$s\x1b(B", Some("iso-2022-jp"), "こん");
        check(b"\x83e\x83X\x83g", Some("CP932"), "テスト");
        check(b"k\x84se", Some("cp850"), "käse");
    }

    #[test]
    fn wrong_labels_are_repaired() {
        check("käse".as_bytes(), Some("us-ascii"), "käse");
        check("käse".as_bytes(), Some("iso-8859-1"), "käse");
        check("käse".as_bytes(), None, "käse");
        check("käse".as_bytes(), Some("x-no-such-charset"), "käse");
        check(b"sch\xf6ne Gr\xfc\xdfe aus M\xfcnchen", Some("utf-8"), "schöne Grüße aus München");
        check(b"sch\xf6ne Gr\xfc\xdfe aus M\xfcnchen", None, "schöne Grüße aus München");
        check(b"\x1b$B$3$s\x1b(B", None, "こん");
        check(b"\"", Some("\"utf-8\""), "\"");
    }

    #[test]
    fn utf_7_never_becomes_markup() {
        check(b"+ADw-script+AD4-", Some("utf-7"), "+ADw-script+AD4-");
        check(b"+ADw-script+AD4-", Some("unicode-1-1-utf-7"), "+ADw-script+AD4-");
        check(b"~{<:Ky~}", Some("hz-gb-2312"), "~{<:Ky~}");
    }

    #[test]
    fn utf_16_is_read_with_and_without_its_mark() {
        check(b"\xff\xfeh\0i\0", Some("utf-16"), "hi");
        check(b"h\0i\0", Some("utf-16"), "hi");
        check(b"\0h\0i", Some("utf-16"), "hi");
        check(b"hi", Some("utf-16"), "hi");
    }
}
